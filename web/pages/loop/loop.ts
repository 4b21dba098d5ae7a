import type { DeploymentGlance, Promotion, ProtectedEnvironment, Rollout } from '../../api/deployment-queries.ts'
import type { RunGlance } from '../../api/run-queries.ts'
import type { Glance } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import type { Tone } from '../../ui/parts.tsx'

export type StageName = keyof typeof t.loop.stage
/** What is in a stage at this moment, in words and by tone. */
export type Stage = { readonly name: StageName; readonly count: number; readonly said: string; readonly tone: Tone }

type Target = { readonly to: string; readonly params: Readonly<Record<string, string>> }
/** Something that somebody should look at; `role` is for whom it waits, null where something is broken. */
export type Item = {
  readonly key: string
  readonly tone: 'bad' | 'wait'
  readonly text: string
  readonly detail: string | null
  readonly role: string | null
  readonly since: number | null
  readonly target: Target
  /** What can be agreed to right there. */
  readonly promotion?: Promotion
}

type Change = {
  repository: string
  number: number
  status: string
  title: string | null
  updatedAt: number
  isQueued: boolean
}
type Alert = { service: string; environment: string; name: string; when: string; state: string; since: number | null }
type Incident = { incident: string; title: string; source: string; beganAt: number; acknowledgedAt: number | null }
type Broken = { repository: string; ref: string; runs: readonly string[] }

export type Now = {
  readonly project: string
  readonly now: number
  /** The first few by name, of so many places (a service in an environment). */
  readonly services: readonly Glance[]
  readonly places: number
  /** Those that are broken, of so many places that are. */
  readonly ill: readonly Glance[]
  readonly illPlaces: number
  readonly runs: RunGlance
  readonly rollouts: readonly Rollout[]
  readonly deployments: readonly DeploymentGlance[]
  readonly changes: readonly Change[]
  readonly promotions: readonly Promotion[]
  readonly alerts: readonly Alert[]
  readonly broken: readonly Broken[]
  readonly incidents: readonly Incident[]
  /** What jobs wait for that name an environment. */
  readonly environments: readonly ProtectedEnvironment[]
}

const dayMs = 86_400_000
const isUnderWay = ({ phase }: Rollout): boolean => phase !== 'ended'

/** The stages as they stand, in the order of the loop. */
export const stagesOf = (at: Now): readonly Stage[] => {
  const { in: said } = t.loop
  const open = at.changes.filter(({ status }) => status === 'open').length
  const running = at.runs.open
  const packaged = at.deployments.filter(
    ({ requestedAt, reason }) => reason === 'push' && at.now - requestedAt < dayMs,
  ).length
  const waiting = at.promotions.filter(({ outcome }) => outcome === null).length
  const rolling = at.rollouts.filter(isUnderWay).length
  const [here, broken] = [at.places, at.illPlaces]
  const firing = at.alerts.filter(({ state }) => state === 'firing').length
  return [
    { name: 'code', count: open, said: said.code(open), tone: open > 0 ? 'busy' : 'calm' },
    {
      name: 'build',
      count: running,
      said: said.build(running),
      tone: at.broken.length > 0 ? 'bad' : running > 0 ? 'busy' : 'good',
    },
    { name: 'package', count: packaged, said: said.package(packaged), tone: 'calm' },
    { name: 'release', count: waiting, said: said.release(waiting), tone: waiting > 0 ? 'wait' : 'calm' },
    { name: 'deploy', count: rolling, said: said.deploy(rolling), tone: rolling > 0 ? 'busy' : 'calm' },
    {
      name: 'operate',
      count: here,
      said: said.operate(here - broken, here),
      tone: broken > 0 ? 'bad' : here > 0 ? 'good' : 'calm',
    },
    { name: 'monitor', count: firing, said: said.monitor(firing), tone: firing > 0 ? 'bad' : 'good' },
  ]
}

/** What needs somebody: first what is broken, then what waits, each by how long it has. */
export const itemsOf = (at: Now): readonly Item[] => {
  const { item } = t.loop
  const { project } = at
  const toService = (service: string, environment: string): Target => ({
    to: `/projects/$project/services/$service`,
    params: { project, service, environment },
  })
  const broken: Item[] = [
    ...at.broken.map(({ repository, ref, runs }) => ({
      key: `main ${repository}`,
      text: item.main(repository, ref.replace('refs/heads/', '')),
      detail: null,
      since: null,
      target: { to: '/projects/$project/runs/$run', params: { project, run: runs.at(-1) ?? '' } },
    })),
    ...at.ill.map(({ service, environment, status, detail, finishedAt }) => ({
      key: `service ${service} ${environment}`,
      text: item.service(service, environment, t.status[status]),
      detail,
      since: finishedAt,
      target: toService(service, environment),
    })),
    ...at.alerts
      .filter(({ state }) => state === 'firing')
      .map(({ service, environment, name, when, since }) => ({
        key: `alert ${service} ${environment} ${name}`,
        text: item.alert(service, name),
        detail: when,
        since,
        target: toService(service, environment),
      })),
    // One that an alert opened is there already, as the alert.
    ...at.incidents
      .filter(({ source }) => source !== 'alert')
      .map(({ incident, title, beganAt, acknowledgedAt }) => ({
        key: incident,
        text: item.incident(title),
        detail: acknowledgedAt === null ? null : t.incidents.state.acknowledged,
        since: beganAt,
        target: { to: '/projects/$project/incidents/$incident', params: { project, incident } },
      })),
  ].map((one) => ({ ...one, tone: 'bad' as const, role: null }))
  const waiting: Item[] = [
    ...at.promotions
      .filter(({ outcome }) => outcome === null)
      .map((promotion) => ({
        key: promotion.promotion,
        text:
          promotion.held?.why === 'approval'
            ? item.approval(promotion.service, promotion.environment)
            : item.held(promotion.service, promotion.environment),
        detail: promotion.held?.detail ?? null,
        role: promotion.asking?.role ?? null,
        since: promotion.requestedAt,
        target: toService(promotion.service, promotion.environment),
        promotion,
      })),
    ...at.environments.flatMap(({ environment, waiting }) =>
      waiting.map(({ run, job, name, title, queuedAt }) => ({
        key: `${run} ${job}`,
        text: item.job(name, environment),
        detail: title,
        role: t.roles.operator,
        since: queuedAt,
        target: { to: '/projects/$project/runs/$run', params: { project, run } },
      })),
    ),
    ...at.rollouts
      .filter((rollout) => isUnderWay(rollout) && rollout.paused !== null)
      .map(({ deployment, service, paused }) => ({
        key: deployment,
        text: item.paused(service),
        detail: paused?.reason ?? null,
        role: t.roles.developer,
        since: paused?.at ?? null,
        target: { to: '/projects/$project/rollouts/$rollout', params: { project, rollout: deployment } },
      })),
    ...at.changes
      .filter(({ status, isQueued }) => status === 'open' && !isQueued)
      .map(({ repository, number, title, updatedAt }) => ({
        key: `change ${repository} ${number}`,
        text: item.change(repository, number),
        detail: title,
        role: t.roles.developer,
        since: updatedAt,
        target: {
          to: '/projects/$project/changes/$repository/$number',
          params: { project, repository, number: String(number) },
        },
      })),
  ].map((one) => ({ ...one, tone: 'wait' as const }))
  const oldest = (one: Item, other: Item): number => (one.since ?? 0) - (other.since ?? 0)
  return [...broken.toSorted(oldest), ...waiting.toSorted(oldest)]
}

export type Slowest = { readonly part: keyof typeof t.loop.part; readonly medianMs: number; readonly count: number }

/** Where a change waits longest, by the middle one of the last day; null while there is too little to say. */
export const slowestOf = (at: Now): Slowest | null => {
  const isRecent = (when: number | null): boolean => when !== null && at.now - when < dayMs
  const { waited, took } = at.runs
  const measured = [
    waited && { part: 'queue' as const, ...waited },
    took && { part: 'run' as const, ...took },
    middleOf(
      'approval',
      at.promotions
        .filter(({ outcome, endedAt }) => outcome === 'granted' && isRecent(endedAt))
        .map(({ requestedAt, endedAt }) => (endedAt === null ? null : endedAt - requestedAt)),
    ),
    middleOf(
      'rollout',
      at.deployments
        .filter(({ outcome, finishedAt }) => outcome === 'succeeded' && isRecent(finishedAt))
        .map(({ requestedAt, finishedAt }) => (finishedAt === null ? null : finishedAt - requestedAt)),
    ),
  ].filter((one) => one !== null)
  return measured.toSorted((one, other) => other.medianMs - one.medianMs)[0] ?? null
}

const middleOf = (part: Slowest['part'], spans: readonly (number | null)[]): Slowest | null => {
  const known = spans.filter((one) => one !== null).toSorted((one, other) => one - other)
  const medianMs = known[Math.floor(known.length / 2)]
  return medianMs === undefined ? null : { part, medianMs, count: known.length }
}
