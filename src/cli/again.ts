import { Problem } from '../problem.ts'

/** Somewhat more than a minute in all: as long as Headway takes to be started again. */
const pausesMs = [1_000, 2_000, 4_000, 8_000, 16_000, 32_000]

/**
 * Asks again where nobody answered, for what may be asked twice as it is taken once. Any other refusal is thrown at once, and the last one in
 * the end.
 */
export const askedAgain = async <Answer>(
  ask: () => Promise<Answer>,
  pause: (ms: number) => Promise<unknown>,
): Promise<Answer> => {
  for (const ms of pausesMs) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Problem && error.kind === 'unreachable')) throw error
      await pause(ms)
    }
  }
  return ask()
}
