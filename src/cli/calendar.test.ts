import assert from 'node:assert/strict'
import { test } from 'node:test'
import { freezeIn, windowIn } from './calendar.ts'

test('a window is said in words: days, from when to when, and where; each may be left out', () => {
  assert.deepEqual(windowIn('mon-fri 09:00-17:00 Europe/Zurich'), {
    ...{ days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '09:00', to: '17:00', timezone: 'Europe/Zurich' },
  })
  assert.deepEqual(windowIn('Sat-Mon,wed'), { days: ['sat', 'sun', 'mon', 'wed'] })
  assert.deepEqual(windowIn('22:00-02:00 UTC'), { from: '22:00', to: '02:00', timezone: 'UTC' })
  for (const text of ['mon-fryday', '9-17', 'mon--fri', 'mon 09:00 17:00'])
    assert.throws(() => windowIn(text), /cannot be read/, text)
})

test('a freeze is said by its first and its last moment, and why', () => {
  assert.deepEqual(freezeIn('2026-12-24..2027-01-02T08:00+01:00 the holidays'), {
    ...{ from: '2026-12-24T00:00:00Z', until: '2027-01-02T07:00:00Z', reason: 'the holidays' },
  })
  assert.deepEqual(freezeIn('2026-12-24..2026-12-25'), { from: '2026-12-24T00:00:00Z', until: '2026-12-25T00:00:00Z' })
  for (const text of ['', 'tomorrow', '2026-12-24 holidays', '2026-12-24..later'])
    assert.throws(() => freezeIn(text), /cannot be read/, text)
})
