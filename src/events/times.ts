/**
 * A time with its zone as text, in milliseconds since 1970; null when it is none. Besides ISO 8601 it knows `2026-01-05 10:12:01 UTC` and
 * `2026-01-05 10:12:01 +0100`, as GitLab and Git write it. Fractions finer than a millisecond are cut off. A time without a zone is no
 * moment, and refused.
 */
export const timeIn = (text: string): number | null => {
  const parts =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(?:[.,]\d{1,12})?)? ?(Z|UTC|[+-]\d\d:?\d\d)$/i.exec(text.trim()) ?? []
  const [, day, minute, second = ':00', zone = ''] = parts
  if (!day || !minute) return null
  const [whole = ':00', fraction = ''] = second.split(/[.,]/)
  const offset = /^(Z|UTC)$/i.test(zone) ? 'Z' : zone.replace(/^([+-]\d\d):?(\d\d)$/, '$1:$2')
  // A leap second is the last moment of its minute.
  const seconds = whole === ':60' ? ':59' : whole
  const at = Date.parse(`${day}T${minute}${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`)
  return Number.isFinite(at) && at >= 0 ? at : null
}

/** The same, where there may be none. */
export const timeOr = (text: string | null | undefined): number | null => (text ? timeIn(text) : null)
