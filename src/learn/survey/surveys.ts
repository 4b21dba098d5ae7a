import type { Clock, Ids } from '../../clock.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Store } from '../../store/store.ts'
import { fewestAnswers, type StatementSum, surveyClosed, surveyOpened, surveysSubject } from '../facts.ts'
import { createBallots } from './ballots.ts'
import { questions, statements } from './statements.ts'
import type { Answers } from './sums.ts'

export type Survey = {
  readonly survey: string
  readonly state: 'open' | 'closed'
  readonly openedAt: number
  /** Until when it takes answers. */
  readonly closesAt: number
  /** When it was told; null while it is open. */
  readonly closedAt: number | null
  readonly links: number
  /** How many have answered; null below five. */
  readonly answers: number | null
  /** What they said; null while it is open, and where fewer than five answered. */
  readonly result: SurveyResult | null
}
export type SurveyResult = {
  /** Of all statements that five or more have answered; null where there is none. */
  readonly mean: number | null
  readonly statements: readonly { readonly statement: string; readonly sum: StatementSum }[]
}

export type SurveyPorts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  /** Where people reach the web. */
  readonly publicUrl: string
}

const dayMs = 86_400_000
const actor = 'system:learn'

/** Surveys by link: who answers is not known, and nothing is told before five have. */
export const createSurveys = ({ ledger, store, clock, ids, publicUrl }: SurveyPorts) => {
  const ballots = createBallots(store)
  /** Those of which the ledger will know in a moment. */
  const opening = new Set<string>()

  const told = async (project: ProjectName) => {
    const facts = await ledger.read({ subject: surveysSubject(project), newestFirst: true, limit: 400 })
    const closed = new Map(
      facts.flatMap((one) => (isFact(surveyClosed, one) ? [[one.payload.survey, one] as const] : [])),
    )
    return {
      newest: facts[0]?.seq ?? 0,
      surveys: facts.flatMap((one) =>
        isFact(surveyOpened, one) ? [{ opened: one, closed: closed.get(one.payload.survey) }] : [],
      ),
    }
  }

  /** Ends what is to end, tells what came of it, and forgets the sums; what a crash left is finished the next time. */
  const close = async (project: ProjectName, survey: string, by: string): Promise<void> => {
    for (;;) {
      const { newest, surveys } = await told(project)
      const found = surveys.find(({ opened }) => opened.payload.survey === survey)
      if (!found || found.closed) return ballots.forget(survey)
      const ended = await ballots.end(survey)
      const payload = { survey, project, result: ended?.result ?? null, by }
      const subject = surveysSubject(project)
      const outcome = await ledger.append([fact(surveyClosed, { subject, actor: by, payload })], {
        expect: { subject, seq: newest },
      })
      if (outcome.kind === 'appended') return ballots.forget(survey)
    }
  }

  /** What is over by its time, and what a crash has left. */
  const tidy = async (project: ProjectName): Promise<void> => {
    const kept = await ballots.kept(project)
    if (kept.length === 0) return
    const { surveys } = await told(project)
    for (const { survey, closes_at, is_ended } of kept) {
      if (opening.has(survey)) continue
      const isOpen = surveys.some(({ opened, closed }) => opened.payload.survey === survey && !closed)
      if (!isOpen || is_ended === 1 || clock.now() >= closes_at) await close(project, survey, actor)
    }
  }

  const list = async (project: ProjectName): Promise<Survey[]> => {
    await tidy(project)
    const kept = new Map((await ballots.kept(project)).map((row) => [row.survey, row.answers]))
    const { surveys } = await told(project)
    return surveys.map(({ opened, closed }) => {
      const { survey, closesAt, links } = opened.payload
      const answers = closed ? (closed.payload.result?.answers ?? 0) : (kept.get(survey) ?? 0)
      return {
        ...{ survey, state: closed ? 'closed' : 'open', openedAt: opened.at, closesAt, closedAt: closed?.at ?? null },
        ...{ links, answers: answers < fewestAnswers ? null : answers },
        result: closed?.payload.result ? shown(closed.payload.result.statements) : null,
      }
    })
  }

  return {
    /** Newest first. */
    list,

    /** Asks people. The links are returned this once. */
    open: async (
      project: ProjectName,
      { links, days }: { readonly links: number; readonly days: number },
      by: string,
    ): Promise<{ readonly survey: string; readonly closesAt: number; readonly links: string[] }> => {
      await tidy(project)
      const { surveys, newest } = await told(project)
      if (surveys.some(({ closed }) => !closed)) throw alreadyOpen()
      const survey = ids('survey')
      opening.add(survey)
      try {
        const closesAt = clock.now() + days * dayMs
        const secrets = await ballots.make(survey, project, closesAt, links)
        const subject = surveysSubject(project)
        const payload = { survey, project, links, closesAt, questions, by }
        const outcome = await ledger.append([fact(surveyOpened, { subject, actor: by, payload })], {
          expect: { subject, seq: newest },
        })
        if (outcome.kind === 'appended')
          return { survey, closesAt, links: secrets.map((link) => `${publicUrl}/survey#${link}`) }
        await ballots.forget(survey)
        throw alreadyOpen()
      } finally {
        opening.delete(survey)
      }
    },

    close: async (project: ProjectName, survey: string, by: string): Promise<Survey> => {
      const known = (await list(project)).find((one) => one.survey === survey)
      if (!known) throw unknownSurvey(survey)
      if (known.state === 'open') await close(project, survey, by)
      return (await list(project)).find((one) => one.survey === survey) ?? known
    },

    /** What a link asks. */
    ask: async (link: string): Promise<{ readonly project: string; readonly closesAt: number }> => {
      const row = await ballots.heldBy(link)
      if (!row) throw unknownLink()
      if (row.is_ended === 1 || clock.now() >= row.closes_at) throw over()
      return { project: row.project, closesAt: row.closes_at }
    },

    /** Counts what somebody says; a link counts once. */
    answer: async (link: string, answers: Answers): Promise<void> => {
      const { kind } = await ballots.count(link, answers, clock.now())
      if (kind === 'unknown-link') throw unknownLink()
      if (kind === 'over') throw over()
    },
  }
}
export type Surveys = ReturnType<typeof createSurveys>

const shown = (sums: readonly StatementSum[]): SurveyResult => {
  const means = sums.flatMap((sum) => (sum ? [sum.mean] : []))
  return {
    mean: means.length === 0 ? null : means.reduce((sum, one) => sum + one, 0) / means.length,
    statements: statements.map((statement, place) => ({ statement, sum: sums[place] ?? null })),
  }
}

const alreadyOpen = (): Problem =>
  new Problem({
    ...{ kind: 'survey-open', status: 409, detail: 'this project has a survey that is still open' },
    next: 'headway survey close ends it and tells what came of it',
  })
const unknownSurvey = (survey: string): Problem =>
  new Problem({
    ...{ kind: 'survey-not-found', status: 404, detail: `this project has no survey ${survey}` },
    next: 'headway survey lists those that there are',
  })
const unknownLink = (): Problem =>
  new Problem({
    kind: 'survey-link-unknown',
    status: 404,
    detail: 'this link was used already, or belongs to no survey: each link counts once',
    next: 'whoever has sent it to you has others',
  })
const over = (): Problem =>
  new Problem({ kind: 'survey-over', status: 410, detail: 'this survey is over: it takes no more answers' })
