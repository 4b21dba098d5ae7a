import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { fitted, folded } from './rollout-live.ts'
import { type Rollout, type RolloutView, renderRollout, statusLine } from './rollout-view.ts'

const now = Date.UTC(2026, 0, 1, 12, 0, 30)
const rollout: Rollout = {
  ...{ deployment: 'deployment-1', service: 'shop', environment: 'production', commit: 'a'.repeat(40) },
  strategy: 'canary',
  steps: [
    { weightPercent: 10, minMs: 60_000, maxMs: 600_000 },
    { weightPercent: 100, minMs: 60_000, maxMs: 600_000 },
  ],
  ...{ step: 0, stepStartedAt: now - 20_000, weightPercent: 10, phase: 'step', outcome: null },
  ...{ watch: { timeMs: 600_000, holdbackPercent: 0 }, baseline: { release: 'b' }, paused: null },
  ...{ requestedAt: now - 30_000, shiftedAt: null, finishedAt: null },
}
const counted = { requests: 0, errors: 0, restarts: 0 }
const band = (quantile: number, fromMs: number, untilMs: number | null) => ({ quantile, fromMs, untilMs })
const judgement: NonNullable<NonNullable<RolloutView['why']>['now']> = {
  verdict: 'inconclusive',
  alpha: 0.01,
  reason: 'not enough is known \u001b[2J yet',
  numbers: { at: now, batches: 3, lnE: 2.3, p: 0.1, metrics: [], baseline: counted, canary: counted } as never,
  canary: {
    ...{ requests: 200, errors: 6, restarts: 0, errorRate: { from: 0.01, until: 0.0812 } },
    latency: [band(0.5, 25, 50), band(0.95, 250, null), band(0.99, 250, null)],
  },
  baseline: {
    ...{ requests: 1800, errors: 2, restarts: 0, errorRate: { from: 0, until: 0.0049 } },
    latency: [band(0.5, 25, 50), band(0.95, 50, 250), band(0.99, 100, null)],
  },
}
const why: NonNullable<RolloutView['why']> = {
  rollout: 'deployment-1',
  project: ProjectName.parse('default'),
  service: ServiceName.parse('shop'),
  environment: EnvironmentName.parse('production'),
  plan: { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] },
  verdicts: [],
  series: [0, 1.2, Math.LN10].map((lnE, place) => ({ at: place, lnE, baseline: counted, canary: counted })),
  now: judgement,
  latency: null,
}
const story = Array.from({ length: 9 }, (_, index) => ({ at: now, seq: index, text: `line ${index}` }))

test('a screen shows weights, both versions with honest bands, the evidence towards its line, and the newest of the log', () => {
  const lines = renderRollout({ rollout, why, story }, now, 20)
  const time = new Date(now).toTimeString().slice(0, 8)
  assert.deepEqual(lines, [
    'shop aaaaaaa in production  canary, step 1 of 2 for 20 s (1 min to 10 min)',
    '',
    '  new aaaaaaa  ██░░░░░░░░░░░░░░░░░░░░░░    10 %',
    '  old          ██████████████████████░░    90 %',
    '',
    '         requests   errors                      p95',
    '  new         200   3 % (1 % to 8.1 %)          above 250 ms, no upper bound yet',
    '  old        1800   0.11 % (0 % to 0.49 %)      50 to 250 ms',
    '',
    '  evidence against the new version  ████████████░░░░░░░░░░░░ 10 of 100 to 1',
    '  its course                        ▁▃▅',
    '  no verdict yet: not enough is known  yet',
    '',
    `  ${time}  line 3`,
    `  ${time}  line 4`,
    `  ${time}  line 5`,
    `  ${time}  line 6`,
    `  ${time}  line 7`,
    `  ${time}  line 8`,
  ])
})

test('before anything is judged, and after it has ended, only what is known is shown', () => {
  const starting = { ...rollout, phase: 'starting', step: null, stepStartedAt: null, weightPercent: 0, baseline: null }
  assert.deepEqual(renderRollout({ rollout: starting as Rollout, why: null, story: [] }, now, 20), [
    'shop aaaaaaa in production  canary, starting for 30 s',
    '',
    '  new aaaaaaa  ░░░░░░░░░░░░░░░░░░░░░░░░     0 %',
    '',
  ])
  const ended: Rollout = { ...rollout, phase: 'ended', outcome: 'rolled-back', finishedAt: now, weightPercent: 0 }
  assert.equal(
    renderRollout({ rollout: ended, why: null, story: [] }, now, 20)[0],
    'shop aaaaaaa in production  canary, rolled-back after 30 s',
  )
  const watched: Rollout = { ...rollout, phase: 'watch', shiftedAt: now - 5_000, weightPercent: 99 }
  const line = statusLine({ rollout: watched, why, story: [] }, now)
  assert.match(line, /watch at 99 %, 6 of 200 requests failed, inconclusive$/)
})

test('where nothing is known of the latency yet, nothing is made up', () => {
  assert.ok(why.now)
  const canary = { ...why.now.canary, latency: [band(0.95, 0, null)] }
  const unknown = { ...why, now: { ...why.now, canary } }
  const lines = renderRollout({ rollout, why: unknown, story }, now, 20)
  assert.match(lines.find((line) => line.startsWith('  new  ')) ?? '', / {2}not known yet$/)
})

test("a team's own metrics are shown beneath the evidence, and one of which nothing was seen says so", () => {
  assert.ok(why.now)
  const metric = (name: string, lnE: number, canary: [number, number], baseline: [number, number]) => ({
    ...{ metric: name, share: 0.1, lnE, ratio: { from: 0, until: null } },
    ...{ canary: { events: canary[0], of: canary[1] }, baseline: { events: baseline[0], of: baseline[1] } },
  })
  const metrics = [
    metric('errors', 1, [1, 2], [1, 2]),
    metric('own:failed-payments', Math.log(8), [5, 100], [9, 900]),
    metric('own:queue', 0, [0, 0], [0, 0]),
  ]
  const numbers = { ...why.now.numbers, metrics }
  const lines = renderRollout({ rollout, why: { ...why, now: { ...why.now, numbers } }, story: [] }, now, 20)
  assert.deepEqual(lines.slice(11, 14), [
    '  failed-payments: new 5 % of 100, old 1 % of 900, evidence 8 to 1',
    '  queue: nothing seen of it yet',
    '  no verdict yet: not enough is known  yet',
  ])
})

test('while errors have passed and latency has not, it says what the step still waits for, against the line of each', () => {
  const passed = { ...judgement, verdict: 'pass', reason: 'no worse', alpha: 0.0075 } as const
  const latency = { ...judgement, reason: 'nothing speaks against it so far', alpha: 0.0025 }
  const both = { ...why, now: passed, latency }
  const lines = renderRollout({ rollout, why: both, story: [] }, now, 20)
  assert.deepEqual(lines.slice(9), [
    '  evidence against the new version  ███████████░░░░░░░░░░░░░ 10 of 133 to 1',
    '  its course                        ▁▂▄',
    '  errors: pass: no worse',
    '  latency: no verdict yet: nothing speaks against it so far',
    '',
  ])
  assert.match(statusLine({ rollout, why: both, story: [] }, now), / failed, errors: pass, latency: inconclusive$/)
  const watched: Rollout = { ...rollout, phase: 'watch', shiftedAt: now, weightPercent: 90 }
  assert.deepEqual(renderRollout({ rollout: watched, why: both, story: [] }, now, 20).slice(11), [
    '  pass: no worse',
    '',
  ])
})

test('lines that a narrow screen wraps take more of its rows', () => {
  const render = (rows: number): string[] => [
    'a'.repeat(90),
    '\u001b[2mshort\u001b[0m',
    ...Array<string>(rows - 2).fill('log'),
  ]
  assert.equal(fitted(render, { rows: 10, columns: 100 }).length, 10)
  assert.equal(fitted(render, { rows: 10, columns: 40 }).length, 10)
  const tall = (): string[] => ['a'.repeat(90), ...Array<string>(9).fill('log')]
  assert.equal(fitted(tall, { rows: 5, columns: 40 }).length, 5)
})

test('a line that is too long is cut between words, beneath its text', () => {
  assert.deepEqual(folded('  \u001b[2m03:28:35\u001b[0m  judged: nothing speaks against it', 30), [
    '  \u001b[2m03:28:35\u001b[0m  judged: nothing',
    '            speaks against it',
  ])
  assert.deepEqual(folded('short', 30), ['short'])
  assert.deepEqual(folded('a'.repeat(25), 10), ['a'.repeat(10), 'a'.repeat(10), 'a'.repeat(5)])
})
