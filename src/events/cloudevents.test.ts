import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultProject } from '../names.ts'
import { Problem } from '../problem.ts'
import { eventTypes } from './cdevents/check.ts'
import { exampleOf } from './cdevents/testing.ts'
import { addSource, openTestEvents, secret, type TestEvents } from './testing.ts'

const envelopeOf = (type: string, over: { id?: string; source?: string } = {}) => {
  const example = exampleOf(type, 'all')
  const event = { ...example, context: { ...example.context, ...over } }
  const { id, source, timestamp } = event.context
  return { specversion: '1.0', id, source, type, time: timestamp, datacontenttype: 'application/json', data: event }
}
const post = (opened: TestEvents, contentType: string, content: unknown, headers: Record<string, string> = {}) =>
  opened.events.deliver(defaultProject, 'cdevents', {
    headers: new Headers({ 'content-type': contentType, authorization: `Bearer ${secret}`, ...headers }),
    body: Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
  })
const structured = 'application/cloudevents+json; charset=utf-8'
const batched = 'application/cloudevents-batch+json'
const deployed = 'dev.cdevents.service.deployed.0.3.0'

test('each of the 45 types is taken in structured, in binary and in batched mode, and none of them twice', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  const types = eventTypes()
  const taken = { outcome: 'recorded', events: 1 }
  for (const type of types) {
    const { outcome, events } = await post(opened, structured, envelopeOf(type, { id: `structured-${type}` }))
    assert.deepEqual({ outcome, events }, taken, type)
    const { data } = envelopeOf(type, { id: `binary-${type}` })
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': `binary-${type}`,
      'ce-source': encodeURIComponent(data.context.source),
      'ce-type': type,
    }
    const binary = await post(opened, 'application/json', data, headers)
    assert.deepEqual({ outcome: binary.outcome, events: binary.events }, taken, type)
  }
  const batch = types.map((type) => envelopeOf(type, { id: `batched-${type}` }))
  assert.equal((await post(opened, batched, batch)).events, 45)
  assert.equal((await post(opened, batched, batch)).outcome, 'duplicate')
  const half = [...batch.slice(0, 3), envelopeOf(deployed, { id: 'new' }), envelopeOf(deployed, { id: 'new' })]
  assert.equal((await post(opened, batched, half)).events, 1)
  const received = await opened.told(/^event\.received/)
  assert.equal(received.length, 136)
})

test('an event under the same id of another source is another event', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  assert.equal((await post(opened, structured, envelopeOf(deployed, { source: '/one' }))).outcome, 'recorded')
  assert.equal((await post(opened, structured, envelopeOf(deployed, { source: '/other' }))).outcome, 'recorded')
  assert.equal((await post(opened, structured, envelopeOf(deployed, { source: '/one' }))).outcome, 'duplicate')
})

test('deployments, incidents, changes and runs are made of CDEvents; extras in customData say what CDEvents has no field for', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  const event = (kind: string, subject: string, content: object, customData?: object) => {
    const { data } = envelopeOf(eventTypes().find((type) => type.startsWith(`dev.cdevents.${kind}.`)) ?? '', {
      id: kind,
    })
    const { customData: _, customDataContentType: __, ...rest } = data
    const whole = { ...rest, subject: { ...data.subject, id: subject, source: '/ci', content } }
    return customData ? { ...whole, customData } : whole
  }
  const environment = { id: 'production' }
  const extras = { headway: { startedAt: '2026-06-01T09:50:00Z', revision: 'v3', automatic: true } }
  await post(opened, 'application/json', [
    event('service.deployed', 'shop', { environment, artifactId: 'pkg:oci/shop@sha256%3Aabc' }, extras),
    event('service.rolledback', 'shop', { environment, artifactId: 'pkg:oci/shop@sha256%3A123' }),
    event('incident.detected', 'inc-1', { environment, service: { id: 'shop' }, description: 'Slow' }),
    event('incident.resolved', 'inc-1', { environment }),
    event('change.merged', '12', { repository: { id: 'octo/shop' } }),
    event('pipelinerun.finished', 'run-1', { pipelineName: 'CI', outcome: 'error' }),
  ])
  const facts = await opened.told(/^(delivery|incident)\./)
  const shown = facts.map(({ type, payload }) => {
    const { service, kind, revision, outcome, state, startedAt, title } = Object(payload)
    return [type, service, kind ?? state ?? title, revision ?? outcome, startedAt]
  })
  assert.deepEqual(shown, [
    ['delivery.deployed', 'shop', 'planned', 'v3', Date.parse('2026-06-01T09:50:00Z')],
    ['delivery.deployed', 'shop', 'rollback', 'pkg:oci/shop@sha256%3A123', null],
    ['incident.opened', 'shop', 'Slow', undefined, undefined],
    ['incident.resolved', undefined, undefined, undefined, undefined],
    ['delivery.change', undefined, 'merged', undefined, undefined],
    ['delivery.run', undefined, undefined, 'failed', null],
  ])
})

test('what is malformed is refused with the path of what is wrong, and of a batch nothing is taken then', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  const good = envelopeOf(deployed)
  const { subject } = good.data
  const wrong: [string, string, unknown, Record<string, string>?][] = [
    ['body', structured, '{'],
    ['body', structured, 'null'],
    ['body', batched, good],
    ['id', structured, { ...good, id: undefined }],
    ['specversion', structured, { ...good, specversion: '0.3' }],
    ['type', structured, { ...good, type: 7 }],
    ['data.context.type', structured, { ...good, data: null }],
    ['data.context.id', structured, { ...good, id: 'another' }],
    ['data.context.source', structured, { ...good, source: '/another' }],
    [
      'data.subject.content.environment',
      structured,
      { ...good, data: { ...good.data, subject: { ...subject, content: { artifactId: 'x' } } } },
    ],
    [
      'data.subject.content.environment.name',
      structured,
      {
        ...good,
        data: {
          ...good.data,
          subject: { ...subject, content: { artifactId: 'x', environment: { id: 'p', name: 'P' } } },
        },
      },
    ],
    ['[1].data.context.type', batched, [good, { ...good, id: 'second', data: {} }]],
    ['[1]', batched, [good, 'text']],
    ['[0].context.type', 'application/json', [{ context: { type: 'dev.cdevents.service.deployed.0.0.9' } }]],
    [
      'ce-id',
      'application/json',
      good.data,
      { 'ce-specversion': '1.0', 'ce-type': deployed, 'ce-source': '/an/example' },
    ],
    [
      'context.id',
      'application/json',
      good.data,
      { 'ce-specversion': '1.0', 'ce-id': 'x', 'ce-type': deployed, 'ce-source': '/an/example' },
    ],
  ]
  for (const [path, contentType, content, headers] of wrong)
    await assert.rejects(post(opened, contentType, content, headers), (error) => {
      assert.ok(error instanceof Problem, String(error))
      assert.deepEqual(
        { kind: error.kind, status: error.status, where: error.where },
        { kind: 'invalid-event', status: 400, where: { path } },
      )
      return true
    })
  assert.deepEqual(await opened.told(/^(event\.received|delivery)/), [])
})

test('an event of another kind than CDEvents is kept, and says nothing more', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  const other = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.sold', data: { items: 3 } }
  assert.deepEqual(await post(opened, structured, other), { outcome: 'recorded', events: 1, facts: 0, unplaced: [] })
  assert.equal((await opened.events.received(defaultProject))[0]?.type, 'com.example.sold')
})

test('a body that is cut off, empty, not in UTF-8 or not under its content type is told as that, with what to do, and no fact is made', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'cdevents')
  const one = envelopeOf(deployed)
  const whole = 'send it whole, as JSON in UTF-8; with curl: --data-binary @<file>'
  const before = await opened.ledger.head()
  for (const [type, content, detail, next] of [
    [structured, '', 'body: is empty', whole],
    [structured, '{"id":"a', 'body: is no JSON: it ends within a value after 8 bytes', whole],
    [structured, '{"id":}', "body: is no JSON: a '}' is out of place", whole],
    [structured, [one], 'body: is an array, not one event', `send several as ${batched}`],
    [batched, one, 'body: is no array of events', 'send one as application/cloudevents+json'],
    [
      'text/plain',
      one,
      'content-type: is text/plain, but the body is in an envelope of CloudEvents',
      'send it as application/cloudevents+json',
    ],
    [
      'application/json',
      [one],
      'content-type: is application/json, but the body is in an envelope of CloudEvents',
      `send it as ${batched}`,
    ],
  ] as const)
    await assert.rejects(post(opened, type, content), { kind: 'invalid-event', detail, next }, detail)
  const headers = new Headers({ 'content-type': structured, authorization: `Bearer ${secret}` })
  const body = Buffer.from([0x22, 0xff, 0x22])
  await assert.rejects(opened.events.deliver(defaultProject, 'cdevents', { headers, body }), {
    detail: 'body: is not in UTF-8',
    next: whole,
  })
  assert.deepEqual(await opened.ledger.head(), before)
})
