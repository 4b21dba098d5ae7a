import assert from 'node:assert/strict'
import { test } from 'node:test'
import { changeCommented, changeMerged, changeOpened } from '../../code/facts.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, RepositoryName, ServiceName } from '../../names.ts'
import { definitions } from '../../server.ts'
import { TestClock } from '../../testing.ts'
import { hour } from '../dora/histories.testing.ts'
import { deliveryDeployed } from '../facts.ts'
import type { DoraTables } from '../tables.ts'
import { doraView } from '../views.ts'
import { type MeasureName, measuresOf } from './measures.ts'

type Told = { readonly at: number; fact(project: ProjectName): NewFact }
type More = {
  readonly automatic?: boolean | null
  readonly kind?: 'planned' | 'rollback'
  readonly outcome?: 'succeeded' | 'failed'
  readonly environment?: string
  readonly lines?: number | null
  /** How many hours before it went live each of its commits was made. */
  readonly commits?: readonly number[]
}

const repository = RepositoryName.parse('code')
const commitOf = (name: string): CommitId =>
  CommitId.parse(Buffer.from(name).toString('hex').padEnd(40, '0').slice(0, 40))

const deployed = (id: string, at: number, more: More = {}): Told => ({
  at,
  fact: (project) => {
    const { automatic = null, kind = 'planned', outcome = 'succeeded', environment = 'production', lines = null } = more
    const key = `${project}/${id}`
    return fact(deliveryDeployed, {
      ...{ subject: `delivery:${key}`, actor: 'user:ada' },
      payload: {
        ...{ key, project, source: 'hand', service: ServiceName.parse('shop') },
        ...{ environment: EnvironmentName.parse(environment), received: Digest.parse(`sha256:${'0'.repeat(64)}`) },
        ...{ startedAt: null, finishedAt: hour(at), outcome, revision: id, lines, kind, rollsBack: null, automatic },
        commits: (more.commits ?? []).map((before, place) => ({
          ...{
            repository: 'code',
            commit: `${id}.${place}`,
            committedAt: hour(at - before),
            isMerge: false,
            reverts: null,
          },
        })),
      },
    })
  },
})

const ofChange = (number: number, at: number, make: (key: Key, about: About) => NewFact): Told => ({
  at,
  fact: (project) =>
    make({ project, repository, number }, { subject: `change:${project}/code/${number}`, actor: 'user:ada' }),
})
type Key = { readonly project: ProjectName; readonly repository: RepositoryName; readonly number: number }
type About = { readonly subject: string; readonly actor: string }

const opened = (number: number, at: number): Told =>
  ofChange(number, at, (key, about) =>
    fact(changeOpened, {
      ...about,
      payload: {
        ...{ ...key, branch: `b${number}`, target: 'main', head: commitOf(`h${number}`), base: null, user: 'ada' },
        ...{ pusher: 'token:ada/x', author: 'ada', reverts: null },
      },
    }),
  )
const commented = (number: number, at: number, user: string): Told =>
  ofChange(number, at, (key, about) =>
    fact(changeCommented, { ...about, payload: { ...key, comment: 'c', user, version: 1, body: 'hm', place: null } }),
  )
const merged = (number: number, at: number): Told =>
  ofChange(number, at, (key, about) =>
    fact(changeMerged, {
      ...about,
      payload: {
        ...{ ...key, version: 1, head: commitOf(`h${number}`), target: 'main', before: null },
        ...{ after: commitOf(`m${number}`), method: 'merge', user: null, event: 'event-1' },
      },
    }),
  )

const hourMs = 3_600_000
/** The value now, of how many it is made, and the value of the span before. */
type Expected = Partial<Record<MeasureName, readonly [value: number | null, n: number, before: number | null]>>
/** The span goes from hour 100 to 200, the one before it from 0 to 100. */
const histories: readonly { name: string; why: string; told: readonly Told[]; expected: Expected }[] = [
  {
    name: 'nothing at all',
    why: 'what has no data is null and never 0; only of changes it is known that none is open',
    told: [],
    expected: {
      ...{ 'automatic-deployments': [null, 0, null], 'machine-rollbacks': [null, 0, null] },
      ...{ 'batch-commits': [null, 0, null], 'batch-lines': [null, 0, null], 'in-progress': [0, 0, 0] },
      ...{ 'lead-time': [null, 0, null], 'traced-deployments': [null, 0, null], reviewers: [null, 0, null] },
      ...{ 'services-with-slo': [null, 0, null], postmortems: [null, 0, null], 'closed-actions': [null, 0, null] },
    },
  },
  {
    name: 'three deployments of which it is known whether somebody had to do something, and one of which it is not',
    why: 'two of the three that are known; the fourth is in neither part of the share',
    told: [
      deployed('d1', 110, { automatic: true }),
      deployed('d2', 120, { automatic: true }),
      deployed('d3', 130, { automatic: false }),
      deployed('d4', 140),
    ],
    expected: { 'automatic-deployments': [2 / 3, 3, null] },
  },
  {
    name: 'by hand now, by itself before',
    why: 'the span before is as long, and its last moment is not in this one: hour 100 belongs to this',
    told: [
      deployed('d1', 99, { automatic: true }),
      deployed('d2', 100, { automatic: false }),
      deployed('d3', 200, { automatic: true }),
    ],
    expected: { 'automatic-deployments': [0, 1, 1] },
  },
  {
    name: 'one that never took traffic, and one to another environment',
    why: 'neither is a deployment of production',
    told: [
      deployed('d1', 110, { automatic: true }),
      deployed('d2', 120, { automatic: false, outcome: 'failed' }),
      deployed('d3', 130, { automatic: false, environment: 'staging' }),
    ],
    expected: { 'automatic-deployments': [1, 1, null], 'traced-deployments': [0, 1, null] },
  },
  {
    name: 'four rollbacks: two by a machine, one by hand, and one by nobody knows whom',
    why: 'two of the three that are known',
    told: [
      deployed('d1', 110),
      deployed('d2', 120, { kind: 'rollback', automatic: true }),
      deployed('d3', 130, { kind: 'rollback', automatic: false }),
      deployed('d4', 140, { kind: 'rollback' }),
      deployed('d5', 150, { kind: 'rollback', automatic: true }),
    ],
    expected: { 'machine-rollbacks': [2 / 3, 3, null] },
  },
  {
    name: 'batches of one, three and eight commits, and one of which none are known',
    why: 'the middle one of three; what brought nothing that is known has no size and leads back to nothing',
    told: [
      deployed('d1', 110, { commits: [1] }),
      deployed('d2', 120, { commits: [1, 2, 3] }),
      deployed('d3', 130, { commits: [1, 2, 3, 4, 5, 6, 7, 8] }),
      deployed('d4', 140),
    ],
    expected: { 'batch-commits': [3, 3, null], 'traced-deployments': [3 / 4, 4, null] },
  },
  {
    name: 'batches of ten and of thirty lines',
    why: 'the median of two is the middle between them; a deployment of 0 lines is one of 0, one that says nothing is none',
    told: [
      deployed('d0', 50, { lines: 0 }),
      deployed('d1', 110, { lines: 10 }),
      deployed('d2', 120, { lines: 30 }),
      deployed('d3', 130),
    ],
    expected: { 'batch-lines': [20, 2, 0] },
  },
  {
    name: 'commits of four and of eight hours',
    why: 'the first deployment has no lead time, so that there is none before; six hours lie between four and eight',
    told: [deployed('d1', 10, { commits: [2] }), deployed('d2', 150, { commits: [4, 8] })],
    expected: { 'lead-time': [6 * hourMs, 2, null], 'batch-commits': [2, 1, 1] },
  },
  {
    name: 'two open changes, of which one is merged within the span',
    why: 'what is open at its end: the first; at the end of the span before, that one, too',
    told: [opened(1, 50), opened(2, 150), merged(2, 180)],
    expected: { 'in-progress': [1, 1, 1] },
  },
  {
    name: 'one who looks at most changes',
    why: 'bob alone did three of four reviews, which is more than half; who comments on an own change reviews nothing',
    told: [
      ...[opened(1, 110), opened(2, 120), opened(3, 130)],
      ...[commented(1, 111, 'bob'), commented(2, 121, 'bob'), commented(3, 131, 'bob')],
      ...[commented(1, 112, 'carol'), commented(1, 113, 'ada'), commented(1, 114, 'bob')],
    ],
    expected: { reviewers: [1, 4, null] },
  },
  {
    name: 'two who look at as many changes each',
    why: 'half is not more than half, so that it takes both; a change that was opened before counts before',
    told: [
      ...[opened(1, 50), opened(2, 120), opened(3, 130)],
      ...[commented(1, 150, 'bob'), commented(2, 121, 'bob'), commented(3, 131, 'carol')],
    ],
    expected: { reviewers: [2, 2, 1] },
  },
]

test(`what is measured of CALMS in ${histories.length} histories is what was worked out by hand`, async () => {
  const clock = new TestClock(hour(0))
  await using opened = await openTestLedger({ definitions, views: [doraView], clock })
  const told = histories.flatMap((history, place) =>
    history.told.map(({ at, fact }) => ({ at, fact: fact(ProjectName.parse(`history${place}`)) })),
  )
  for (const [at, some] of [...Map.groupBy(told, ({ at }) => at)].sort(([one], [two]) => one - two)) {
    clock.set(hour(at))
    await opened.ledger.append(some.map(({ fact }) => fact))
  }
  await opened.views.reach()
  const span = { from: hour(100), until: hour(200) }
  for (const [place, { name, why, expected }] of histories.entries()) {
    const scope = { project: `history${place}`, services: [], environment: 'production' }
    const measures = await measuresOf(opened.store.tables<DoraTables>(), scope, span, [], hour(300))
    const found = Object.fromEntries(
      Object.values(measures)
        .flat()
        .filter((measure) => measure.name in expected)
        .map((measure) => [measure.name, [measure.value, measure.n, measure.before]]),
    )
    assert.deepEqual(found, { ...expected }, `${name}: ${why}`)
    for (const measure of Object.values(measures).flat())
      assert.equal(measure.why === null, measure.value !== null, `${name}: ${measure.name} says why it has no value`)
  }
})

test('a project depends on as few people as the repository of it that depends on the fewest', async () => {
  await using opened = await openTestLedger({ definitions, views: [doraView] })
  const db = opened.store.tables<DoraTables>()
  const scope = { project: 'shop', services: [], environment: 'production' }
  const of = async (factors: readonly (number | null)[]) => {
    const depends = factors.map((factor) => ({ repository: 'code', factor, authors: 5, commits: 10 }))
    const { sharing } = await measuresOf(db, scope, { from: hour(0), until: hour(1) }, depends, hour(1))
    const found = sharing.find(({ name }) => name === 'bus-factor')
    return [found?.value, found?.n, found?.why]
  }
  assert.deepEqual(await of([3, null, 2]), [2, 2, null])
  assert.deepEqual(await of([null]), [null, 0, 'no repository has a release yet'])
})
