import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { previewSubject } from '../deploy/facts.ts'
import { effect } from '../effect.ts'
import { type Explanation, explain, type PlannedService, planCommit, type RefusedService } from '../golden/index.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { CommitId, Digest, ProjectName, RepositoryName, ServiceName, serviceSubject } from '../names.ts'
import { describeError, describeProblem, Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import { removeTree } from '../processes/files.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { sweepDisk, toCollect } from './collection.ts'
import { changePackaged, packageFacts, pushPackaged, releaseCollected, releaseCreated, releaseFailed } from './facts.ts'
import { readRelease } from './image.ts'
import { createLayout, type Hold } from './layout.ts'
import { type Bench, type FindTool, type Installations, packageService } from './packaging.ts'
import type { Releases } from './release.ts'
import { createShelf } from './shelf.ts'
import { defaultBranch, openSource, type Run, type Source, textsOf } from './source.ts'
import { type CandidateRow, type PackageTables, type PushRow, packageView, type ReleaseRow } from './views.ts'
import { Failed, lastLinesOf } from './workshop.ts'

export type { FindTool, Installations, ToolSearch } from './packaging.ts'
export type { Release, Releases } from './release.ts'

export type PackageNeeds = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly home: Home
  readonly run: Run
  repositoryPath(project: ProjectName, repository: RepositoryName): string
  readonly findTool: FindTool
  readonly installations: Installations
  /** The unprivileged user of `package/<project>/<service>`; null when Headway is not root. */
  userFor(purpose: string): Promise<RunAs | null> | RunAs | null
  /** How this machine reaches the network: proxies and certificates, for the commands that download. */
  readonly network: Readonly<Record<string, string>>
  /** The releases that must not be collected: live, rolling out, or a rollback's target. */
  inUse(): Promise<readonly Digest[]>
  /** So many releases of a service stay, whatever becomes of them. Default 10. */
  readonly keptReleases?: number
  /** What went wrong behind the scenes; nobody waits for it. */
  report(error: unknown): void
}

/** A release as it is listed. */
export type ListedRelease = {
  readonly digest: Digest
  readonly project: ProjectName
  readonly service: ServiceName
  readonly commit: CommitId
  readonly repository: RepositoryName
  readonly path: string
  readonly push: string
  readonly sizeBytes: number
  readonly createdAt: number
}

export type PackageStage = Stage &
  Releases & {
    /** The releases of a service that are kept, newest first. */
    list(project: ProjectName, service: ServiceName): Promise<ListedRelease[]>
    /** What the headway.yaml of a service's newest release stands for; null when it has none. */
    explain(project: ProjectName, service: ServiceName): Promise<Explanation | null>
    /** Collects what need not be kept, now; it also happens after each packaging. */
    collect(): Promise<void>
  }

const actor = 'system:package'
const retryMs = 2000

/**
 * Makes releases of what passed. It follows `push.verified`: what is verified and not packaged is packaged, in the order of each
 * repository's pushes, and all facts of a push are one append, so that a crash at any instant leads to the same releases, once.
 */
export const createPackage = (needs: PackageNeeds): PackageStage => {
  const { ledger, views, clock, home } = needs
  const db = needs.store.tables<PackageTables>()
  const stopping = new AbortController()
  const layout = createLayout(join(home.blobs, 'images'))
  const shelf = createShelf(home.images, layout, needs.run)
  const bench: Bench = {
    // A push that is interrupted is packaged anew at the next start.
    run: (command) => needs.run(command, stopping.signal),
    ...{ layout, findTool: needs.findTool, installations: needs.installations },
    userFor: (purpose) => needs.userFor(purpose),
    network: needs.network,
    workspaces: join(home.work, 'packaging'),
    layerCache: join(home.caches, 'layers'),
  }
  const busy = new Map<string, Promise<void>>()
  let looking: Promise<void> | undefined
  let lookAgain = false
  let collecting: Promise<void> = Promise.resolve()
  let unsubscribe: (() => void) | undefined

  /** Looks for verified pushes and starts on the oldest one of each repository that is not at work. */
  const look = (): void => {
    lookAgain = true
    looking ??= (async () => {
      while (lookAgain && !stopping.signal.aborted) {
        lookAgain = false
        await views.reach()
        const open = await db
          .selectFrom('package_pushes')
          .selectAll()
          .where('packaged', '=', 0)
          .orderBy('seq')
          .execute()
        for (const row of open) {
          const repository = `${row.project}/${row.repository}`
          if (busy.has(repository)) continue
          const work = packagePush(row)
            .catch(async (error: unknown) => {
              // The facts could not be recorded; the push stays open.
              needs.report(error)
              await clock.sleep(retryMs, stopping.signal).catch(() => undefined)
            })
            .finally(() => {
              busy.delete(repository)
              look()
            })
          busy.set(repository, work)
        }
        const previews = await db.selectFrom('package_candidates').selectAll().where('packaged', '=', 0).execute()
        for (const row of previews) {
          const change = `${row.project}/${row.repository}/${row.number}`
          if (busy.has(change)) continue
          const work = packageCandidate(row)
            .catch(async (error: unknown) => {
              needs.report(error)
              await clock.sleep(retryMs, stopping.signal).catch(() => undefined)
            })
            .finally(() => {
              busy.delete(change)
              look()
            })
          busy.set(change, work)
        }
      }
    })()
      .catch(needs.report)
      .finally(() => {
        looking = undefined
        if (lookAgain && !stopping.signal.aborted) look()
      })
  }

  const packagePush = async (row: PushRow): Promise<void> => {
    const push = pushOf(row)
    using hold = layout.hold()
    const outcomes = await outcomesOf(push, hold)
    if (stopping.signal.aborted) return
    await ledger.append([
      ...outcomes.map((outcome) => outcomeFact(push, outcome)),
      fact(pushPackaged, {
        ...{ subject: `push:${push.push}`, actor, causes: [push.seq] },
        payload: {
          push: push.push,
          released: outcomes.flatMap((one) =>
            one.kind === 'released' ? [{ service: one.service, digest: one.digest }] : [],
          ),
          failed: outcomes.flatMap((one) => (one.kind === 'failed' ? [one.service] : [])),
        },
      }),
    ])
    await views.reach()
    if (outcomes.length > 0) void collect().catch(needs.report)
  }

  /** The merge result of a change, for its preview: nothing of it can get into what pushes are packaged from. */
  const packageCandidate = async (row: CandidateRow): Promise<void> => {
    const { begun, project, repository, number, commit } = candidateOf(row)
    using hold = layout.hold()
    const outcomes = await outcomesAt({ project, repository, commit, name: `preview-${begun}`, change: number }, hold)
    if (stopping.signal.aborted) return
    const failed = outcomes.filter((one) => one.kind === 'failed')
    const packaged = outcomes.filter((one) => one.kind === 'released')
    const subject = previewSubject({ project, repository, number })
    await ledger.append([
      fact(changePackaged, {
        ...{ subject, actor, causes: [begun] },
        payload: {
          ...{ begun, project, repository, number, commit },
          packaged: packaged.map(({ service, path, digest, sizeBytes }) => ({ service, path, digest, sizeBytes })),
          failed: failed.map(({ service, path, detail, lastLines, next }) => ({
            ...{ service, path, detail, next },
            lastLines: [...lastLines],
          })),
        },
      }),
    ])
    await views.reach()
    if (packaged.length > 0) void collect().catch(needs.report)
  }

  /** What becomes of each headway.yaml of a push; nothing does of a push to another branch than the default one. */
  const outcomesOf = async (push: Push, hold: Hold): Promise<readonly Outcome[]> => {
    const gitDirectory = needs.repositoryPath(push.project, push.repository)
    if ((await defaultBranch(needs.run, gitDirectory)) !== push.ref) return []
    return outcomesAt({ ...push, name: push.push, change: null }, hold)
  }

  const outcomesAt = async (push: Work, hold: Hold): Promise<readonly Outcome[]> => {
    const gitDirectory = needs.repositoryPath(push.project, push.repository)
    const source = await openSource(needs.run, gitDirectory, push.commit)
    const { services, refused } = await planCommit(
      source.files.map(({ path }) => path),
      (paths) => textsOf(source, paths),
    )
    const owners = await db.selectFrom('package_owners').selectAll().where('project', '=', push.project).execute()
    const ownerOf = new Map(owners.map(({ service, repository }) => [service, repository]))
    return Promise.all([
      ...refused.map((one) => refusal(push, one)),
      ...services.map((service) => {
        const owner = ownerOf.get(service.definition.name)
        return owner !== undefined && owner !== push.repository
          ? taken(service, owner)
          : outcomeOf(push, hold, source, service)
      }),
    ])
  }

  const outcomeOf = async (push: Work, hold: Hold, source: Source, service: PlannedService): Promise<Outcome> => {
    const { name } = service.definition
    const { project, repository, commit } = push
    const origin = { project, repository, commit, committedAtSeconds: source.committedAtSeconds }
    try {
      const { push: id = null, runs = [], change } = push
      const referrer = { push: id, runs, packagedAt: new Date(clock.now()).toISOString() }
      const about = { name: `${push.name}-${name}`, referrer, isProposed: change !== null }
      const { image, sizeBytes } = await packageService(bench, hold, origin, source, service, about)
      return { kind: 'released', service: name, path: service.path, digest: image.digest, sizeBytes }
    } catch (error) {
      return failure(name, service.path, error)
    }
  }

  const collect = (): Promise<void> => {
    const collected = collecting.then(async () => {
      await views.reach()
      const kept = await db.selectFrom('package_releases').selectAll().where('collected', '=', 0).execute()
      const leaving = toCollect(kept.map(knownOf), new Set(await needs.inUse()), needs.keptReleases ?? 10)
      if (leaving.length > 0)
        await ledger.append(
          leaving.map(({ project, service, digest }) => {
            const key = { project: ProjectName.parse(project), service: ServiceName.parse(service) }
            return fact(releaseCollected, { subject: serviceSubject(key), actor, payload: { ...key, digest } })
          }),
        )
      await sweepDisk(layout, shelf, async () => {
        await views.reach()
        const rows = await db.selectFrom('package_releases').select('digest').where('collected', '=', 0).execute()
        const previews = await db.selectFrom('package_candidates').select('digests').execute()
        return new Set([
          ...rows.map(({ digest }) => Digest.parse(digest)),
          ...previews.flatMap(({ digests }) => Digests.parse(JSON.parse(digests))),
          // The preview of an older version runs until the newer one takes its place.
          ...(await needs.inUse()),
        ])
      })
    })
    collecting = collected.catch(() => undefined)
    return collected
  }

  const list = async (project: ProjectName, service: ServiceName): Promise<ListedRelease[]> => {
    await views.reach()
    const rows = await db
      .selectFrom('package_releases')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .where('collected', '=', 0)
      .orderBy('seq', 'desc')
      .execute()
    return rows.map(listedOf)
  }

  return {
    name: 'package',
    facts: packageFacts,
    views: [packageView],
    start: async () => {
      await layout.open()
      await shelf.open()
      await effect('package.sweep-workshops', () => removeTree(bench.workspaces))
      unsubscribe = ledger.onAppend(look)
      look()
    },
    stop: async () => {
      stopping.abort()
      unsubscribe?.()
      await looking
      await Promise.allSettled(busy.values())
      await collecting
    },
    open: async (digest) => {
      if (!(await layout.has(digest))) return null
      const release = await readRelease(layout, digest)
      return { ...release, env: { ...release.env, ...(await pathFor(release.toolchain, needs.findTool)) } }
    },
    unpack: (digest) => shelf.unpack(digest),
    list,
    explain: async (project, service) => {
      const [newest] = await list(project, service)
      if (!newest) return null
      const source = await openSource(needs.run, needs.repositoryPath(project, newest.repository), newest.commit)
      const paths = source.files.map(({ path }) => path)
      const { services } = await planCommit(paths, (wanted) => textsOf(source, wanted))
      const found = services.find(({ definition }) => definition.name === service)
      return found ? explain(found, (folder) => namesIn(folder, paths)) : null
    },
    collect,
  }
}

/** The files at the top of a folder. */
const namesIn = (folder: string, paths: readonly string[]): string[] => {
  const prefix = folder === '.' ? '' : `${folder}/`
  return paths.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length))
}

/** The PATH with the program that an image does not bring. Throws a `Problem` when this machine has none that fits. */
const pathFor = async (
  toolchain: { program: string; range: string | null } | null,
  findTool: FindTool,
): Promise<{ PATH: string }> => {
  const standard = '/usr/local/bin:/usr/bin:/bin'
  // A compiled program runs without what compiled it.
  if (toolchain === null || toolchain.program === 'go') return { PATH: standard }
  const tool = await findTool(toolchain.program, toolchain.range)
  if (tool.kind === 'found') return { PATH: `${tool.directory}:${standard}` }
  const next = `install ${toolchain.program} ${toolchain.range ?? ''}`.trim()
  throw new Problem({
    kind: 'tool-missing',
    status: 409,
    detail: tool.detail,
    next: `${next} on this machine, then deploy again`,
  })
}

/** A commit that is packaged; `name` is that of its folders while it is. */
type Work = Pick<Push, 'project' | 'repository' | 'commit'> & {
  readonly name: string
  /** The number of the change that proposes it; null: it was pushed to the branch that is deployed. */
  readonly change: number | null
  readonly push?: string
  readonly runs?: readonly string[]
}

type Push = {
  readonly push: string
  readonly seq: number
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly ref: string
  readonly commit: CommitId
  readonly runs: readonly string[]
}

type Outcome =
  | {
      readonly kind: 'released'
      readonly service: ServiceName
      readonly path: string
      readonly digest: Digest
      readonly sizeBytes: number
    }
  | {
      readonly kind: 'failed'
      readonly service: ServiceName
      readonly path: string
      readonly detail: string
      readonly lastLines: readonly string[]
      readonly next: string | null
    }

const outcomeFact = ({ push, seq, project, repository, commit }: Push, outcome: Outcome) => {
  const { service, path } = outcome
  const about = { subject: serviceSubject({ project, service }), actor, causes: [seq] }
  const origin = { push, project, service, repository, commit, path }
  return outcome.kind === 'released'
    ? fact(releaseCreated, { ...about, payload: { ...origin, digest: outcome.digest, sizeBytes: outcome.sizeBytes } })
    : fact(releaseFailed, {
        ...about,
        payload: { ...origin, detail: outcome.detail, lastLines: [...outcome.lastLines], next: outcome.next },
      })
}

const refusal = (push: Pick<Push, 'repository'>, { path, name, problems }: RefusedService): Outcome => {
  const [first, ...others] = problems
  // A file that does not even name its service stands for one that is named like its repository.
  const service = name ?? ServiceName.safeParse(push.repository).data ?? ServiceName.parse('unnamed')
  const { next, ...problem } = first
  return {
    ...{ kind: 'failed', service, path, detail: describeProblem(problem), next: next ?? null },
    lastLines: others.flatMap((other) => describeProblem(other).split('\n')),
  }
}

const taken = ({ path, definition }: PlannedService, owner: string): Outcome => ({
  ...{ kind: 'failed', service: definition.name, path, lastLines: [] },
  detail: `the service ${definition.name} belongs to the repository ${owner}`,
  next: `choose another name in headway.yaml, or remove the service there first (headway service rm ${definition.name})`,
})

const failure = (service: ServiceName, path: string, error: unknown): Outcome => ({
  ...{ kind: 'failed', service, path },
  detail: error instanceof Problem ? error.detail : `packaging failed: ${describeError(error)}`,
  lastLines:
    error instanceof Failed ? error.lastLines : error instanceof Problem ? [] : lastLinesOf(describeError(error)),
  next: error instanceof Problem ? (error.next ?? null) : null,
})

const pushOf = (row: PushRow): Push => ({
  push: row.push,
  seq: Number(row.seq),
  project: ProjectName.parse(row.project),
  repository: RepositoryName.parse(row.repository),
  ref: row.ref,
  commit: CommitId.parse(row.commit_id),
  runs: Runs.parse(JSON.parse(row.runs)),
})
const Runs = z.array(z.string())
const Digests = z.array(Digest)

const candidateOf = ({ begun, project, repository, number, commit_id }: CandidateRow) => ({
  begun: Number(begun),
  project: ProjectName.parse(project),
  repository: RepositoryName.parse(repository),
  number: Number(number),
  commit: CommitId.parse(commit_id),
})

const knownOf = (row: ReleaseRow) => ({
  project: row.project,
  service: row.service,
  digest: Digest.parse(row.digest),
  seq: Number(row.seq),
})

const listedOf = (row: ReleaseRow): ListedRelease => ({
  digest: Digest.parse(row.digest),
  project: ProjectName.parse(row.project),
  service: ServiceName.parse(row.service),
  commit: CommitId.parse(row.commit_id),
  repository: RepositoryName.parse(row.repository),
  path: row.path,
  push: row.push,
  sizeBytes: Number(row.size_bytes),
  createdAt: Number(row.created_at),
})
