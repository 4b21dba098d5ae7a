import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { systemClock as clock } from '../clock.ts'
import { defineFact, fact } from '../ledger/fact.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openStore } from '../store/open.ts'
import { given, homeIn, namesIn, playScene } from './scene.testing.ts'

const said = defineFact('word.said', 1, z.object({ word: z.string() }))

await playScene({
  'a payload is erased': async (directory) => {
    const home = homeIn(directory)
    const store = await openStore(home.database, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: [said], clock })
    await given(directory, () =>
      ledger.append([fact(said, { subject: 'word:x', actor: 'user:ada', payload: { word: 'a-person-by-name' } })]),
    )
    await ledger.erase(1, 'asked for', 'user:ada')
    await store.close()
    const files = namesIn(home.root).filter((name) => name.startsWith(basename(home.database)))
    return files.filter((name) => readFileSync(join(home.root, name), 'latin1').includes('a-person-by-name'))
  },
})
