import assert from 'node:assert/strict'
import { learnFacts } from '../learn/facts.ts'
import { openTestLedger, type TestLedger } from '../ledger/testing.ts'
import { defaultProject } from '../names.ts'
import { type TestClock, testClock, testIds } from '../testing.ts'
import type { SourceWish } from './book.ts'
import { parcelsOf } from './import/parcels.ts'
import { createEvents, type Events, eventsFacts, eventsMigrations, eventsView } from './index.ts'
import type { OutsideRecordInput } from './records.ts'

export type TestEvents = TestLedger & {
  readonly events: Events
  readonly clock: TestClock
  readonly reported: string[]
  /** The facts of these kinds, without what every one has: their types and payloads, oldest first. */
  told(types: RegExp): Promise<{ type: string; payload: unknown }[]>
}

/** The door with a real ledger behind it. Stopped and removed when it is disposed of. Secrets are not sealed, but turned round. */
export const openTestEvents = async (): Promise<TestEvents> => {
  const clock = testClock(Date.UTC(2026, 5, 1, 12))
  const definitions = [...learnFacts, ...eventsFacts]
  const opened = await openTestLedger({ definitions, views: [eventsView], migrations: eventsMigrations, clock })
  const reported: string[] = []
  const turned = (_name: string, bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).reverse()
  const events = createEvents({
    ...opened,
    ...{ clock, ids: testIds(), home: { blobs: opened.directory }, serverUrl: 'http://headway.test' },
    seal: { seal: turned, open: turned },
    report: (message) => reported.push(message),
  })
  await events.start()
  return {
    ...opened,
    ...{ events, clock, reported },
    told: async (types) =>
      (await opened.ledger.read({ limit: 1_000 }))
        .filter(({ type }) => types.test(type))
        .map(({ type, payload }) => ({ type, payload })),
    [Symbol.asyncDispose]: async () => {
      await events.stop()
      await opened[Symbol.asyncDispose]()
    },
  }
}

export const secret = 'a secret of sixteen and more'

/** A source of this kind in the default project, for the service `shop` where nothing else is said. */
export const addSource = (
  { events }: Pick<TestEvents, 'events'>,
  kind: SourceWish['kind'],
  over: Partial<SourceWish> = {},
) =>
  events.setSource(
    defaultProject,
    kind,
    {
      ...{ kind, service: null, environment: null, mappings: [], deployJobs: [], releases: false },
      ...{ incidentLabels: ['incident'], ...over },
    },
    secret,
    'user:ada',
  )

/** Tells records as an import does; resolves to the facts that it made. */
export const take = async (
  { events }: TestEvents,
  records: AsyncIterable<OutsideRecordInput> | Iterable<OutsideRecordInput>,
  source: string,
): Promise<number> => {
  let facts = 0
  for await (const parcel of parcelsOf(records)) {
    const headers = new Headers({ 'content-type': 'application/json' })
    const body = Buffer.from(JSON.stringify(parcel))
    assert.ok(body.length < 1024 * 1024)
    facts += (await events.tell(defaultProject, source, { headers, body }, 'user:ada')).facts
  }
  return facts
}
