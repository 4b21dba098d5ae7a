import type { FoundCase } from './case.ts'

/** The last attempt at each case; flaky where an earlier one ended otherwise. */
export const lastAttempts = (attempts: readonly FoundCase[]): FoundCase[] => {
  const last = new Map<string, FoundCase>()
  for (const attempt of attempts) {
    const key = `${attempt.suite}\0${attempt.name}`
    const before = last.get(key)
    const isFlaky = before !== undefined && (before.isFlaky === true || before.outcome !== attempt.outcome)
    last.set(key, isFlaky ? { ...attempt, isFlaky } : attempt)
  }
  return [...last.values()]
}
