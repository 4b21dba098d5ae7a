import type { Span } from '../dora/calendar.ts'
import type { Scope } from '../dora/question.ts'
import type { Survey, SurveyResult } from '../survey/surveys.ts'
import type { Measures } from './measures.ts'

/** What people said of how they work together, in a survey that is over; null where none was ever told. */
export type Culture = {
  readonly survey: string
  readonly closedAt: number
  readonly answers: number
  readonly result: SurveyResult
}
export type CalmsAnswer = {
  readonly scope: Scope
  readonly span: Span
  /** Asked, of the whole project: the last survey that five or more have answered, and the one before it. */
  readonly culture: {
    readonly last: Culture | null
    readonly before: Culture | null
    /** Whether one is open now. */
    readonly isOpen: boolean
    readonly why: string | null
  }
} & Measures

/** Culture is what people say of it, and nothing else. */
export const cultureOf = (surveys: readonly Survey[]): CalmsAnswer['culture'] => {
  const [last = null, before = null] = surveys.flatMap(({ survey, closedAt, answers, result }) =>
    closedAt === null || answers === null || result === null ? [] : [{ survey, closedAt, answers, result }],
  )
  const isOpen = surveys.some(({ state }) => state === 'open')
  return { last, before, isOpen, why: last === null ? whyNone(surveys, isOpen) : null }
}

const whyNone = (surveys: readonly Survey[], isOpen: boolean): string =>
  isOpen
    ? 'a survey is open; what people said is told when it is over'
    : surveys.length === 0
      ? 'nobody was asked yet'
      : 'no survey had five answers'
