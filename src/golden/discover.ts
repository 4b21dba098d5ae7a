import { ServiceName } from '../names.ts'
import { Problem, type ProblemDetails } from '../problem.ts'
import { languages } from './languages/index.ts'
import { parseServiceFile } from './parse.ts'
import type { FolderFiles, LanguagePlan, ServiceDefinition } from './service.ts'

/** A service as a commit holds it: where it stands, what its file says, and what its language does with it. */
export type PlannedService = {
  /** The folder of its headway.yaml in the repository; `.` for the root. */
  readonly path: string
  readonly definition: ServiceDefinition
  readonly plan: LanguagePlan
}
/** A headway.yaml that stands for no service; `name` is what it calls itself, where that much can be read. */
export type RefusedService = {
  readonly path: string
  readonly name: ServiceName | null
  readonly problems: readonly [ProblemDetails, ...ProblemDetails[]]
}
export type CommitPlan = { readonly services: readonly PlannedService[]; readonly refused: readonly RefusedService[] }

/** The folders of all `headway.yaml` among the paths of a commit, sorted; those of installed packages are not the repository's. */
export const serviceFolders = (paths: readonly string[]): string[] =>
  paths
    .filter((path) => /(^|\/)headway\.yaml$/.test(path) && !/(^|\/)(node_modules|vendor)\//.test(path))
    .map((path) => path.replace(/\/?headway\.yaml$/, '') || '.')
    .sort()

/**
 * Everything that a commit's `headway.yaml` files stand for. `paths` are all its files; `readTexts` reads some of them (those
 * that are not there, or not text, are left out of the answer) and is called at most twice.
 */
export const planCommit = async (
  paths: readonly string[],
  readTexts: (paths: readonly string[]) => Promise<ReadonlyMap<string, string>>,
): Promise<CommitPlan> => {
  const folders = serviceFolders(paths)
  if (folders.length === 0) return { services: [], refused: [] }
  const there = new Set(paths)
  const wanted = folders.flatMap((folder) => [...planningFiles].map((name) => within(folder, name)))
  const texts = await readTexts(wanted.filter((path) => there.has(path)))
  const services: PlannedService[] = []
  const refused: RefusedService[] = []
  for (const path of folders) {
    const outcome = planFolder(path, folderOf(path, paths, texts))
    if ('problems' in outcome) refused.push(outcome)
    else if (services.some(({ definition }) => definition.name === outcome.definition.name))
      refused.push({ path, name: outcome.definition.name, problems: [twice(path, outcome.definition.name)] })
    else services.push(outcome)
  }
  return { services, refused }
}

/** What a folder's files stand for. */
export const planFolder = (path: string, folder: FolderFiles): PlannedService | RefusedService => {
  const file = within(path, 'headway.yaml')
  const text = folder.read('headway.yaml') ?? ''
  const parsed = parseServiceFile(text, file)
  if (parsed.kind === 'refused') return { path, name: nameIn(text), problems: parsed.problems }
  const { service } = parsed
  try {
    return { path, definition: service, plan: languages[service.language].plan(folder, service) }
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { kind, status, detail, next } = error
    const where = { ...error.where, file: within(path, error.where?.file ?? 'headway.yaml') }
    return { path, name: service.name, problems: [{ kind, status, detail, where, ...(next ? { next } : {}) }] }
  }
}

/** The files whose text planning may ask for, in a folder. */
export const planningFiles: ReadonlySet<string> = new Set([
  'headway.yaml',
  ...Object.values(languages).flatMap(({ reads }) => reads),
])

/** One folder of a commit, as a language sees it. */
export const folderOf = (path: string, paths: readonly string[], texts: ReadonlyMap<string, string>): FolderFiles => {
  const prefix = path === '.' ? '' : `${path}/`
  const names = paths
    .filter((one) => one.startsWith(prefix))
    .map((one) => one.slice(prefix.length).split('/', 1)[0] ?? '')
  return { names: [...new Set(names)], read: (name) => texts.get(prefix + name) ?? null }
}

const within = (folder: string, name: string): string => (folder === '.' ? name : `${folder}/${name}`)

const nameIn = (text: string): ServiceName | null =>
  ServiceName.safeParse(/^name:[ \t]*["']?([^\s"'#]+)/m.exec(text.slice(0, 10_000))?.[1]).data ?? null

const twice = (path: string, name: ServiceName): ProblemDetails => ({
  kind: 'service-twice',
  status: 422,
  detail: `the service ${name} stands in another folder of this repository already`,
  where: { file: within(path, 'headway.yaml'), line: 1, column: 1 },
  next: 'give one of them another name',
})
