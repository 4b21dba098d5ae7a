import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AccessLine, isoTime, JsonLines, jsonOf } from './access-line.ts'

const lineOf = (of: Partial<AccessLine> = {}): AccessLine => ({
  time: '2026-01-01T00:00:00.000Z',
  requestId: '00000000-0000-4000-8000-000000000000',
  client: '127.0.0.1',
  host: 'shop.localhost',
  method: 'GET',
  path: '/',
  status: 200,
  bytes: 1,
  durationMs: 1,
  service: 'default/shop',
  version: 'v1',
  instance: 'a',
  failed: false,
  said: null,
  ...of,
})

/** Each line as it was put; null for one that was not. */
const putAll = (lines: readonly AccessLine[], to = Buffer.alloc(64 << 10)): (string | null)[] => {
  const json = new JsonLines()
  let at = 0
  return lines.map((line) => {
    const end = json.put(line, to, at)
    if (end === -1) return null
    const text = to.toString('latin1', at, end)
    at = end
    return text
  })
}

test('a line that is put is the text of it, whatever lines were before', () => {
  const numbers = [0, 1, 9, 10, 99, 100, 1234567890, 9_007_199_254_740_991]
  const durations = [0, 0.0004, 0.0005, 0.001, 0.01, 0.1, 0.999, 1, 1.5, 9.9996, 12.345, 100, 60_000.25]
  const lines = [
    ...numbers.map((bytes) => lineOf({ bytes })),
    ...durations.map((durationMs) => lineOf({ durationMs })),
    ...['/', '/a', '/b', '/"quoted"', '/\u00e9\u2028', '/\\'].flatMap((path) => [lineOf({ path }), lineOf({ path })]),
    ...['/a1', '/b1', '/a1', '/c1'].map((path) => lineOf({ path })),
    ...['GET', 'PUT', 'DELETE', ''].map((method) => lineOf({ method })),
    ...['a', 'b', '', 'x"y'].map((host) => lineOf({ host })),
    ...[200, 404, 503].map((status) => lineOf({ status, failed: status === 503 })),
    ...['::1', 'unknown', ''].map((client) => lineOf({ client })),
    ...['a', 'b', null, ''].map((instance) => lineOf({ instance, version: instance, service: instance })),
    ...['a-1234', 'b-1234'].map((instance) => lineOf({ instance })),
    ...['a-1234', 'b-1234'].map((version) => lineOf({ version })),
    ...['a-1234', 'b-1234'].map((service) => lineOf({ service })),
    ...['2026-01-01T00:00:00.001Z', '2026-12-31T23:59:59.999Z'].map((time) => lineOf({ time })),
    lineOf({ requestId: '' }),
    lineOf(),
  ]
  assert.deepEqual(putAll(lines), lines.map(jsonOf))
  assert.deepEqual(putAll([...lines, ...lines.toReversed()]), [...lines, ...lines.toReversed()].map(jsonOf))
})

test('what is to be escaped, and what does not fit, is left to whoever makes texts, and the next line is whole again', () => {
  const odd = [
    lineOf({ requestId: 'a"b' }),
    lineOf({ requestId: 'a\\b' }),
    lineOf({ requestId: 'a\nb' }),
    lineOf({ client: '\u00e9' }),
    lineOf({ time: '' }),
    lineOf({ time: '+012026-01-01T00:00:00.00' }),
    lineOf({ durationMs: Number.NaN }),
    lineOf({ durationMs: -1 }),
    lineOf({ bytes: -1 }),
  ]
  const lines = odd.flatMap((line) => [line, lineOf()])
  assert.deepEqual(
    putAll(lines),
    odd.flatMap(() => [null, jsonOf(lineOf())]),
  )
  assert.deepEqual(putAll([lineOf()], Buffer.alloc(300)), [null])
})

test('of long paths nothing is kept', () => {
  const long = lineOf({ path: `/${'a'.repeat(8_000)}` })
  assert.deepEqual(putAll([long, lineOf(), long]), [long, lineOf(), long].map(jsonOf))
})

test('times are told as Date tells them, in whatever order they come', () => {
  const times = [0, 1, 999, 1_000, 1_760_000_000_000, 1_760_000_000_007, 1_760_000_000_070.9, 1_759_999_999_999, 0]
  assert.deepEqual(
    times.map(isoTime),
    times.map((atMs) => new Date(atMs).toISOString()),
  )
})
