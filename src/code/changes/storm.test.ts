import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Conclusion, workflowEventConcluded } from '../../build/facts.ts'
import { isFact } from '../../ledger/fact.ts'
import { refUpdated } from '../facts.ts'
import { identityNamed } from '../server-testing.ts'
import { openTestCode } from '../testing.ts'
import { changeMerged, changeTestRequested } from './facts.ts'
import { eventually, openShop, standForBuild } from './testing.ts'

/** The same numbers from 0 to 1 for the same seed (mulberry32). */
const randomFrom = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
}

for (const seed of [2])
  test(`many merges at once, with failures, conflicts, forced and direct pushes: what lands was tested so (seed ${seed})`, async () => {
    const random = randomFrom(seed)
    await using server = await openTestCode()
    const judge = async (): Promise<Conclusion> => {
      for (let turns = Math.floor(random() * 20); turns > 0; turns -= 1) await new Promise(setImmediate)
      return random() < 0.2 ? 'failure' : 'success'
    }
    const build = standForBuild(server.ledger, judge)
    const shop = await openShop(server, 'storm')
    const ada = identityNamed('developer')
    const numbers = Array.from({ length: 8 }, (_, index) => index + 1)
    for (const number of numbers) {
      const file = number % 4 === 0 ? 'app.txt' : `file-${number}.txt`
      await shop.propose(`branch-${number}`, { [file]: `of ${number}\n` })
      await shop.until(number, ({ test: tested }) => tested !== null)
    }
    /** Until nothing happens to it by itself. */
    const settle = (number: number) =>
      shop.until(number, ({ status, wish, blockers, test: tested }) => {
        const isStuck = blockers.some(({ kind }) => kind === 'checks-failed' || kind === 'conflict')
        return status !== 'open' || ((wish === null || isStuck) && tested?.conclusion !== null)
      })
    for (let round = 1; round <= 3; round += 1) {
      await Promise.all(
        numbers.map(async (number) => {
          if ((await shop.show(number)).status !== 'open') return
          await shop.changes.retest(shop.change(number), ada).catch(() => undefined) // it is in the queue
          await shop.merge(number).catch(() => undefined) // it was merged meanwhile
        }),
      )
      await shop.copy.must('checkout', '--quiet', `branch-${round}`)
      await shop.copy.must('commit', '--quiet', '--amend', '--message', `round ${round}`)
      await shop.push(`+branch-${round}`)
      await shop.copy.must('fetch', '--quiet', 'headway', 'main')
      await shop.copy.must('checkout', '--quiet', '-B', 'direct', 'FETCH_HEAD')
      await shop.copy.commit({ 'direct.txt': `round ${round}\n` })
      await shop.push('direct:main').catch(() => undefined) // a merge was quicker
      await Promise.all(numbers.map(settle))
    }
    for (const number of numbers)
      if ((await shop.show(number)).status === 'open') await shop.changes.abandon(shop.change(number), ada, null)
    await eventually(server.ledger, async () =>
      (await shop.changes.queue(shop.key, 'main')).length === 0 ? true : null,
    )
    build.stop()

    const facts = await server.ledger.read({})
    const passed = new Set(
      facts.flatMap((one) =>
        isFact(workflowEventConcluded, one) && one.payload.conclusion === 'success' ? [one.payload.event] : [],
      ),
    )
    const tested = facts.flatMap((one) => (isFact(changeTestRequested, one) ? [one.payload] : []))
    const merged = facts.flatMap((one) => (isFact(changeMerged, one) ? [one.payload] : []))
    const untested = merged.filter(
      ({ before, after }) =>
        !tested.some(({ base, candidate, event }) => base === before && candidate === after && passed.has(event)),
    )
    assert.ok(merged.length > 0)
    assert.deepEqual(untested, [])
    assert.equal(new Set(merged.map(({ number }) => number)).size, merged.length, 'nothing lands twice')
    const moves = facts.flatMap((one) =>
      isFact(refUpdated, one) && one.payload.ref === 'refs/heads/main' ? [one.payload] : [],
    )
    assert.deepEqual(
      moves.map(({ before }) => before),
      [null, ...moves.slice(0, -1).map(({ after }) => after)],
      'each move of main begins where the one before has ended',
    )
    assert.equal(await shop.tip(), moves.at(-1)?.after)
    for (const { number } of merged)
      if (number % 4 !== 0) assert.equal(await shop.file(await shop.tip(), `file-${number}.txt`), `of ${number}\n`)
    assert.deepEqual(server.problems, [])
  })
