import { randomFillSync } from 'node:crypto'

const saltBytes = 16
const pool = Buffer.alloc(saltBytes * 256)
let used = pool.length

/** 128 fresh random bits, so that an erased payload cannot be guessed from its commitment; drawn from the system 256 at a time. */
export const freshSalt = (): Buffer => {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += saltBytes
  return Buffer.from(pool.subarray(used - saltBytes, used))
}
