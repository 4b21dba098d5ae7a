import { randomFillSync } from 'node:crypto'

const batch = 256
const uuidLength = 36
/** Where the two digits of each byte stand. */
const places = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34]
const digits = Buffer.from('0123456789abcdef', 'latin1')

/** UUIDs of version 4 (RFC 9562), made many at a time: a request needs one, and its text in one piece. */
export const batchedUuids = (): (() => string) => {
  const bytes = Buffer.allocUnsafeSlow(16 * batch)
  const text = Buffer.alloc(uuidLength * batch, '-')
  let left = 0
  const refill = (): void => {
    randomFillSync(bytes)
    for (let one = 0; one < batch; one += 1) {
      for (let which = 0; which < 16; which += 1) {
        const byte = bytes[one * 16 + which] ?? 0
        const at = one * uuidLength + (places[which] ?? 0)
        text[at] = digits[(which === 6 ? 0x40 : which === 8 ? (byte & 0x3f) | 0x80 : byte) >> 4] ?? 0
        text[at + 1] = digits[byte & 0x0f] ?? 0
      }
    }
    left = batch
  }
  return () => {
    if (left === 0) refill()
    left -= 1
    return text.toString('latin1', left * uuidLength, (left + 1) * uuidLength)
  }
}
