import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atRest, type Bounds, parseBounds, type Strength, strengthAfter } from './strength.ts'

const bounds: Bounds = { least: 1, most: 3 }
/** Looks each half second; how many were wanted after each. */
const wantedOver = (from: Strength, looks: number, shares: (wanted: number) => readonly number[]): number[] => {
  const wanted: number[] = []
  let strength = from
  for (let look = 0; look < looks; look += 1) {
    strength = strengthAfter(strength, shares(strength.wanted), look * 500, bounds)
    wanted.push(strength.wanted)
  }
  return wanted
}

test('one edge is enough at rest, and a short burst changes nothing', () => {
  assert.deepEqual(
    wantedOver(atRest(bounds, 1), 100, () => [0.2]),
    Array(100).fill(1),
  )
  let turn = 0
  const bursts = () => [(turn++ % 6) + 1 < 6 ? 0.99 : 0.1]
  assert.deepEqual(wantedOver(atRest(bounds, 1), 60, bursts), Array(60).fill(1))
})

test('work that goes on brings one after the other, up to one for each core', () => {
  const all = wantedOver(atRest(bounds, 1), 40, (wanted) => Array<number>(wanted).fill(0.95))
  assert.deepEqual([all[5], all[6], all[12], all[13], all.at(-1)], [1, 2, 2, 3, 3])
})

test('none is wanted for an edge whose share is not known yet', () => {
  assert.deepEqual(
    wantedOver(atRest(bounds, 1), 40, () => [0.95]),
    [...Array(6).fill(1), ...Array(34).fill(2)],
  )
})

test('one goes after half a minute in which the others could have done its work, and the last stays', () => {
  const all = wantedOver({ wanted: 3, busySinceMs: null, quietSinceMs: null }, 200, (wanted) =>
    Array<number>(wanted).fill(0.1),
  )
  assert.deepEqual([all[59], all[60], all[120], all[121], all.at(-1)], [3, 2, 2, 1, 1])
  const sharing = wantedOver({ wanted: 2, busySinceMs: null, quietSinceMs: null }, 200, () => [0.3, 0.2])
  assert.deepEqual(sharing, Array(200).fill(2))
})

test('a successor keeps what it finds, within its bounds', () => {
  assert.equal(atRest(bounds, 2).wanted, 2)
  assert.equal(strengthAfter(atRest(bounds, 9), [], 0, bounds).wanted, 3)
  assert.equal(atRest({ least: 2, most: 4 }, 0).wanted, 2)
})

test('bounds are read from a setting, and nonsense is none', () => {
  const read = ['', '2', '2-3', '1-64', '9', 'many', '0', '3-2'].map((setting) => parseBounds(setting, 4))
  assert.deepEqual(
    read.map(({ least, most }) => `${least}-${most}`),
    ['1-4', '2-2', '2-3', '1-4', '4-4', '1-4', '1-4', '3-3'],
  )
})
