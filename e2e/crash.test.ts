import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { killsInARow, marksToKillAt } from '../src/kills.testing.ts'
import { passedElsewhere } from './rare-marks.ts'
import { allMarks, livesThroughKillsAt, marksPassed, rare } from './support/survival.ts'

/**
 * The marks at which CI kills: one for each kind of boundary that a push crosses. All others, and both sides of each twice in a row, are
 * killed at by `npm run soak -- failpoints`; that every mark is one that a whole life passes, or is listed as rare with its reason, is
 * checked here.
 */
const killedInCi = marksToKillAt(
  [
    'ledger.append',
    'code.receive-pack',
    'agent.instance-spawn',
    'agent.routes-save',
    'agent.stop-signal',
    'edge.table-rename',
    'deploy.commit',
    'runtime.instance-start',
    'runtime.route',
    'runtime.instance-stop',
  ].flatMap((name) => [`${name}:before`, `${name}:after`]),
  ['ledger.append', 'deploy.commit'],
)

describe('a kill at any boundary', { concurrency: 2 }, () => {
  test('can be tried: a whole life of a service passes every failpoint that is not listed as rare', async () => {
    const passed = await marksPassed({ database: true, errands: true })
    const marks = await allMarks()
    const missed = marks.filter((mark) => !passed.has(mark) && !rare(mark))
    assert.deepEqual(
      passedElsewhere.filter(({ name }) => !marks.includes(`${name}:before`)),
      [],
      'rare marks that the source no longer has',
    )
    assert.deepEqual(missed, [], 'effects that no life passes; let e2e/support/survival.ts cross them too')
  })

  for (const mark of killedInCi)
    test(`ends in the same place: ${mark}`, () => livesThroughKillsAt(mark, { database: false }, killsInARow))
})
