/** A certificate that was ordered for a name. */
export type Held = { readonly from: number; readonly until: number }
/** How earlier tries to get one ended; milliseconds since 1970. */
export type Tries = { readonly failures: number; readonly notBefore: number; readonly why: string }

const firstPauseMs = 5 * 60_000
const longestPauseMs = 24 * 3_600_000

/** Whether a certificate is to be ordered now: there is none, or less than this part of its life is left. */
export const isDue = (held: Held | null, tries: Tries | null, renewAt: number, nowMs: number): boolean => {
  if (tries !== null && nowMs < tries.notBefore) return false
  return held === null || held.until - nowMs < (held.until - held.from) * renewAt
}

/** After a failure: five minutes, then twice as long each time, a day at most. Authorities count failures by the hour. */
export const afterFailure = (before: Tries | null, why: string, nowMs: number): Tries => {
  const failures = (before?.failures ?? 0) + 1
  return { failures, notBefore: nowMs + Math.min(longestPauseMs, firstPauseMs * 2 ** (failures - 1)), why }
}

/** Of the names that lead here those that a certificate authority can ask: no address, none of this machine alone, no asterisk. */
export const orderable = (names: readonly string[]): string[] =>
  [...new Set(names.map((name) => name.toLowerCase()))].filter(
    (name) =>
      /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/.test(name) &&
      !/(^|\.)localhost$|^[0-9.]+$/.test(name),
  )
