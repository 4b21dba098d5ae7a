import type { DesiredState } from './desired.ts'

/** One thing that is not the same in both; null where it is not there. */
export type Difference = { readonly key: string; readonly left: string | null; readonly right: string | null }

/** How a service stands in an environment: its desired state, and which of its secrets are not set there. */
export type Standing = { readonly state: DesiredState; readonly missing: readonly string[] }

/** What differs between two environments for one service, key by key; a service that is in one alone differs as a whole. */
export const differences = (left: Standing | null, right: Standing | null): Difference[] => {
  const [one, other] = [valuesOf(left), valuesOf(right)]
  const keys = [...new Set([...one.keys(), ...other.keys()])].sort()
  if (!left || !right) return left || right ? [{ key: 'service', left: presence(left), right: presence(right) }] : []
  return keys
    .map((key) => ({ key, left: one.get(key) ?? null, right: other.get(key) ?? null }))
    .filter((difference) => difference.left !== difference.right)
}

const presence = (standing: Standing | null): string | null => (standing ? standing.state.commit : null)

/** Every leaf of the state by its path (parts of a list count from 1); secrets by their names and whether they have a value. */
const valuesOf = (standing: Standing | null): Map<string, string> => {
  const values = new Map<string, string>()
  if (!standing) return values
  const { secrets, ...state } = standing.state
  const walk = (value: unknown, path: readonly string[]): void => {
    if (Array.isArray(value) && value.some((item) => typeof item === 'object'))
      for (const [place, item] of value.entries()) walk(item, [...path, String(place + 1)])
    else if (value !== null && typeof value === 'object' && !Array.isArray(value))
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key])
    else if (value !== null && value !== undefined)
      values.set(path.join('.'), typeof value === 'string' ? value : JSON.stringify(value))
  }
  walk(state, [])
  for (const name of secrets) values.set(`secrets.${name}`, standing.missing.includes(name) ? 'not set' : 'set')
  return values
}
