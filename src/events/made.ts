import {
  type CarriedCommit,
  commitsAtOnce,
  deliveryCarried,
  deliveryChange,
  deliveryDeployed,
  deliveryRun,
  incidentAcknowledged,
  incidentMitigated,
  incidentOpened,
  incidentReopened,
  incidentResolved,
  incidentSubject,
} from '../learn/facts.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import { type Digest, defaultEnvironment, EnvironmentName, type ProjectName, type ServiceName } from '../names.ts'
import { unreachable } from '../problem.ts'
import { commitsPushed } from './facts.ts'
import type { CommitRecord, DeploymentRecord, IncidentRecord, Mapping, OutsideRecord, PushRecord } from './records.ts'
import { placeBy } from './sources/reading.ts'

/** Where the facts of a delivery are put, and what they are made with. */
export type Making = {
  readonly project: ProjectName
  readonly source: string
  readonly actor: string
  readonly received: Digest
  readonly service: ServiceName | null
  readonly environment: EnvironmentName | null
  readonly mappings: readonly Mapping[]
  /** Milliseconds since 1970. */
  readonly now: number
  /** What a deployment of this revision brought, or a change holds, by what was pushed; null: not known. */
  carried(of: Place & { revision: string; repository: string | undefined; at: number }): Promise<CarriedCommit[] | null>
  held(repository: string, base: string, head: string): Promise<CarriedCommit[] | null>
}
type Place = { readonly service: ServiceName; readonly environment: EnvironmentName }

/** A clock that is further ahead than this is wrong. */
const toleranceMs = 5 * 60_000

/** How far ahead of ours a time is (ms), where that is more than clocks may differ. */
export const aheadOf = (at: number | null, now: number): number =>
  at !== null && at > now + toleranceMs ? at - now : 0

/**
 * A key says for ever which thing is meant. The project is in it: what one project's sources tell is nothing that another's could have
 * told before.
 */
export const keyOf = ({ project, source }: Pick<Making, 'project' | 'source'>, id: string): string =>
  `${project}/${source}:${id}`

/** The facts that a record stands for; or why it stands for none. */
export const factsOf = async (
  record: OutsideRecord,
  making: Making,
): Promise<{ readonly facts: NewFact[] } | { readonly unplaced: string }> => {
  switch (record.type) {
    case 'deployment':
      return deployed(record, making)
    case 'incident':
      return { facts: [incident(record, making)] }
    case 'push':
      return { facts: pushed(record, making) }
    case 'carried': {
      const key = keyOf(making, record.deployment)
      const parts = chunks(carriedIn(record.commits, making.source))
      return { facts: parts.map((part) => carried(key, part, making.actor)) }
    }
    case 'run': {
      const { repository, commit = 'unknown', workflow, outcome, isRerun } = record
      const times = { startedAt: past(record.startedAt ?? null, making), finishedAt: past(record.finishedAt, making) }
      const about = { repository, commit, workflow, outcome, isRerun, ...times }
      const said = { ...from(making, record.id), ...about }
      return { facts: [fact(deliveryRun, { ...delivery(making, record.id), payload: said })] }
    }
    case 'change': {
      const { repository, state, head, base, merged } = record
      const id = `${repository}#${record.id}`
      const known = record.commits && carriedIn(record.commits, repository)
      const commits = known ?? (head && base ? await making.held(repository, base, head) : null) ?? []
      const about = {
        repository,
        state,
        at: past(record.at, making),
        mergedAs: merged ?? null,
        lines: record.lines ?? null,
      }
      const said = { ...from(making, id), ...about, commits: commits.slice(0, commitsAtOnce) }
      return { facts: [fact(deliveryChange, { ...delivery(making, id), payload: said })] }
    }
    default:
      return unreachable(record)
  }
}

const from = (making: Making, id: string) => ({
  ...{ key: keyOf(making, id), source: making.source, received: making.received, project: making.project },
})
const delivery = (making: Making, id: string) => ({
  ...{ subject: `delivery:${keyOf(making, id)}`, actor: making.actor },
})

/** What is said to be in the future was at the latest when it was told. */
const past = <Time extends number | null>(at: Time, { now }: Making): Time | number => (aheadOf(at, now) > 0 ? now : at)

const carriedIn = (commits: readonly CommitRecord[], repository: string): CarriedCommit[] =>
  commits.map(({ commit, at, isMerge = false, reverts = null, repository: own = repository }) => ({
    ...{ repository: own, commit, committedAt: at, isMerge, reverts },
  }))

const deployed = async (record: DeploymentRecord, making: Making) => {
  const { id, repository, outcome, kind, revision, automatic = null, lines = null } = record
  const place = placeOf(record, making)
  const { service } = place
  if (service === null) return { unplaced: `${id}: ${unmapped(record, making)}`.slice(0, 500) }
  const environment = place.environment ?? defaultEnvironment
  const finishedAt = past(record.finishedAt, making)
  const of = { service, environment, repository, at: finishedAt }
  const commits =
    (record.commits && carriedIn(record.commits, repository ?? making.source)) ??
    (revision ? await making.carried({ ...of, revision }) : null) ??
    []
  const rollsBack = record.rollsBack ? keyOf(making, record.rollsBack) : null
  const about = {
    ...from(making, id),
    service,
    environment,
    startedAt: past(record.startedAt ?? null, making),
    finishedAt,
  }
  const [first = [], ...more] = chunks(commits)
  const said = { ...about, outcome, revision: revision ?? null, commits: first, lines, kind, rollsBack, automatic }
  return {
    facts: [
      fact(deliveryDeployed, { ...delivery(making, id), payload: said }),
      ...more.map((part) => carried(keyOf(making, id), part, making.actor)),
    ],
  }
}

/** That a deployment brought these. */
export const carried = (deployment: string, commits: CarriedCommit[], actor: string): NewFact =>
  fact(deliveryCarried, { subject: `delivery:${deployment}`, actor, payload: { deployment, commits, lines: null } })

export const chunks = (commits: readonly CarriedCommit[]): CarriedCommit[][] =>
  Array.from({ length: Math.ceil(commits.length / commitsAtOnce) }, (_, part) =>
    commits.slice(part * commitsAtOnce, (part + 1) * commitsAtOnce),
  )

const incident = (record: IncidentRecord, making: Making): NewFact => {
  const key = keyOf(making, record.id)
  const about = { subject: incidentSubject(key), actor: making.actor }
  const reached = { incident: key, at: past(record.at, making) }
  switch (record.state) {
    case 'opened': {
      const { service, environment } = placeOf(record, making)
      const causedBy = record.causedBy ? { deployment: keyOf(making, record.causedBy) } : null
      const times = { impactStartedAt: past(record.impactStartedAt ?? null, making), detectedAt: reached.at }
      const { source, received, project } = making
      const said = { incident: key, project, service, environment, title: record.title ?? record.id, ...times }
      return fact(incidentOpened, { ...about, payload: { ...said, source, causedBy, key, received } })
    }
    case 'acknowledged':
      return fact(incidentAcknowledged, { ...about, payload: reached })
    case 'mitigated':
      return fact(incidentMitigated, { ...about, payload: reached })
    case 'resolved':
      return fact(incidentResolved, { ...about, payload: reached })
    case 'reopened':
      return fact(incidentReopened, { ...about, payload: reached })
    default:
      return unreachable(record.state)
  }
}

/** A push with more commits than a fact may hold is several, one after the other. */
const pushed = ({ repository, ref, before, after, commits }: PushRecord, making: Making): NewFact[] => {
  const { project, source, received, actor } = making
  const parts = chunks(carriedIn(commits, repository))
  let since = before
  return (parts.length === 0 ? [[]] : parts).map((part, place, all) => {
    const until = place === all.length - 1 ? after : (part.at(-1)?.commit ?? after)
    const key = keyOf(making, `${repository}/pushes/${since ?? ''}..${until ?? ''}`)
    const payload = { key, project, source, repository, ref, before: since, after: until, commits: part, received }
    since = until
    return fact(commitsPushed, { subject: `delivery:${key}`, actor, payload })
  })
}

/** What a mapping can be of. */
const mappable = ({ unit, repository, environment }: DeploymentRecord | IncidentRecord): string[] =>
  [unit, repository, environment].filter((name) => name !== undefined)

const unmapped = (record: DeploymentRecord, { source }: Making): string => {
  const names = mappable(record).map((name) => `"${name}"`)
  return `no mapping of ${source} names its service${names.length === 0 ? '' : ` by ${names.join(' or ')}`}`
}

/** What an administrator has said comes first, then what is told, then what holds for the whole source. */
const placeOf = (record: DeploymentRecord | IncidentRecord, making: Making) => {
  const mapping = placeBy(making.mappings, mappable(record))
  return {
    service: mapping?.service ?? record.service ?? making.service,
    environment: mapping?.environment ?? environmentNamed(record.environment) ?? making.environment,
  }
}

/** `Production (EU)` is `production-eu` here. */
const environmentNamed = (name: string | undefined): EnvironmentName | null => {
  const plain = (name ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+/, '')
    .slice(0, 32)
  return EnvironmentName.safeParse(plain.replace(/-+$/, '')).data ?? null
}
