import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { type EnvironmentName, type ProjectName, ServiceName, shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import type { EnvironmentBook } from './environment-book.ts'
import { rolloutAborted, rolloutPaused, rolloutPromoted, rolloutResumed } from './facts.ts'
import { type Deployment, deploymentSubject, isBeyondWatch, isUndone } from './rollout.ts'
import { type Target, targetLabel } from './target.ts'
import type { DeployQueries } from './views.ts'

/** What can be asked of a rollout under way. */
export type OrderKind = 'pause' | 'resume' | 'promote' | 'abort'

/** What people, and the alerts that act for them, ask of a rollout under way: each a fact, which whoever carries it out finds. */
export const createOrders = (ports: {
  readonly ledger: Ledger
  readonly views: Views
  readonly queries: DeployQueries
  readonly book: EnvironmentBook
}) => {
  const { ledger, views, queries, book } = ports

  /** The deployment with this id, or the one that is on its way for this service. */
  const underWay = async (
    { project, name }: { project: ProjectName; name: string },
    environment: EnvironmentName,
  ): Promise<Deployment> => {
    const named = await queries.deployment(name)
    if (named?.target.project === project) {
      if (!named.finished) return named
      throw ended(named)
    }
    const service = ServiceName.safeParse(name).data
    const unfinished = service ? await queries.unfinishedOf({ project, service, environment }) : []
    const found = unfinished.find(({ step }) => step !== null) ?? unfinished[0]
    if (found) return found
    throw noneUnderWay(
      { project, name, environment },
      service ? await elsewhere({ project, service, environment }) : null,
    )
  }

  /** Another environment in which one of this service is under way. */
  const elsewhere = async (target: Target): Promise<EnvironmentName | null> => {
    for (const { name } of book.environments())
      if (name !== target.environment && (await queries.unfinishedOf({ ...target, environment: name })).length > 0)
        return name
    return null
  }

  const record = async (kind: OrderKind, deployment: Deployment, by: string, reason: string): Promise<void> => {
    const { id, target, requestedSeq } = deployment
    const about = { subject: deploymentSubject(id), actor: by, causes: [requestedSeq] }
    const payload = { deployment: id, ...target, by, reason }
    const made =
      kind === 'abort'
        ? fact(rolloutAborted, { ...about, payload: { ...payload, supersededBy: null } })
        : fact(factOf[kind], { ...about, payload })
    await ledger.append([made])
  }

  return {
    record,

    /**
     * Pauses, resumes, promotes or aborts what is under way, named by its id or by its service. What holds already is not recorded
     * again. Resolves to the deployment's id; throws a Problem when there is nothing that could be told so.
     */
    order: async (
      kind: OrderKind,
      which: { project: ProjectName; name: string },
      options: { environment?: EnvironmentName | undefined; reason?: string | undefined; actor: string },
    ): Promise<string> => {
      await views.reach()
      const deployment = await underWay(which, options.environment ?? book.main())
      if (holdsAlready(kind, deployment)) return deployment.id
      refuseOrder(kind, deployment)
      await record(kind, deployment, options.actor, options.reason ?? '')
      return deployment.id
    },

    /** Aborts whatever is under way there, so that nothing has to be waited for. */
    abandon: async (target: Target, by: string): Promise<void> => {
      await views.reach()
      for (const deployment of await queries.unfinishedOf(target))
        if (!deployment.aborted && canBeAborted(deployment))
          await record('abort', deployment, by, 'the service is removed')
    },
  }
}
export type Orders = ReturnType<typeof createOrders>

const factOf = { pause: rolloutPaused, resume: rolloutResumed, promote: rolloutPromoted } as const

const holdsAlready = (kind: OrderKind, { paused, promoted, aborted }: Deployment): boolean =>
  (kind === 'pause' && paused !== null) ||
  (kind === 'resume' && paused === null) ||
  (kind === 'promote' && promoted !== null) ||
  (kind === 'abort' && aborted !== null)

/** With traffic there must be something that it can go back to. */
const canBeAborted = (deployment: Deployment): boolean =>
  !isBeyondWatch(deployment) && (deployment.step === null || deployment.rollout?.baseline != null)

const refuseOrder = (kind: OrderKind, deployment: Deployment): void => {
  const { target, commit, step } = deployment
  const version = `${target.service} ${shortCommit(commit)}`
  const refuse = (problem: string, detail: string, next: string): never => {
    throw new Problem({ kind: problem, status: 409, detail, next })
  }
  if (isUndone(deployment))
    refuse(
      'rollout-undone',
      `${version} is being taken back already`,
      `headway deployments ${target.service} shows how it ends`,
    )
  if (kind === 'abort' && !canBeAborted(deployment))
    refuse(
      'rollout-not-abortable',
      `${version} has all traffic, and nothing earlier is kept for it`,
      `headway rollback ${target.service}`,
    )
  if (kind === 'promote' && step === null)
    refuse(
      'rollout-not-started',
      `${version} has no traffic yet that could become more`,
      `wait until it is healthy: headway ps ${target.service}`,
    )
}

const noneUnderWay = (
  { project, name, environment }: { project: ProjectName; name: string; environment: EnvironmentName },
  elsewhere: EnvironmentName | null,
): Problem =>
  new Problem({
    kind: 'rollout-not-found',
    status: 404,
    detail: `no rollout of ${project}/${name} is under way in ${environment}`,
    next: elsewhere
      ? `one is under way in ${elsewhere}: --environment ${elsewhere}`
      : 'headway deployments lists them; headway rollback brings an earlier release back',
  })

const ended = ({ target, commit, finished }: Deployment): Problem =>
  new Problem({
    kind: 'rollout-ended',
    status: 409,
    detail: `the rollout of ${targetLabel(target)} to ${shortCommit(commit)} has ended: it ${finished?.outcome === 'rolled-back' ? 'was rolled back' : finished?.outcome}`,
    next: `headway rollback ${target.service} brings an earlier release back`,
  })
