import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createFinder } from './finder.ts'

const finds = (sequences: readonly string[], text: string): boolean =>
  createFinder(sequences.map((one) => Buffer.from(one)))(Buffer.from(text))

test('a sequence is found wherever it stands, and nothing that only begins or ends like one', () => {
  const sequences = ['ab', 'secret', 'se-cret-é', `${'x'.repeat(99)}y`]
  for (const length of [0, 1, 2, 7, 64, 65])
    for (const sequence of sequences) {
      const [before, after] = ['.'.repeat(length), ','.repeat(length % 5)]
      assert.ok(finds(sequences, `${before}${sequence}${after}`), `${sequence} behind ${length}`)
      assert.ok(finds([sequence], `${before}${sequence}${after}`), `${sequence} alone behind ${length}`)
      assert.ok(!finds([sequence], `${before}${sequence.slice(1)}${after}${sequence.slice(0, -1)}`))
    }
})

test('it agrees with a search for each of them in texts of few letters', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  const word = (length: number): string => Array.from({ length }, () => 'abc'[random(3)]).join('')
  for (let round = 0; round < 2000; round += 1) {
    const sequences = Array.from({ length: 1 + random(4) }, () => word(2 + random(6)))
    const text = word(random(40))
    assert.equal(
      finds(sequences, text),
      sequences.some((one) => text.includes(one)),
      `${sequences} in ${text}`,
    )
  }
})

test('of nothing nothing is found, and one byte may be anywhere', () => {
  assert.deepEqual([finds([], 'text'), finds([''], 'text'), finds(['t'], 'xyz')], [false, true, true])
})
