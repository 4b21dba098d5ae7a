/** A `traceparent` of W3C Trace Context, version 00 or a later one that begins alike; of zeros alone it says nothing. */
const valid = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/

export const isTraceparent = (value: string): boolean => valid.test(value)

/**
 * The beginning of a trace that has the digits of this UUID, so that one leads to the other. Sampled, which is what a service does that
 * gets no trace at all: one whose parent says otherwise would record nothing.
 */
export const traceparentOf = (uuid: string): string => {
  const end = uuid.slice(19, 23) + uuid.slice(24)
  return `00-${uuid.slice(0, 8)}${uuid.slice(9, 13)}${uuid.slice(14, 18)}${end}-${end}-01`
}
