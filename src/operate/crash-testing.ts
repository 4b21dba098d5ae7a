import { loadKeyring } from '../access/seal.ts'
import { systemClock, systemIds } from '../clock.ts'
import { homeAt, prepareHome } from '../home.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import { openStore } from '../store/open.ts'
import { withClient } from './engine.ts'
import { operateFacts } from './facts.ts'
import { createOperate, operateMigrations } from './index.ts'
import { operateView } from './views.ts'

// A story that goes on where it was killed: a database, a row, a backup, a loss, the restore. Run by crash.test.ts.
const home = homeAt(process.argv[2], {})
prepareHome(home)
const migrations = [...ledgerMigrations, ...operateMigrations]
const clock = systemClock
const seal = loadKeyring(home.masterKey)
const store = await openStore(home.database, { migrations, program: 'test', clock })
const runtime = await connectProcessRuntime({ home, clock, edgeHost: '127.0.0.1', edgePort: 0 })
const views = [operateView]
const ledger = await openLedger({ store, definitions: operateFacts, clock })
const operate = createOperate({
  home,
  ledger,
  store,
  clock,
  seal,
  runtime,
  views: await openViews({ store, ledger, views }),
  ids: systemIds(clock),
  postgresUrl: null,
})
const owner = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const { url } = await operate.databases.ensure(owner)
if (operate.backups.list().length === 0) {
  await withClient(url, async (client) => {
    await client.query('CREATE TABLE IF NOT EXISTS visits (n int PRIMARY KEY)')
    await client.query('INSERT INTO visits VALUES (7) ON CONFLICT DO NOTHING')
  })
  await operate.backups.backup('user:ada')
}
await withClient(url, (client) => client.query('DELETE FROM visits'))
const [newest] = operate.backups.list()
if (!newest) throw new Error('there is no backup')
await operate.backups.restore(newest.backup, 'user:ada')
const { rows } = await withClient((await operate.databases.ensure(owner)).url, (client) =>
  client.query('SELECT n FROM visits'),
)
if (JSON.stringify(rows) !== '[{"n":7}]') throw new Error(`restored: ${JSON.stringify(rows)}`)
const created = await ledger.read({ types: ['database.created'] })
if (created.length !== 1) throw new Error(`created ${created.length} times`)
process.exit(0)
