/** The moment that a field of date and time holds, in milliseconds since 1970; null where it is empty. In the viewer's zone. */
export const momentIn = (field: string): number | null => {
  const at = field === '' ? Number.NaN : new Date(field).getTime()
  return Number.isNaN(at) ? null : at
}

/** A moment as such a field holds it. */
export const momentField = (at: number): string => {
  const here = new Date(at - new Date(at).getTimezoneOffset() * 60_000)
  return here.toISOString().slice(0, 16)
}
