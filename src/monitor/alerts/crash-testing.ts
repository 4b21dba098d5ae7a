import { join } from 'node:path'
import { systemClock, systemIds } from '../../clock.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../../names.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { alertFacts } from './facts.ts'
import { createAlerts } from './index.ts'
import { nothingWatched } from './testing.ts'

// One alert fires and tells two. Goes on where it was killed. Run by crash.test.ts.
const [directory = '', url = ''] = process.argv.slice(2)
const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const store = await openSqliteStore(join(directory, 'headway.db'))
await migrate(store, { migrations: ledgerMigrations, program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: alertFacts, clock: systemClock })
const alerts = createAlerts({
  ...nothingWatched,
  ledger,
  clock: systemClock,
  ids: systemIds(systemClock),
  traffic: { total: () => Promise.reject(new Error('nobody asks for it')) },
  watched: async () => [
    {
      target,
      rules: [
        {
          ...{ name: 'always', when: 'not deployment_in_progress', forMs: 0, actions: ['notify'] },
          notify: [
            { kind: 'webhook', url, secret: null },
            { kind: 'command', argv: ['touch', join(directory, 'told')] },
          ],
        },
      ],
    },
  ],
})
await alerts.lookAround()
await alerts.settled()
await alerts.stop()
await store.close()
