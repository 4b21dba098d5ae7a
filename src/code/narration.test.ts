import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type Failure,
  jobFinished,
  jobStarted,
  pushVerified,
  runFinished,
  runQueued,
  runRerunRequested,
  runStarted,
} from '../build/facts.ts'
import {
  deploymentFinished,
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  rolloutShifted,
  rolloutStarted,
  rolloutStepStarted,
} from '../deploy/facts.ts'
import { fact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import { CommitId, Digest, defaultEnvironment, defaultProject, RepositoryName, ServiceName } from '../names.ts'
import { pushPackaged, releaseCreated, releaseFailed } from '../package/facts.ts'
import { promotionHeld, promotionRequested } from '../release/facts.ts'
import { gateName, qualityEvaluated, testsReported } from '../test/facts.ts'
import { narrate } from './narration.ts'
import { readPushOptions } from './narrator.ts'
import { beginNarration } from './telling.ts'
import type { Stop } from './way.ts'

const commit = CommitId.parse('a'.repeat(40))
const digest = Digest.parse(`sha256:${'5c1e'.repeat(16)}`)
const service = ServiceName.parse('shop')
const repository = RepositoryName.parse('shop')
const about = { subject: 'x', actor: 'system:test' }
const source = { push: 'push-1', project: defaultProject, repository, ref: 'refs/heads/main', commit }
const origin = { push: 'push-1', project: defaultProject, service, repository, commit, path: '.' }
const target = { deployment: 'deployment-1', project: defaultProject, service, environment: defaultEnvironment }

const step = (
  name: string,
  outcome: 'success' | 'failure',
  durationMs: number,
  exitCode = outcome === 'success' ? 0 : 1,
) => ({
  name,
  outcome,
  conclusion: outcome,
  exitCode,
  durationMs,
})
const ofPush = { event: null, eventName: 'push', number: 1, concurrency: null, isTrusted: true }
const queued = fact(runQueued, {
  ...about,
  payload: { run: 'run-1', ...source, ...ofPush, workflow: null, name: 'shop' },
})
const started = fact(runStarted, { ...about, payload: { run: 'run-1', isolation: 'user' } })
const job = fact(jobStarted, { ...about, payload: { run: 'run-1', job: 'shop', name: 'shop' } })
const jobEnds = (conclusion: 'success' | 'failure', steps: ReturnType<typeof step>[]): NewFact =>
  fact(jobFinished, { ...about, payload: { run: 'run-1', job: 'shop', conclusion, outputs: {}, steps } })
const verified = (
  conclusion: 'success' | 'failure' | 'skipped' | 'cancelled',
  failure: Failure | null = null,
  notes: string[] = [],
): NewFact => fact(pushVerified, { ...about, payload: { ...source, conclusion, runs: ['run-1'], failure, notes } })
const released = fact(releaseCreated, { ...about, payload: { ...origin, digest, sizeBytes: 1258291 } })
const packaged = (services: ServiceName[], failed: ServiceName[] = []): NewFact =>
  fact(pushPackaged, {
    ...about,
    payload: { push: 'push-1', released: services.map((one) => ({ service: one, digest })), failed },
  })
const requested = fact(deploymentRequested, {
  ...about,
  payload: { ...target, release: digest, commit, reason: 'push', push: 'push-1' },
})
const rolling = fact(rolloutStarted, {
  ...about,
  payload: {
    ...{ ...target, instances: ['a', 'b', 'c'], strategy: 'rolling', baseline: null, with: [] },
    steps: [{ weightPercent: 100, minMs: 0, maxMs: 0 }],
    plan: { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] },
    ...{
      isJudged: false,
      noData: 'hold',
      watch: { timeMs: 0, holdbackPercent: 0 },
      newer: 'queue',
      freshBaseline: false,
    },
  },
})
const canary = fact(rolloutStarted, {
  ...about,
  payload: {
    ...rolling.payload,
    ...{ strategy: 'canary', isJudged: true },
    steps: [10, 100].map((weightPercent) => ({ weightPercent, minMs: 0, maxMs: 0 })),
  },
})
const stepped = (step: number, weightPercent: number): NewFact =>
  fact(rolloutStepStarted, { ...about, payload: { ...target, step, weightPercent } })
const shifted = fact(rolloutShifted, { ...about, payload: { ...target, instances: ['a', 'b', 'c'] } })
const finished = (
  outcome: 'succeeded' | 'failed' | 'superseded',
  more: Partial<ReturnType<typeof deploymentFinished.payload.parse>> = {},
): NewFact =>
  fact(deploymentFinished, {
    ...about,
    payload: {
      ...{ ...target, release: digest, commit, outcome },
      ...{ url: null, detail: null, evidence: null, next: null, ...more },
    },
  })
const live = finished('succeeded', { url: 'http://shop.localhost:4680/' })

const production: Stop = { environment: 'production', from: 'push', isAutomatic: true }
/** The lines of a story whose facts come 500 ms apart, and whether it has ended. */
const tell = (facts: readonly NewFact[], more: Partial<Parameters<typeof beginNarration>[0]> = {}) => {
  const begun = { push: 'push-1', project: 'default', way: [production], receivedAt: 0, committedAt: -60_000 }
  let narration = beginNarration({ ...begun, ...more })
  const lines: string[] = []
  for (const [index, one] of facts.entries()) {
    const recorded: RecordedFact = { ...one, seq: index + 1, at: (index + 1) * 500 }
    const told = narrate(narration, recorded)
    narration = told.narration
    lines.push(...told.lines)
  }
  return { lines, ended: narration.ended }
}

const failure: Failure = {
  ...{ job: 'shop', step: 'Test', command: 'npm test', exitCode: 1 },
  ...{
    detail: 'Test: it ended with exit code 1',
    lastLines: ['ok 1', '\u001b[31mnot ok 2\u001b[0m\u0007'],
    where: null,
  },
}
const reported = (failed: number, coverage: { covered: number; total: number } | null): NewFact =>
  fact(testsReported, {
    ...about,
    payload: {
      ...{ run: 'run-1', job: 'shop', jobName: 'shop', attempt: 1, project: defaultProject, repository },
      ...{ ref: 'refs/heads/main', commit, tree: 'b'.repeat(40), isDefaultBranch: true, results: digest },
      totals: { total: 10 + failed, passed: 9, failed, skipped: 1, flaky: 0, durationMs: 1200 },
      failed: Array.from({ length: failed }, (_, place) => ({
        ...{ suite: 'cart', name: `adds ${place}`, file: 'cart.test.js', line: place || null },
        message: 'no\u001b[31m\nmore',
      })),
      ...{ coverage, p95Ms: null, notes: [] },
    },
  })
const judged = (isMet: boolean): NewFact =>
  fact(qualityEvaluated, {
    ...about,
    payload: {
      ...{ project: defaultProject, repository, ref: 'refs/heads/main', commit, push: 'push-1', event: null },
      ...{ runs: ['run-1'], reports: [7], isMet },
      services: [
        {
          ...{ service: 'shop', path: '.' },
          checks: [
            { rule: 'p95', isMet: true, detail: 'fast', next: null },
            { rule: 'coverage', isMet, detail: '70 % are covered', next: isMet ? null : 'cover more' },
          ],
        },
      ],
    },
  })
const passing = [
  queued,
  started,
  job,
  jobEnds('success', [step('Install', 'success', 2100), step('checkout', 'success', 20)]),
]

const ofRelease = { ...target, release: digest, commit }
const advised = fact(migrationAdvised, {
  ...about,
  payload: {
    ...ofRelease,
    findings: [{ file: 'db/2.sql', line: 3, statement: 'DROP COLUMN', advice: 'drop it in a later release' }],
  },
})
const migrated = fact(migrationFinished, {
  ...about,
  payload: {
    ...{ ...ofRelease, attempt: 1, outcome: 'succeeded' as const },
    ...{ exitCode: 0, durationMs: 2300, detail: null, lastLines: [] },
  },
})

const otherJob = (conclusion: 'success' | 'failure', name: string, lastLines: string[]): NewFact =>
  fact(jobFinished, {
    ...about,
    payload: {
      ...{ run: 'run-1', job: name, name, conclusion, outputs: {}, steps: [] },
      failure: { ...failure, job: name, step: 'Test', command: `test ${name}`, lastLines },
    },
  })
const runEnds = (run: string, conclusion: 'success' | 'failure', why: Failure | null): NewFact =>
  fact(runFinished, { ...about, payload: { run, conclusion, failure: why } })

const stories: Record<string, { facts: NewFact[]; lines: string[]; ended: boolean }> = {
  'a push with a migration': {
    facts: [verified('success'), released, packaged([service]), requested, advised, migrated, rolling, shifted, live],
    lines: [
      '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB',
      '  - advice: the running version may not survive this migration',
      '      db/2.sql:3 DROP COLUMN',
      '      drop it in a later release',
      '  ✓ migrate shop              2.3 s',
      '  ✓ deploy shop               2.0 s   3 of 3 healthy, taking the traffic',
      'live at http://shop.localhost:4680/ in 4.5 s (lead time from the commit 1 min 5 s)',
    ],
    ended: true,
  },
  'a push that goes live': {
    facts: [...passing, verified('success'), released, packaged([service]), requested, rolling, shifted, live],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✓ install                   2.1 s',
      '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB',
      '  ✓ deploy shop               1.0 s   3 of 3 healthy, taking the traffic',
      'live at http://shop.localhost:4680/ in 5.5 s (lead time from the commit 1 min 6 s)',
    ],
    ended: true,
  },
  'a push of which two jobs fail': {
    facts: [
      ...[queued, started, job],
      otherJob('success', 'may fail', ['as it may']),
      otherJob('failure', 'old', ['1', '2', '3', '4', '5', '6', '7']),
      otherJob('failure', 'new', ['red']),
      runEnds('run-1', 'failure', {
        ...failure,
        job: 'old',
        step: 'Test',
        command: 'test old',
        lastLines: ['1', '2', '3', '4', '5', '6', '7'],
      }),
      verified('failure', failure),
    ],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✓ may fail',
      '  ✗ old',
      '  ✗ new',
      'not deployed: 2 jobs failed',
      '  ✗ old: Test',
      '      $ test old   exit code 1',
      ...['2', '3', '4', '5', '6', '7'].map((line) => `      | ${line}`),
      '  ✗ new: Test',
      '      $ test new   exit code 1',
      '      | red',
      '      more: headway runs run-1',
    ],
    ended: true,
  },
  'a push one of whose runs failed and is run again': {
    facts: [
      ...[queued, started, job, otherJob('failure', 'old', ['first']), runEnds('run-1', 'failure', failure)],
      fact(runRerunRequested, { ...about, payload: { run: 'run-1', attempt: 2, jobs: 'failed' } }),
      ...[otherJob('failure', 'old', ['second']), runEnds('run-1', 'failure', null), verified('failure', failure)],
    ],
    lines: [
      '  · pipeline shop                     run-1',
      ...['  ✗ old', '  ✗ old'],
      'not deployed: the step "Test" failed',
      ...['      $ test old   exit code 1', '      | second', '      more: headway runs run-1'],
    ],
    ended: true,
  },
  'a push of whose runs one cannot be read': {
    facts: [
      ...[queued, fact(runQueued, { ...queued, payload: { ...queued.payload, run: 'run-2', name: 'bad.yml' } })],
      runEnds('run-1', 'success', null),
      runEnds('run-2', 'failure', {
        ...failure,
        job: null,
        step: null,
        command: null,
        exitCode: null,
        detail: 'Unexpected',
        lastLines: [],
        where: { file: 'bad.yml', line: 6 },
      }),
      verified('failure'),
    ],
    lines: ['not deployed: the pipeline failed', '      bad.yml:6: Unexpected', '      more: headway runs run-2'],
    ended: true,
  },
  'a push whose tests fail': {
    facts: [
      ...[queued, started, job],
      jobEnds('failure', [step('Install', 'success', 2100), step('Test', 'failure', 900)]),
      verified('failure', failure),
    ],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✓ install                   2.1 s',
      '  ✗ test                      0.9 s',
      'not deployed: the step "Test" failed',
      '      $ npm test   exit code 1',
      '      | ok 1',
      '      | not ok 2\uFFFD',
      '      more: headway runs run-1',
    ],
    ended: true,
  },
  'a push whose reports name the tests that fail': {
    facts: [...[queued, started, job], jobEnds('failure', [step('Test', 'failure', 900)]), reported(6, null)],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✗ test                      0.9 s',
      '  ✗ tests                     1.2 s   6 failed, 9 passed, 1 skipped',
      '      cart › adds 0 (cart.test.js): no',
      ...[1, 2, 3, 4].map((place) => `      cart › adds ${place} (cart.test.js:${place}): no`),
      '      and 1 more: headway tests run-1 --failed',
    ],
    ended: false,
  },
  'a quality gate that is met': {
    facts: [...passing, reported(0, { covered: 2, total: 3 }), judged(true), verified('success')],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✓ install                   2.1 s',
      '  ✓ tests                     1.2 s   9 passed, 1 skipped, 66 % of the lines covered',
      '  ✓ quality gate                      2 rules met',
    ],
    ended: false,
  },
  'a quality gate that is not met': {
    facts: [...passing, judged(false), verified('failure', { ...failure, job: gateName, step: null })],
    lines: [
      '  · pipeline shop                     run-1',
      '  ✓ install                   2.1 s',
      '  ✗ quality gate',
      '      70 % are covered',
      '      next: cover more',
      'not deployed: the quality gate is not met',
      '      more: headway runs run-1',
    ],
    ended: true,
  },
  'a headway.yaml that cannot be read': {
    facts: [
      verified('failure', {
        ...failure,
        ...{ job: null, step: null, command: null, exitCode: null, lastLines: [] },
        detail: 'unknown key replica, did you mean replicas?',
        where: { file: 'headway.yaml', line: 4, column: 1 },
      }),
    ],
    lines: [
      'not deployed: the pipeline failed',
      '      headway.yaml:4:1: unknown key replica, did you mean replicas?',
      '      more: headway runs run-1',
    ],
    ended: true,
  },
  'a version that never becomes healthy': {
    facts: [
      ...[verified('success'), released, packaged([service]), requested, rolling],
      finished('failed', {
        detail: 'shop never answered on / in 30 s',
        evidence: { instance: 'a', probe: 'connection refused', lastLines: ['EADDRINUSE'] },
        next: 'headway logs shop',
      }),
    ],
    lines: [
      '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB',
      '  ✗ deploy shop               1.0 s',
      '      shop never answered on / in 30 s',
      '      probe: connection refused',
      '      | EADDRINUSE',
      'shop aaaaaaa is not live; what was live before still is',
      '      next: headway logs shop',
    ],
    ended: true,
  },
  'a package that cannot be made': {
    facts: [
      verified('success'),
      fact(releaseFailed, {
        ...about,
        payload: { ...origin, detail: 'npm ci failed', lastLines: ['ENOENT'], next: 'add a lock file' },
      }),
      packaged([], [service]),
    ],
    lines: [
      '  ✗ package shop',
      '      npm ci failed',
      '      | ENOENT',
      '      next: add a lock file',
      'not deployed: there is no release',
    ],
    ended: true,
  },
  'a push to another branch': {
    facts: [verified('success'), packaged([])],
    lines: ['verified; only headway.yaml on the default branch is deployed'],
    ended: true,
  },
  'a push with nothing to run': {
    facts: [verified('skipped', null, ['there is neither a headway.yaml nor a workflow for pushes'])],
    lines: ['  - there is neither a headway.yaml nor a workflow for pushes', 'nothing to run and nothing to deploy'],
    ended: true,
  },
  'a deployment that a newer one overtakes': {
    facts: [
      ...[verified('success'), released, packaged([service]), requested],
      finished('superseded', { detail: 'deployment-2 took its place' }),
    ],
    lines: [
      '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB',
      '  - deploy shop                       deployment-2 took its place',
    ],
    ended: true,
  },
  'a deployment that is done before the push is told to be packaged': {
    facts: [verified('success'), released, requested, rolling, shifted, live],
    lines: [
      '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB',
      '  ✓ deploy shop               1.0 s   3 of 3 healthy, taking the traffic',
      'live at http://shop.localhost:4680/ in 3.0 s (lead time from the commit 1 min 3 s)',
    ],
    ended: false,
  },
  'a push of somebody else': {
    facts: [
      fact(runQueued, {
        ...about,
        payload: { run: 'run-2', ...source, ...ofPush, push: 'push-2', workflow: null, name: 'x' },
      }),
      fact(runStarted, { ...about, payload: { run: 'run-2', isolation: 'user' } }),
    ],
    lines: [],
    ended: false,
  },
}

describe('the narration of', () => {
  for (const [what, { facts, lines, ended }] of Object.entries(stories))
    test(what, () => assert.deepEqual(tell(facts), { lines, ended }))
})

const staging: Stop = { environment: 'staging', from: 'push', isAutomatic: true }
const next: Stop = { environment: 'production', from: 'staging', isAutomatic: true }
const usual = [staging, next]

test('push options are read, the unknown ones answered', () => {
  const asked: Stop = { environment: 'asked', from: 'staging', isAutomatic: false }
  const stops = [staging, next, asked] as const
  assert.deepEqual(
    [[], ['async'], ['wait=staging'], ['wait=asked'], ['wait=mars', 'x']].map((options) =>
      readPushOptions(options, stops),
    ),
    [
      { isAsync: false, way: usual, isPatient: false, notes: [] },
      { isAsync: true, way: usual, isPatient: false, notes: [] },
      { isAsync: false, way: [staging], isPatient: true, notes: [] },
      { isAsync: false, way: [staging, asked], isPatient: true, notes: [] },
      {
        ...{ isAsync: false, way: usual, isPatient: false },
        notes: [
          'there is no environment mars; waiting for staging, production (known: staging, production, asked)',
          'the push option x is not known and does nothing; known: async, wait=<environment>, change, title=<text>, target=<branch>',
        ],
      },
    ],
  )
  assert.deepEqual(readPushOptions([], [{ ...production, isAutomatic: false }]).way.length, 1)
})

/** A fact of a rollout in staging. */
const inStaging = (one: NewFact): NewFact => ({
  ...one,
  payload: Object.assign({}, one.payload, { deployment: 'deployment-0', environment: 'staging' }),
})
const before = [verified('success'), released, packaged([service])]
const throughStaging = [
  ...before,
  ...[requested, rolling, shifted, finished('succeeded', { url: 'http://shop.staging.localhost:4680/' })].map(
    inStaging,
  ),
]
const wanted = (push: string): NewFact =>
  fact(promotionRequested, {
    ...about,
    payload: {
      ...{ promotion: `promotion-of-${push}`, project: defaultProject, service, environment: defaultEnvironment },
      ...{
        release: digest,
        commit,
        from: 'staging',
        origin: 1,
        since: 0,
        askedAt: 0,
        push,
        authors: [],
        isKnown: false,
      },
    },
  })
const held = fact(promotionHeld, {
  ...about,
  payload: {
    ...{ promotion: 'promotion-of-push-1', project: defaultProject, service, environment: defaultEnvironment },
    ...{ why: 'freeze', detail: 'frozen: audit', until: null },
  },
})
const packageLine = '  ✓ package shop              0.5 s   5c1e5c1e5c1e  1.2 MiB'
const stagingLines = [
  packageLine,
  '  ✓ deploy shop               1.0 s   staging: 3 of 3 healthy, taking the traffic',
  'live in staging at http://shop.staging.localhost:4680/ in 3.5 s',
]

test('a push is told through every environment that it reaches by itself, and says which', () => {
  assert.deepEqual(tell([...throughStaging, wanted('push-1')], { way: usual }), { lines: stagingLines, ended: false })
  assert.deepEqual(tell([...throughStaging, wanted('push-1'), requested, rolling, shifted, live], { way: usual }), {
    lines: [
      ...stagingLines,
      '  ✓ deploy shop               1.0 s   production: 3 of 3 healthy, taking the traffic',
      'live in production at http://shop.localhost:4680/ in 6.0 s (lead time from the commit 1 min 6 s)',
    ],
    ended: true,
  })
})

test('what fails in one environment is awaited in none after it', () => {
  const failed = [
    ...before,
    ...[requested, rolling, finished('failed', { detail: 'no answer', next: 'x' })].map(inStaging),
  ]
  assert.deepEqual(tell(failed, { way: usual }), {
    lines: [
      packageLine,
      '  ✗ deploy shop               1.0 s   staging',
      '      no answer',
      'shop aaaaaaa is not live in staging; what was live before still is',
      '      next: x',
    ],
    ended: true,
  })
})

test('what is held is said and awaited only by who asked for it by name', () => {
  const facts = [...throughStaging, wanted('push-1'), held]
  const line = '  · deploy shop                       production: frozen: audit'
  const lines = [...stagingLines, line, '      next: headway promotions shop']
  assert.deepEqual(tell(facts, { way: usual }), { lines, ended: true })
  assert.deepEqual(tell(facts, { way: usual, isPatient: true }), { lines, ended: false })
})

test('where a newer release went, an older one is not awaited', () => {
  const line = '  - deploy shop                       production: a newer release went there'
  assert.deepEqual(tell([...throughStaging, wanted('push-2')], { way: usual }), {
    lines: [...stagingLines, line],
    ended: true,
  })
  assert.equal(tell([...before, wanted('push-0')], { way: usual }).ended, false, 'an older one went first')
  assert.equal(tell([...throughStaging, wanted('push-1'), wanted('push-2')], { way: usual }).ended, false)
})

test('a rollout is told to its end where it is asked how a push has fared', () => {
  const facts = [...before, requested, canary, stepped(0, 10), stepped(1, 100)]
  const going = tell(facts, { toTheEnd: true })
  assert.deepEqual(
    { ...going, lines: going.lines.map((line) => line.replace(/ +/g, ' ').trim()) },
    {
      lines: [
        '✓ package shop 0.5 s 5c1e5c1e5c1e 1.2 MiB',
        '✓ deploy shop 1.0 s with 10 % of the traffic, judged while it is used',
        'headway rollout shop shows how it goes on',
        '· with 100 % of the traffic',
      ],
      ended: false,
    },
  )
  assert.equal(tell([...facts, shifted, live], { toTheEnd: true }).ended, true)
})

test('of a rollout that is judged for as long as it takes only the beginning is waited for', () => {
  const began = tell([released, packaged([service]), requested, canary, stepped(0, 10)])
  assert.equal(began.ended, true)
  assert.deepEqual(
    began.lines.slice(-2).map((line) => line.replace(/ +/g, ' ').trim()),
    [
      '✓ deploy shop 1.0 s with 10 % of the traffic, judged while it is used',
      'headway rollout shop shows how it goes on',
    ],
  )
})
