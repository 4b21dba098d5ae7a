import { effect } from '../../effect.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { Digest, ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { ShelfParts } from './artifacts.ts'
import { cacheRemoved, cacheSaved } from './facts.ts'
import type { JobSubject } from './token.ts'
import { noRoom, roomFor, Upload, uploadName } from './uploads.ts'
import type { CacheUseTables, ResultsTables } from './views.ts'

/** Something that was put aside. Times in milliseconds since 1970. */
export type Cache = {
  readonly cache: number
  readonly project: ProjectName
  readonly repository: string
  readonly scope: string
  readonly key: string
  readonly version: string
  readonly digest: Digest
  readonly sizeBytes: number
  readonly savedAt: number
  readonly usedAt: number
}

export type CacheQuery = { readonly key: string; readonly restoreKeys: readonly string[]; readonly version: string }

export type Reservation =
  | { readonly kind: 'begun'; readonly upload: string }
  /** Caches are never changed; or another job is just saving this one. */
  | { readonly kind: 'taken'; readonly detail: string }
  | { readonly kind: 'denied'; readonly detail: string }

export type Caches = {
  /** The best match that this job may see, which counts as used from now on. */
  find(subject: JobSubject, query: CacheQuery): Promise<Cache | null>
  begin(subject: JobSubject, key: string, version: string): Promise<Reservation>
  /** Keeps what was uploaded; what was used least recently makes room for it. */
  finish(subject: JobSubject, key: string, version: string, sizeBytes: number | null): Promise<number>
  list(project: string): Promise<Cache[]>
  remove(cache: Cache, actor: string): Promise<void>
  /** Forgets those that nobody has used for days. */
  expire(): Promise<void>
  digests(): Promise<readonly string[]>
}

const oneDayMs = 24 * 60 * 60_000
/** Another job may begin to save a cache anew when nobody finished it for so long. */
const patienceMs = 30 * 60_000
/** Of @actions/cache, internal/cacheUtils.ts and cache.ts: a key has no comma and at most 512 characters. */
const longestKey = 512

export const createCaches = (parts: ShelfParts): Caches => {
  const { ledger, store, views, clock, blobs, limits, keeping } = parts

  const all = async (narrow: { project?: string; repository?: string; version?: string } = {}): Promise<Cache[]> => {
    await views.reach()
    let query = store.tables<ResultsTables>().selectFrom('build_caches').selectAll()
    for (const column of ['project', 'repository', 'version'] as const) {
      const value = narrow[column]
      if (value !== undefined) query = query.where(column, '=', value)
    }
    const uses = await store.tables<CacheUseTables>().selectFrom('build_cache_uses').selectAll().execute()
    const usedAt = new Map(uses.map((use) => [Number(use.cache), Number(use.used_at)]))
    return (await query.orderBy('cache').execute()).map((row) => cacheOf(row, usedAt.get(Number(row.cache)) ?? 0))
  }

  const isFresh = ({ usedAt }: Cache): boolean => usedAt > clock.now() - limits.cacheDays * oneDayMs

  const touch = (cache: number): Promise<unknown> =>
    effect('build.touch-cache', () =>
      store
        .tables<CacheUseTables>()
        .insertInto('build_cache_uses')
        .values({ cache, used_at: clock.now() })
        .onConflict((conflict) => conflict.column('cache').doUpdateSet({ used_at: clock.now() }))
        .execute(),
    )

  const own = async ({ project, repository, ref }: JobSubject, key: string, version: string): Promise<boolean> =>
    (await all({ project, repository, version })).some((one) => one.scope === ref && one.key === key && isFresh(one))

  return {
    find: async (subject, { key, restoreKeys, version }) => {
      const { project, repository } = subject
      const known = (await all({ project, repository, version })).filter(isFresh)
      const found = bestMatch(known, scopesOf(subject), [key, ...restoreKeys])
      if (found) await touch(found.cache)
      return found
    },
    begin: async (subject, key, version) => {
      if (key === '' || key.length > longestKey || key.includes(',')) throw badKey(key)
      const { project, repository, run, job, ref } = subject
      if (!mayWrite(subject))
        return { kind: 'denied', detail: 'cache write denied: this run is not trusted, and its ref is not its own' }
      if (await own(subject, key, version)) return { kind: 'taken', detail: `a cache of this key exists on ${ref}` }
      const id = uploadName('cache', project, repository, ref, version, key)
      const other = Upload.safeParse(await blobs.about(id)).data
      const isOthers = other?.kind === 'cache' && (other.run !== run || other.job !== job)
      if (isOthers && other.begunAt > clock.now() - patienceMs)
        return { kind: 'taken', detail: `the job ${other.job} of the run ${other.run} is just saving this cache` }
      const about = { project, run, job, attempt: subject.runAttempt, key, version, scope: ref }
      const upload = { kind: 'cache' as const, ...about, begunAt: clock.now() }
      const room = await roomFor(upload, blobs, { ...parts, usage: async () => ({ inProject: 0, inAll: 0 }) })
      if (room() <= 0) throw noRoom(upload, 0)
      await blobs.begin(id, upload)
      return { kind: 'begun', upload: id }
    },
    finish: async (subject, key, version, sizeBytes) => {
      const { project, repository, run, job, ref } = subject
      const id = uploadName('cache', project, repository, ref, version, key)
      const upload = Upload.safeParse(await blobs.about(id)).data
      if (upload?.kind !== 'cache' || upload.run !== run || upload.job !== job) throw noUpload(key)
      const leave = await keeping.enter()
      try {
        const content = await blobs.keep(id)
        if (content === null || (sizeBytes !== null && sizeBytes !== content.sizeBytes)) throw noUpload(key)
        if (content.sizeBytes > limits.cacheBytesPerProject) throw noRoom(upload, limits.cacheBytesPerProject)
        const payload = { run, job, project, repository, scope: ref, key, version, ...content }
        const saved = fact(cacheSaved, {
          subject: subjectFor(project, repository),
          actor: `job:${run}/${job}`,
          payload,
        })
        const evicted = evictionsFor(await all(), { project, sizeBytes: content.sizeBytes }, limits)
        const outcome = await ledger.append([...evicted.map((one) => removal(one, 'evicted', 'system:build')), saved])
        await blobs.discard(id)
        return outcome.kind === 'appended' ? (outcome.facts.at(-1)?.seq ?? 0) : 0
      } finally {
        leave()
      }
    },
    list: (project) => all({ project }),
    remove: async (cache, actor) => {
      await ledger.append([removal(cache, 'deleted', actor)])
    },
    expire: async () => {
      const stale = (await all()).filter((one) => !isFresh(one))
      if (stale.length > 0) await ledger.append(stale.map((one) => removal(one, 'unused', 'system:build')))
      const known = new Set((await all()).map(({ cache }) => cache))
      const uses = await store.tables<CacheUseTables>().selectFrom('build_cache_uses').select('cache').execute()
      const gone = uses.map(({ cache }) => Number(cache)).filter((cache) => !known.has(cache))
      if (gone.length > 0)
        await effect('build.forget-cache-uses', () =>
          store.tables<CacheUseTables>().deleteFrom('build_cache_uses').where('cache', 'in', gone).execute(),
        )
    },
    digests: async () => (await all()).map(({ digest }) => digest),
  }
}

/**
 * Where a run finds caches, the nearest first: on its own ref, for a pull request on the branch that it is for, and on the default branch.
 * docs.github.com/actions/reference/workflows-and-actions/dependency-caching#restrictions-for-accessing-a-cache
 */
export const scopesOf = ({ ref, baseRef, defaultBranch }: Pick<JobSubject, 'ref' | 'baseRef' | 'defaultBranch'>) => [
  ...new Set([ref, ...(baseRef ? [`refs/heads/${baseRef}`] : []), `refs/heads/${defaultBranch}`]),
]

/** What a run that is not trusted saves must not be found by others: it may write only for the merge of its own change. */
const mayWrite = ({ isTrusted, ref }: JobSubject): boolean => isTrusted || ref.startsWith('refs/pull/')

/**
 * In each scope, for each key in order, the cache of exactly that key, else the newest whose key begins with it.
 * docs.github.com/actions/reference/workflows-and-actions/dependency-caching#cache-key-matching
 */
export const bestMatch = <Known extends Pick<Cache, 'scope' | 'key' | 'cache'>>(
  caches: readonly Known[],
  scopes: readonly string[],
  keys: readonly string[],
): Known | null => {
  const newestFirst = caches.toSorted((one, other) => other.cache - one.cache)
  for (const scope of scopes) {
    const here = newestFirst.filter((one) => one.scope === scope)
    for (const key of keys) {
      const found = here.find((one) => one.key === key) ?? here.find((one) => one.key.startsWith(key))
      if (found) return found
    }
  }
  return null
}

type Sized = Pick<Cache, 'cache' | 'project' | 'sizeBytes' | 'usedAt'>

/** The caches that must go so that a new one fits into its project's quota and that of the instance: the least recently used. */
export const evictionsFor = <Known extends Sized>(
  caches: readonly Known[],
  coming: { readonly project: string; readonly sizeBytes: number },
  limits: { readonly cacheBytesPerProject: number; readonly cacheBytes: number },
): Known[] => {
  const oldestFirst = caches.toSorted((one, other) => one.usedAt - other.usedAt || one.cache - other.cache)
  const sum = (ones: readonly Sized[]): number => ones.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
  let inAll = sum(caches) + coming.sizeBytes
  let inProject = sum(caches.filter(({ project }) => project === coming.project)) + coming.sizeBytes
  return oldestFirst.filter(({ project, sizeBytes }) => {
    const isOwn = project === coming.project
    const mustGo = inAll > limits.cacheBytes || (isOwn && inProject > limits.cacheBytesPerProject)
    if (mustGo) inAll -= sizeBytes
    if (mustGo && isOwn) inProject -= sizeBytes
    return mustGo
  })
}

const removal = (
  { cache, project, repository }: Cache,
  why: 'unused' | 'evicted' | 'deleted',
  actor: string,
): NewFact => fact(cacheRemoved, { subject: subjectFor(project, repository), actor, payload: { cache, project, why } })

const subjectFor = (project: string, repository: string): string => `cache:${project}/${repository}`

const cacheOf = (row: ResultsTables['build_caches'], usedAt: number): Cache => ({
  cache: Number(row.cache),
  project: ProjectName.parse(row.project),
  repository: row.repository,
  scope: row.scope,
  key: row.key,
  version: row.version,
  digest: Digest.parse(row.digest),
  sizeBytes: Number(row.size_bytes),
  savedAt: Number(row.saved_at),
  usedAt: Math.max(usedAt, Number(row.saved_at)),
})

const badKey = (key: string): Problem =>
  new Problem({
    kind: 'cache-key',
    status: 400,
    detail: `${JSON.stringify(key.slice(0, 60))} is no key of a cache: 1 to ${longestKey} characters, without a comma`,
  })

const noUpload = (key: string): Problem =>
  new Problem({
    kind: 'not-found',
    status: 404,
    detail: `nothing whole was uploaded by this job for the cache ${key}`,
    next: 'save it again',
  })
