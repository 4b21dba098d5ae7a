import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createGate } from './mutex.ts'

test('a gate lets so many in at once, the others in the order they came, whatever becomes of each', async () => {
  const gate = createGate(2)
  const inside: number[] = []
  const leave: PromiseWithResolvers<void>[] = []
  const done = [0, 1, 2, 3, 4].map((place) => {
    leave.push(Promise.withResolvers())
    return gate(async () => {
      inside.push(place)
      await leave[place]?.promise
      return place
    })
  })
  const settled = Promise.allSettled(done)
  assert.deepEqual(inside, [0, 1])
  leave[1]?.reject(new Error('that one not'))
  await assert.rejects(done[1] ?? Promise.resolve(), /that one not/)
  assert.deepEqual(inside, [0, 1, 2])
  leave[0]?.resolve()
  leave[2]?.resolve()
  await done[2]
  assert.deepEqual(inside, [0, 1, 2, 3, 4])
  leave[3]?.resolve()
  leave[4]?.resolve()
  assert.deepEqual(
    (await settled).map((one) => (one.status === 'fulfilled' ? one.value : 'failed')),
    [0, 'failed', 2, 3, 4],
  )
  assert.equal(await gate(async () => 'later'), 'later')
})
