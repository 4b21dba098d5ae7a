import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock, systemIds } from '../clock.ts'
import { learnFacts } from '../learn/facts.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { defaultProject, ServiceName } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { createEvents, eventsFacts, eventsMigrations, eventsView } from './index.ts'

// A source tells of a deployment, a subscriber is told of it. Goes on where it was killed. Run by crash.test.ts.
const [directory = '', url = ''] = process.argv.slice(2)
/** Nobody waits here for a sweep or another try. */
const clock: Clock = { ...systemClock, sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) }
const secret = 'a secret of sixteen and more'
const store = await openSqliteStore(join(directory, 'headway.db'))
const migrations = [...ledgerMigrations, ...eventsMigrations]
await migrate(store, { migrations, program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: [...learnFacts, ...eventsFacts], clock: systemClock })
const views = await openViews({ store, ledger, views: [eventsView] })
const plain = (_name: string, bytes: Uint8Array): Uint8Array => bytes
const events = createEvents({
  ...{ store, ledger, views, clock, ids: systemIds(clock), home: { blobs: directory } },
  ...{
    serverUrl: 'http://headway.test',
    seal: { seal: plain, open: plain },
    report: (message) => console.error(message),
  },
})
await events.start()
const wish = { kind: 'plain' as const, service: ServiceName.parse('shop'), environment: null, mappings: [] }
const rules = { deployJobs: [], releases: false, incidentLabels: [] }
if ((await events.sources(defaultProject)).length === 0)
  await events.setSource(defaultProject, 'plain', { ...wish, ...rules }, secret, 'user:ada')
// A new secret takes the place of the old one, which goes.
await events.setSource(defaultProject, 'plain', { ...wish, ...rules }, secret, 'user:ada')
if ((await events.subscriptions(defaultProject)).length === 0)
  await events.subscribe(
    defaultProject,
    'siem',
    { url, secret, types: ['dev.cdevents.service.*'], after: 0 },
    'user:ada',
  )
const body = readFileSync(join(directory, 'told.json'))
const headers = new Headers({ authorization: `Bearer ${secret}`, 'content-type': 'application/json' })
await events.deliver(defaultProject, 'plain', { headers, body })
const head = (await ledger.head()).seq
for (;;) {
  const [one] = await events.subscriptions(defaultProject)
  if (one && one.position.seq >= head && !existsSync(join(directory, 'events', 'old.gz'))) break
  await systemClock.sleep(5)
}
await events.resend(defaultProject, 'siem')
await events.stop()
await views.stop()
await store.close()
