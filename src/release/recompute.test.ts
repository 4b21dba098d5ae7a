import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { rolloutJudged } from '../deploy/facts.ts'
import type { JudgePlan } from '../deploy/judging.ts'
import { defineMetrics } from '../golden/metrics.ts'
import { exportLedger } from '../ledger/export.ts'
import { fact } from '../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { poisson, randomFrom } from './judge/simulation.testing.ts'
import { fakeEdge, openReleaseRoom, service, startPage } from './testing.ts'

const program = join(import.meta.dirname, '../../docs/recompute-verdicts.py')
const who = { service, baseline: 'sha256:old', canary: 'sha256:new' }

const rules = defineMetrics([
  { name: 'failed-payments', bad: 'payments_total{outcome="failed"}', of: 'payments_total' },
  { name: 'queue', gauge: 'queue_length', above: 15 },
])

/** Rollouts of many kinds, with verdicts in between and in the end. */
const live = async (room: Awaited<ReturnType<typeof openReleaseRoom>>): Promise<void> => {
  await using before = await startPage()
  await using after = await startPage()
  const plans: JudgePlan[] = [
    { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] },
    { alpha: 0.05, tolerance: 0.5, latency: false, thresholds: [{ metric: 'error-rate', below: 0.03 }] },
    { alpha: 0.01, tolerance: 3, latency: true, thresholds: [{ metric: 'latency', quantile: 0.9, belowMs: 150 }] },
  ]
  for (let round = 0; round < 13; round += 1) {
    const rollout = `deployment-${round}`
    const random = randomFrom(round)
    const edge = fakeEdge(`edge-${round}`)
    room.edges.splice(0, 1, edge)
    room.instances.splice(0, 2, { id: `b.${round}`, release: who.baseline, restarts: 0 })
    room.instances.push({ id: `c.${round}`, release: who.canary, restarts: 0 })
    const plan = plans[(round < 11 ? round : round - 1) % plans.length] ?? assert.fail('no plan')
    const hasOwn = round >= 3 && round < 6
    Object.assign(room.instances[0] ?? {}, { port: before.port })
    Object.assign(room.instances[1] ?? {}, { port: after.port })
    const judged = hasOwn ? { ...plan, metrics: rules.map(({ name }) => name) } : plan
    const own = { rules, baseline: [`b.${round}`], canary: [`c.${round}`] }
    const compared = round >= 11 ? { ...who, baseline: null } : who
    await room.release.judging.begin(rollout, judged, hasOwn ? { ...compared, own } : compared)
    const rate = round < 6 ? 0.01 : 0.02 + 0.01 * round
    for (let second = 1; second <= 60; second += 1) {
      const share = second < 30 ? 0.1 : 0.5
      const serve = (version: string, mean: number, errors: number): void => {
        const [bad, slow, good] = [mean * errors, mean * 0.05, mean].map((one) => poisson(random, one))
        edge.serve(version, (bad ?? 0) + (slow ?? 0) + (good ?? 0), bad, slow)
      }
      serve(who.baseline, 100 * (1 - share), 0.01)
      serve(who.canary, 100 * share, rate)
      if (second === 40 && room.instances[1]) room.instances[1].restarts += 1
      room.state.answers = second % 25 !== 0
      room.clock.forward(1000)
      before.state.good += poisson(random, 30) + 0.1
      before.state.bad += poisson(random, 1)
      after.state.good += poisson(random, 3)
      after.state.bad += poisson(random, round === 5 ? 2 : 0.1)
      after.state.queue = poisson(random, 10)
      const judgement = await room.release.judging.look(rollout)
      await room.release.settled()
      if (second % 20 !== 5) continue
      const { evidence } = await room.release.judging.conclude(rollout)
      const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
      const payload = { deployment: rollout, ...target, step: second, ...judgement, evidence }
      await room.ledger.append([
        fact(rolloutJudged, { subject: `deployment:${rollout}`, actor: 'system:deploy', payload }),
      ])
    }
  }
}

test('a program that shares no code recomputes every verdict from an export, to the last bit, and finds what was altered', async () => {
  assert.equal(
    spawnSync('python3', ['--version']).status,
    0,
    'python3 is needed: the other program is written in Python',
  )
  await using room = await openReleaseRoom()
  await live(room)
  const ledger = join(room.directory, 'ledger.ndjson')
  for await (const chunk of exportLedger(room.store)) appendFileSync(ledger, chunk)
  const folder = join(room.directory, 'blobs/evidence')
  const play = () => {
    const { status, stdout, stderr } = spawnSync('python3', [program, ledger, folder], { encoding: 'utf8' })
    return { status, said: stdout.trim().split('\n'), stderr }
  }
  const whole = play()
  assert.deepEqual([whole.status, whole.said.at(-1)], [0, '39 verdicts recomputed, 0 differ'], JSON.stringify(whole))
  const kinds = new Set(
    whole.said.map((line) => / (pass|fail|inconclusive) \(([a-z0-9:-]+)/.exec(line)?.slice(1).join()),
  )
  for (const kind of [
    'fail,errors',
    'fail,own:failed-payments',
    'fail,threshold-0',
    'pass,no-worse',
    'inconclusive,undecided',
    'inconclusive,telemetry-gap',
  ])
    assert.ok(kinds.has(kind), `none is ${kind}: ${[...kinds].join(' ')}`)

  const [first = ''] = readdirSync(folder)
  const altered = gunzipSync(readFileSync(join(folder, first)))
    .toString()
    .replace('"batches":[[', '"batches":[[9')
  writeFileSync(join(folder, first), gzipSync(altered))
  const { status, said } = play()
  assert.match(`${status} ${said.at(-1)}`, /^1 39 verdicts recomputed, [1-3] differ$/) // several verdicts may name one blob
})
