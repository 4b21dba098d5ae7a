import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { defaultProject } from '../../names.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { testClock } from '../../testing.ts'
import { learnFacts } from '../facts.ts'
import { createDigests } from './digests.ts'

// A digest is wanted, and its moment comes. Goes on where it was killed. Run by crash.test.ts.
const [directory = ''] = process.argv.slice(2)
const clock = testClock()
const store = await openSqliteStore(`${directory}/headway.db`)
await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
const ledger = await openLedger({ store, definitions: learnFacts, clock })
const digests = createDigests({
  ...{ ledger, store, clock, home: { root: directory } },
  compose: async () => '# a week',
  onError: (message) => {
    throw new Error(message)
  },
})
if ((await digests.schedule(defaultProject)) === null)
  await digests.setSchedule(defaultProject, { day: 1, hour: 8, zone: 'UTC' }, 'user:ada')
clock.set(clock.now() + 7 * 86_400_000)
await digests.writeDue()
await digests.stop()
await store.close()
