import { accessFacts } from '../access/facts.ts'
import { accessView, createAccess, passwordMigrations, sessionView } from '../access/index.ts'
import { createPasswords } from '../access/sessions/passwords.ts'
import { accessMigrations } from '../access/settings-table.ts'
import { systemClock as clock, systemIds } from '../clock.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { ProjectName, ServiceName } from '../names.ts'
import { openStore } from '../store/open.ts'
import { given, homeIn, playScene } from './scene.testing.ts'

await playScene({
  'the master key changes': async (directory) => {
    const home = homeIn(directory)
    const migrations = [...ledgerMigrations, ...accessMigrations, ...passwordMigrations]
    const store = await openStore(home.database, { migrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: accessFacts, clock })
    const views = await openViews({ store, ledger, views: [accessView, sessionView] })
    const access = createAccess({ ledger, views, store, home, clock, ids: systemIds(clock) })
    const shop = ProjectName.parse('shop')
    await given(directory, async () => {
      const scope = { project: shop, service: null, environment: null }
      for (const name of ['FIRST', 'SECOND'])
        await access.settings.set({ name, kind: 'secret', value: `of ${name}`, scope }, 'user:ada')
    })
    await access.rotateMasterKey()
    const owner = { project: shop, service: ServiceName.parse('web'), environment: null }
    return access.settings.resolve(owner, ['FIRST', 'SECOND'])
  },

  'a password is chosen twice': async (directory) => {
    const home = homeIn(directory)
    const store = await openStore(home.database, { migrations: passwordMigrations, program: 'test', clock })
    const passwords = createPasswords({ store, clock })
    for (const password of ['the first of two', 'the second of two']) await passwords.set('ada', password)
    return [await passwords.isRight('ada', 'the first of two'), await passwords.isRight('ada', 'the second of two')]
  },
})
