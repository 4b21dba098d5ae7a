import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import { languages, type PlannedService } from '../golden/index.ts'
import { Digest } from '../names.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import { mediaTypes, type Origin, sizeOf, writeImage, writeReferrer } from './image.ts'
import { type LayerFile, layerOf } from './layer.ts'
import { Descriptor, type Hold, type Layout } from './layout.ts'
import type { Run, Source } from './source.ts'
import { dependencyTimeSeconds, isVolatile, openWorkshop, type Workshop } from './workshop.ts'

/** A program that jobs and services can run on this machine, or why there is none. */
export type ToolSearch =
  | { readonly kind: 'found'; readonly directory: string; readonly version: string }
  | { readonly kind: 'missing'; readonly detail: string }
export type FindTool = (program: string, range: string | null) => Promise<ToolSearch>

/** The installations that the pipeline kept (the build stage's cache). */
export type Installations = {
  restore(
    key: { project: string; language: string; runtime: string; lock: string; purpose: string },
    into: string,
    user: RunAs | null,
  ): Promise<boolean>
}

export type Bench = {
  readonly run: Run
  readonly layout: Layout
  readonly findTool: FindTool
  readonly installations: Installations
  /** The unprivileged user of a purpose; null when Headway is not root. */
  userFor(purpose: string): Promise<RunAs | null> | RunAs | null
  /** How this machine reaches the network: proxies and certificates, for the commands that download. */
  readonly network: Readonly<Record<string, string>>
  /** Below it, one folder for each packaging. */
  readonly workspaces: string
  /** Which layer an installation became, by what it depends on. */
  readonly layerCache: string
}

export type Packaged = { readonly image: Descriptor; readonly sizeBytes: number }

/**
 * Makes the image of one service of a commit: a layer of production dependencies, reused while the lock file stays the same, and a
 * layer of the service's own files, built where it has something to build. Throws a `Problem` that says what its owner must mend.
 */
export const packageService = async (
  bench: Bench,
  hold: Hold,
  origin: Origin,
  source: Source,
  service: PlannedService,
  about: { readonly name: string; readonly referrer: unknown; readonly isProposed: boolean },
): Promise<Packaged> => {
  const tool = await toolOf(bench, service)
  const job: Job = { bench, hold, origin, source, service, tool, name: about.name, isProposed: about.isProposed }
  const [dependencies, own] = await Promise.all([dependencyLayer(job), ownLayer(job)])
  const layers = [...(dependencies ? [dependencies] : []), own]
  const image = await writeImage(hold, origin, pinned(service, tool), layers)
  const referrer = await writeReferrer(hold, image, about.referrer)
  const reference = `${origin.project}/${service.definition.name}:${origin.commit}`
  await bench.layout.exclusively((manifests, replace) =>
    replace([
      ...manifests.filter(({ digest }) => digest !== image.digest && digest !== referrer.digest),
      { ...image, annotations: { 'org.opencontainers.image.ref.name': reference } },
      { ...referrer, annotations: { 'dev.headway.subject': image.digest } },
    ]),
  )
  return { image, sizeBytes: sizeOf(layers) }
}

type Tool = { readonly program: string; readonly directory: string; readonly version: string }
type Job = {
  readonly bench: Bench
  readonly hold: Hold
  readonly origin: Origin
  readonly source: Source
  readonly service: PlannedService
  readonly tool: Tool | null
  readonly name: string
  /** Not merged yet: it must not touch what pushes are packaged from. */
  readonly isProposed: boolean
}

const toolOf = async ({ findTool }: Bench, { plan }: PlannedService): Promise<Tool | null> => {
  if (!plan.toolchain) return null
  const { program, range } = plan.toolchain
  const found = await findTool(program, range)
  if (found.kind === 'found') return { program, directory: found.directory, version: found.version }
  throw new Problem({
    kind: 'tool-missing',
    status: 422,
    detail: found.detail,
    next: `install ${program}${range ? ` ${range}` : ''} on this machine for all users, then push again`,
  })
}

/** Packages for Python are installed for one minor version of it, and run on that one only. */
const pinned = (service: PlannedService, tool: Tool | null): PlannedService =>
  tool?.program === 'python3'
    ? {
        ...service,
        plan: {
          ...service.plan,
          toolchain: { program: tool.program, range: /^\d+\.\d+/.exec(tool.version)?.[0] ?? null },
        },
      }
    : service

/** The layer of what is installed for production; null when nothing is. From the cache when these were installed before. */
const dependencyLayer = async (job: Job): Promise<Descriptor | null> => {
  const { bench, hold, service, source } = job
  const { installForProduction } = service.plan
  const language = languages[service.definition.language]
  if (installForProduction.length === 0) return null
  const lock = await lockText(source, service)
  const key = createHash('sha256')
    // The project's own: what an installation brings is not in the lock file alone, scripts of the service run in it, too.
    .update(
      JSON.stringify([
        job.origin.project,
        language.name,
        runtimeOf(job.tool),
        installForProduction,
        lock,
        process.arch,
        1,
      ]),
    )
    .digest('hex')
  const known = await cachedLayer(bench.layerCache, key)
  if (known && (await hold.use(known.digest))) return known
  await using workshop = await openWorkshopFor(job, 'install')
  if (!(await restored(job, workshop, lock, installForProduction)))
    await workshop.execute(installForProduction, 'installing the dependencies')
  const folders = language.dependencies
  const layer = await hold.write(
    mediaTypes.layer,
    workshop.collect(folders, (path) => !isVolatile(path), dependencyTimeSeconds),
  )
  // Scripts of the service have run in it, so that it is nothing to build others on before it is merged.
  if (job.isProposed) return layer
  await effect('package.write-layer-cache', async () => {
    const file = join(bench.layerCache, key)
    await mkdir(bench.layerCache, { recursive: true, mode: 0o700 })
    await writeFile(`${file}.tmp`, JSON.stringify(layer), { mode: 0o600 })
    await rename(`${file}.tmp`, file)
  })
  return layer
}

/** The layer of the service's own files: those of the commit, after the build where there is one. */
const ownLayer = async (job: Job): Promise<Descriptor> => {
  const { hold, service, source, origin } = job
  const { plan } = service
  const extras = Object.entries(plan.extras).map(
    ([path, text]): LayerFile => ({ path, kind: 'file', content: Buffer.from(text) }),
  )
  const keeps = keptBy(service)
  if (plan.build.length === 0) {
    const files = await filesOf(source, service, (path) => keeps(path))
    return hold.write(mediaTypes.layer, await layerOf([...files, ...extras], origin.committedAtSeconds))
  }
  await using workshop = await openWorkshopFor(job, 'build')
  const lock = await lockText(source, service)
  if (plan.install.length > 0 && !(await restored(job, workshop, lock, plan.install)))
    await workshop.execute(plan.install, 'installing what the build needs')
  await workshop.execute(plan.build, 'building')
  if (extras.length > 0) await workshop.receive(await layerOf(extras, origin.committedAtSeconds))
  const names = plan.include ? [...plan.include, ...Object.keys(plan.extras)] : null
  const added = new Set(Object.keys(plan.extras))
  return await hold.write(
    mediaTypes.layer,
    workshop.collect(names, (path) => added.has(path) || keeps(path), origin.committedAtSeconds),
  )
}

/** Whether a path of the service's folder goes into its package. */
const keptBy = ({ plan }: PlannedService): ((path: string) => boolean) => {
  const endings = plan.exclude.filter((name) => name.startsWith('*')).map((name) => name.slice(1))
  const names = new Set(plan.exclude.filter((name) => !name.startsWith('*') && !name.includes('/')))
  const paths = plan.exclude.filter((name) => name.includes('/'))
  return (path) =>
    (plan.include === null || plan.include.some((folder) => isBelow(path, folder))) &&
    !path.split('/').some((part) => names.has(part)) &&
    !endings.some((ending) => path.endsWith(ending)) &&
    !paths.some((folder) => isBelow(path, folder))
}

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`)

const filesOf = async (
  source: Source,
  service: PlannedService,
  keeps: (path: string) => boolean,
): Promise<LayerFile[]> => {
  const prefix = service.path === '.' ? '' : `${service.path}/`
  const files = source.files.filter(({ path }) => path.startsWith(prefix) && keeps(path.slice(prefix.length)))
  const contents = await source.read(files)
  return files.map(({ path, kind }, index) => ({
    path: path.slice(prefix.length),
    kind,
    content: contents[index] ?? Buffer.alloc(0),
  }))
}

const openWorkshopFor = async (
  { bench, source, service, tool, name, origin, isProposed }: Job,
  purpose: string,
): Promise<Workshop> => {
  // A user of its own: what is packaged at the same time for others is closed to it.
  const user = await bench.userFor(
    `${isProposed ? 'package-change' : 'package'}/${origin.project}/${service.definition.name}`,
  )
  const root = join(bench.workspaces, `${name}-${purpose}`)
  const { path, plan, definition } = service
  const installed = languages[definition.language].dependencies
  const workshop = await openWorkshop(
    bench.run,
    root,
    { path, env: plan.env, toolDirectory: tool?.directory ?? null },
    bench.network,
    user,
  )
  try {
    await workshop.receive(
      await layerOf(
        await filesOf(source, service, (path) => !installed.some((folder) => isBelow(path, folder))),
        origin.committedAtSeconds,
      ),
    )
    return workshop
  } catch (error) {
    await workshop[Symbol.asyncDispose]()
    throw error
  }
}

/** Whether the pipeline installed the same before, for development and thus (where the commands are equal) for production. */
const restored = async (
  { bench, origin, service, tool }: Job,
  workshop: Workshop,
  lock: string,
  commands: readonly string[],
): Promise<boolean> => {
  if (commands.join('\n') !== service.plan.install.join('\n') || lock === '') return false
  const { project } = origin
  const key = { project, language: service.definition.language, runtime: runtimeOf(tool), lock, purpose: 'development' }
  return bench.installations.restore(key, workshop.work, workshop.user)
}

const runtimeOf = (tool: Tool | null): string => (tool ? `${tool.program} ${tool.version}` : '')

/** The text of the first lock file in the service's folder; empty when there is none. */
const lockText = async (source: Source, { path, definition }: PlannedService): Promise<string> => {
  const prefix = path === '.' ? '' : `${path}/`
  for (const name of languages[definition.language].lockFiles) {
    const file = source.files.find((one) => one.path === prefix + name && one.kind !== 'link')
    if (file) return (await source.read([file]))[0]?.toString('utf8') ?? ''
  }
  return ''
}

const cachedLayer = async (directory: string, key: string): Promise<Descriptor | null> => {
  const text = await readFile(join(directory, key), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return Descriptor.parse(JSON.parse(text))
  } catch {
    return null // damaged: it is made anew
  }
}

/** The digest of an image's referrer names it in the index. */
export const subjectOf = ({ annotations }: Descriptor): Digest | null =>
  Digest.safeParse(annotations?.['dev.headway.subject']).data ?? null
