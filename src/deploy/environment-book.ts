import type { CommitId, EnvironmentName } from '../names.ts'
import { defaultEnvironment } from '../names.ts'
import { Problem } from '../problem.ts'
import {
  defaultSet,
  type EnvironmentDefinition,
  type EnvironmentSet,
  parseEnvironmentPath,
  readEnvironments,
} from './environment-file.ts'
import type { Environments, EnvironmentsReading } from './environments.ts'

/** How far back it is looked for environment files that can be read. */
const mostVersions = 200

/** A file that cannot be read, where it stands in Git. */
export type Refusal = { readonly commit: CommitId; readonly blob: string; readonly problem: Problem }

/** What the environments repository says of its environments, as it was read last. */
export type EnvironmentBook = {
  /** In order of promotion. */
  environments(): readonly [EnvironmentDefinition, ...EnvironmentDefinition[]]
  find(environment: EnvironmentName): EnvironmentDefinition | null
  /** Whether a service may stand in this environment. */
  knows(environment: EnvironmentName): boolean
  /** Where users are: `production`, or what comes last where nothing is called so. */
  main(): EnvironmentName
  /** Why the files as they are now do not count, with the place; null while they do. */
  broken(): Problem | null
  /** Called when the environments are others than before; returns the way to stop. */
  onChange(listener: () => void): () => void
  /** Reads main again; when its files are broken, what held before holds, and the refusal says where they are. */
  refresh(): Promise<Refusal | null>
}

/** What the environment files say at a commit, or why they cannot count. */
export const readSet = async (repository: EnvironmentsReading, commit: CommitId): Promise<EnvironmentSet | Refusal> => {
  const files = (await repository.list(commit)).filter(({ path }) => parseEnvironmentPath(path) !== null)
  const texts = await repository.readAll(files.map(({ path }) => `${commit}:${path}`))
  try {
    return readEnvironments(files.map(({ path }, index) => ({ path, text: texts[index]?.text ?? '' })))
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const blob = files.find(({ path }) => path === error.where?.file)?.blob ?? commit
    return { commit, blob, problem: error }
  }
}

/** What others may ask of it. */
export type EnvironmentView = Omit<EnvironmentBook, 'refresh'>

export const createEnvironmentBook = (
  repository: Pick<Environments, 'head' | 'list' | 'readAll' | 'history'>,
): EnvironmentBook => {
  let known: EnvironmentSet = defaultSet
  let seen: CommitId | null = null
  let isLoaded = false
  let told = JSON.stringify(defaultSet)
  let refusal: Refusal | null = null
  const listeners = new Set<() => void>()

  /** What held before the files were broken: the newest commit of theirs that can be read. */
  const earlier = async (commit: CommitId): Promise<EnvironmentSet> => {
    for (const older of await repository.history(commit, ':(glob)*/environment.yaml', mostVersions)) {
      const found = await readSet(repository, older)
      if (!('problem' in found)) return found
    }
    return defaultSet
  }

  const refresh = async (): Promise<Refusal | null> => {
    const head = await repository.head()
    if (isLoaded && head === seen) return refusal
    const found = head === null ? defaultSet : await readSet(repository, head)
    if ('problem' in found) {
      if (!isLoaded) known = await earlier(found.commit)
      refusal = found
    } else {
      known = found
      refusal = null
    }
    seen = head
    isLoaded = true
    const now = JSON.stringify(known)
    if (now !== told) for (const listener of listeners) listener()
    told = now
    return refusal
  }

  const find = (environment: EnvironmentName): EnvironmentDefinition | null =>
    known.environments.find(({ name }) => name === environment) ?? null

  return {
    environments: () => known.environments,
    find,
    knows: (environment) => find(environment) !== null,
    main: () => find(defaultEnvironment)?.name ?? known.environments.at(-1)?.name ?? defaultEnvironment,
    broken: () => refusal?.problem ?? null,
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    refresh,
  }
}
