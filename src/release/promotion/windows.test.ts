import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EnvironmentName } from '../../names.ts'
import { openingAt } from './windows.ts'

const production = { name: EnvironmentName.parse('production'), windows: [], freeze: [] }
const at = (text: string): number => Date.parse(text)

test('a window is open by its own clock, also over a change of clocks and over midnight, and says when it opens next', () => {
  const office = {
    ...production,
    windows: [{ days: ['mon' as const], from: '09:00', to: '17:00', timezone: 'Europe/Zurich' }],
  }
  // On Sunday the 29th of March 2026 the clocks there go from UTC+1 to UTC+2.
  assert.equal(openingAt(office, null, at('2026-03-23T08:00:00Z')).kind, 'open')
  assert.equal(openingAt(office, null, at('2026-03-30T07:00:00Z')).kind, 'open')
  assert.deepEqual(openingAt(office, null, at('2026-03-23T16:00:00Z')), {
    kind: 'window',
    detail: 'production is outside its deployment windows; the next one opens 2026-03-30T07:00Z',
    until: at('2026-03-30T07:00:00Z'),
  })
  const night = { ...production, windows: [{ days: ['fri' as const], from: '22:00', to: '02:00', timezone: 'UTC' }] }
  const kinds = ['2026-03-27T21:59:00Z', '2026-03-27T22:00:00Z', '2026-03-28T01:59:00Z', '2026-03-28T02:00:00Z'].map(
    (time) => openingAt(night, null, at(time)).kind,
  )
  assert.deepEqual(kinds, ['window', 'open', 'open', 'window'])
})

test('a freeze holds until its end, planned or ordered, and goes before a window', () => {
  const planned = {
    ...production,
    freeze: [{ from: at('2026-12-24T00:00:00Z'), until: at('2026-12-27T00:00:00Z'), reason: 'holidays' }],
  }
  assert.equal(openingAt(planned, null, at('2026-12-23T23:59:59Z')).kind, 'open')
  assert.deepEqual(openingAt(planned, null, at('2026-12-24T00:00:00Z')), {
    kind: 'freeze',
    detail: 'production is frozen until 2026-12-27T00:00Z: holidays',
    until: at('2026-12-27T00:00:00Z'),
  })
  assert.equal(openingAt(planned, null, at('2026-12-27T00:00:00Z')).kind, 'open')
  const ordered = { reason: 'audit', by: 'ada', until: at('2026-06-01T00:00:00Z') }
  assert.equal(openingAt(production, ordered, at('2026-05-31T00:00:00Z')).kind, 'freeze')
  assert.equal(openingAt(production, ordered, at('2026-06-01T00:00:00Z')).kind, 'open')
})
