import { createHash, randomBytes } from 'node:crypto'
import { effect } from '../../effect.ts'
import type { ProjectName } from '../../names.ts'
import type { Store } from '../../store/store.ts'
import { type Answers, added, noSums, resultOf, Sums } from './sums.ts'
import type { CountRow, SurveyTables } from './tables.ts'

export type Counted =
  /** It counts. What of it is kept is in the sums of all. */
  | { readonly kind: 'counted' }
  /** No survey has it, or it was used, or its survey is over and told. */
  | { readonly kind: 'unknown-link' }
  | { readonly kind: 'over' }

/**
 * What people say while a survey is open. A link is known by its hash until it is used, then not at all; an answer is added to the sums of
 * all in the same transaction, without a time, so that nothing leads from one to the other.
 */
export const createBallots = (store: Store) => {
  const db = store.tables<SurveyTables>()
  const heldBy = async (link: string): Promise<CountRow | undefined> =>
    db
      .selectFrom('learn_survey_links as l')
      .innerJoin('learn_survey_counts as c', 'c.survey', 'l.survey')
      .selectAll('c')
      .where('l.hash', '=', hashOf(link))
      .executeTakeFirst()

  return {
    heldBy,
    /** Makes the links of a survey, which are nowhere but in the answer: 256 random bits each. */
    make: async (survey: string, project: ProjectName, closesAt: number, links: number): Promise<string[]> => {
      const secrets = Array.from({ length: links }, () => randomBytes(32).toString('base64url'))
      const rows = secrets.map((link) => ({ hash: hashOf(link), survey }))
      await effect('learn.keep-survey', () =>
        store.transaction<SurveyTables, void>(async (tx) => {
          const counts = { survey, project, closes_at: closesAt, is_ended: 0, answers: 0 }
          await tx
            .insertInto('learn_survey_counts')
            .values({ ...counts, sums: JSON.stringify(noSums()) })
            .execute()
          for (let from = 0; from < rows.length; from += 100)
            await tx
              .insertInto('learn_survey_links')
              .values(rows.slice(from, from + 100))
              .execute()
        }),
      )
      return secrets
    },

    /** Counts an answer; once for each link. */
    count: (link: string, answers: Answers, now: number): Promise<Counted> =>
      effect('learn.count-answer', () =>
        store.transaction<SurveyTables, Counted>(async (tx) => {
          const hash = hashOf(link)
          const row = await tx
            .selectFrom('learn_survey_links as l')
            .innerJoin('learn_survey_counts as c', 'c.survey', 'l.survey')
            .selectAll('c')
            .where('l.hash', '=', hash)
            .executeTakeFirst()
          if (!row) return { kind: 'unknown-link' }
          if (row.is_ended === 1 || now >= row.closes_at) return { kind: 'over' }
          await tx.deleteFrom('learn_survey_links').where('hash', '=', hash).execute()
          await tx
            .updateTable('learn_survey_counts')
            .set({ answers: row.answers + 1, sums: JSON.stringify(added(Sums.parse(JSON.parse(row.sums)), answers)) })
            .where('survey', '=', row.survey)
            .execute()
          return { kind: 'counted' }
        }),
      ),

    /** From here on no answer counts. Null: it is over and forgotten. */
    end: (survey: string): Promise<{ readonly result: ReturnType<typeof resultOf> } | null> =>
      effect('learn.end-survey', () =>
        store.transaction<SurveyTables, { result: ReturnType<typeof resultOf> } | null>(async (tx) => {
          const rows = tx.selectFrom('learn_survey_counts').selectAll().where('survey', '=', survey)
          const row = await rows.executeTakeFirst()
          if (!row) return null
          await tx.updateTable('learn_survey_counts').set({ is_ended: 1 }).where('survey', '=', survey).execute()
          return { result: resultOf(row.answers, Sums.parse(JSON.parse(row.sums))) }
        }),
      ),

    forget: (survey: string): Promise<void> =>
      effect('learn.forget-survey', () =>
        store.transaction<SurveyTables, void>(async (tx) => {
          await tx.deleteFrom('learn_survey_links').where('survey', '=', survey).execute()
          await tx.deleteFrom('learn_survey_counts').where('survey', '=', survey).execute()
        }),
      ),

    /** The surveys of a project of which something is kept. */
    kept: (project: ProjectName): Promise<{ survey: string; answers: number; closes_at: number; is_ended: number }[]> =>
      db
        .selectFrom('learn_survey_counts')
        .select(['survey', 'answers', 'closes_at', 'is_ended'])
        .where('project', '=', project)
        .execute(),
  }
}

const hashOf = (link: string): string => createHash('sha256').update(link).digest('hex')
