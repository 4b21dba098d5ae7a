import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { systemClock, systemIds } from '../clock.ts'
import { codeFacts } from '../code/facts.ts'
import { homeAt } from '../home.ts'
import { isFact } from '../ledger/fact.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { CommitId } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { buildFacts, pushVerified } from './facts.ts'
import { createBuild, parseIsolation } from './index.ts'
import { resultsMigrations, resultsView } from './results/views.ts'
import { runnersView } from './runners/views.ts'
import { pushOf, testParts } from './testing.ts'
import { buildView } from './views.ts'

// The process that the crash test kills: goes on until the push in its arguments is verified, then prints the ledger.
const [root = '', commit = ''] = process.argv.slice(2)
const home = homeAt(join(root, 'home'), {})
const store = await openSqliteStore(home.database)
await migrate(store, { migrations: [...ledgerMigrations, ...resultsMigrations], program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: [...codeFacts, ...buildFacts], clock: systemClock })
const views = await openViews({ store, ledger, views: [buildView, resultsView, runnersView] })
const bare = join(home.repositories, 'default', 'shop.git')
const server = createServer((request, response) => void build.results.handle(request, response))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const isolated = { isolation: parseIsolation(process.env.HEADWAY_TEST_ISOLATION ?? 'none') }
const build = createBuild({
  ...testParts({ ledger, store, views }, home, bare),
  ids: systemIds(systemClock),
  ...isolated,
  serverUrl: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
})
const isVerified = async (): Promise<boolean> =>
  (await ledger.read({ types: [pushVerified.type] })).some((one) => isFact(pushVerified, one))

if ((await ledger.head()).seq === 0) await ledger.append([pushOf('push-1', 'refs/heads/main', CommitId.parse(commit))])
if ((await build.actions.list()).length === 0)
  await build.actions.mirror({ name: 'acme/tool', ref: null, from: bare }, 'user:root')
await build.start()
await new Promise<void>((resolve) => {
  const look = async (): Promise<void> => {
    if (await isVerified()) resolve()
  }
  ledger.onAppend(() => void look())
  void look()
})
await (await build.results.open()).tidy()
await build.stop()
server.closeAllConnections()
server.close()
process.stdout.write(JSON.stringify(await ledger.read({})))
await views.stop()
await store.close()
