import { readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import { systemIds } from '../../clock.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { testClock } from '../../testing.ts'
import { buildFacts } from '../facts.ts'
import { openResults } from './services.ts'
import { testOrder } from './testing.ts'
import { resultsMigrations, resultsView } from './views.ts'

// The process that the crash test kills: a client that tries again from the start, and the services, tidied days later. Prints what is left.
const [root = ''] = process.argv.slice(2)
const clock = testClock(Date.now())
const store = await openSqliteStore(join(root, 'headway.db'))
await migrate(store, { migrations: [...ledgerMigrations, ...resultsMigrations], program: 'test', clock })
const ledger = await openLedger({ store, definitions: buildFacts, clock })
const [newest] = await ledger.read({ newestFirst: true, limit: 1 })
if (newest) clock.set(newest.at) // an earlier life came as far
const views = await openViews({ store, ledger, views: [resultsView] })
const directory = join(root, 'results')
const results = await openResults({
  ledger,
  store,
  views,
  clock,
  ids: systemIds(clock),
  directory,
  seal: { seal: (_name, plain) => plain, open: (_name, sealed) => sealed },
  serverUrl: () => url,
  repositoryOf: async () => 'shop',
  isRunning: async () => true,
  limits: { artifactBytesPerProject: 10_000 },
})
const server = createServer((request, response) => void results.handle(request, response))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const { ACTIONS_RUNTIME_TOKEN: token = '' } = await results.variablesFor(testOrder())

const Answer = z.record(z.string(), z.unknown())
const call = async (method: string, body: object): Promise<z.infer<typeof Answer>> => {
  const headers = { authorization: `Bearer ${token}` }
  const address = `${url}/twirp/github.actions.results.api.v1.${method}`
  return Answer.parse(await (await fetch(address, { method: 'POST', headers, body: JSON.stringify(body) })).json())
}
const put = (to: unknown, body: string, query = '') => fetch(`${String(to)}${query}`, { method: 'PUT', body })
const ids = { workflow_run_backend_id: 'run-1', workflow_job_run_backend_id: 'test' }
const block = (name: string): string => Buffer.from(name).toString('base64')

const upload = async (name: string): Promise<void> => {
  const { signed_upload_url: to } = await call('ArtifactService/CreateArtifact', { ...ids, name, version: 7 })
  if (to === undefined) return // it is there already
  for (const one of ['b1', 'b2']) await put(to, `${name} ${one}`, `&comp=block&blockid=${block(one)}`)
  // There is no room for it, which is only seen as it comes: its length is not told.
  const body = new Blob(['x'.repeat(20_000)]).stream()
  await fetch(`${String(to)}&comp=block&blockid=${block('b3')}`, { method: 'PUT', body, duplex: 'half' })
  await put(
    to,
    `<BlockList><Latest>${block('b1')}</Latest><Latest>${block('b2')}</Latest></BlockList>`,
    '&comp=blocklist',
  )
  await call('ArtifactService/FinalizeArtifact', { ...ids, name })
}

await upload('kept')
await upload('deleted')
await call('ArtifactService/DeleteArtifact', { ...ids, name: 'deleted' })
await call('ArtifactService/CreateArtifact', { ...ids, name: 'abandoned', version: 7 })
const entry = { key: 'k', version: 'v' }
const { signed_upload_url: to } = await call('CacheService/CreateCacheEntry', entry)
if (to !== undefined) {
  await put(to, 'cached')
  await call('CacheService/FinalizeCacheEntryUpload', entry)
}
await call('CacheService/GetCacheEntryDownloadURL', entry)
clock.set(clock.now() + 8 * 24 * 60 * 60_000)
await results.tidy()

const left = {
  artifacts: (await results.artifacts.ofRun('run-1')).map(({ name, sizeBytes }) => [name, sizeBytes]),
  caches: await results.caches.list('default'),
  uploads: readdirSync(join(directory, 'uploads')),
  contents: readdirSync(join(directory, 'contents')).flatMap((one) => readdirSync(join(directory, 'contents', one)))
    .length,
}
server.closeAllConnections()
server.close()
process.stdout.write(JSON.stringify(left))
await views.stop()
await store.close()
