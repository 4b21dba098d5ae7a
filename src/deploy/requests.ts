import type { Clock, Ids } from '../clock.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import {
  type CommitId,
  type Digest,
  type EnvironmentName,
  isPreview,
  type ServiceKey,
  shortCommit,
  shortDigest,
} from '../names.ts'
import { Problem } from '../problem.ts'
import type { Admission, Asked } from './admission.ts'
import type { EnvironmentBook } from './environment-book.ts'
import { deploymentRequested } from './facts.ts'
import type { Orders } from './orders.ts'
import { type Deployment, deploymentSubject, isBeyondWatch, isUndone, type Reason } from './rollout.ts'
import type { Target } from './target.ts'
import { type DeployQueries, releaseOfRow } from './views.ts'

/** Asked for again within this time, a rollback is the same one: its answer was lost, or the key was pressed twice. */
const sameRollbackMs = 10_000

/** What people ask of deploy, each turned into an intent in the ledger; carrying it out is somebody else's. */
export const createRequests = (ports: {
  readonly ledger: Ledger
  readonly views: Views
  readonly queries: DeployQueries
  readonly book: EnvironmentBook
  readonly admit: Admission
  readonly clock: Clock
  readonly ids: Ids
  readonly orders: Pick<Orders, 'record'>
}) => {
  const { ledger, views, queries, book, clock, ids, admit, orders } = ports

  const request = async (
    target: Target,
    version: { release: Digest; commit: CommitId },
    reason: Reason,
    actor: string,
  ): Promise<string> => {
    const deployment = ids('deployment')
    const subject = deploymentSubject(deployment)
    const payload = { deployment, ...target, ...version, reason, push: null }
    await ledger.append([fact(deploymentRequested, { subject, actor, payload })])
    return deployment
  }

  /** The same, where the environment's policy does not stand against it. */
  const admitted: typeof request = async (target, version, reason, actor) => {
    const cause: Asked['cause'] = { kind: reason === 'configuration' ? 'settings' : 'order' }
    const problem = await admit({ target, ...version, cause })
    if (problem) throw problem
    return request(target, version, reason, actor)
  }

  /** The release that a person means by (the beginning of) its digest or its commit. */
  const find = async (key: ServiceKey, word: string): Promise<{ release: Digest; commit: CommitId }> => {
    const wanted = word.toLowerCase().replace(/^sha256:/, '')
    const known = (await queries.releasesOf(key.project, key.service)).map(releaseOfRow)
    const found = known.filter(
      ({ release, commit }) => commit.startsWith(wanted) || release.slice('sha256:'.length).startsWith(wanted),
    )
    const distinct = [...new Map(found.map((one) => [one.release, one])).values()]
    const [only] = distinct
    if (only && distinct.length === 1 && wanted.length >= 4) return only
    throw new Problem({
      kind: distinct.length > 1 ? 'release-ambiguous' : 'release-not-found',
      status: distinct.length > 1 ? 409 : 404,
      detail:
        distinct.length > 1
          ? `${word} could be ${distinct.map(({ release, commit }) => `${shortCommit(commit)} (${shortDigest(release)})`).join(' or ')}`
          : `no release of ${key.project}/${key.service} begins with ${word}`,
      next: `name four or more characters of a commit or digest that headway deployments ${key.service} shows`,
    })
  }

  /** Where it is asked for; the preview of a change is there while it stands, and is made by its change alone. */
  const placeOf = async (key: ServiceKey, environment = book.main()): Promise<Target> => {
    const target = { ...key, environment }
    if (book.knows(environment)) return target
    if (!isPreview(environment)) throw noEnvironment(environment, book)
    const row = await queries.service(target)
    if (row && row.removed_at === null) return target
    throw noPreview(target)
  }

  return {
    /**
     * Goes back to the release that ran before the one that runs now, code and configuration together, or to the one named. What has
     * traffic already and is still judged or watched is undone: the old version is warm.
     * Resolves to the deployment's id as soon as the intent is recorded.
     */
    rollback: async (
      key: ServiceKey,
      options: { to?: string | undefined; environment?: EnvironmentName | undefined; actor: string },
    ): Promise<string> => {
      await views.reach()
      const target = await placeOf(key, options.environment)
      if (isPreview(target.environment)) throw forwardOnly(target)
      if (options.to !== undefined) return request(target, await find(key, options.to), 'rollback', options.actor)
      const row = await queries.service(target)
      const [midway] = (await queries.unfinishedOf(target)).filter(({ step, rollout }) => step && rollout?.baseline)
      if (midway) {
        if (!midway.aborted && !isBeyondWatch(midway))
          await orders.record('abort', midway, options.actor, 'rolled back')
        return midway.id
      }
      const latest = row ? await queries.deployment(row.latest) : null
      if (latest?.reason === 'rollback' && isRecent(latest, clock.now())) return latest.id
      if (!row?.current) throw nothingRuns(target)
      const current = await queries.deployment(row.current)
      const previous = current && previousOf(current, await queries.succeededOf(target, 1000))
      if (!previous) throw nothingEarlier(target)
      const { release, commit } = previous
      return request(target, { release, commit }, 'rollback', options.actor)
    },

    /** Deploys a release; without one, what runs now (also while it is watched) once more, with the settings as they are now. */
    deploy: async (
      key: ServiceKey,
      options: { release?: string | undefined; environment?: EnvironmentName | undefined; actor: string },
    ): Promise<string> => {
      await views.reach()
      const target = await placeOf(key, options.environment)
      const unfinished = await queries.unfinishedOf(target)
      refuseBeside(unfinished.find(isHalfway))
      if (options.release !== undefined)
        return admitted(target, await find(key, options.release), 'manual', options.actor)
      const row = await queries.service(target)
      const watched = unfinished.find((one) => one.shiftedAt !== null && !isUndone(one))
      const current = watched ?? (row?.current ? await queries.deployment(row.current) : null)
      if (current)
        return admitted(target, { release: current.release, commit: current.commit }, 'configuration', options.actor)
      const [newest] = await queries.releasesOf(key.project, key.service)
      if (!newest) throw nothingRuns(target)
      return admitted(target, releaseOfRow(newest), 'manual', options.actor)
    },
  }
}

/** The newest success with another release from before the running one first succeeded: rolling back twice goes further back. */
export const previousOf = (current: Deployment, succeededNewestFirst: readonly Deployment[]): Deployment | null => {
  const firstOfCurrent = succeededNewestFirst.findLastIndex(({ release }) => release === current.release)
  return succeededNewestFirst.slice(firstOfCurrent + 1)[0] ?? null
}

/** Whether two versions share the traffic; one that is only watched gives way. */
const isHalfway = ({ step, shiftedAt }: Deployment): boolean => step !== null && shiftedAt === null

/** A push takes the place of a rollout, or waits, as its service has it; a person is asked which is meant. */
const refuseBeside = (underWay: Deployment | undefined): void => {
  if (!underWay?.step) return
  const { service, environment } = underWay.target
  throw new Problem({
    kind: 'rollout-under-way',
    status: 409,
    detail: `${service} ${shortCommit(underWay.commit)} is on its way to ${environment}, at ${underWay.step.weightPercent} % of the traffic`,
    next: `headway rollout promote ${service} ends its step, headway rollout abort ${service} takes it back`,
  })
}

const isRecent = (deployment: Deployment, now: number): boolean =>
  deployment.finished === null ||
  (deployment.finished.outcome === 'succeeded' && now - deployment.finished.at < sameRollbackMs)

export const noEnvironment = (environment: string, book: Pick<EnvironmentBook, 'environments'>): Problem =>
  new Problem({
    kind: 'environment-not-found',
    status: 404,
    detail: `there is no environment ${environment}, only ${book
      .environments()
      .map(({ name }) => name)
      .join(', ')}`,
    next: isPreview(environment)
      ? 'that is the preview of a change, which comes and goes with it: headway previews lists them'
      : `headway environments add ${environment} makes one`,
  })

export const noPreview = ({ project, service, environment }: Target): Problem =>
  new Problem({
    kind: 'preview-not-found',
    status: 409,
    detail: `${project}/${service} has no preview ${environment}: one is there while its change is open`,
    next: 'headway previews lists them; headway previews start <change> makes one',
  })

const forwardOnly = ({ service, environment }: Target): Problem =>
  new Problem({
    kind: 'preview-goes-forward',
    status: 409,
    detail: `${service} in ${environment} is the preview of a change, of which only the newest version is kept`,
    next: `push to the branch of the change; headway deploy ${service} --environment ${environment} brings in what settings have changed`,
  })

const nothingRuns = ({ project, service, environment }: Target): Problem =>
  new Problem({
    kind: 'service-not-running',
    status: 404,
    detail: `${project}/${service} does not run in ${environment}`,
    next: `push a commit of it; headway deployments ${service} shows what was tried`,
  })

const nothingEarlier = ({ project, service, environment }: Target): Problem =>
  new Problem({
    kind: 'nothing-earlier',
    status: 409,
    detail: `no earlier release of ${project}/${service} has run in ${environment}`,
    next: `headway deployments ${service} lists the releases; headway rollback ${service} --to <commit> chooses one`,
  })
