import { z } from 'zod'
import { fewestAnswers, type StatementSum } from '../facts.ts'
import { statements } from './statements.ts'

/** What was said so far of one statement, all together. */
const Sum = z.object({ n: z.int(), total: z.int(), agree: z.int(), neutral: z.int(), disagree: z.int() })
export const Sums = z.array(Sum)
export type Sums = z.infer<typeof Sums>

/** One person's: 1 to 7 for each statement in their order; null: rather not. */
export type Answers = readonly (number | null)[]

export const noSums = (): Sums => statements.map(() => ({ n: 0, total: 0, agree: 0, neutral: 0, disagree: 0 }))

/** What one said, added to what all said. */
export const added = (sums: Sums, answers: Answers): Sums =>
  sums.map((sum, place) => {
    const answer = answers[place] ?? null
    if (answer === null) return sum
    return {
      n: sum.n + 1,
      total: sum.total + answer,
      agree: sum.agree + Number(answer > 4),
      neutral: sum.neutral + Number(answer === 4),
      disagree: sum.disagree + Number(answer < 4),
    }
  })

/** What may be told of it. */
export const resultOf = (answers: number, sums: Sums): { answers: number; statements: StatementSum[] } | null =>
  answers < fewestAnswers
    ? null
    : {
        answers,
        statements: sums.map(({ n, total, ...said }) => (n < fewestAnswers ? null : { n, mean: total / n, ...said })),
      }
