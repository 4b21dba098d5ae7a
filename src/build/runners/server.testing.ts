import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createApi } from '../../api/index.ts'
import { systemClock, systemIds } from '../../clock.ts'
import { changesView } from '../../code/changes/view.ts'
import { codeFacts } from '../../code/facts.ts'
import { createCode } from '../../code/index.ts'
import { codeView } from '../../code/views.ts'
import { homeAt } from '../../home.ts'
import { isFact } from '../../ledger/fact.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { ProjectName } from '../../names.ts'
import { writeDurably } from '../../processes/files.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { version } from '../../version.ts'
import { buildFacts, pushVerified } from '../facts.ts'
import { createBuild } from '../index.ts'
import { resultsMigrations, resultsView } from '../results/views.ts'
import { testParts } from '../testing.ts'
import { buildView } from '../views.ts'
import { runnerRoutes } from './routes.ts'
import { runnersView } from './views.ts'

// The server that the crash tests of runners kill: Git, the build and what runners talk to, on a real port. It finds the push in its
// repository by itself, gives its jobs away, and once they have ended prints the ledger and ends.
const [root = '', port = '0'] = process.argv.slice(2)
const home = homeAt(join(root, 'home'), {})
const store = await openSqliteStore(home.database)
await migrate(store, { migrations: [...ledgerMigrations, ...resultsMigrations], program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: [...codeFacts, ...buildFacts], clock: systemClock })
const shown = [codeView, changesView, buildView, resultsView, runnersView]
const views = await openViews({ store, ledger, views: shown })
const ids = systemIds(systemClock)
const report = (message: string): void => console.error(message)
let url = ''
const serverUrl = (): string => url

const build = createBuild({
  ...testParts({ ledger, store, views }, home, join(home.repositories, 'default', 'shop.git')),
  ...{ ids, report, serverUrl, localLabels: [] },
  settings: { secrets: async () => ({ KEY: 'a secret of this job' }), variables: async () => ({}) },
  leaseRules: { leaseMs: 15_000, killMarginMs: 3000, graceMs: 1000, killTickMs: 250 },
})
const code = createCode({
  ...{ ledger, store, views, clock: systemClock, ids, home, report, serverUrl },
  environments: () => [{ environment: 'production', from: 'push', isAutomatic: true }],
  ownProject: ProjectName.parse('platform'),
  roleOf: async () => 'administrator',
  cancelRun: async () => undefined,
})
const { runners, results } = build
const api = createApi({
  access: { identify: async (token) => (await results.identify(token)) ?? runners.registry.identify(token) },
  ...{ ledger, version, clock: systemClock, annex: results, git: code.handleGit, hostNames: [] },
  routes: [{ words: ['runners', 'runner'], load: async () => runnerRoutes(runners) }],
  isReady: () => true,
  report: (error) => console.error(error),
})

const tokenFile = join(root, 'token')
if (!existsSync(tokenFile)) {
  const { secret } = await runners.registry.register(
    { name: ids('machine'), labels: null, project: null },
    'user:admin',
  )
  writeDurably(tokenFile, secret)
}
const server = createServer((request, response) => void api.handle(request, response))
await new Promise<void>((resolve) => server.listen(Number(port), '127.0.0.1', resolve))
const address = server.address()
if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
url = `http://127.0.0.1:${address.port}`
console.log(`listening ${address.port}`)
await build.start()
await code.start()

const isVerified = async (): Promise<boolean> =>
  (await ledger.read({ types: [pushVerified.type] })).some((one) => isFact(pushVerified, one))
while (!(await isVerified())) await systemClock.sleep(50)
// What runners still keep of the jobs they are told to forget.
const kept = (): number => readdirSync(join(root, 'runner/jobs')).length
for (let round = 0; round < 300 && kept() > 0; round += 1) await systemClock.sleep(50)
runners.hangUp()
api.close()
server.closeAllConnections()
server.close()
await code.stop()
await build.stop()
const [run] = await ledger.read({ types: ['run.queued'] })
const lines: string[] = []
for await (const { text } of build.followLog(run?.subject.replace('run:', '') ?? '', 'one')) lines.push(text)
console.log(JSON.stringify({ facts: await ledger.read({}), log: lines }))
await views.stop()
await store.close()
process.exit()
