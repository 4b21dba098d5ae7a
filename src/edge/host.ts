/** A host name of letters, digits, dashes, dots (underscores occur in the wild), or an IP address in brackets; then a port. */
const hostPattern = /^([a-z0-9_]([a-z0-9_.-]{0,252}[a-z0-9_])?|\[[0-9a-f:.]{2,45}\])\.?(:[0-9]{1,5})?$/i

/** The name that a Host header leads to: lower case, without port and trailing dot; null when it is no host at all. */
export const hostName = (header: string): string | null => {
  const match = hostPattern.exec(header)
  if (!match?.[1] || header.includes('..')) return null
  return match[1].toLowerCase()
}
