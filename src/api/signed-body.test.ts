import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { Problem } from '../problem.ts'
import { readSignedBody } from './signed-body.ts'

const kindOf = (reading: Promise<unknown>): Promise<unknown> =>
  reading.catch((error: unknown) => (error instanceof Problem ? [error.status, error.kind] : error))

test('a signed body is read as it came, up to its limit, and what breaks, is too large or never comes is refused', async () => {
  const limits = { mostBytes: 6, patienceMs: 60_000 }
  const opened = () => new PassThrough()

  const whole = opened()
  whole.write('abc')
  whole.end('def')
  assert.equal(String(await readSignedBody(whole, limits)), 'abcdef')

  const large = opened()
  large.write('abcdefg')
  assert.deepEqual(await kindOf(readSignedBody(large, limits)), [413, 'too-large'])

  const broken = opened()
  const reading = kindOf(readSignedBody(broken, limits))
  broken.destroy(new Error('reset'))
  assert.deepEqual(await reading, [400, 'broken-off'])

  const silent = opened()
  assert.deepEqual(await kindOf(readSignedBody(silent, { ...limits, patienceMs: 1 })), [408, 'too-slow'])
})
