import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import { homeAt, prepareHome } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { testFacts, testsReported } from './facts.ts'
import { createTest, testView } from './index.ts'
import { totalsOf } from './results.ts'
import { createShelf } from './shelf.ts'

// A life of the stage for the crash test: results of a job are kept and recorded, others that nobody needs any more are swept. Says in
// the end what is there. Started again after a kill it goes on.
const [, , directory = ''] = process.argv
const home = homeAt(join(directory, 'home'), {})
prepareHome(home)
const store = await openSqliteStore(home.database)
await migrate(store, { migrations: ledgerMigrations, program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: testFacts, clock: systemClock })
const views = await openViews({ store, ledger, views: [testView(home)] })
const shelf = createShelf(home)

const resultsOf = (name: string) => ({
  reports: [
    {
      ...{ path: 'junit.xml', format: 'junit', coverage: null, p95Ms: null },
      cases: [
        {
          ...{ suite: 's', name, file: null, line: null, outcome: 'passed' as const, durationMs: 1 },
          ...{ isFlaky: false, message: null, detail: null },
        },
      ],
    },
  ],
  notes: [],
})

if ((await ledger.head()).seq === 0) {
  await shelf.put(resultsOf('forgotten'))
  const results = resultsOf('kept')
  const payload = {
    ...{ run: 'run-1', job: 'test', jobName: 'test', attempt: 1, project: defaultProject },
    ...{ repository: RepositoryName.parse('shop'), ref: 'refs/heads/main', commit: CommitId.parse('a'.repeat(40)) },
    ...{ tree: 'b'.repeat(40), isDefaultBranch: true, results: await shelf.put(results) },
    ...{
      totals: totalsOf(results.reports.flatMap(({ cases }) => cases)),
      failed: [],
      coverage: null,
      p95Ms: null,
      notes: [],
    },
  }
  await ledger.append([fact(testsReported, { subject: 'run:run-1', actor: 'system:test', payload })])
}

const inAMonth = { ...systemClock, now: () => Date.now() + 31 * 24 * 60 * 60_000 }
const stage = createTest({
  ...{ ledger, store, views, home, clock: inAMonth, repositoryPath: () => '' },
  mayLower: async () => false,
  report: (message) => {
    throw new Error(message)
  },
})
await stage.start()
await stage.stop()
const shown = await stage.queries.ofRun(defaultProject, 'run-1', { state: 'all', limit: 10 })
const folder = join(home.blobs, 'tests')
const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.gz')) : []
console.log(JSON.stringify({ cases: shown?.cases.map(({ name }) => name), files }))
await views.stop()
await store.close()
