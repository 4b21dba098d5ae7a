import { join } from 'node:path'
import { pushVerified } from '../build/facts.ts'
import type { Clock } from '../clock.ts'
import { previewBegun, previewSubject } from '../deploy/facts.ts'
import { effect } from '../effect.ts'
import { type Explanation, explain, type PlannedService, planCommit } from '../golden/index.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { type CommitId, Digest, ProjectName, type RepositoryName, ServiceName, serviceSubject } from '../names.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import { removeTree } from '../processes/files.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { sweepDisk, toCollect } from './collection.ts'
import { changePackaged, packageFacts, pushPackaged, releaseCollected } from './facts.ts'
import { readRelease } from './image.ts'
import { createLayout, type Hold } from './layout.ts'
import { actor, failure, type Outcome, outcomeFact, refusal, taken } from './outcome.ts'
import { type Bench, type FindTool, type Installations, packageService } from './packaging.ts'
import type { Releases } from './release.ts'
import { candidateOf, digestsOf, knownOf, listedOf, type Push, pushOf, type Work } from './rows.ts'
import { createShelf } from './shelf.ts'
import { defaultBranch, openSource, type Run, type Source, textsOf } from './source.ts'
import { type CandidateRow, type PackageTables, type PushRow, packageView } from './views.ts'

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

const retryMs = 2000
/** After these there may be something to package; what is being packaged looks again when it ends. */
const awakening = [pushVerified, previewBegun].map(({ type }) => type)

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
          ...previews.flatMap(digestsOf),
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
      unsubscribe = ledger.onAppend(look, awakening)
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
