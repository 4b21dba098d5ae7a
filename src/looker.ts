import type { Clock } from './clock.ts'
import { describeError } from './problem.ts'

/** Looks whenever it is told to, never twice at once, and once more when it was told while looking. */
export type Looker = {
  look(): Promise<void>
  /** Says what went wrong and looks again in a while. */
  again(why: string): void
  idle(): Promise<void>
}

const againAfterMs = 2000

export const createLooker = (
  work: () => Promise<void>,
  report: (message: string) => void,
  clock: Clock,
  stop: AbortSignal,
): Looker => {
  let looking: Promise<void> | null = null
  let isWanted = false
  const loop = async (): Promise<void> => {
    while (isWanted && !stop.aborted) {
      isWanted = false
      await work().catch((error: unknown) => again(describeError(error)))
    }
  }
  const look = (): Promise<void> => {
    isWanted = true
    looking ??= loop().finally(() => {
      looking = null
      if (isWanted && !stop.aborted) void look()
    })
    return looking
  }
  const again = (why: string): void => {
    if (stop.aborted) return
    report(why)
    clock.sleep(againAfterMs, stop).then(look, () => undefined)
  }
  return { look, again, idle: async () => (await looking) ?? undefined }
}
