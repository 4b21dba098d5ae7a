import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { openTestApi, type TestApi } from '../api/testing.ts'
import { defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { exampleOf } from './cdevents/testing.ts'
import { eventDoorRoutes } from './routes.ts'
import * as bodies from './sources/bodies.testing.ts'
import { SourceKind } from './sources/reading.ts'
import { hex, signed } from './sources/signed.testing.ts'
import { addSource, openTestEvents } from './testing.ts'

/** What each system sends that ends in a fact, with the headers that it needs for it. */
const deliveries: Readonly<Record<SourceKind, { content: object; headers?: Record<string, string> }>> = {
  github: { content: bodies.github.deploymentStatus, headers: { 'x-github-event': 'deployment_status' } },
  gitlab: { content: bodies.gitlab.deployment },
  jenkins: { content: bodies.jenkins },
  argocd: { content: bodies.argocd },
  flux: { content: bodies.flux },
  alertmanager: { content: bodies.alertmanager },
  pagerduty: { content: bodies.pagerduty('triggered', '2026-06-01T10:00:00Z') },
  cdevents: { content: exampleOf('dev.cdevents.service.deployed.0.3.0', 'all') },
  plain: { content: { type: 'deployment', id: '1', service: 'shop', finishedAt: 1, outcome: 'succeeded' } },
}
const mostBytes = 5 * 1024 * 1024

test('of no source does an oversized body, announced or in chunks, a wrong signature or a replay end in a fact', async () => {
  await using opened = await openTestEvents()
  await using api = await openTestApi({ routes: [eventDoorRoutes(opened.events)] })
  const made = () => opened.told(/^(delivery|incident|commits|event\.received)/)
  for (const source of SourceKind.options) {
    const { content, headers = {} } = deliveries[source]
    await addSource(opened, source, {
      ...{ service: ServiceName.parse('shop'), environment: EnvironmentName.parse('production') },
    })
    const body = JSON.stringify(content)
    const now = opened.clock.now()
    const right = { 'content-type': 'application/json', ...headers, ...signed[source](body, now) }
    const before = await made()

    const announced = { ...right, 'content-length': String(mostBytes + 1) }
    assert.equal(await rawPost(api, source, announced, null), 413, `${source}: announced, and never sent`)
    const chunks = { ...right, 'transfer-encoding': 'chunked' }
    assert.equal(await rawPost(api, source, chunks, 'x'.repeat(64 * 1024)), 413, `${source}: in chunks`)
    const wrong = { ...right, ...wrongly(source, body, now) }
    assert.equal((await post(api, source, body, wrong)).status, 401, `${source}: a wrong signature`)
    assert.deepEqual(await made(), before, source)

    assert.equal((await post(api, source, body, right)).status, 200, `${source}: rightly signed`)
    const after = await made()
    assert.ok(after.length > before.length + 1, `${source}: what is rightly signed is taken`)
    const again = await post(api, source, body, right)
    assert.deepEqual(await again.json(), { outcome: 'duplicate', events: 0, facts: 0, unplaced: [] }, source)
    assert.deepEqual(await made(), after, `${source}: a replay`)
  }
})

test('a body of unsaid length is taken when it is not too large', async () => {
  await using opened = await openTestEvents()
  await using api = await openTestApi({ routes: [eventDoorRoutes(opened.events)] })
  await addSource(opened, 'plain')
  const body = JSON.stringify(deliveries.plain.content)
  const stream = new ReadableStream({
    start: (control) => {
      control.enqueue(Buffer.from(body.slice(0, 7)))
      control.enqueue(Buffer.from(body.slice(7)))
      control.close()
    },
  })
  const headers = { 'content-type': 'application/json', ...signed.plain(body, opened.clock.now()) }
  const taken = await fetch(hook(api, 'plain'), { method: 'POST', headers, body: stream, duplex: 'half' })
  assert.deepEqual(await taken.json(), { outcome: 'recorded', events: 1, facts: 1, unplaced: [] })
})

const hook = (api: TestApi, source: string): string => `${api.url}/api/v1/hooks/${defaultProject}/${source}`
const post = (api: TestApi, source: string, body: string, headers: Record<string, string>): Promise<Response> =>
  fetch(hook(api, source), { method: 'POST', body, headers })

/** As the system signs, but by another secret; those that send the secret itself send another. */
const wrongly = (source: SourceKind, body: string, nowMs: number): Record<string, string> =>
  Object.fromEntries(
    Object.keys(signed[source](body, nowMs)).map((name) => [
      name,
      name === 'authorization' ? 'Bearer another secret' : `sha256=${hex(body, 'another')}`,
    ]),
  )

/** The status of the answer to these headers and this chunk sent on and on, or to nothing more, where there is none. */
const rawPost = async (
  api: TestApi,
  source: string,
  headers: Record<string, string>,
  chunk: string | null,
): Promise<number> => {
  const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
  socket.on('error', () => undefined) // the server may close while this still sends
  const head = Object.entries({ host: new URL(api.url).host, ...headers }).map(([name, value]) => `${name}: ${value}`)
  socket.write(`POST /api/v1/hooks/${defaultProject}/${source} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`)
  const part = chunk === null ? null : `${chunk.length.toString(16)}\r\n${chunk}\r\n`
  const send = (): void => {
    while (part !== null && socket.writable && socket.write(part));
  }
  socket.on('drain', send)
  send()
  try {
    const [answer] = await once(socket, 'data')
    return Number(/^HTTP\/1\.1 (\d+)/.exec(String(answer))?.[1])
  } finally {
    socket.destroy()
  }
}
