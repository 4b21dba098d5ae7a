import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFact } from '../../ledger/fact.ts'
import { jobFinished } from '../facts.ts'
import { jobAssigned, jobReturned } from './facts.ts'
import { checkFacts, createWorld, type World } from './lease.testing.ts'
import { endOf, judge, killAtMs, type Lease, leaseRules, reassignAtMs } from './lease.ts'

/** Faults of every kind at random for some minutes, then peace until all is done. */
const storm = async (world: World): Promise<void> => {
  const { random, clock, runners } = world
  world.network = Object.assign(world.network, {
    lostRequests: random(30),
    lostAnswers: random(30),
    slowest: 20 + random(20_000),
    repeated: random(20),
  })
  for (let step = 0; step < 40; step += 1) {
    await clock.advance(random(8000))
    const runner = runners[random(runners.length)]
    if (!runner) continue
    const kind = random(10)
    if (kind === 0) await world.crashServer(random(90_000))
    else if (kind === 1 && runner.isUp) {
      runner.crash()
      void clock.sleep(random(120_000)).then(() => {
        if (!runner.isUp) runner.start()
      })
    } else if (kind === 2) {
      runner.freeze()
      void clock.sleep(random(120_000)).then(runner.thaw)
    }
  }
  Object.assign(world.network, { lostRequests: 0, lostAnswers: 0, slowest: 20, repeated: 0 })
  for (const runner of runners) {
    runner.thaw()
    if (!runner.isUp) runner.start()
  }
  for (let round = 0; round < 100 && !world.isDone(); round += 1) await clock.advance(10_000)
}

test('whatever fails and however it is interleaved, no job runs twice at once, and each ends once', async () => {
  const seeds = Number(process.env.HEADWAY_TEST_SEEDS ?? 12)
  const seen = { restarts: 0, refused: 0 }
  for (let seed = 1; seed <= seeds; seed += 1) {
    const world = await createWorld({ seed, jobs: 3, runners: 2 })
    await storm(world)
    assert.deepEqual(world.faults, [], `seed ${seed}`)
    assert.ok(world.isDone(), `seed ${seed}: ${JSON.stringify(world.facts().map(({ type }) => type))}`)
    checkFacts(world.facts())
    seen.restarts += world.facts().filter((one) => isFact(jobReturned, one)).length
    seen.refused += world
      .facts()
      .filter((one) => isFact(jobFinished, one) && one.payload.failure?.detail.includes('not started again')).length
    await world.stop()
  }
  // The storms were some.
  assert.ok(seen.restarts > seeds / 2, JSON.stringify(seen))
})

/** The runner that has the job hangs for longer than its lease; resolves to what was seen of it. */
const faultsOfHanging = async (lieMs: number): Promise<string[]> => {
  const faults: string[] = []
  for (let seed = 1; seed <= 8; seed += 1) {
    const world = await createWorld({ seed, jobs: 1, runners: 2, lieMs })
    await world.clock.advance(500)
    const [assigned] = world.facts()
    const holder = assigned && isFact(jobAssigned, assigned) ? assigned.payload.runner : ''
    world.runners.find(({ name }) => name === holder)?.freeze()
    await world.clock.advance(75_000)
    faults.push(...world.faults)
    await world.stop()
  }
  return faults
}

test('a runner that hangs does not keep its job beyond its lease; were it told a longer one, a job would be seen to run twice', async () => {
  assert.deepEqual(await faultsOfHanging(0), [])
  assert.match((await faultsOfHanging(120_000))[0] ?? 'nothing was seen', /runs at .* and at /)
})

test('without faults each job is assigned once and succeeds', async () => {
  const world = await createWorld({ seed: 1, jobs: 6, runners: 2 })
  for (let round = 0; round < 60 && !world.isDone(); round += 1) await world.clock.advance(10_000)
  assert.deepEqual(world.faults, [])
  const types = world.facts().map(({ type }) => type)
  assert.deepEqual(types.toSorted(), [...Array(6).fill('job.assigned'), ...Array(6).fill('job.finished')])
  await world.stop()
})

test('the server killed and started again in the middle of a job takes its result, and the job is started once', async () => {
  const world = await createWorld({ seed: 7, jobs: 1, runners: 1 })
  await world.clock.advance(500)
  await world.crashServer(20_000)
  for (let round = 0; round < 40 && !world.isDone(); round += 1) await world.clock.advance(5000)
  assert.deepEqual(
    world.facts().map(({ type }) => type),
    ['job.assigned', 'job.finished'],
  )
  assert.deepEqual([...world.completed], [['job-1', 1]])
  assert.deepEqual(world.faults, [])
  await world.stop()
})

test('a runner that is cut off has killed its job before another begins it', async () => {
  const world = await createWorld({ seed: 3, jobs: 1, runners: 2 })
  await world.clock.advance(500)
  world.network.lostRequests = 100
  await world.clock.advance(leaseRules.leaseMs - leaseRules.killMarginMs + 6000)
  world.network.lostRequests = 0
  for (let round = 0; round < 60 && !world.isDone(); round += 1) await world.clock.advance(5000)
  assert.deepEqual(world.faults, [])
  assert.ok(world.isDone())
  await world.stop()
})

const lease: Lease = { fence: 7, runner: 'r', session: 's', turn: 3, status: 'held', heardAtMs: 1000 }

test('the server waits longer than the runner keeps the job, by the margins on both sides', () => {
  assert.equal(killAtMs(1000, leaseRules), 51_000)
  assert.equal(reassignAtMs(1000, leaseRules), 66_000)
  assert.equal(endOf(lease, null, 65_999, leaseRules), null)
  assert.deepEqual(endOf(lease, null, 66_000, leaseRules), { why: 'silent' })
})

test('a job that was sent and not received is given to another at the next exchange, but not by one that was sent before', () => {
  const heard = (turn: number, fences: number[] = [], session = 's') =>
    endOf(lease, { session, turn, fences: new Set(fences) }, 2000, leaseRules)
  assert.deepEqual(heard(4), { why: 'never arrived' })
  assert.equal(heard(4, [7]), null)
  assert.equal(heard(3), null)
  assert.equal(heard(1, [], 'another life'), null)
})

test('what an old or foreign fencing token reports is refused', () => {
  assert.equal(judge(undefined, 'r'), 'stop')
  assert.equal(judge(lease, 'another'), 'stop')
  assert.equal(judge({ ...lease, status: 'returned' }, 'r'), 'stop')
  assert.equal(judge({ ...lease, status: 'over' }, 'r'), 'forget')
  assert.equal(judge(lease, 'r'), 'goes on')
})
