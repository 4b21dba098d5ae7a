import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeError } from './problem.ts'

test('an error is told with its causes, and nothing is told twice', () => {
  assert.equal(describeError('plain'), 'plain')
  const cause = new Error('no such file', { cause: 'ENOENT' })
  assert.equal(
    describeError(new Error('unreadable', { cause })),
    'unreadable (because: no such file (because: ENOENT))',
  )
  assert.equal(describeError(new Error('empty', { cause: new Error('empty') })), 'empty')
  assert.equal(
    describeError(new Error('it did not start: refused', { cause: new Error('refused') })),
    'it did not start: refused',
  )
})
