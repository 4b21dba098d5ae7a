import { type CommitId, type EnvironmentName, isPreview } from '../names.ts'
import { Problem } from '../problem.ts'
import { readDesired } from './desired.ts'
import { readSet } from './environment-book.ts'
import { type EnvironmentSet, parseEnvironmentPath } from './environment-file.ts'
import type { DesiredFile, EnvironmentsReading } from './environments.ts'
import { parseDesiredPath, type Target, targetLabel } from './target.ts'

/** A file of the environments repository that cannot count as it is. */
type Complaint = DesiredFile & { readonly problem: Problem }

/**
 * What a commit would break in the environments repository, each with file, line and column; what was broken before it already is not held against
 * it. `previews`: the labels of the previews that there are, since nobody makes one by hand.
 */
export const complaintsAbout = async (
  reading: EnvironmentsReading,
  { before, after, previews }: { before: CommitId | null; after: CommitId; previews: ReadonlySet<string> },
): Promise<Problem[]> => {
  const old = before === null ? { files: [], complaints: [] } : await lookAt(reading, before, previews)
  const blobs = new Map(old.files.map(({ path, blob }) => [path, blob]))
  const { files, complaints } = await lookAt(reading, after, previews)
  const changed = files.filter(({ path, blob }) => blobs.get(path) !== blob && parseDesiredPath(path) !== null)
  const wasSaid = (one: Complaint): boolean =>
    old.complaints.some(({ path, blob }) => path === one.path && blob === one.blob)
  const unreadable = await readEach(reading, after, changed)
  return [...complaints.filter((one) => !wasSaid(one)), ...unreadable].map(({ problem }) => problem)
}

/** The targets whose files differ between two commits, in the order of their paths. */
export const targetsBetween = async (
  reading: EnvironmentsReading,
  before: CommitId | null,
  after: CommitId,
): Promise<Target[]> => {
  const old = new Map((before === null ? [] : await reading.list(before)).map(({ path, blob }) => [path, blob]))
  const now = new Map((await reading.list(after)).map(({ path, blob }) => [path, blob]))
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((path) => old.get(path) !== now.get(path))
    .sort()
    .flatMap((path) => parseDesiredPath(path) ?? [])
}

/** A file that is no service's in an environment that there is; null where it is. */
export const misplacedAt = (
  path: string,
  environments: readonly EnvironmentName[],
  previews: ReadonlySet<string>,
): Problem | null => {
  if (!path.endsWith('.yaml') || parseEnvironmentPath(path) !== null) return null
  const target = parseDesiredPath(path)
  if (
    target &&
    (isPreview(target.environment) ? previews.has(targetLabel(target)) : environments.includes(target.environment))
  )
    return null
  return new Problem({
    kind: 'desired-state-misplaced',
    status: 422,
    detail: `${path} is not <environment>/<project>/<service>.yaml with an environment of ${environments.join(', ')}`,
    where: { file: path, line: 1, column: 1 },
  })
}

const lookAt = async (reading: EnvironmentsReading, commit: CommitId, previews: ReadonlySet<string>) => {
  const files = await reading.list(commit)
  const set = await readSet(reading, commit)
  if ('problem' in set) {
    const path = set.problem.where?.file ?? ''
    return { files, complaints: [{ path, blob: set.blob, problem: set.problem }] }
  }
  const names = namesIn(set)
  const complaints = files.flatMap((file): Complaint[] => {
    const problem = misplacedAt(file.path, names, previews)
    return problem ? [{ ...file, problem }] : []
  })
  return { files, complaints }
}

const namesIn = ({ environments }: EnvironmentSet): EnvironmentName[] => environments.map(({ name }) => name)

const readEach = async (
  reading: EnvironmentsReading,
  commit: CommitId,
  files: readonly DesiredFile[],
): Promise<Complaint[]> => {
  const texts = await reading.readAll(files.map(({ path }) => `${commit}:${path}`))
  return files.flatMap((file, index) => {
    try {
      readDesired(file.path, texts[index]?.text ?? '')
      return []
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return [{ ...file, problem: error }]
    }
  })
}
