import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numberFrom, oneOf } from './values.ts'

test('a value of an option is taken as it is meant, or refused with its name, what was said and what can be', () => {
  const bucket = oneOf('--bucket', ['day', 'week', 'month'])
  const hour = numberFrom('--at', 'an hour', 0, 23)
  assert.deepEqual([bucket('week'), hour('0'), hour('23')], ['week', 0, 23])
  assert.equal(numberFrom('<hours>', 'a number of hours', 0.1, 168, { isWhole: false })('37.5'), 37.5)
  assert.throws(() => bucket('hour'), { detail: '--bucket is day, week or month, not "hour"' })
  for (const wrong of ['24', '-1', '1.5', 'noon', ''])
    assert.throws(() => hour(wrong), { detail: `--at is an hour from 0 to 23, not "${wrong}"` })
})
