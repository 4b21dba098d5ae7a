import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { host, poolOf, startEdge, startInstance, tableOf, until } from './testing.ts'
import { isTraceparent } from './trace.ts'

test('a traceparent is one of its version, and none of zeros alone', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c'
  const span = 'b7ad6b7169203331'
  const all = [
    `00-${trace}-${span}-01`,
    `01-${trace}-${span}-00-more`,
    `ff-${trace}-${span}-01`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `00-${trace.toUpperCase()}-${span}-01`,
    `00-${trace}-${span}`,
    '',
  ]
  assert.deepEqual(all.map(isTraceparent), [true, true, false, false, false, false, false, false])
})

test('a trace goes on or begins; what is repeated over a connection is judged once, and ids are each request its own', async (t) => {
  const { port } = await startInstance(t, (request, response) => response.end(JSON.stringify(request.headers)))
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const going = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  const seen = async (...lines: string[]) => {
    received = ''
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`)
    await until('it is answered', () => /\r\n\r\n.*\}/s.test(received))
    const headers = JSON.parse(/\{.*\}/s.exec(received)?.[0] ?? '')
    const { 'x-request-id': id, traceparent, tracestate = null } = headers
    return { id, traceparent, tracestate }
  }
  const first = await seen()
  const second = await seen()
  const [one, two] = [first, second].map(({ id }) => id.replaceAll('-', ''))
  assert.notEqual(one, two)
  assert.deepEqual(
    [first, second],
    [
      { id: first.id, traceparent: `00-${one}-${one.slice(16)}-01`, tracestate: null },
      { id: second.id, traceparent: `00-${two}-${two.slice(16)}-01`, tracestate: null },
    ],
  )
  assert.deepEqual(await seen(`Traceparent: ${going}`, 'Tracestate: a=1', 'tracestate: b=2', 'X-Request-Id: mine'), {
    id: 'mine',
    traceparent: going,
    tracestate: 'a=1, b=2',
  })
  const named = await seen('X-Request-Id: mine', 'traceparent: nonsense', 'tracestate: a=1')
  const again = await seen('X-Request-Id: mine', 'traceparent: nonsense', 'tracestate: a=1')
  assert.deepEqual([named.id, named.tracestate, again.id], ['mine', null, 'mine'])
  assert.ok(isTraceparent(named.traceparent) && isTraceparent(again.traceparent))
  assert.notEqual(named.traceparent, again.traceparent)
})
