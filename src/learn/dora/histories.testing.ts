import { refUpdated } from '../../code/facts.ts'
import { deploymentFinished, deploymentRequested, rolloutShifted, rolloutStepStarted } from '../../deploy/facts.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, type ProjectName, RepositoryName, ServiceName } from '../../names.ts'
import {
  attributionWindowSet,
  type CarriedCommit,
  deliveryCarried,
  deliveryChange,
  deliveryCorrected,
  deliveryDeployed,
  incidentAttributed,
  incidentDismissed,
  incidentOpened,
  incidentReopened,
  incidentResolved,
  incidentSubject,
} from '../facts.ts'

/** Hours since Monday, 2026-01-05T00:00Z, in which histories are written. */
export const hour = (hours: number): number => Date.UTC(2026, 0, 5) + Math.round(hours * 3_600_000)
const on = (iso: string): number => (Date.parse(iso) - hour(0)) / 3_600_000

/** One thing that was told, as a fact; `at` is when the ledger's clock stood there. */
export type Told = { readonly at: number; fact(project: ProjectName): NewFact }

type CommitWish = number | (Partial<CarriedCommit> & { readonly at: number | null })
const commitOf = (wish: CommitWish): CarriedCommit => {
  const { at, ...rest } = typeof wish === 'number' ? { at: wish } : wish
  const committedAt = at === null ? null : hour(at)
  return { repository: 'code', commit: `c${at}`, committedAt, isMerge: false, reverts: null, ...rest }
}

type Where = { readonly service?: string; readonly environment?: string }
const laneOf = (project: ProjectName, { service = 'shop', environment = 'production' }: Where) => ({
  project,
  service: ServiceName.parse(service),
  environment: EnvironmentName.parse(environment),
})
const actor = 'user:test'
const about = (project: ProjectName, key: string) => ({ subject: `delivery:${project}:${key}`, actor })
const keyOf = (project: ProjectName, key: string): string => `test:${project}/${key}`

/** Another system deployed `revision` at that hour. Its key is `<service>/<environment>@<hour>` unless it has one. */
const deploy = (
  at: number,
  revision: string | null,
  more: Where & {
    readonly key?: string
    readonly commits?: readonly CommitWish[]
    readonly kind?: 'planned' | 'hotfix' | 'rollback'
    readonly rollsBack?: string
    readonly outcome?: 'succeeded' | 'failed'
  } = {},
): Told => ({
  at,
  fact: (project) => {
    const lane = laneOf(project, more)
    const key = more.key ?? defaultKey(at, more)
    return fact(deliveryDeployed, {
      ...about(project, key),
      payload: {
        ...{ key: keyOf(project, key), source: 'test', received: null, ...lane, startedAt: null },
        ...{ finishedAt: hour(at), outcome: more.outcome ?? 'succeeded', revision, lines: null },
        ...{ commits: (more.commits ?? []).map(commitOf), kind: more.kind ?? 'planned', automatic: null },
        rollsBack: more.rollsBack === undefined ? null : keyOf(project, more.rollsBack),
      },
    })
  },
})
const defaultKey = (at: number, { service = 'shop', environment = 'production' }: Where): string =>
  `${service}/${environment}@${at}`
/** The key of what `deploy(at, ...)` deployed to the shop in production. */
const shop = (at: number): string => defaultKey(at, {})

const carried = (key: string, commits: readonly CommitWish[]): Told => ({
  at: 0,
  fact: (project) =>
    fact(deliveryCarried, {
      ...about(project, key),
      payload: { deployment: keyOf(project, key), commits: commits.map(commitOf), lines: null },
    }),
})
const merged = (mergedAs: string, commits: readonly CommitWish[]): Told => ({
  at: 0,
  fact: (project) =>
    fact(deliveryChange, {
      ...about(project, mergedAs),
      payload: {
        ...{ key: keyOf(project, mergedAs), source: 'test', received: null, project, repository: 'code' },
        ...{ state: 'merged', at: hour(0), commits: commits.map(commitOf), mergedAs, lines: null },
      },
    }),
})
const corrected = (key: string, isFailure: boolean | null, isRework: boolean | null = null): Told => ({
  at: 0,
  fact: (project) =>
    fact(deliveryCorrected, {
      ...about(project, key),
      payload: { deployment: keyOf(project, key), isFailure, isRework, why: 'as somebody says' },
    }),
})

const incident = (
  name: string,
  at: number,
  more: Where & { readonly began?: number; readonly causedBy?: string; readonly nowhere?: boolean } = {},
): Told => ({
  at,
  fact: (project) => {
    const lane = laneOf(project, more)
    return fact(incidentOpened, {
      ...{ subject: incidentSubject(`${project}-${name}`), actor },
      payload: {
        ...{ incident: `${project}-${name}`, project, title: name, source: 'person', key: null, received: null },
        service: more.nowhere ? null : lane.service,
        environment: more.nowhere ? null : lane.environment,
        impactStartedAt: more.began === undefined ? null : hour(more.began),
        detectedAt: hour(at),
        causedBy: more.causedBy === undefined ? null : { deployment: keyOf(project, more.causedBy) },
      },
    })
  },
})
const resolved = (name: string, at: number): Told => ({
  at,
  fact: (project) => {
    const named = `${project}-${name}`
    return fact(incidentResolved, {
      subject: incidentSubject(named),
      actor,
      payload: { incident: named, at: hour(at) },
    })
  },
})
const reopened = (name: string, at: number): Told => ({
  at,
  fact: (project) => {
    const named = `${project}-${name}`
    return fact(incidentReopened, {
      subject: incidentSubject(named),
      actor,
      payload: { incident: named, at: hour(at) },
    })
  },
})
const dismissed = (name: string): Told => ({
  at: 0,
  fact: (project) => {
    const payload = { incident: `${project}-${name}`, why: 'a false alarm' }
    return fact(incidentDismissed, { subject: incidentSubject(payload.incident), actor, payload })
  },
})
const attributed = (name: string, key: string | null): Told => ({
  at: 0,
  fact: (project) => {
    const deployment = key === null ? null : keyOf(project, key)
    const payload = { incident: `${project}-${name}`, deployment, how: 'somebody looked', by: actor }
    return fact(incidentAttributed, { subject: incidentSubject(payload.incident), actor, payload })
  },
})
const window = (hours: number): Told => ({
  at: 0,
  fact: (project) =>
    fact(attributionWindowSet, {
      ...{ subject: `project:${project}`, actor },
      payload: { project, windowMs: hours * 3_600_000 },
    }),
})

const digestOf = (name: string): Digest =>
  Digest.parse(`sha256:${Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)}`)
const commitId = CommitId.parse('c'.repeat(40))

/** One of Headway's own deployments: what was told at which hour. */
const own = (
  name: string,
  release: string,
  more: {
    readonly requested: number
    readonly reason?: 'push' | 'rollback' | 'configuration' | 'manual'
    readonly push?: string
    readonly steps?: readonly (readonly [at: number, weightPercent: number])[]
    readonly shifted?: number
    readonly finished?: readonly [at: number, outcome: 'succeeded' | 'failed' | 'superseded' | 'rolled-back']
  },
): Told[] => {
  const told = (at: number, make: (target: ReturnType<typeof laneOf> & { deployment: string }) => NewFact): Told => ({
    at,
    fact: (project) => make({ deployment: keyOf(project, name), ...laneOf(project, {}) }),
  })
  const subject = `deployment:${name}`
  const system = 'system:deploy'
  const { requested, reason = 'push', push = null, steps = [], shifted, finished } = more
  const named = { release: digestOf(release), commit: commitId }
  return [
    told(requested, (target) =>
      fact(deploymentRequested, { subject, actor: system, payload: { ...target, ...named, reason, push } }),
    ),
    ...steps.map(([at, weightPercent], step) =>
      told(at, (target) =>
        fact(rolloutStepStarted, { subject, actor: system, payload: { ...target, step, weightPercent } }),
      ),
    ),
    ...(shifted === undefined
      ? []
      : [
          told(shifted, (target) =>
            fact(rolloutShifted, { subject, actor: system, payload: { ...target, instances: [] } }),
          ),
        ]),
    ...(finished === undefined
      ? []
      : [
          told(finished[0], (target) =>
            fact(deploymentFinished, {
              ...{ subject, actor: system },
              payload: {
                ...{ ...target, ...named, outcome: finished[1], url: null, detail: null, evidence: null, next: null },
              },
            }),
          ),
        ]),
  ]
}
/** A deployment of Headway's own that goes well within the hour. */
const ownWell = (
  name: string,
  release: string,
  at: number,
  more: { reason?: 'rollback' | 'configuration'; push?: string } = {},
) =>
  own(name, release, {
    requested: at - 0.5,
    steps: [[at - 0.1, 100]],
    shifted: at,
    finished: [at, 'succeeded'],
    ...more,
  })

const hotfixPush = (push: string): Told => ({
  at: 0,
  fact: (project) =>
    fact(refUpdated, {
      ...{ subject: `repository:${project}/code`, actor },
      payload: {
        ...{ push, project, repository: RepositoryName.parse('code'), ref: 'refs/heads/main', before: null },
        ...{ after: commitId, options: ['hotfix'], discovered: false },
      },
    }),
})

/** What is expected: lead and recovery times in hours, shares as [part, of]; null: no data. */
export type Expected = {
  readonly deployments: number
  readonly lead: number | null
  readonly failed: readonly [number, number] | null
  readonly recovery: number | null
  readonly rework: readonly [number, number] | null
  readonly more?: {
    readonly leads?: number
    readonly leadP90?: number
    readonly dropped?: Partial<Record<'first' | 'merge' | 'negative' | 'unknown' | 'again', number>>
    readonly pending?: number
    readonly suspected?: number
    readonly open?: number
    readonly recoveries?: number
    readonly negativeRecoveries?: number
  }
}
export type History = {
  readonly name: string
  readonly why: string
  readonly told: readonly Told[]
  readonly expected: Expected
  /** Asked in another environment than production. */
  readonly environment?: string
  /** Asked for one service only. */
  readonly service?: string
  /** Deployments by calendar bucket; null: none, and therefore no figure. */
  readonly calendar?: {
    readonly zone: string
    readonly bucket: 'day' | 'week' | 'month' | 'quarter' | 'year'
    readonly from: string
    readonly until: string
    readonly deployments: readonly (number | null)[]
    readonly hours?: readonly number[]
  }
}

const v1 = deploy(0, 'v1')
const v2 = deploy(10, 'v2', { commits: [8] })
const calm = (deployments: number, lead: number | null = null): Expected => ({
  ...{ deployments, lead, failed: deployments === 0 ? null : [0, deployments], recovery: null },
  rework: deployments === 0 ? null : [0, deployments],
})

export const histories: readonly History[] = [
  { name: 'nothing', why: 'no data is null, never 0', told: [], expected: calm(0) },
  {
    name: 'the first deployment',
    why: 'it counts for frequency, and old changes attached to it have no lead time',
    told: [deploy(0, 'v1', { commits: [-900, -5, -3] })],
    expected: { ...calm(1), more: { dropped: { first: 3 }, leads: 0 } },
  },
  { name: 'one commit', why: '10 - 8', told: [v1, v2], expected: { ...calm(2, 2), more: { leads: 1, leadP90: 2 } } },
  {
    name: 'an odd number of commits',
    why: 'leads 1, 3, 6: the middle one; p90 lies at rank 1.8: 3 + 0.8 * 3',
    told: [v1, deploy(10, 'v2', { commits: [4, 7, 9] })],
    expected: { ...calm(2, 3), more: { leads: 3, leadP90: 5.4 } },
  },
  {
    name: 'an even number of commits',
    why: 'leads 2 and 4: 3, where the lower median would be 2',
    told: [v1, deploy(10, 'v2', { commits: [6, 8] })],
    expected: calm(2, 3),
  },
  {
    name: 'commits of several deployments',
    why: 'leads 1, 2, 10 are pooled: 2; the median of the medians 1 and 6 would be 3.5',
    told: [v1, deploy(10, 'v2', { commits: [9] }), deploy(20, 'v3', { commits: [{ at: 10, commit: 'x' }, 18] })],
    expected: { ...calm(3, 2), more: { leads: 3 } },
  },
  {
    name: 'a merge commit',
    why: 'it is nobody’s work and has no lead time of its own',
    told: [v1, deploy(10, 'v2', { commits: [8, { at: 9, isMerge: true }] })],
    expected: { ...calm(2, 2), more: { leads: 1, dropped: { merge: 1 } } },
  },
  {
    name: 'a commit from the future',
    why: 'a clock is wrong: it is dropped, counted and shown',
    told: [v1, deploy(10, 'v2', { commits: [8, 11] })],
    expected: { ...calm(2, 2), more: { leads: 1, dropped: { negative: 1 } } },
  },
  {
    name: 'a commit of which nobody knows when',
    why: 'no time, no lead time',
    told: [v1, deploy(10, 'v2', { commits: [8, { at: null }] })],
    expected: { ...calm(2, 2), more: { leads: 1, dropped: { unknown: 1 } } },
  },
  {
    name: 'only a commit from the future',
    why: 'what is left is no data',
    told: [v1, deploy(10, 'v2', { commits: [11] })],
    expected: { ...calm(2), more: { leads: 0, dropped: { negative: 1 } } },
  },
  {
    name: 'a lead time of nothing',
    why: '0 hours are data',
    told: [v1, deploy(10, 'v2', { commits: [10] })],
    expected: { ...calm(2, 0), more: { leads: 1 } },
  },
  {
    name: 'a deployment without commits',
    why: 'configuration only: it counts, and has no lead time',
    told: [v1, deploy(10, 'v1b')],
    expected: calm(2),
  },
  {
    name: 'a pipeline that fails before production',
    why: 'it is no deployment, and no change failure',
    told: [v1, deploy(10, 'v2', { commits: [8], outcome: 'failed' })],
    expected: calm(1),
  },
  {
    name: 'a failed attempt, then a good one',
    why: 'the commit is live at 12',
    told: [v1, deploy(10, 'v2', { commits: [8], outcome: 'failed' }), deploy(12, 'v2', { commits: [8] })],
    expected: calm(2, 4),
  },
  {
    name: 'the same version twice',
    why: 'V1 followed by V1 is no rollback',
    told: [v1, deploy(10, 'v1')],
    expected: calm(2),
  },
  {
    name: 'the same version twice with its commits',
    why: 'a commit goes live once',
    told: [v1, v2, deploy(20, 'v2', { commits: [8] })],
    expected: { ...calm(3, 2), more: { leads: 1, dropped: { again: 1 } } },
  },
  {
    name: 'the same version around a failed attempt',
    why: 'V2 never took traffic, so that nothing is undone',
    told: [v1, deploy(10, 'v2', { outcome: 'failed' }), deploy(12, 'v1')],
    expected: calm(2),
  },
  {
    name: 'a rollback by revision',
    why: 'V2 failed, restored after 2 hours by V1, which is rework',
    told: [v1, v2, deploy(12, 'v1')],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 2, rework: [1, 3], more: { recoveries: 1 } },
  },
  {
    name: 'V1, V2, V3, then V1',
    why: 'V2 is blamed, the first one undone: 30 - 10; neither V3 nor V1 is',
    told: [v1, v2, deploy(20, 'v3'), deploy(30, 'v1')],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 20, rework: [1, 4] },
  },
  {
    name: 'V1, V2, V3, then V1, which says that it takes back V3',
    why: 'an explicit link comes before the revision: 30 - 20',
    told: [v1, v2, deploy(20, 'v3'), deploy(30, 'v1', { kind: 'rollback', rollsBack: shop(20) })],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 10, rework: [1, 4] },
  },
  {
    name: 'V1, V2, V3, then V2',
    why: 'only V3 is undone: 31 - 20',
    told: [v1, v2, deploy(20, 'v3'), deploy(31, 'v2')],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 11, rework: [1, 4] },
  },
  {
    name: 'a rollback of a rollback',
    why: 'V2 is undone after 2 hours, then the rollback itself after 1',
    told: [v1, v2, deploy(12, 'v1'), deploy(13, 'v2')],
    expected: { deployments: 4, lead: 2, failed: [2, 4], recovery: 1.5, rework: [2, 4], more: { recoveries: 2 } },
  },
  {
    name: 'two rollbacks to the same version',
    why: 'V2 (2 hours) and V3 (1 hour); the second goes back past nothing but V3',
    told: [v1, v2, deploy(12, 'v1'), deploy(20, 'v3'), deploy(21, 'v1')],
    expected: { deployments: 5, lead: 2, failed: [2, 5], recovery: 1.5, rework: [2, 5] },
  },
  {
    name: 'a rollback of which nobody knows to what',
    why: 'it is labelled one: the deployment before has failed',
    told: [v1, v2, deploy(12, null, { kind: 'rollback' })],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 2, rework: [1, 3] },
  },
  {
    name: 'a rollback that nothing came before',
    why: 'unplanned, and nobody can be blamed',
    told: [deploy(0, 'v1', { kind: 'rollback' })],
    expected: { deployments: 1, lead: null, failed: [0, 1], recovery: null, rework: [1, 1] },
  },
  {
    name: 'a hotfix',
    why: 'the deployment before has failed, restored after 3 hours; leads 2 and 1',
    told: [v1, v2, deploy(13, 'v3', { kind: 'hotfix', commits: [12] })],
    expected: { deployments: 3, lead: 1.5, failed: [1, 3], recovery: 3, rework: [1, 3] },
  },
  {
    name: 'a hotfix after a rollback',
    why: 'it mends V2, which has failed once and was restored by the rollback; the rollback has not failed',
    told: [v1, v2, deploy(12, 'v1'), deploy(15, 'v3', { kind: 'hotfix' })],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 2, rework: [2, 4] },
  },
  {
    name: 'a hotfix of a hotfix',
    why: 'the first one failed, too: 3 hours and 1 hour',
    told: [v1, v2, deploy(13, 'v3', { kind: 'hotfix' }), deploy(14, 'v4', { kind: 'hotfix' })],
    expected: { deployments: 4, lead: 2, failed: [2, 4], recovery: 2, rework: [2, 4] },
  },
  {
    name: 'a hotfix that nothing came before',
    why: 'unplanned, and nobody can be blamed',
    told: [deploy(0, 'v1', { kind: 'hotfix' })],
    expected: { deployments: 1, lead: null, failed: [0, 1], recovery: null, rework: [1, 1] },
  },
  {
    name: 'a revert',
    why: 'what brought the reverted commit has failed: 15 - 10; leads 2 and 1',
    told: [v1, v2, deploy(15, 'v3', { commits: [{ at: 14, reverts: 'c8' }] })],
    expected: { deployments: 3, lead: 1.5, failed: [1, 3], recovery: 5, rework: [1, 3] },
  },
  {
    name: 'a revert in the very deployment',
    why: 'the commit was never live without it',
    told: [v1, deploy(10, 'v2', { commits: [8, { at: 9, reverts: 'c8' }] })],
    expected: calm(2, 1.5),
  },
  {
    name: 'a revert of what was never here',
    why: 'nobody is blamed, and it is planned',
    told: [v1, deploy(10, 'v2', { commits: [{ at: 9, reverts: 'unknown' }] })],
    expected: calm(2, 1),
  },
  {
    name: 'a revert of an older deployment',
    why: 'V2 is blamed (30 - 10), not V3 that came between',
    told: [v1, v2, deploy(20, 'v3'), deploy(30, 'v4', { commits: [{ at: 30, reverts: 'c8' }] })],
    expected: { deployments: 4, lead: 1, failed: [1, 4], recovery: 20, rework: [1, 4] },
  },
  {
    name: 'a hotfix that reverts',
    why: 'the link comes before the label: V2, not V3',
    told: [v1, v2, deploy(20, 'v3'), deploy(30, 'v4', { kind: 'hotfix', commits: [{ at: 30, reverts: 'c8' }] })],
    expected: { deployments: 4, lead: 1, failed: [1, 4], recovery: 20, rework: [1, 4] },
  },
  {
    name: 'an incident that names its cause',
    why: '14 - 10; nothing was deployed to mend it',
    told: [v1, v2, incident('a', 11, { causedBy: shop(10) }), resolved('a', 14)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2], more: { suspected: 0 } },
  },
  {
    name: 'an incident soon after a deployment',
    why: 'suspected, and shown as such',
    told: [v1, v2, incident('a', 11), resolved('a', 14)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2], more: { suspected: 1 } },
  },
  {
    name: 'an incident long after a deployment',
    why: '25 hours are beyond the window of 24',
    told: [v1, v2, incident('a', 35), resolved('a', 36)],
    expected: calm(2, 2),
  },
  {
    name: 'an incident long after the deployment that it names',
    why: 'no window for what somebody says: 104 - 10',
    told: [v1, v2, incident('a', 100, { causedBy: shop(10) }), resolved('a', 104)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 94, rework: [0, 2] },
  },
  {
    name: 'a shorter window',
    why: 'two hours are beyond one hour',
    told: [v1, v2, window(1), incident('a', 12), resolved('a', 13)],
    expected: calm(2, 2),
  },
  {
    name: 'a window that is shortened afterwards',
    why: 'what was suspected is no more',
    told: [v1, v2, incident('a', 12), resolved('a', 13), window(1)],
    expected: calm(2, 2),
  },
  {
    name: 'two services, an incident of one',
    why: 'the last deployment of any service is the stock’s, and has nothing to do with it: 13 - 10',
    told: [
      v1,
      v2,
      deploy(0, 's1', { service: 'stock' }),
      deploy(11, 's2', { service: 'stock' }),
      incident('a', 12),
      resolved('a', 13),
    ],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 3, rework: [0, 4] },
  },
  {
    name: 'the other of the two services',
    why: 'asked for by itself it has not failed',
    told: [
      v1,
      v2,
      deploy(0, 's1', { service: 'stock' }),
      deploy(11, 's2', { service: 'stock' }),
      incident('a', 12),
      resolved('a', 13),
    ],
    expected: calm(2),
    service: 'stock',
  },
  {
    name: 'an incident in staging',
    why: 'production did not have it',
    told: [v1, v2, deploy(10, 'v2', { environment: 'staging' }), incident('a', 11, { environment: 'staging' })],
    expected: calm(2, 2),
  },
  {
    name: 'staging by itself',
    why: 'it is a place of its own: its first deployment is its first',
    told: [v1, v2, deploy(9, 'v2', { environment: 'staging', commits: [8] })],
    expected: { ...calm(1), more: { dropped: { first: 1 } } },
    environment: 'staging',
  },
  {
    name: 'an incident of no service',
    why: 'nobody is blamed',
    told: [v1, v2, incident('a', 11, { nowhere: true })],
    expected: calm(2, 2),
  },
  {
    name: 'an incident before the first deployment',
    why: 'nothing was there that could have caused it',
    told: [incident('a', -1), v1, v2],
    expected: calm(2, 2),
  },
  {
    name: 'three incidents of one deployment',
    why: 'it has failed once, and is restored when the last is over: 16 - 10',
    told: [
      ...[v1, v2, incident('a', 11), incident('b', 12), incident('c', 13)],
      ...[resolved('a', 12), resolved('b', 16), resolved('c', 14)],
    ],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 6, rework: [0, 2], more: { recoveries: 1 } },
  },
  {
    name: 'two incidents, one is open',
    why: 'open failures stay open and are shown',
    told: [v1, v2, incident('a', 11), incident('b', 12), resolved('a', 12)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: null, rework: [0, 2], more: { open: 1 } },
  },
  {
    name: 'an incident that is open',
    why: 'failed, and no recovery time yet',
    told: [v1, v2, incident('a', 11)],
    expected: {
      deployments: 2,
      lead: 2,
      failed: [1, 2],
      recovery: null,
      rework: [0, 2],
      more: { open: 1, recoveries: 0 },
    },
  },
  {
    name: 'a rollback before the incident is closed',
    why: 'restored by what comes first: 12 - 10',
    told: [v1, v2, incident('a', 11), deploy(12, 'v1'), resolved('a', 20)],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 2, rework: [1, 3], more: { suspected: 0 } },
  },
  {
    name: 'a hotfix after the incident is closed',
    why: 'restored by what comes first: 13 - 10',
    told: [v1, v2, incident('a', 11), resolved('a', 13), deploy(30, 'v3', { kind: 'hotfix' })],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 3, rework: [1, 3] },
  },
  {
    name: 'an incident after V3 that goes back to V1',
    why: 'the rollback says that it came from V2 (22 - 10), so that V3 is not suspected of it',
    told: [v1, v2, deploy(20, 'v3'), incident('a', 21), deploy(22, 'v1'), resolved('a', 23)],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 12, rework: [1, 4], more: { suspected: 0 } },
  },
  {
    name: 'an incident that ended before its deployment',
    why: 'a negative duration is no recovery time; it is counted and shown',
    told: [v1, v2, incident('a', 11, { causedBy: shop(10) }), resolved('a', 9)],
    expected: {
      ...{ deployments: 2, lead: 2, failed: [1, 2], recovery: null, rework: [0, 2] },
      more: { negativeRecoveries: 1, open: 0 },
    },
  },
  {
    name: 'an incident that was found late',
    why: 'its impact began at 15, when V2 ran: 22 - 10; V3 came later',
    told: [v1, v2, deploy(20, 'v3'), incident('a', 21, { began: 15 }), resolved('a', 22)],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 12, rework: [0, 3], more: { suspected: 1 } },
  },
  {
    name: 'an incident that no deployment has caused, as somebody says',
    why: 'a correction outranks the window',
    told: [v1, v2, incident('a', 11), attributed('a', null)],
    expected: calm(2, 2),
  },
  {
    name: 'an incident that another deployment has caused, as somebody says',
    why: 'V1: 14 - 0',
    told: [v1, v2, incident('a', 11), resolved('a', 14), attributed('a', shop(0))],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 14, rework: [0, 2], more: { suspected: 0 } },
  },
  {
    name: 'an incident that is corrected twice',
    why: 'what was said last holds',
    told: [v1, v2, incident('a', 11), resolved('a', 14), attributed('a', shop(0)), attributed('a', shop(10))],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2] },
  },
  {
    name: 'a rollback that was no failure, as somebody says',
    why: 'it is rework all the same',
    told: [v1, v2, deploy(12, 'v1'), corrected(shop(10), false)],
    expected: { deployments: 3, lead: 2, failed: [0, 3], recovery: null, rework: [1, 3] },
  },
  {
    name: 'a rollback that was planned, as somebody says',
    why: 'neither failure nor rework',
    told: [v1, v2, deploy(12, 'v1'), corrected(shop(10), false), corrected(shop(12), null, false)],
    expected: calm(3, 2),
  },
  {
    name: 'a failure that only somebody says',
    why: 'nothing tells when it was restored',
    told: [v1, v2, corrected(shop(10), true)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: null, rework: [0, 2], more: { open: 1 } },
  },
  {
    name: 'a correction that is taken back',
    why: 'the rules say again: V2 has failed',
    told: [v1, v2, deploy(12, 'v1'), corrected(shop(10), false), corrected(shop(10), null)],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 2, rework: [1, 3] },
  },
  {
    name: 'a false alarm',
    why: 'a dismissed incident counts for nothing',
    told: [v1, v2, incident('a', 11), dismissed('a')],
    expected: calm(2, 2),
  },
  {
    name: 'an incident that was not over after all',
    why: 'it is open again',
    told: [v1, v2, incident('a', 11), resolved('a', 12), reopened('a', 13)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: null, rework: [0, 2], more: { open: 1 } },
  },
  {
    name: 'an incident that is over at last',
    why: '16 - 10',
    told: [v1, v2, incident('a', 11), resolved('a', 12), reopened('a', 13), resolved('a', 16)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 6, rework: [0, 2], more: { open: 0 } },
  },
  {
    name: 'a suspected and a certain incident of one deployment',
    why: 'it has failed once, and is not only suspected',
    told: [v1, v2, incident('a', 11), incident('b', 12, { causedBy: shop(10) }), resolved('a', 12), resolved('b', 13)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 3, rework: [0, 2], more: { suspected: 0 } },
  },
  {
    name: 'an incident told before its deployment',
    why: 'late events: it is put down to V2 as soon as V2 is known',
    told: [incident('a', 11, { causedBy: shop(10) }), resolved('a', 14), v1, v2],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2] },
  },
  {
    name: 'an incident told before the deployment that it is suspected to come from',
    why: 'late events: first V1 is suspected, then V2',
    told: [v1, incident('a', 11), resolved('a', 14), v2],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2], more: { suspected: 1 } },
  },
  {
    name: 'deployments told in the wrong order',
    why: 'V1, V2, V3, V1 as above: V2 is blamed though it was told last',
    told: [v1, deploy(30, 'v1'), deploy(20, 'v3'), v2],
    expected: { deployments: 4, lead: 2, failed: [1, 4], recovery: 20, rework: [1, 4] },
  },
  {
    name: 'a hotfix told before what it mends',
    why: 'V2, which was told last, is the one before it',
    told: [v1, deploy(13, 'v3', { kind: 'hotfix' }), v2],
    expected: { deployments: 3, lead: 2, failed: [1, 3], recovery: 3, rework: [1, 3] },
  },
  {
    name: 'the first deployment told last',
    why: 'V2 was taken for the first, and has lead times after all',
    told: [v2, v1],
    expected: calm(2, 2),
  },
  {
    name: 'a delivery told twice',
    why: 'one key, one deployment',
    told: [v1, v2, v2, v2],
    expected: { ...calm(2, 2), more: { leads: 1, dropped: { again: 0 } } },
  },
  {
    name: 'an incident told twice',
    why: 'one name, one incident',
    told: [v1, v2, incident('a', 11), incident('a', 11), resolved('a', 14)],
    expected: { deployments: 2, lead: 2, failed: [1, 2], recovery: 4, rework: [0, 2] },
  },
  {
    name: 'a squash merge',
    why: 'the commits of the change count (6 and 4 hours), not the one of 9 that it became',
    told: [v1, merged('s', [4, 6]), deploy(10, 'v2', { commits: [{ at: 9, commit: 's' }] })],
    expected: { ...calm(2, 5), more: { leads: 2 } },
  },
  {
    name: 'a squash merge told after its deployment',
    why: 'late events: the same',
    told: [v1, deploy(10, 'v2', { commits: [{ at: 9, commit: 's' }] }), merged('s', [4, 6])],
    expected: { ...calm(2, 5), more: { leads: 2 } },
  },
  {
    name: 'a change merged by a merge commit',
    why: 'its commits are there themselves, and count once',
    told: [v1, merged('m', [4, 6]), deploy(10, 'v2', { commits: [4, 6, { at: 9, commit: 'm', isMerge: true }] })],
    expected: { ...calm(2, 5), more: { leads: 2, dropped: { merge: 1 } } },
  },
  {
    name: 'commits told after their deployment',
    why: 'as Headway tells of its own: 10 - 8',
    told: [v1, deploy(10, 'v2'), carried(shop(10), [8])],
    expected: calm(2, 2),
  },
  {
    name: 'commits told before their deployment',
    why: 'they are kept until it is known',
    told: [v1, carried(shop(10), [8]), deploy(10, 'v2')],
    expected: calm(2, 2),
  },
  {
    name: 'a deployment from two repositories',
    why: 'it is one deployment; leads 2 and 4',
    told: [v1, deploy(10, 'v2', { commits: [8, { at: 6, repository: 'web' }] })],
    expected: { ...calm(2, 3), more: { leads: 2 } },
  },
  {
    name: 'one commit in two services',
    why: 'it goes live twice: after 2 and after 6 hours',
    told: [v1, v2, deploy(0, 's1', { service: 'stock' }), deploy(14, 's2', { service: 'stock', commits: [8] })],
    expected: { ...calm(4, 4), more: { leads: 2 } },
  },
  {
    name: 'a commit that comes back after a rollback',
    why: 'it was live at 10 first; the new one took 20 - 17; leads 2 and 3',
    told: [v1, v2, deploy(12, 'v1'), deploy(20, 'v3', { commits: [8, 17] })],
    expected: {
      ...{ deployments: 4, lead: 2.5, failed: [1, 4], recovery: 2, rework: [1, 4] },
      more: { leads: 2, dropped: { again: 1 } },
    },
  },
  {
    name: 'a commit whose first deployment is told last',
    why: 'it went live at 10, not at 20',
    told: [v1, deploy(20, 'v3', { commits: [8, 17] }), v2],
    expected: { ...calm(3, 2.5), more: { leads: 2, dropped: { again: 1 } } },
  },
  {
    name: 'two deployments at the same moment',
    why: 'they follow each other as they were told',
    told: [v1, v2, deploy(10, 'v3', { key: 'other', commits: [7] })],
    expected: calm(3, 2.5),
  },
  {
    name: 'a deployment of Headway’s own that is still watched',
    why: 'pending ones leave the denominator; it is deployed all the same',
    told: own('d1', 'r1', { requested: 0, steps: [[0.5, 100]], shifted: 1 }),
    expected: { deployments: 1, lead: null, failed: null, recovery: null, rework: [0, 1], more: { pending: 1 } },
  },
  {
    name: 'a deployment of Headway’s own whose watch is over',
    why: 'it is judged; its lead time ends when it had all traffic: 10 - 8, not when the watch was over',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[9.5, 10]], shifted: 10, finished: [11, 'succeeded'] }),
      carried('d2', [8]),
    ],
    expected: calm(2, 2),
  },
  {
    name: 'a canary that is rolled back',
    why: 'it served production for a quarter of an hour: failed, and no deployment was needed to mend it',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[10, 10]], finished: [10.25, 'rolled-back'] }),
    ],
    expected: { deployments: 2, lead: null, failed: [1, 2], recovery: 0.25, rework: [0, 2] },
  },
  {
    name: 'a canary that is rolled back, with its incident',
    why: 'it has failed once',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[10, 10]], finished: [10.25, 'rolled-back'] }),
      ...[incident('a', 10.2, { causedBy: 'd2' }), resolved('a', 10.25)],
    ],
    expected: { deployments: 2, lead: null, failed: [1, 2], recovery: 0.25, rework: [0, 2] },
  },
  {
    name: 'a canary that is rolled back, then mended',
    why: 'its commit goes live with the next, from the one that succeeded before: 20 - 8',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[10, 10]], finished: [10.25, 'rolled-back'] }),
      ...ownWell('d3', 'r3', 20),
      carried('d3', [8, 18]),
    ],
    expected: { deployments: 3, lead: 7, failed: [1, 3], recovery: 0.25, rework: [0, 3] },
  },
  {
    name: 'a shadow that is taken back',
    why: 'it got copies of requests only: nobody was served by it',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[10, 0]], finished: [10.25, 'rolled-back'] }),
    ],
    expected: calm(1),
  },
  {
    name: 'an instance of Headway’s own that never gets healthy',
    why: 'it never had traffic',
    told: [...ownWell('d1', 'r1', 0), ...own('d2', 'r2', { requested: 9, finished: [10, 'failed'] })],
    expected: calm(1),
  },
  {
    name: 'a rollout that a newer one takes the place of',
    why: 'it did not come to its end, and nobody says that it was bad',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...own('d2', 'r2', { requested: 9, steps: [[10, 10]], finished: [10.25, 'superseded'] }),
      ...ownWell('d3', 'r3', 11),
    ],
    expected: calm(2),
  },
  {
    name: 'headway rollback',
    why: 'as with V1, V2, V1: 12 - 10',
    told: [...ownWell('d1', 'r1', 0), ...ownWell('d2', 'r2', 10), ...ownWell('d3', 'r1', 12, { reason: 'rollback' })],
    expected: { deployments: 3, lead: null, failed: [1, 3], recovery: 2, rework: [1, 3] },
  },
  {
    name: 'a new configuration of the same release',
    why: 'V2 followed by V2 is no rollback',
    told: [
      ...ownWell('d1', 'r1', 0),
      ...ownWell('d2', 'r2', 10),
      ...ownWell('d3', 'r2', 12, { reason: 'configuration' }),
    ],
    expected: calm(3),
  },
  {
    name: 'git push -o hotfix',
    why: 'what the push led to mends the deployment before',
    told: [
      ...[...ownWell('d1', 'r1', 0), ...ownWell('d2', 'r2', 10)],
      ...[hotfixPush('push-hot'), ...ownWell('d3', 'r3', 12, { push: 'push-hot' })],
    ],
    expected: { deployments: 3, lead: null, failed: [1, 3], recovery: 2, rework: [1, 3] },
  },
  {
    name: 'the day on which clocks go forward',
    why: '29 March 2026 has 23 hours in Berlin, from 23:00Z to 22:00Z',
    told: ['2026-03-28T22:59Z', '2026-03-28T23:01Z', '2026-03-29T21:59Z', '2026-03-29T22:01Z'].map((iso, place) =>
      deploy(on(iso), `v${place}`),
    ),
    expected: calm(4),
    calendar: {
      ...{ zone: 'Europe/Berlin', bucket: 'day', from: '2026-03-27T23:00Z', until: '2026-03-30T22:00Z' },
      ...{ deployments: [1, 2, 1], hours: [24, 23, 24] },
    },
  },
  {
    name: 'the day on which clocks go back',
    why: '25 October 2026 has 25 hours in Berlin, from 22:00Z to 23:00Z',
    told: ['2026-10-24T22:01Z', '2026-10-25T22:59Z', '2026-10-25T23:01Z'].map((iso, place) =>
      deploy(on(iso), `v${place}`),
    ),
    expected: calm(3),
    calendar: {
      ...{ zone: 'Europe/Berlin', bucket: 'day', from: '2026-10-24T22:00Z', until: '2026-10-26T23:00Z' },
      ...{ deployments: [2, 1], hours: [25, 24] },
    },
  },
  {
    name: 'a day without midnight',
    why: 'on 6 September 2026 clocks in Santiago go from 24:00 to 1:00, at 04:00Z',
    told: ['2026-09-06T03:59Z', '2026-09-06T04:01Z'].map((iso, place) => deploy(on(iso), `v${place}`)),
    expected: calm(2),
    calendar: {
      ...{ zone: 'America/Santiago', bucket: 'day', from: '2026-09-05T04:00Z', until: '2026-09-07T03:00Z' },
      ...{ deployments: [1, 1], hours: [24, 23] },
    },
  },
  {
    name: 'an evening in New York',
    why: '03:00Z is still the day before there',
    told: [deploy(on('2026-01-06T03:00Z'), 'v1'), deploy(on('2026-01-06T06:00Z'), 'v2')],
    expected: calm(2),
    calendar: {
      ...{ zone: 'America/New_York', bucket: 'day', from: '2026-01-05T05:00Z', until: '2026-01-07T05:00Z' },
      deployments: [1, 1],
    },
  },
  {
    name: 'a zone with quarters of an hour',
    why: 'midnight in Kathmandu is at 18:15Z',
    told: [
      deploy(on('2026-01-05T18:14Z'), 'v1'),
      deploy(on('2026-01-05T18:15Z'), 'v2'),
      deploy(on('2026-01-05T18:16Z'), 'v3'),
    ],
    expected: calm(3),
    calendar: {
      ...{ zone: 'Asia/Kathmandu', bucket: 'day', from: '2026-01-04T18:15Z', until: '2026-01-06T18:15Z' },
      deployments: [1, 2],
    },
  },
  {
    name: 'an empty month',
    why: 'it is no data, not a 0',
    told: [deploy(on('2026-01-10T00:00Z'), 'v1'), deploy(on('2026-03-10T00:00Z'), 'v2')],
    expected: calm(2),
    calendar: {
      ...{ zone: 'UTC', bucket: 'month', from: '2026-01-01T00:00Z', until: '2026-04-01T00:00Z' },
      deployments: [1, null, 1],
    },
  },
  {
    name: 'weeks',
    why: 'they begin on Monday: 11 January 2026 is a Sunday',
    told: [
      deploy(on('2026-01-11T23:59Z'), 'v1'),
      deploy(on('2026-01-12T00:00Z'), 'v2'),
      deploy(on('2026-01-13T00:00Z'), 'v3'),
    ],
    expected: calm(3),
    calendar: {
      ...{ zone: 'UTC', bucket: 'week', from: '2026-01-05T00:00Z', until: '2026-01-19T00:00Z' },
      deployments: [1, 2],
    },
  },
  {
    name: 'quarters',
    why: 'the second begins on 1 April, in Berlin two hours before UTC',
    told: [deploy(on('2026-03-31T21:59Z'), 'v1'), deploy(on('2026-03-31T22:00Z'), 'v2')],
    expected: calm(2),
    calendar: {
      ...{ zone: 'Europe/Berlin', bucket: 'quarter', from: '2025-12-31T23:00Z', until: '2026-06-30T22:00Z' },
      deployments: [1, 1],
    },
  },
  {
    name: 'a leap day',
    why: '29 February 2028 is a day, and years follow each other',
    told: [deploy(on('2028-02-29T12:00Z'), 'v1'), deploy(on('2028-03-01T12:00Z'), 'v2')],
    expected: calm(2),
    calendar: {
      ...{ zone: 'UTC', bucket: 'day', from: '2028-02-28T00:00Z', until: '2028-03-02T00:00Z' },
      deployments: [null, 1, 1],
    },
  },
]
