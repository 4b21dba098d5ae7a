import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadKeyring } from '../access/seal.ts'
import { systemClock, systemIds } from '../clock.ts'
import { homeAt, prepareHome } from '../home.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { defaultEnvironment, defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import { openStore } from '../store/open.ts'
import { engineInstance, previousDirectory, withClient } from './engine.ts'
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
const followed = await openViews({ store, ledger, views })
const open = () =>
  createOperate({
    home,
    ledger,
    store,
    clock,
    seal,
    runtime,
    views: followed,
    ids: systemIds(clock),
    postgresUrl: null,
  })
const operate = open()
// What a start and a backup that were cut off have left.
for (const left of [join(home.databases, '.init-left'), join(home.backups, 'databases', '.partial-left')])
  mkdirSync(left, { recursive: true, mode: 0o711 })
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

// As after a crash between the two renames of a restore: the files stand aside, and are put back by who needs them next.
const data = join(home.databases, 'postgres')
if (existsSync(data)) {
  await runtime.stop(engineInstance)
  renameSync(data, previousDirectory(data))
}
const { rows: again } = await withClient((await open().databases.ensure(owner)).url, (client) =>
  client.query('SELECT n FROM visits'),
)
if (JSON.stringify(again) !== '[{"n":7}]') throw new Error(`recovered: ${JSON.stringify(again)}`)

// A copy for the preview of a change: whole when it is there, and gone without a trace.
const preview = { ...owner, environment: EnvironmentName.parse('change-7') }
const isEnding = join(home.root, 'preview-is-ending')
if (!existsSync(isEnding)) {
  const copy = await operate.databases.ensure(preview, defaultEnvironment)
  const { rows: copied } = await withClient(copy.url, (client) => client.query('SELECT n FROM visits'))
  if (JSON.stringify(copied) !== '[{"n":7}]') throw new Error(`copied: ${JSON.stringify(copied)}`)
  writeFileSync(isEnding, '')
}
await operate.discardDatabase(preview, 'system:deploy')
const traces = readdirSync(home.root, { recursive: true }).filter((name) => String(name).includes('change-7'))
if (traces.length > 0) throw new Error(`left: ${traces.join(', ')}`)
const facts = await ledger.read({ types: ['database.created'] })
const created = facts.filter(({ subject }) => subject === 'database:default/shop/production')
if (created.length !== 1) throw new Error(`created ${created.length} times`)
process.exit(0)
