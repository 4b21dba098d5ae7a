import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { allMarks, livesThroughKillsAt, marksPassed } from './support/survival.ts'

/**
 * The marks at which CI kills: one for each kind of boundary that a push crosses, before and after. All others are killed at by
 * `npm run soak -- failpoints`; that every mark is one that a whole life passes is checked here.
 */
const killedInCi = [
  'ledger.append',
  'code.start-git',
  'deploy.commit',
  'agent.spawn',
  'agent.write-instance',
  'agent.push-routes',
  'runtime.start-instance',
  'runtime.route',
  'runtime.stop-instance',
].flatMap((name) => [`${name}:before`, `${name}:after`])

describe('a kill at any boundary', () => {
  let passed: Set<string>

  test('can be tried: a whole life of a service passes every failpoint that the source has', async () => {
    passed = await marksPassed({ database: true })
    const missed = (await allMarks()).filter(
      (mark) => !passed.has(mark) && !passedElsewhere.some((prefix) => mark.startsWith(prefix)),
    )
    assert.deepEqual(missed, [], 'effects that no life passes; let e2e/support/survival.ts cross them too')
  })

  for (const mark of killedInCi)
    test(`ends in the same place: ${mark}, twice in a row`, () => livesThroughKillsAt(mark, { database: false }))
})

/** Boundaries that only an accident or a rare command crosses; each is killed at by the tests beside its source. */
const passedElsewhere: readonly string[] = []
