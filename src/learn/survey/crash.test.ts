import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock, systemIds } from '../../clock.ts'
import { killedAt, liveThrough, marksToKillAt } from '../../kills.testing.ts'
import { openLedger } from '../../ledger/open.ts'
import { defaultProject } from '../../names.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { learnFacts } from '../facts.ts'
import { createSurveys } from './surveys.ts'
import type { SurveyTables } from './tables.ts'

const effects = ['learn.keep-survey', 'learn.count-answer', 'learn.end-survey', 'learn.forget-survey', 'ledger.append']
const marks = effects.flatMap((name) => [`${name}:before`, `${name}:after`])

const program = join(import.meta.dirname, 'crash-testing.ts')

describe('killed while people are asked and started again, each answer counts once and the survey is told once', () => {
  for (const mark of marksToKillAt(marks))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      try {
        const kills = join(directory, 'kills')
        mkdirSync(kills)
        const life = await liveThrough([program, directory], killedAt(mark, kills))
        assert.ok(life.kills >= 1)
        const store = await openSqliteStore(join(directory, 'headway.db'))
        const ledger = await openLedger({ store, definitions: learnFacts, clock: systemClock })
        const ports = { store, ledger, clock: systemClock, ids: systemIds(systemClock), publicUrl: '' }
        const [newest, ...others] = await createSurveys(ports).list(defaultProject)
        const tables = store.tables<SurveyTables>()
        const links = await tables.selectFrom('learn_survey_links').selectAll().execute()
        const counts = await tables.selectFrom('learn_survey_counts').selectAll().execute()
        const closed = await ledger.read({ types: ['survey.closed'] })
        await store.close()
        assert.deepEqual([newest?.state, newest?.answers, newest?.result?.mean], ['closed', 5, 4])
        assert.equal(closed.length, others.length + 1)
        assert.deepEqual([links, counts], [[], []])
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
