import type { Kysely } from 'kysely'
import type { Migration } from '../../store/migrations.ts'
import { createTable } from '../create-table.ts'

/** A link that nobody has used yet, as the SHA-256 of its secret; it goes with its answer. */
export type LinkRow = { hash: string; survey: string }
/** What was said so far, all together. It goes when the survey is over. */
export type CountRow = {
  survey: string
  project: string
  closes_at: number
  /** 1: it takes no more answers. */
  is_ended: number
  answers: number
  /** JSON of `Sums`. */
  sums: string
}
export type SurveyTables = { learn_survey_links: LinkRow; learn_survey_counts: CountRow }

/** What somebody said must not stand in the ledger, which forgets nothing by itself: tables, no view. */
export const learnMigrations: readonly Migration[] = [
  {
    name: 'learn-surveys',
    up: async (db: Kysely<SurveyTables>) => {
      await createTable(db, 'learn_survey_links', { hash: 'text', survey: 'text' }, ['hash'], { survey: ['survey'] })
      await createTable(
        db,
        'learn_survey_counts',
        {
          ...{ survey: 'text', project: 'text', closes_at: 'bigint', is_ended: 'integer', answers: 'integer' },
          sums: 'text',
        },
        ['survey'],
      )
    },
  },
]
