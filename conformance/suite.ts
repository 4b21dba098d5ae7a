import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { after, describe, test } from 'node:test'
import { loadCases } from './case.ts'
import { faults } from './faults.ts'
import { differences } from './judge.ts'
import { openStage } from './play.ts'

/** One test for each case; HEADWAY_CONFORMANCE holds the words by which they are chosen, as JSON. */
const words: string[] = JSON.parse(process.env.HEADWAY_CONFORMANCE ?? '[]')
const stage = openStage()
after(() => stage[Symbol.asyncDispose]())

describe('conformance', { concurrency: Math.max(4, availableParallelism() * 2) }, () => {
  for (const one of loadCases(words))
    test(`${one.file}: ${one.name}`, { timeout: 180_000 }, async () => {
      const wrong = differences(one.expect, await stage.play(one))
      if (wrong.length > 0) throw sentence(`${wrong.join('\n')}\n(${one.source})`)
    })
})

describe('what the suite promises', { skip: words.length > 0 }, () => {
  test('at least 250 cases, of which at least 60 fail', () => {
    const cases = loadCases([])
    const failing = cases.filter(({ expect }) => expect.conclusion === 'failure' || expect.refusal !== undefined)
    assert.ok(cases.length >= 250 && failing.length >= 60, `${cases.length} cases, ${failing.length} failing`)
  })
  test('at least 50 faults to seed, each at exactly one place', () => {
    assert.ok(faults.length >= 50, `${faults.length} faults`)
    for (const { file, find, breaks } of faults) {
      const parts = readFileSync(new URL(`../src/build/${file}`, import.meta.url), 'utf8').split(find)
      assert.equal(parts.length, 2, `${breaks}: src/build/${file} holds it ${parts.length - 1} times: ${find}`)
    }
  })
})

/** Only what is wrong is of use; where in this file it was noticed is not. */
const sentence = (text: string): Error => {
  const error = new Error(text)
  error.stack = text
  return error
}
