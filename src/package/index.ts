import { join } from 'node:path'
import { pushVerified } from '../build/facts.ts'
import type { Clock } from '../clock.ts'
import { previewBegun, previewSubject } from '../deploy/facts.ts'
import { effect } from '../effect.ts'
import { type Explanation, explain, planCommit } from '../golden/index.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { CommitId, Digest, ProjectName, RepositoryName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import { removeTree } from '../processes/files.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { createCollector } from './collection.ts'
import { createCommits } from './commits.ts'
import { changePackaged, packageFacts, pushPackaged } from './facts.ts'
import { readRelease } from './image.ts'
import { createLayout } from './layout.ts'
import { actor, outcomeFact } from './outcome.ts'
import type { Bench, FindTool, Installations } from './packaging.ts'
import type { Releases } from './release.ts'
import { candidateOf, listedOf, pushOf } from './rows.ts'
import { createShelf } from './shelf.ts'
import { openSource, type Run, textsOf } from './source.ts'
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
  const commits = createCommits({ ...needs, db, bench })
  const collector = createCollector({ ...needs, db, layout, shelf })
  const busy = new Map<string, Promise<void>>()
  let looking: Promise<void> | undefined
  let lookAgain = false
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
        for (const row of open) begin(`${row.project}/${row.repository}`, () => packagePush(row))
        const previews = await db.selectFrom('package_candidates').selectAll().where('packaged', '=', 0).execute()
        for (const row of previews) begin(`${row.project}/${row.repository}/${row.number}`, () => packageCandidate(row))
      }
    })()
      .catch(needs.report)
      .finally(() => {
        looking = undefined
        if (lookAgain && !stopping.signal.aborted) look()
      })
  }

  /** One at a time of each repository, and of each change. */
  const begin = (what: string, act: () => Promise<void>): void => {
    if (busy.has(what)) return
    const work = act()
      .catch(async (error: unknown) => {
        // The facts could not be recorded; it stays open.
        needs.report(error)
        await clock.sleep(retryMs, stopping.signal).catch(() => undefined)
      })
      .finally(() => {
        busy.delete(what)
        look()
      })
    busy.set(what, work)
  }

  const packagePush = async (row: PushRow): Promise<void> => {
    const push = pushOf(row)
    using hold = layout.hold()
    const outcomes = await commits.outcomesOfPush(push, hold)
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
    if (outcomes.length > 0) void collector.collect().catch(needs.report)
  }

  /** The merge result of a change, for its preview: nothing of it can get into what pushes are packaged from. */
  const packageCandidate = async (row: CandidateRow): Promise<void> => {
    const { begun, project, repository, number, commit } = candidateOf(row)
    using hold = layout.hold()
    const candidate = { project, repository, commit, name: `preview-${begun}`, change: number }
    const outcomes = await commits.outcomesOf(candidate, hold)
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
    if (packaged.length > 0) void collector.collect().catch(needs.report)
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
      await collector.idle()
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
    collect: collector.collect,
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
