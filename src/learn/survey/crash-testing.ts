import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock, systemIds } from '../../clock.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { defaultProject } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { learnFacts } from '../facts.ts'
import { statements } from './statements.ts'
import { createSurveys } from './surveys.ts'
import { learnMigrations } from './tables.ts'

// Five are asked, all answer, the survey ends. Goes on where it was killed. Run by crash.test.ts.
const [directory = ''] = process.argv.slice(2)
const store = await openSqliteStore(join(directory, 'headway.db'))
await migrate(store, { migrations: [...ledgerMigrations, ...learnMigrations], program: 'test', clock: systemClock })
const ledger = await openLedger({ store, definitions: learnFacts, clock: systemClock })
const ids = systemIds(systemClock)
const surveys = createSurveys({ ledger, store, clock: systemClock, ids, publicUrl: 'http://headway.test' })
const sent = join(directory, 'links.json')
const isSent = existsSync(sent)
const [newest] = await surveys.list(defaultProject)
// Nobody has got the links of a survey that it was killed in opening.
if (newest?.state === 'open' && !isSent) await surveys.close(defaultProject, newest.survey, 'user:ada')
if (!isSent) {
  const { links } = await surveys.open(defaultProject, { links: 5, days: 1 }, 'user:ada')
  writeFileSync(sent, JSON.stringify(links.map((link) => link.split('#')[1])))
}
for (const [place, link] of JSON.parse(readFileSync(sent, 'utf8')).entries())
  await surveys
    .answer(
      link,
      statements.map(() => place + 2),
    )
    .catch((error: unknown) => {
      if (!(error instanceof Problem && error.kind === 'survey-link-unknown')) throw error
    })
const [open] = await surveys.list(defaultProject)
if (open) await surveys.close(defaultProject, open.survey, 'user:ada')
await store.close()
