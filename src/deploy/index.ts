import { join } from 'node:path'
import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import { refUpdated } from '../code/facts.ts'
import type { Home } from '../home.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import {
  type CommitId,
  type Digest,
  type EnvironmentName,
  isPreview,
  ProjectName,
  RepositoryName,
  type ServiceName,
} from '../names.ts'
import { describeError, type Problem } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { type Admission, admitAll } from './admission.ts'
import { createCarrier } from './carry.ts'
import { createEnvironmentBook } from './environment-book.ts'
import { createEnvironmentOrders } from './environment-orders.ts'
import { createEnvironments } from './environments.ts'
import { deployFacts, deploymentFinished, deploymentRequested } from './facts.ts'
import { firstEnvironments } from './first-environments.ts'
import { createFleet } from './fleet.ts'
import type { Judging } from './judging.ts'
import { createLanes, type LaneWork } from './lanes.ts'
import { createMigrations } from './migrations/index.ts'
import { createOrders } from './orders.ts'
import { differences, type Standing } from './parity.ts'
import { createPushed } from './pushed.ts'
import { createReconciler } from './reconcile.ts'
import type { RemotePlace } from './remote.ts'
import { createRemoval } from './removal.ts'
import { createRequests, noEnvironment, noPreview } from './requests.ts'
import { type Deployment, deploymentSubject, pick, startedBy } from './rollout.ts'
import { serially } from './serially.ts'
import type { Ingredients } from './specs.ts'
import { type StoryLine, storyOf } from './story.ts'
import { defaultHost, type Target, targetLabel } from './target.ts'
import { createDeployQueries, type DeployTables, deployView, targetOfRow } from './views.ts'
import { createWaiting } from './waiting.ts'

export type { Admission } from './admission.ts'
export type { EnvironmentView } from './environment-book.ts'
export type { EnvironmentDefinition } from './environment-file.ts'
export { firstEnvironments, usualEnvironments } from './first-environments.ts'
export { remoteIn } from './remote.ts'
export { noEnvironment } from './requests.ts'
export { deploymentSubject } from './rollout.ts'
export { deploymentIdFor, parseTargetLabel, type Target, targetLabel } from './target.ts'

/** The project of Headway's own, and its repository of desired state. */
export const platformProject = ProjectName.parse('headway')
export const environmentsRepository = RepositoryName.parse('environments')

export type DeployOptions = Ingredients & {
  readonly home: Pick<Home, 'repositories' | 'migrations' | 'migrating'>
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly clock: Clock
  readonly ids: Ids
  readonly runtime: Runtime
  readonly judging: Judging
  readonly seal: Seal
  /** The address of a host behind the edge: `http://shop.localhost:4680/`. */
  urlOf(host: string): Promise<string> | string
  /** The Git server on which the environments repository lives; null: here. */
  readonly remote?: RemotePlace | null
  /** The environments that a new home begins with, in order of promotion; where nothing is said, the one that is implied. */
  readonly firstEnvironments?: string
  /** Whether what is no promotion may begin; all may where nobody says otherwise. */
  readonly admit?: Admission
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

/** After these a target may have to be looked at. */
const awakening = [deploymentRequested.type, refUpdated.type]
/** How often the world is compared with Git when nothing has happened. */
const surveyEveryMs = 30_000
/** How many releases of a service that succeeded are kept to go back to. */
const rollbackTargets = 3
/** A rollout that is told to do more than that is told in part. */
const longestStory = 1000

/** The stage that brings releases to life: desired state in Git, rollouts, rollbacks, drift. */
export const createDeploy = (options: DeployOptions) => {
  const { ledger, views, clock, runtime } = options
  const directory = join(options.home.repositories, platformProject, `${environmentsRepository}.git`)
  const repository = createEnvironments({
    ...{ directory, clock, remote: options.remote ?? null },
    first: options.firstEnvironments === undefined ? [] : firstEnvironments(options.firstEnvironments),
    report: (message) => options.onError?.(message),
  })
  const book = createEnvironmentBook(repository)
  const queries = createDeployQueries(options.store.tables<DeployTables>())
  const fleet = createFleet(runtime)
  const migrations = createMigrations(options)
  const admit: Admission = async (asked) =>
    isPreview(asked.target.environment) ? admitPreview(asked.target) : (options.admit ?? admitAll)(asked)
  /** It can be changed by hand while it stands, but is made by its change alone. */
  const admitPreview = async (target: Target): Promise<Problem | null> => {
    const row = await queries.service(target)
    return row && row.removed_at === null ? null : noPreview(target)
  }
  const ports = { ...options, admit, environments: repository, book, fleet, queries, migrations }
  const carrier = createCarrier(ports)
  const reconciler = createReconciler(ports, carrier)
  const orders = createOrders({ ...options, queries, book })
  const requests = createRequests({ ...options, queries, book, admit, orders })
  const environmentOrders = createEnvironmentOrders(ports)
  const pushed = createPushed({ ...ports, isOurs: isEnvironments })
  const closing = new AbortController()
  const background = new Set<Promise<void>>()
  let surveyed: CommitId | null = null
  let followed = 0
  let unsubscribe = (): void => {}
  // A table is put as a whole, so none may be put before the routes that there are have been learned.
  const { promise: routesKnown, resolve: routesAreKnown } = Promise.withResolvers<void>()

  const report = (what: string, error: unknown): void => {
    if (!closing.signal.aborted) options.onError?.(`${what}: ${describeError(error)}`)
  }

  /** One turn of a target: the deployments that were asked for, then what Git says otherwise. */
  const work: LaneWork = async (target, turn) => {
    let { settle } = turn
    await routesKnown
    for (;;) {
      turn.signal.throwIfAborted()
      await views.reach()
      const { carryOn, overtaken } = pick(await queries.unfinishedOf(target))
      for (const { deployment, by } of overtaken) await supersede(deployment, by)
      if (!carryOn) break
      const ended = await carrier.carryOut(carryOn, {
        signal: turn.signal,
        overtakenBy: (waitedMs) => turn.overtakenBy(carryOn.requestedSeq, waitedMs),
      })
      settle ||= ended.finished?.outcome !== 'succeeded'
    }
    if (settle) await reconciler.settle(target, turn.signal)
  }

  const supersede = async (deployment: Deployment, by: string): Promise<void> => {
    if (deployment.instances) await fleet.stop(startedBy(deployment))
    await carrier.record(deployment, { kind: 'overtaken', by })
  }

  const lanes = createLanes({
    work,
    onError: (target, error) => {
      report(`deploying ${targetLabel(target)}`, error)
      later(() => clock.sleep(5_000, closing.signal).then(() => lanes.drive(target, { settle: true })))
    },
  })

  const later = (act: () => Promise<void>): void => {
    const running = act().catch((error: unknown) => report('deploy', error))
    background.add(running)
    void running.finally(() => background.delete(running))
  }

  const follow = serially(async (): Promise<void> => {
    for (;;) {
      const facts = await ledger.read({ after: followed, types: awakening, limit: 500 })
      for (const one of facts) drive(one)
      if (facts.some(isOurRef)) await survey()
      const last = facts.at(-1)
      if (!last) return
      followed = last.seq
    }
  })

  const drive = (recorded: RecordedFact): void => {
    if (!isFact(deploymentRequested, recorded)) return
    const { deployment, project, service, environment } = recorded.payload
    lanes.drive({ project, service, environment }, { newest: { seq: recorded.seq, deployment } })
  }

  /** While the server on which it lives does not answer, what was read last holds. */
  const pull = (): Promise<void> =>
    repository.pull().catch((error: unknown) => report('reading the environments repository', error))

  const survey = serially(async (): Promise<void> => {
    await pull()
    const { targets, head } = await reconciler.survey(surveyed)
    for (const target of targets) lanes.drive(target, { settle: true })
    surveyed = head
  })

  const patrol = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(surveyEveryMs, closing.signal)
      await follow().catch((error: unknown) => report('following the ledger', error))
      await survey().catch((error: unknown) => report('comparing what runs with what should', error))
    }
  }

  const removal = createRemoval(ports, { orders, lanes, reconciler })

  return {
    name: 'deploy',
    facts: deployFacts,
    views: [deployView],
    ...requests,
    order: orders.order,
    queries,
    /** Why files of the environments repository as they are now do not count. */
    refusals: reconciler.refusals,
    /** The environments as the repository defines them, in order of promotion. */
    environments: book.environments,
    book,
    migrations,
    environmentOrders,
    /** What becomes of pushes into the environments repository. */
    pushed,
    /** What differs between two environments, for each service of a project that stands in either. */
    parity: async (project: ProjectName, left: EnvironmentName, right: EnvironmentName) => {
      for (const one of [left, right]) if (!book.knows(one)) throw noEnvironment(one, book)
      const standing = async (environment: EnvironmentName, service: ServiceName): Promise<Standing | null> => {
        const target = { project, service, environment }
        const head = await repository.head()
        const state = head && (await carrier.desiredAt(target, head))
        return state ? { state, missing: (await options.settings.resolve(target, state.secrets)).missing } : null
      }
      const names = await Promise.all([left, right].map((one) => environmentOrders.servicesIn(project, one)))
      return Promise.all(
        [...new Set(names.flat())].sort().map(async (service) => ({
          service,
          differences: differences(await standing(left, service), await standing(right, service)),
        })),
      )
    },
    /** Where desired state lives; served by the Git host as `headway/environments`. */
    repository: directory,

    start: async (): Promise<void> => {
      await repository.prepare()
      await pull()
      await book.refresh()
      followed = (await ledger.head()).seq
      await views.reach()
      for (const { target, id, requestedSeq } of await queries.unfinished())
        lanes.drive(target, { newest: { seq: requestedSeq, deployment: id } })
      later(() => migrations.settleLeft(closing.signal))
      unsubscribe = ledger.onAppend(() => later(follow), awakening)
      later(follow)
      later(async () => {
        await untilItAnswers(() => fleet.learnRoutes())
        routesAreKnown()
        await survey()
        await patrol()
      })
    },

    stop: async (): Promise<void> => {
      unsubscribe()
      closing.abort()
      routesAreKnown()
      await lanes.close()
      await Promise.all(background)
      migrations.close()
    },

    /** What runs for a target; null while nothing has succeeded there. */
    current: async (target: Target): Promise<Deployment | null> => {
      const row = await queries.service(target)
      return row?.current ? queries.deployment(row.current) : null
    },
    hasSucceeded: async (target: Target, release: Digest): Promise<boolean> =>
      (await queries.lastSuccessOf(target, release)) !== null,
    /** Looks again at what Git asks for a target. */
    settle: (target: Target): void => lanes.drive(target, { settle: true }),

    /** Compares what runs with what should, now, and mends what differs. */
    reconcile: survey,

    ...removal,
    ...createWaiting(ports),

    /** What happened to a deployment, in words; empty when there is none of that name. */
    story: async (deployment: string): Promise<StoryLine[]> => {
      const found = await queries.deployment(deployment)
      const [own, migrated] = await Promise.all([
        ledger.read({ subject: deploymentSubject(deployment), limit: longestStory }),
        found ? migrations.of(found.target, deployment) : [],
      ])
      return storyOf([...own, ...migrated].sort((left, right) => left.seq - right.seq))
    },

    instances: () => runtime.instances(),
    urlOf: (target: Target) => options.urlOf(defaultHost(target)),
    /** Resolves when the queries know all that the ledger knows. */
    caughtUp: () => views.reach(),

    /** Releases that must be kept: those that run, those that are on their way, and those that can be gone back to. */
    inUse: async (): Promise<Set<Digest>> => {
      await views.reach()
      const kept = new Set((await queries.unfinished()).map(({ release }) => release))
      for (const row of await queries.services()) {
        const current = row.current ? await queries.deployment(row.current) : null
        // A preview goes forward only.
        const succeeded = isPreview(row.environment) ? [] : await queries.succeededOf(targetOfRow(row), 1000)
        const distinct = [...new Set(succeeded.map(({ release }) => release))]
        for (const release of [...(current ? [current.release] : []), ...distinct.slice(0, rollbackTargets)])
          kept.add(release)
      }
      return kept
    },

    /** The facts by which others follow a deployment to its end, in order. */
    follows: [deploymentRequested, deploymentFinished] as const,
  } satisfies Stage & Record<string, unknown>

  async function untilItAnswers(ask: () => Promise<void>): Promise<void> {
    for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 5_000)) {
      try {
        return await ask()
      } catch (error) {
        closing.signal.throwIfAborted()
        report('asking the runtime for its routes', error)
        await clock.sleep(waitMs, closing.signal)
      }
    }
  }
}
export type Deploy = ReturnType<typeof createDeploy>

const isOurRef = (recorded: RecordedFact): boolean => isFact(refUpdated, recorded) && isEnvironments(recorded.payload)
const isEnvironments = (key: { readonly project: ProjectName; readonly repository: RepositoryName }): boolean =>
  key.project === platformProject && key.repository === environmentsRepository
