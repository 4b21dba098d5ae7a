import { createWriteStream, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { z } from 'zod'
import { backup, restore } from '../backup.ts'
import { systemClock as clock } from '../clock.ts'
import { homeAt } from '../home.ts'
import { defineFact, fact } from '../ledger/fact.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openStore } from '../store/open.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

const said = defineFact('word.said', 1, z.object({ word: z.string() }))

await playScene({
  'a backup is put back where one was interrupted': async (directory) => {
    const home = homeIn(directory)
    const file = join(directory, 'all.tar.gz')
    const place = join(directory, 'restored')
    await given(directory, async () => {
      const store = await openStore(home.database, { migrations: ledgerMigrations, program: 'test', clock })
      const ledger = await openLedger({ store, definitions: [said], clock })
      await ledger.append([fact(said, { subject: 'word:x', actor: 'user:ada', payload: { word: 'kept' } })])
      const whole = backup({ home, store, clock, program: 'test', databases: async () => null })
      await pipeline(whole, createWriteStream(file))
      mkdirSync(place)
      mkdirSync(join(directory, '.restored.restoring-4000000')) // of a process that is gone
    })
    if (namesIn(place).length === 0) await restore(file, homeAt(place, {}))
    return namesIn(directory)
      .filter((name) => name.includes('restor'))
      .concat(namesIn(place))
  },
})
