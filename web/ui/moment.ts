/** The moment that a field of date and time holds, in milliseconds since 1970; null where it is empty. In the viewer's zone. */
export const momentIn = (field: string): number | null => {
  const at = field === '' ? Number.NaN : new Date(field).getTime()
  return Number.isNaN(at) ? null : at
}
