/** How many edges accept: as few as can do the work. */
export type Bounds = { readonly least: number; readonly most: number }

/** What is known of the load; `wanted` is how many edges are to accept. */
export type Strength = {
  readonly wanted: number
  readonly busySinceMs: number | null
  readonly quietSinceMs: number | null
}

/** From here on an edge has no time left for more. */
const busyShare = 0.75
const busyForMs = 3_000
/** What the others would have to do each if one went; far enough from busy that none comes back at once. */
const quietShare = 0.4
const quietForMs = 30_000

export const atRest = ({ least }: Bounds, accepting: number): Strength => ({
  wanted: Math.max(least, accepting),
  busySinceMs: null,
  quietSinceMs: null,
})

/** `shares` says of each accepting edge which part of the time since the last look it was at work, from 0 to 1. */
export const strengthAfter = (
  { wanted, busySinceMs, quietSinceMs }: Strength,
  shares: readonly number[],
  nowMs: number,
  { least, most }: Bounds,
): Strength => {
  const bounded = Math.min(most, Math.max(least, wanted))
  const work = shares.reduce((sum, share) => sum + share, 0)
  // While one is on its way its share is not known, and another would be started for the same load.
  if (shares.length !== bounded) return { wanted: bounded, busySinceMs: null, quietSinceMs: null }
  const isBusy = bounded < most && work / bounded > busyShare
  const isQuiet = bounded > least && work / (bounded - 1) < quietShare
  const busy = isBusy ? (busySinceMs ?? nowMs) : null
  const quiet = isQuiet ? (quietSinceMs ?? nowMs) : null
  if (busy !== null && nowMs - busy >= busyForMs) return { wanted: bounded + 1, busySinceMs: null, quietSinceMs: null }
  if (quiet !== null && nowMs - quiet >= quietForMs)
    return { wanted: bounded - 1, busySinceMs: null, quietSinceMs: null }
  return { wanted: bounded, busySinceMs: busy, quietSinceMs: quiet }
}

/** `2` or `2-4`, never more than there are cores; one to as many as there are cores where nothing usable is said. */
export const parseBounds = (setting: string, cores: number): Bounds => {
  const [, first, last] = /^([1-9]\d{0,2})(?:-([1-9]\d{0,2}))?$/.exec(setting.trim()) ?? []
  if (first === undefined) return { least: 1, most: cores }
  const least = Math.min(Number(first), cores)
  return { least, most: Math.max(least, Math.min(Number(last ?? first), cores)) }
}
