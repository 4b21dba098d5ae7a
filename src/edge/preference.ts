import type { EdgeAffinity, EdgeOverride } from './protocol.ts'

/** Which version a request is to meet, before weights have their say. */
export type Preference = {
  /** A tester's: this version, whatever its weight. */
  readonly version: string | null
  /** A client's place among the weights, from 0 to below `places`; it keeps it. */
  readonly place: number | null
  /** What the client is to be told, so that it comes back to the same place. */
  readonly setCookie: string | null
}

export const noPreference: Preference = { version: null, place: null, setCookie: null }
export const places = 10_000

export type Preferring = {
  readonly affinity: EdgeAffinity | null
  readonly overrides: readonly EdgeOverride[]
  /** The place of a client that has none yet. */
  newPlace(): number
}

/** Nothing is read of a request whose route has neither overrides nor affinity. */
export const preferenceOf = (
  { overrides, affinity, newPlace }: Preferring,
  path: string,
  pairs: readonly string[],
): Preference => {
  if (overrides.length === 0 && !affinity) return noPreference
  const override = overrides.find((one) => fits(one, path, pairs))
  if (override) return { ...noPreference, version: override.version }
  if (!affinity) return noPreference
  const place = placeIn(affinity.cookie, pairs)
  if (place !== null) return { ...noPreference, place }
  const fresh = newPlace()
  // No Secure: the edge is spoken to in plain HTTP. The value is a number among the weights and worth nothing to a thief.
  const setCookie = `${affinity.cookie}=${fresh}; Path=/; Max-Age=${affinity.seconds}; HttpOnly; SameSite=Lax`
  return { version: null, place: fresh, setCookie }
}

const fits = (override: EdgeOverride, path: string, pairs: readonly string[]): boolean => {
  if (override.in === 'header') return valuesOf(override.name.toLowerCase(), pairs).includes(override.value)
  const mark = path.indexOf('?')
  return mark !== -1 && new URLSearchParams(path.slice(mark + 1)).getAll(override.name).includes(override.value)
}

const placeIn = (cookie: string, pairs: readonly string[]): number | null => {
  for (const header of valuesOf('cookie', pairs))
    for (const pair of header.split(';')) {
      const [name, value] = pair.trim().split('=', 2)
      if (name === cookie && value && /^\d{1,4}$/.test(value)) return Number(value)
    }
  return null
}

const valuesOf = (lowerName: string, pairs: readonly string[]): string[] => {
  const values: string[] = []
  for (let at = 0; at < pairs.length; at += 2)
    if (pairs[at]?.toLowerCase() === lowerName) values.push(pairs[at + 1] ?? '')
  return values
}

/** Places one after the other that fill the whole range evenly at every moment (multiples of the golden ratio, modulo 1). */
export const placeAfter = (turn: number): number => Math.floor(((turn * 0.618_033_988_749_894_9) % 1) * places)
