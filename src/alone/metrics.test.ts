import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TrafficMinute } from '../agent/protocol.ts'
import { latencyEdgesMs } from '../edge/protocol.ts'
import { Totals } from './metrics.ts'

const minuteOf = (minute: number, requests: number): TrafficMinute => ({
  ...{ minute, service: 'a "b"', version: 'v1', requests },
  classes: { c1: 0, c2: requests, c3: 0, c4: 0, c5: 0, failed: 0 },
  latency: [requests, ...latencyEdgesMs.map(() => 0)],
})

test('counters rise over minutes, also when old ones are forgotten', () => {
  const totals = new Totals()
  totals.take([minuteOf(0, 3)])
  totals.take([minuteOf(0, 5), minuteOf(60_000, 1)])
  totals.take([minuteOf(60_000, 4)])
  const text = totals.text()
  assert.match(text, /^headway_edge_requests_total\{service="a \\"b\\"",version="v1",class="2xx"\} 9$/m)
  assert.match(text, /^headway_edge_request_duration_seconds_bucket\{.*le="0\.001"\} 9$/m)
  assert.match(text, /^headway_edge_request_duration_seconds_bucket\{.*le="\+Inf"\} 9$/m)
})
