import { pushVerified, runQueued, runStarted } from '../../build/facts.ts'
import {
  changeAbandoned,
  changeApproved,
  changeCommented,
  changeMerged,
  changeOpened,
  changeQueued,
  changeReopened,
  mergeWithdrawn,
  refUpdated,
} from '../../code/facts.ts'
import { deploymentFinished, deploymentRequested, rolloutAborted, rolloutShifted } from '../../deploy/facts.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, type ProjectName, RepositoryName, ServiceName } from '../../names.ts'
import { releaseCreated } from '../../package/facts.ts'
import { promotionGranted, promotionHeld } from '../../release/facts.ts'
import { hour } from '../dora/histories.testing.ts'
import { deliveryCarried, deliveryChange, deliveryDeployed, deliveryMeasured, deliveryRun } from '../facts.ts'
import type { StageName } from './stages.ts'

/** One thing that was told; `at` is the hour at which the ledger's clock stood. */
export type Told = { readonly at: number; fact(project: ProjectName): NewFact }

const repository = RepositoryName.parse('code')
const actor = 'user:ada'
const commitOf = (name: string): CommitId =>
  CommitId.parse(Buffer.from(name).toString('hex').padEnd(40, '0').slice(0, 40))
const digestOf = (name: string): Digest => Digest.parse(`sha256:${commitOf(name).padEnd(64, '0')}`)
const shop = ServiceName.parse('shop')
const production = EnvironmentName.parse('production')

const ofChange = (
  at: number,
  number: number,
  make: (about: { subject: string; actor: string }, key: Key) => NewFact,
) => ({
  at,
  fact: (project: ProjectName) =>
    make({ subject: `change:${project}/code/${number}`, actor }, { project, repository, number }),
})
type Key = { readonly project: ProjectName; readonly repository: RepositoryName; readonly number: number }

const opened = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) =>
    fact(changeOpened, {
      ...about,
      payload: {
        ...{ ...key, branch: `b${number}`, target: 'main', head: commitOf(`h${number}`), base: null, user: 'ada' },
        ...{ pusher: 'token:ada/x', author: 'ada', reverts: null },
      },
    }),
  )
const commented = (number: number, at: number, user = 'bob'): Told =>
  ofChange(at, number, (about, key) =>
    fact(changeCommented, { ...about, payload: { ...key, comment: 'c', user, version: 1, body: 'hm', place: null } }),
  )
const approved = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) => fact(changeApproved, { ...about, payload: { ...key, user: 'bob', version: 1 } }))
const queued = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) => fact(changeQueued, { ...about, payload: { ...key, version: 1 } }))
const withdrawn = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) => fact(mergeWithdrawn, { ...about, payload: { ...key, version: 1, why: 'red' } }))
const merged = (number: number, at: number, commit: string): Told =>
  ofChange(at, number, (about, key) =>
    fact(changeMerged, {
      ...about,
      payload: {
        ...{ ...key, version: 1, head: commitOf(`h${number}`), target: 'main', before: null, after: commitOf(commit) },
        ...{ method: 'merge', user: null, event: 'event-1' },
      },
    }),
  )
const abandoned = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) => fact(changeAbandoned, { ...about, payload: { ...key, why: 'no', event: 'e' } }))
const reopened = (number: number, at: number): Told =>
  ofChange(at, number, (about, key) => fact(changeReopened, { ...about, payload: key }))

const pushed = (commit: string, at: number, ref = 'refs/heads/main'): Told => ({
  at,
  fact: (project) =>
    fact(refUpdated, {
      ...{ subject: `push:${project}-${commit}`, actor },
      payload: {
        ...{ push: `${project}-${commit}`, project, repository, ref, before: null, after: commitOf(commit) },
        ...{ options: [], discovered: false },
      },
    }),
})
const inRepository = (project: ProjectName, commit: string) => ({
  ...{ push: `${project}-${commit}`, project, repository, ref: 'refs/heads/main', commit: commitOf(commit) },
})
/** Its pipeline waits from the first hour to the second, and has succeeded at the third. */
const checked = (commit: string, from: number, started: number, done: number): Told[] => [
  {
    at: from,
    fact: (project) =>
      fact(runQueued, {
        ...{ subject: `run:${project}-${commit}`, actor },
        payload: {
          ...inRepository(project, commit),
          ...{ run: `${project}-${commit}`, event: null, eventName: 'push', workflow: null, name: 'ci', number: 1 },
          ...{ concurrency: null, isTrusted: true },
        },
      }),
  },
  {
    at: started,
    fact: (project) =>
      fact(runStarted, {
        ...{ subject: `run:${project}-${commit}`, actor },
        payload: { run: `${project}-${commit}`, isolation: 'none' },
      }),
  },
  {
    at: done,
    fact: (project) =>
      fact(pushVerified, {
        ...{ subject: `push:${project}-${commit}`, actor },
        payload: { ...inRepository(project, commit), conclusion: 'success', runs: [], failure: null },
      }),
  },
]
const released = (commit: string, at: number, service = shop): Told => ({
  at,
  fact: (project) =>
    fact(releaseCreated, {
      ...{ subject: `service:${project}/${service}`, actor },
      payload: {
        ...{ push: `${project}-${commit}`, project, service, repository, commit: commitOf(commit), path: '.' },
        ...{ digest: digestOf(commit), sizeBytes: 1 },
      },
    }),
})
const measured = (commit: string, committed: number, at: number, commits = 1, lines = 10): Told => ({
  at,
  fact: (project) =>
    fact(deliveryMeasured, {
      ...{ subject: `measured:${project}/code/${commit}`, actor },
      payload: {
        ...{ project, repository, commit: commitOf(commit), committedAt: hour(committed), commits, lines },
      },
    }),
})

const promotionOf = (project: ProjectName, deployment: string) => ({
  ...{ promotion: `${project}-${deployment}`, project, service: shop, environment: production },
})
const held = (deployment: string, at: number, why: 'soak' | 'approval' | 'window'): Told => ({
  at,
  fact: (project) =>
    fact(promotionHeld, {
      ...{ subject: `promotion:${project}-${deployment}`, actor },
      payload: { ...promotionOf(project, deployment), why, detail: why, until: null },
    }),
})
const granted = (deployment: string, commit: string, at: number): Told => ({
  at,
  fact: (project) =>
    fact(promotionGranted, {
      ...{ subject: `promotion:${project}-${deployment}`, actor },
      payload: {
        ...promotionOf(project, deployment),
        ...{ release: digestOf(commit), deployment: `${project}-${deployment}` },
      },
    }),
})

const targetOf = (project: ProjectName, deployment: string, service = shop) => ({
  ...{ deployment: `${project}-${deployment}`, project, service, environment: production },
})
type More = { readonly service?: ServiceName; readonly reason?: 'push' | 'rollback' | 'manual'; readonly by?: string }
const requested = (deployment: string, commit: string, at: number, more: More = {}): Told => ({
  at,
  fact: (project) =>
    fact(deploymentRequested, {
      ...{ subject: `deployment:${project}-${deployment}`, actor: more.by ?? 'system:deploy' },
      payload: {
        ...targetOf(project, deployment, more.service),
        ...{ release: digestOf(commit), commit: commitOf(commit), reason: more.reason ?? 'push', push: null },
      },
    }),
})
const shifted = (deployment: string, at: number, service = shop): Told => ({
  at,
  fact: (project) =>
    fact(rolloutShifted, {
      ...{ subject: `deployment:${project}-${deployment}`, actor: 'system:deploy' },
      payload: { ...targetOf(project, deployment, service), instances: [] },
    }),
})
const finished = (
  deployment: string,
  commit: string,
  at: number,
  outcome: 'succeeded' | 'rolled-back' = 'succeeded',
  service = shop,
): Told => ({
  at,
  fact: (project) =>
    fact(deploymentFinished, {
      ...{ subject: `deployment:${project}-${deployment}`, actor: 'system:deploy' },
      payload: {
        ...targetOf(project, deployment, service),
        ...{ release: digestOf(commit), commit: commitOf(commit), outcome },
        ...{ url: null, detail: null, evidence: null, next: null },
      },
    }),
})
const aborted = (deployment: string, at: number, by: string): Told => ({
  at,
  fact: (project) =>
    fact(rolloutAborted, {
      ...{ subject: `deployment:${project}-${deployment}`, actor: by },
      payload: { ...targetOf(project, deployment), by, reason: 'bad', supersededBy: null },
    }),
})
/** Asked for, live and watched at these hours. */
const deployed = (
  deployment: string,
  commit: string,
  [asked, live, done]: readonly [number, number, number],
  more: More = {},
): Told[] => [
  requested(deployment, commit, asked, more),
  shifted(deployment, live, more.service),
  finished(deployment, commit, done, 'succeeded', more.service),
]
const carried = (deployment: string, commits: readonly string[], at: number): Told => ({
  at,
  fact: (project) =>
    fact(deliveryCarried, {
      ...{ subject: `delivery:${project}-${deployment}`, actor },
      payload: {
        deployment: `${project}-${deployment}`,
        commits: commits.map((name) => ({
          ...{ repository, commit: commitOf(name), committedAt: hour(0), isMerge: false, reverts: null },
        })),
        lines: 30,
      },
    }),
})

/** A merge request elsewhere. */
const elsewhere = (
  id: string,
  state: 'opened' | 'reviewed' | 'approved' | 'merged' | 'closed',
  at: number,
  more: { readonly as?: string; readonly commits?: readonly number[] } = {},
): Told => ({
  at: 200,
  fact: (project) =>
    fact(deliveryChange, {
      ...{ subject: `delivery:${project}-${id}`, actor },
      payload: {
        ...{
          key: `gitlab:${project}-${id}`,
          source: 'gitlab',
          received: null,
          project,
          repository: 'octo/shop',
          state,
        },
        ...{ at: hour(at), mergedAs: more.as ?? null, lines: null },
        commits: (more.commits ?? []).map((one) => ({
          ...{ repository: 'octo/shop', commit: `own${one}`, committedAt: hour(one), isMerge: false, reverts: null },
        })),
      },
    }),
})
const ranElsewhere = (commit: string, from: number, until: number): Told => ({
  at: 200,
  fact: (project) =>
    fact(deliveryRun, {
      ...{ subject: `delivery:${project}-run-${commit}-${until}`, actor },
      payload: {
        ...{ key: `gitlab:${project}-run-${commit}-${until}`, source: 'gitlab', received: null, project },
        ...{ repository: 'octo/shop', commit, workflow: 'ci', startedAt: hour(from), finishedAt: hour(until) },
        ...{ outcome: 'succeeded', isRerun: false },
      },
    }),
})
const deployedElsewhere = (
  id: string,
  commits: readonly string[],
  from: number,
  until: number,
  more: { readonly automatic?: boolean; readonly kind?: 'planned' | 'rollback' } = {},
): Told => ({
  at: 200,
  fact: (project) =>
    fact(deliveryDeployed, {
      ...{ subject: `delivery:${project}-d-${id}`, actor },
      payload: {
        ...{ key: `gitlab:${project}-d-${id}`, source: 'gitlab', received: null, project, service: shop },
        ...{ environment: production, startedAt: hour(from), finishedAt: hour(until), outcome: 'succeeded' },
        ...{ revision: id, lines: null, kind: more.kind ?? 'planned', rollsBack: null },
        automatic: more.automatic ?? null,
        commits: commits.map((commit) => ({
          ...{ repository: 'octo/shop', commit, committedAt: hour(0), isMerge: false, reverts: null },
        })),
      },
    }),
})

/** Hours, worked out by hand; what is left out is not compared. */
export type Expected = {
  readonly changes?: number
  readonly total?: number | null
  /** All stages that any change went through, and the hours that all of them spent there. */
  readonly stages?: Partial<Record<StageName, number>>
  readonly efficiency?: readonly [active: number, all: number] | null
  readonly bottleneck?: StageName | null
  readonly unordered?: number
  readonly open?: number
  readonly merged?: number
  /** The median age of what is open. */
  readonly age?: number | null
  readonly batch?: { readonly commits: number | null; readonly lines: number | null }
  readonly automatic?: readonly [number, number]
  readonly rollbacks?: { readonly machine: number; readonly hand: number; readonly unknown: number }
  /** The weekday (0: Monday), the hour and how many, of all hours that have any. */
  readonly hours?: readonly (readonly [number, number, number])[]
  readonly changed?: readonly [StageName, number, number] | null
}
export type History = {
  readonly name: string
  readonly why: string
  readonly told: readonly Told[]
  readonly expected: Expected
  readonly service?: string
  /** From which hour to which; two weeks where nothing is said. */
  readonly span?: readonly [number, number]
  readonly zone?: string
}

/** A change that goes its whole way: opened at 2, live at 30, watched until 32. */
const whole: readonly Told[] = [
  ...[opened(1, 2), commented(1, 5), approved(1, 6), queued(1, 8), merged(1, 9, 'm1'), pushed('m1', 9)],
  ...[...checked('m1', 9, 10, 12), released('m1', 13), measured('m1', 1, 13, 3, 40)],
  ...[held('d1', 15, 'soak'), held('d1', 20, 'approval'), granted('d1', 'm1', 26)],
  ...deployed('d1', 'm1', [27, 30, 32]),
]

export const histories: readonly History[] = [
  {
    name: 'a change that goes its whole way',
    why: 'each hour between two moments that are known belongs to the stage that ends there',
    told: whole,
    expected: {
      ...{ changes: 1, total: 29, unordered: 0, bottleneck: 'release-wait' },
      stages: {
        ...{ coding: 1, 'review-wait': 3, review: 1, 'merge-wait': 2, 'merge-queue': 1, 'runner-wait': 1, checks: 2 },
        ...{ packaging: 1, 'release-wait': 7 + 1, 'approval-wait': 6, rollout: 3, watch: 2 },
      },
      efficiency: [1 + 1 + 2 + 1 + 3 + 2, 31],
    },
  },
  {
    name: 'a push without a proposal',
    why: 'trunk-based: what was released of a push is a change that was opened and merged by it',
    told: [
      ...[pushed('p1', 4), ...checked('p1', 4, 4, 5), released('p1', 5), measured('p1', 1, 5)],
      ...deployed('d1', 'p1', [5, 6, 6]),
    ],
    expected: {
      ...{ changes: 1, total: 5, bottleneck: 'checks' },
      stages: { coding: 3, 'runner-wait': 0, checks: 1, packaging: 0, 'release-wait': 0, rollout: 1, watch: 0 },
      efficiency: [5, 5],
    },
  },
  {
    name: 'a push whose checks take longer than its wait for a runner',
    why: 'a bottleneck is where the time goes, be it work or waiting; writing, which takes nearly as long here, is nobody’s',
    told: [
      ...[pushed('p1', 4), ...checked('p1', 4, 5, 9), released('p1', 9), measured('p1', 1, 9)],
      ...deployed('d1', 'p1', [9, 10, 10]),
    ],
    expected: {
      ...{ changes: 1, total: 9, bottleneck: 'checks' },
      stages: { coding: 3, 'runner-wait': 1, checks: 4, packaging: 0, 'release-wait': 0, rollout: 1, watch: 0 },
      efficiency: [8, 9],
    },
  },
  {
    name: 'a push of a branch that nothing is released of',
    why: 'it is nobody’s change until it is proposed',
    told: [pushed('b1', 4, 'refs/heads/idea'), ...checked('b1', 4, 4, 5)],
    expected: { changes: 0, total: null, stages: {}, efficiency: null, bottleneck: null, open: 0 },
  },
  {
    name: 'the author comments on his own change',
    why: 'that is no review',
    told: [
      ...[opened(1, 0), commented(1, 2, 'ada'), approved(1, 7), merged(1, 8, 'm1'), released('m1', 9)],
      ...deployed('d1', 'm1', [9, 10, 10]),
    ],
    expected: {
      stages: { 'review-wait': 7, review: 0, 'merge-wait': 1, packaging: 1, 'release-wait': 0, rollout: 1, watch: 0 },
      bottleneck: 'review-wait',
    },
  },
  {
    name: 'a change that leaves the queue and comes again',
    why: 'the queue is what it waited for from the last time on; what was before is waiting to be merged',
    told: [
      ...[opened(1, 0), queued(1, 1), withdrawn(1, 4), queued(1, 6), merged(1, 8, 'm1'), released('m1', 8)],
      ...deployed('d1', 'm1', [8, 9, 9]),
    ],
    expected: { stages: { 'merge-wait': 6, 'merge-queue': 2, packaging: 0, 'release-wait': 0, rollout: 1, watch: 0 } },
  },
  {
    name: 'a change that came with a later one',
    why: 'its own release waited for the one that was deployed',
    told: [
      ...deployed('d0', 'base', [0, 0, 0]),
      ...[opened(1, 0), merged(1, 2, 'm1'), released('m1', 3), opened(2, 1), merged(2, 4, 'm2'), released('m2', 5)],
      ...[...deployed('d2', 'm2', [6, 8, 8]), carried('d2', ['m2', 'm1'], 8)],
    ],
    expected: {
      ...{ changes: 2, total: 7.5, bottleneck: 'merge-wait' },
      stages: { 'merge-wait': 2 + 3, packaging: 1 + 1, 'release-wait': 3 + 1, rollout: 2 + 2, watch: 0 },
      batch: { commits: 2, lines: 30 },
    },
  },
  {
    name: 'a change that goes to two services',
    why: 'it is one change, and there when it is in the last of them',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 2), released('m1', 2, ServiceName.parse('stock'))],
      ...deployed('d1', 'm1', [2, 3, 3]),
      ...deployed('d2', 'm1', [4, 6, 6], { service: ServiceName.parse('stock') }),
    ],
    expected: { changes: 1, total: 6 },
  },
  {
    name: 'one of the two services by itself',
    why: 'for it, it was there earlier',
    service: 'shop',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 2), released('m1', 2, ServiceName.parse('stock'))],
      ...deployed('d1', 'm1', [2, 3, 3]),
      ...deployed('d2', 'm1', [4, 6, 6], { service: ServiceName.parse('stock') }),
    ],
    expected: { changes: 1, total: 3 },
  },
  {
    name: 'a release that is deployed again',
    why: 'its changes were live before, and are not delivered twice',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 2), ...deployed('d1', 'm1', [2, 3, 3])],
      ...deployed('d2', 'm1', [50, 51, 51]),
    ],
    expected: { changes: 1, total: 3, rollbacks: { machine: 0, hand: 0, unknown: 0 } },
  },
  {
    name: 'a change whose rollout was taken back',
    why: 'it is not live; it counts when it comes again',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 2), requested('d1', 'm1', 2), shifted('d1', 3)],
      finished('d1', 'm1', 4, 'rolled-back'),
    ],
    expected: { changes: 0, total: null, rollbacks: { machine: 1, hand: 0, unknown: 0 }, automatic: [1, 1] },
  },
  {
    name: 'a rollout that somebody has aborted',
    why: 'a rollback by hand, and a deployment that was not fully automatic',
    told: [
      ...[released('m1', 2), requested('d1', 'm1', 2), shifted('d1', 3), aborted('d1', 4, 'user:ada')],
      finished('d1', 'm1', 4, 'rolled-back'),
    ],
    expected: { rollbacks: { machine: 0, hand: 1, unknown: 0 }, automatic: [0, 1] },
  },
  {
    name: 'going back to an earlier release by hand',
    why: 'a deployment of the kind rollback, ordered by a person',
    told: [
      ...[released('m1', 1), released('m2', 2), ...deployed('d1', 'm1', [1, 1, 1]), ...deployed('d2', 'm2', [2, 2, 2])],
      ...deployed('d3', 'm1', [3, 4, 4], { reason: 'rollback', by: 'user:ada' }),
    ],
    expected: { rollbacks: { machine: 0, hand: 1, unknown: 0 }, automatic: [2, 3] },
  },
  {
    name: 'going back by an alert',
    why: 'the machine has ordered it',
    told: [
      ...[released('m1', 1), released('m2', 2), ...deployed('d1', 'm1', [1, 1, 1]), ...deployed('d2', 'm2', [2, 2, 2])],
      ...deployed('d3', 'm1', [3, 4, 4], { reason: 'rollback', by: 'system:monitor' }),
    ],
    expected: { rollbacks: { machine: 1, hand: 0, unknown: 0 }, automatic: [3, 3] },
  },
  {
    name: 'approved in the soak, then a window',
    why: 'only what nothing but people held is approval waiting; the window is waiting for the release',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 2), held('d1', 2, 'soak'), held('d1', 6, 'approval')],
      ...[held('d1', 9, 'window'), granted('d1', 'm1', 12), ...deployed('d1', 'm1', [12, 13, 13])],
    ],
    expected: {
      stages: { 'merge-wait': 1, packaging: 1, 'release-wait': 4 + 3, 'approval-wait': 3, rollout: 1, watch: 0 },
      bottleneck: 'release-wait',
    },
  },
  {
    name: 'a commit that is younger than its proposal',
    why: 'the branch was rewritten after it was opened: the way begins where it was opened',
    told: [
      ...[opened(1, 2), merged(1, 6, 'm1'), released('m1', 6), measured('m1', 4, 6)],
      ...deployed('d1', 'm1', [6, 7, 7]),
    ],
    expected: {
      total: 5,
      unordered: 1,
      stages: { 'merge-wait': 4, packaging: 0, 'release-wait': 0, rollout: 1, watch: 0 },
    },
  },
  {
    name: 'open changes and their ages',
    why: 'what was merged or given up is not open; what was opened again is',
    span: [0, 10],
    told: [
      ...[opened(1, 0), opened(2, 2), opened(3, 4), opened(4, 6), merged(2, 8, 'm2'), abandoned(3, 7)],
      ...[abandoned(4, 7), reopened(4, 8)],
    ],
    expected: { open: 2, age: 7, changes: 0 },
  },
  {
    name: 'open at a moment that is long past',
    why: 'what was merged since was open then',
    span: [0, 6],
    told: [opened(1, 0), merged(1, 8, 'm1'), opened(2, 7)],
    expected: { open: 1, age: 6 },
  },
  {
    name: 'merged and not live',
    why: 'newer than all that is live of its repository',
    told: [
      ...[opened(1, 0), merged(1, 1, 'm1'), released('m1', 1), ...deployed('d1', 'm1', [1, 2, 2])],
      ...[opened(2, 3), merged(2, 4, 'm2'), released('m2', 4), pushed('m3', 5), released('m3', 5)],
    ],
    expected: { changes: 1, merged: 2, open: 0 },
  },
  {
    name: 'merged before anything was live',
    why: 'nobody knows how the first deployment came to what it has',
    told: [opened(1, 0), merged(1, 1, 'm1'), released('m1', 1)],
    expected: { changes: 0, merged: 0 },
  },
  {
    name: 'a merge request elsewhere',
    why: 'the same stages from what its system tells; nobody has said when it was watched',
    told: [
      elsewhere('7', 'opened', 3, { commits: [1, 2] }),
      elsewhere('7', 'reviewed', 7),
      elsewhere('7', 'approved', 8),
      elsewhere('7', 'merged', 10, { as: 'c10' }),
      ...[ranElsewhere('c10', 11, 13), deployedElsewhere('v1', ['c10'], 14, 15, { automatic: true })],
    ],
    expected: {
      ...{ changes: 1, total: 14, automatic: [1, 1] },
      stages: {
        ...{ coding: 2, 'review-wait': 4, review: 1, 'merge-wait': 2, 'runner-wait': 1, checks: 2, 'release-wait': 1 },
        rollout: 1,
      },
    },
  },
  {
    name: 'the same, told backwards',
    why: 'the order in which things come makes no difference',
    told: [
      ...[deployedElsewhere('v1', ['c10'], 14, 15, { automatic: true }), ranElsewhere('c10', 11, 13)],
      elsewhere('7', 'merged', 10, { as: 'c10' }),
      elsewhere('7', 'approved', 8),
      elsewhere('7', 'reviewed', 7),
      elsewhere('7', 'opened', 3, { commits: [1, 2] }),
    ],
    expected: {
      ...{ changes: 1, total: 14, automatic: [1, 1] },
      stages: {
        ...{ coding: 2, 'review-wait': 4, review: 1, 'merge-wait': 2, 'runner-wait': 1, checks: 2, 'release-wait': 1 },
        rollout: 1,
      },
    },
  },
  {
    name: 'a merge request elsewhere that was closed and opened again',
    why: 'it is open; its age counts from the first time',
    span: [0, 10],
    told: [elsewhere('7', 'opened', 2), elsewhere('7', 'closed', 4), elsewhere('7', 'opened', 6)],
    expected: { open: 1, age: 8 },
  },
  {
    name: 'a merge request that a deployment names as its revision',
    why: 'no commits were told, but what runs is what was merged',
    told: [elsewhere('7', 'opened', 3), elsewhere('7', 'merged', 5, { as: 'v1' }), deployedElsewhere('v1', [], 6, 8)],
    expected: { changes: 1, total: 5, stages: { 'merge-wait': 2, 'release-wait': 1, rollout: 2 } },
  },
  {
    name: 'rollbacks elsewhere of which nobody says who',
    why: 'they are shown as not known, never as either',
    told: [
      deployedElsewhere('v1', [], 1, 1),
      deployedElsewhere('v2', [], 2, 2),
      deployedElsewhere('v1b', [], 3, 3, { kind: 'rollback' }),
    ],
    expected: { rollbacks: { machine: 0, hand: 0, unknown: 1 }, automatic: [0, 0] },
  },
  {
    name: 'hours and weekdays in Berlin',
    why: 'Monday 23:30 UTC in winter is Tuesday 00:30 there',
    zone: 'Europe/Berlin',
    told: [
      deployedElsewhere('v1', [], 23, 23.5),
      deployedElsewhere('v2', [], 30, 31),
      deployedElsewhere('v3', [], 31, 31.5),
    ],
    expected: {
      hours: [
        [1, 0, 1],
        [1, 8, 2],
      ],
    },
  },
  {
    name: 'what has changed since the period before',
    why: 'the review took 2 hours and takes 9 now; nothing moved more',
    span: [100, 200],
    told: [
      ...[
        opened(1, 10),
        approved(1, 12),
        merged(1, 13, 'm1'),
        released('m1', 13),
        ...deployed('d1', 'm1', [13, 14, 14]),
      ],
      ...[opened(2, 110), approved(2, 119), merged(2, 121, 'm2'), released('m2', 121)],
      ...deployed('d2', 'm2', [121, 122, 122]),
    ],
    expected: { changes: 1, changed: ['review-wait', 2, 9], bottleneck: 'review-wait' },
  },
  {
    name: 'an empty period',
    why: 'no data is no figure',
    span: [1000, 1100],
    told: whole,
    expected: {
      ...{ changes: 0, total: null, stages: {}, efficiency: null, bottleneck: null, changed: null, open: 0 },
      ...{ batch: { commits: null, lines: null }, automatic: [0, 0], hours: [] },
    },
  },
]
