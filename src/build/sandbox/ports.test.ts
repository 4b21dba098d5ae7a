import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takePorts } from './ports.ts'

test('a job waits for a port that another has, says for whom, and goes on when it is free', async () => {
  const said: string[] = []
  const never = new AbortController().signal
  const first = await takePorts(['5432/tcp', '80/tcp'], 'run-1/one', () => undefined, never)
  let isTaken = false
  const second = takePorts(['6379/tcp', '5432/tcp'], 'run-1/two', (line) => said.push(line), never).then((taken) => {
    isTaken = true
    return taken
  })
  using _other = await takePorts(['6379/tcp'], 'run-1/three', () => undefined, never)
  assert.deepEqual(
    [isTaken, said],
    [false, ['waits for port 5432/tcp of this machine, which job run-1/one has until it ends']],
  )
  first[Symbol.dispose]()
  assert.equal(isTaken, false) // 6379 is another's
  _other[Symbol.dispose]()
  ;(await second)[Symbol.dispose]()
})

test('who is cancelled does not wait', async () => {
  const never = new AbortController().signal
  using _first = await takePorts(['7000/tcp'], 'a', () => undefined, never)
  const cancel = new AbortController()
  const waiting = takePorts(['7000/tcp'], 'b', () => undefined, cancel.signal)
  cancel.abort(new Error('cancelled'))
  await assert.rejects(waiting, /cancelled/)
})
