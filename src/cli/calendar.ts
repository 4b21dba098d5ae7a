import { Problem } from '../problem.ts'

/** When deployments may begin, as the API takes it; what is not said has its default there. */
export type Window = {
  readonly days?: readonly string[]
  readonly from?: string
  readonly to?: string
  readonly timezone?: string
}
export type PlannedFreeze = { readonly from: string; readonly until: string; readonly reason?: string }

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

/** Reads `mon-fri 09:00-17:00 Europe/Zurich`: each part may be left out. Throws a Problem for what is none of them. */
export const windowIn = (text: string): Window => {
  let window: Window = {}
  for (const part of text.split(/\s+/).filter(Boolean)) {
    const [, from, to] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(part) ?? []
    const days = daysIn(part.toLowerCase())
    if (from !== undefined && to !== undefined) window = { ...window, from, to }
    else if (days !== null) window = { ...window, days }
    else if (window.timezone === undefined && /^[A-Z][A-Za-z]+([/_+-][A-Za-z0-9_+-]+)*$/.test(part))
      window = { ...window, timezone: part }
    else throw strange(text, part, '--window "mon-fri 09:00-17:00 Europe/Zurich"')
  }
  return window
}

/** `mon-fri`, `sat-mon`, `mon,wed`; null where it is no list of days. */
const daysIn = (part: string): readonly string[] | null => {
  const days = part.split(',').flatMap((range) => {
    const [first = '', last = first, ...rest] = range.split('-')
    const [from, to] = [weekdays.indexOf(first), weekdays.indexOf(last)]
    if (from < 0 || to < 0 || rest.length > 0) return [null]
    const count = ((to - from + 7) % 7) + 1
    return Array.from({ length: count }, (_, day) => weekdays[(from + day) % 7] ?? null)
  })
  const known = days.filter((day) => day !== null)
  return known.length === days.length ? [...new Set(known)] : null
}

/** Reads `2026-12-24..2027-01-02 the holidays`; a date alone is its first moment in UTC. Throws a Problem for what is no moment. */
export const freezeIn = (text: string): PlannedFreeze => {
  const [span = '', ...words] = text.trim().split(/\s+/)
  const [from, until] = span.split('..').map((moment) => Date.parse(moment))
  if (from === undefined || until === undefined || Number.isNaN(from) || Number.isNaN(until))
    throw strange(text, span, '--freeze "2026-12-24..2027-01-02T08:00Z the holidays"')
  const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
  return { from: iso(from), until: iso(until), ...(words.length === 0 ? {} : { reason: words.join(' ') }) }
}

const strange = (text: string, part: string, example: string): Problem =>
  new Problem({
    kind: 'calendar-unreadable',
    status: 422,
    detail: part === text || part === '' ? `"${text}" cannot be read` : `"${part}" in "${text}" cannot be read`,
    next: `write it as in ${example}`,
  })
