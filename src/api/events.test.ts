import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { root } from '../access/testing.ts'
import { deployFacts, driftFound } from '../deploy/facts.ts'
import { fact } from '../ledger/fact.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { openTestApi, type TestApi } from './testing.ts'

const shop = ProjectName.parse('shop')
const blog = ProjectName.parse('blog')

const record = async (opened: TestApi, project: ProjectName, detail: string, count = 1) => {
  const payload = {
    project,
    service: ServiceName.parse('web'),
    environment: EnvironmentName.parse('production'),
    detail,
  }
  const drift = fact(driftFound, { subject: `service:${project}/web`, actor: 'system:deploy', payload })
  await opened.ledger.append(Array.from({ length: count }, () => drift))
}

/** Reads events until one's detail is `last`; what it saw, in order. */
const follow = async (response: Response, last: string) => {
  const seen: { id: number; type: string; detail: string }[] = []
  const decoder = new TextDecoder()
  let rest = ''
  assert.ok(response.body)
  for await (const chunk of response.body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const match = /^id: (\d+)\nevent: (\S+)\ndata: (.*)$/.exec(block)
      if (!match) continue
      const detail = String(JSON.parse(match[3] ?? '').payload.detail)
      seen.push({ id: Number(match[1]), type: match[2] ?? '', detail })
      if (detail === last) return seen
    }
  }
  return seen
}

test('events are the facts of the projects that the caller may see, and go on after the last one seen', async () => {
  await using opened = await openTestApi({ definitions: deployFacts })
  const token = await opened.token('viewer', shop)
  const open = (headers: Record<string, string> = {}) =>
    fetch(`${opened.url}/api/v1/events`, { headers: { authorization: `Bearer ${token}`, ...headers } })
  const stream = await open()
  assert.equal(stream.headers.get('content-type'), 'text/event-stream')
  await record(opened, shop, 'one')
  await record(opened, blog, 'elsewhere')
  await record(opened, shop, 'two')
  const seen = await follow(stream, 'two')
  assert.deepEqual(
    seen.map(({ type, detail }) => [type, detail]),
    [
      ['drift.found', 'one'],
      ['drift.found', 'two'],
    ],
  )
  await record(opened, shop, 'three')
  const resumed = await follow(await open({ 'last-event-id': String(seen[0]?.id) }), 'three')
  assert.deepEqual(
    resumed.map(({ detail }) => detail),
    ['two', 'three'],
  )
})

test('the stream ends when the token is revoked', async () => {
  await using opened = await openTestApi({ definitions: deployFacts })
  const token = await opened.token('viewer', shop)
  const stream = await fetch(`${opened.url}/api/v1/events`, { headers: { authorization: `Bearer ${token}` } })
  const issued = (await opened.access.tokens.list(null)).findLast(({ name }) => name === 'test')
  await opened.access.tokens.revoke(issued?.token ?? '', root)
  await record(opened, shop, 'after')
  assert.deepEqual(await follow(stream, 'never'), [])
})

test('a client that does not read is dropped, and meanwhile holds little of the ledger in memory', async () => {
  await using opened = await openTestApi({ definitions: deployFacts })
  const token = await opened.token('viewer', shop)
  await record(opened, shop, 'x'.repeat(10_000), 2_000) // 20 MB, more than any socket buffers
  const { port } = new URL(opened.url)
  const socket = connect(Number(port), '127.0.0.1')
  socket.pause()
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  socket.write(`GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  // It sleeps for its patience once the socket takes no more.
  while (opened.clock.sleeping === 0) await new Promise((resolve) => setImmediate(resolve))
  const before = socket.bytesRead
  for (let turn = 0; turn < 400 && !socket.destroyed; turn += 1) {
    await opened.clock.advance(1_000)
    if (turn === 100) socket.resume() // a paused socket does not notice that the other side has gone
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await closed
  assert.ok(socket.bytesRead - before < 20_000_000)
})
