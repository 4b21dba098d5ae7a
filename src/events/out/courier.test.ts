import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { digestSubject, digestWritten, toilLogged } from '../../learn/facts.ts'
import { fact } from '../../ledger/fact.ts'
import { defaultProject, ProjectName } from '../../names.ts'
import { signatureOf } from '../../webhook.ts'
import { checkCdEvent, eventTypes } from '../cdevents/check.ts'
import { exampleOf } from '../cdevents/testing.ts'
import { addSource, openTestEvents, secret, type TestEvents } from '../testing.ts'

type Got = { readonly id: string; readonly body: string; readonly headers: Readonly<Record<string, unknown>> }

/** Somebody who takes webhooks and answers as the test says. */
const openReceiver = async () => {
  const got: Got[] = []
  let status = 200
  let arrived = Promise.withResolvers<void>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      got.push({
        id: String(request.headers['webhook-id']),
        body: Buffer.concat(chunks).toString(),
        headers: request.headers,
      })
      response.statusCode = status
      response.setHeader('location', 'http://127.0.0.1:1/elsewhere')
      response.end()
      arrived.resolve()
      arrived = Promise.withResolvers()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    got,
    answer: (next: number) => {
      status = next
    },
    /** Resolves when so many have come. */
    until: async (count: number): Promise<void> => {
      while (got.length < count) await arrived.promise
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const happens = async (
  { ledger }: TestEvents,
  what: string,
  project: ProjectName = defaultProject,
): Promise<number> => {
  const payload = { toil: what, project, service: null, what, minutes: 1, by: 'user:ada', at: 1 }
  const outcome = await ledger.append([fact(toilLogged, { subject: `project:${project}`, actor: 'user:ada', payload })])
  return outcome.kind === 'appended' ? (outcome.facts[0]?.seq ?? 0) : 0
}
const subscribe = ({ events }: TestEvents, url: string, over: { types?: string[]; after?: number } = {}) =>
  events.subscribe(defaultProject, 'siem', { url, secret, types: [], after: null, ...over }, 'user:ada')
const standing = async ({ events }: TestEvents) => (await events.subscriptions(defaultProject))[0]
/** Turns the clock whenever the courier waits for it, until what is asked for is so. */
const waitFor = async (opened: TestEvents, isSo: () => Promise<boolean>, stepMs = 0): Promise<void> => {
  for (const until = performance.now() + 60_000; performance.now() < until; ) {
    if (await isSo()) return
    if (stepMs > 0 && opened.clock.sleeping > 1) await opened.clock.advance(stepMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('it did not come so')
}
const whatOf = (got: readonly Got[]): string[] =>
  got.flatMap(({ body }) => JSON.parse(body).data?.customData?.headway?.payload?.what ?? [])

test('who subscribes is told what happens in the project from then on, in order, signed, as valid CDEvents', async () => {
  await using opened = await openTestEvents()
  await using receiver = await openReceiver()
  await happens(opened, 'before')
  await subscribe(opened, receiver.url)
  await happens(opened, 'one')
  await happens(opened, 'not ours', ProjectName.parse('other'))
  const last = await happens(opened, 'two')
  await waitFor(opened, async () => whatOf(receiver.got).includes('two'))
  assert.deepEqual(whatOf(receiver.got), ['one', 'two'])
  for (const { id, body, headers } of receiver.got) {
    assert.equal(headers['webhook-signature'], signatureOf(secret, id, String(headers['webhook-timestamp']), body))
    assert.equal(headers['content-type'], 'application/cloudevents+json')
    const { data, ...envelope } = JSON.parse(body)
    assert.equal(checkCdEvent(data).kind, 'valid')
    assert.deepEqual(
      [envelope.id, envelope.source, envelope.type],
      [data.context.id, data.context.source, data.context.type],
    )
  }
  assert.equal(receiver.got.at(-1)?.id, `default/siem/${last}`)
  await waitFor(opened, async () => (await standing(opened))?.position.seq === last)
})

test('the weekly digest comes signed, and a receiver that knows only the secret and the standard finds it genuine', async () => {
  await using opened = await openTestEvents()
  await using receiver = await openReceiver()
  await subscribe(opened, receiver.url)
  const markdown = '# The week of 2026-05-25\n\n3 deployments, "quoted" and ünïcode.\n'
  const payload = { project: defaultProject, week: '2026-05-25', from: 1, until: 2, markdown }
  const subject = digestSubject(defaultProject)
  await opened.ledger.append([fact(digestWritten, { subject, actor: 'system:learn', payload })])
  const digest = () => receiver.got.find(({ body }) => body.includes('digest.written'))
  await waitFor(opened, async () => digest() !== undefined)
  const got = digest()
  assert.ok(got)
  const { type, data } = JSON.parse(got.body)
  assert.deepEqual(
    [type, data.customData.headway.payload.markdown],
    ['dev.cdeventsx.headway-digest.written.0.1.0', markdown],
  )
  const isGenuine = (body: string): boolean => {
    const signed = `${got.id}.${got.headers['webhook-timestamp']}.${body}`
    return got.headers['webhook-signature'] === `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`
  }
  assert.deepEqual([isGenuine(got.body), isGenuine(`${got.body} `)], [true, false])
})

test('all 45 types that came from elsewhere go out as they came, valid by their schemas', async () => {
  await using opened = await openTestEvents()
  await using receiver = await openReceiver()
  await subscribe(opened, receiver.url, { types: ['dev.cdevents.*'] })
  await addSource(opened, 'cdevents')
  const sent = eventTypes().map((type) => exampleOf(type, 'all'))
  const headers = new Headers({ 'content-type': 'application/json', authorization: `Bearer ${secret}` })
  const batch = sent.map((event, place) => ({ ...event, context: { ...event.context, id: `event-${place}` } }))
  await opened.events.deliver(defaultProject, 'cdevents', { headers, body: Buffer.from(JSON.stringify(batch)) })
  await waitFor(opened, async () =>
    batch.every(({ context }) => receiver.got.some(({ body }) => JSON.parse(body).id === context.id)),
  )
  const passed = receiver.got
    .map(({ body }) => JSON.parse(body).data)
    .filter(({ context }) => context.id.startsWith('event-'))
  assert.deepEqual(passed, batch)
  for (const event of passed) assert.equal(checkCdEvent(event).kind, 'valid')
})

test('what is not taken is tried again later and later, then is a dead letter; the next are tried once until one is taken', async () => {
  await using opened = await openTestEvents()
  await using receiver = await openReceiver()
  receiver.answer(503)
  await subscribe(opened, receiver.url, { types: ['*toil*'] })
  const begun = opened.clock.now()
  const lost = await happens(opened, 'lost')
  await waitFor(opened, async () => ((await standing(opened))?.dead ?? 0) === 1, 60_000)
  assert.equal(receiver.got.length, 8)
  assert.ok(opened.clock.now() - begun >= 10.7 * 3_600_000, 'some eleven hours')
  assert.deepEqual(new Set(receiver.got.map(({ id }) => id)), new Set([`default/siem/${lost}`]))
  await happens(opened, 'lost too')
  await waitFor(opened, async () => ((await standing(opened))?.dead ?? 0) === 2)
  assert.equal(receiver.got.length, 9)
  receiver.answer(200)
  await happens(opened, 'taken')
  await waitFor(opened, async () => receiver.got.length === 10 && (await standing(opened))?.position.detail === null)
  assert.deepEqual(
    (await opened.events.dead(defaultProject, 'siem')).map(({ seq, attempts, detail }) => [seq, attempts, detail]),
    [
      [lost, 8, 'answered 503'],
      [lost + 1, 1, 'answered 503'],
    ],
  )
  assert.equal(await opened.events.resend(defaultProject, 'siem', lost + 1), 1)
  await assert.rejects(opened.events.resend(defaultProject, 'siem', lost + 1), /no dead letter of siem/)
  assert.equal(await opened.events.resend(defaultProject, 'siem'), 1)
  assert.deepEqual(whatOf(receiver.got).slice(9), ['taken', 'lost too', 'lost'])
  assert.deepEqual(await opened.events.dead(defaultProject, 'siem'), [])
})

test('a redirect is not followed and a refusal not tried again; everything can be told again from a position', async () => {
  await using opened = await openTestEvents()
  await using receiver = await openReceiver()
  receiver.answer(302)
  await subscribe(opened, receiver.url, { types: ['*toil*'] })
  const first = await happens(opened, 'one')
  await waitFor(opened, async () => ((await standing(opened))?.dead ?? 0) === 1)
  assert.equal(receiver.got.length, 1)
  receiver.answer(200)
  await happens(opened, 'two')
  await receiver.until(2)
  await opened.events.replayFrom(defaultProject, 'siem', first - 1)
  await receiver.until(4)
  assert.deepEqual(whatOf(receiver.got), ['one', 'two', 'one', 'two'])
  await assert.rejects(opened.events.replayFrom(defaultProject, 'siem', 1_000_000), /has no fact/)
})

test('link-local addresses are not called, whatever stands in the subscription', async () => {
  await using opened = await openTestEvents()
  await subscribe(opened, 'http://169.254.169.254/latest/meta-data')
  await happens(opened, 'one')
  await waitFor(opened, async () => ((await standing(opened))?.dead ?? 0) >= 1)
  const [dead] = await opened.events.dead(defaultProject, 'siem')
  assert.match(dead?.detail ?? '', /169\.254\.169\.254 is not called/)
})

test('neither the address nor the secret of a subscription, nor the secret of a source, stands in the ledger', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'github')
  await subscribe(opened, 'http://127.0.0.1:1/hook?token=in-the-address')
  const facts = JSON.stringify(await opened.ledger.read({ limit: 100 }))
  assert.ok(!facts.includes(secret) && !facts.includes('in-the-address'))
  await opened.events.unsubscribe(defaultProject, 'siem', 'user:ada')
  await opened.events.removeSource(defaultProject, 'github', 'user:ada')
  assert.deepEqual(
    await opened.store.tables<{ events_secrets: object }>().selectFrom('events_secrets').selectAll().execute(),
    [],
  )
})

test('the export holds what a viewer of the project may see, one CloudEvent after the other', async () => {
  await using opened = await openTestEvents()
  await happens(opened, 'one')
  await happens(opened, 'not ours', ProjectName.parse('other'))
  await happens(opened, 'two')
  const told: string[] = []
  for await (const { body } of opened.events.export(defaultProject, 0))
    told.push(JSON.parse(body).data.customData.headway.payload.what)
  assert.deepEqual(told, ['one', 'two'])
})
