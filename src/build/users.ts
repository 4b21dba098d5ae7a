import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Home, isRoot } from '../home.ts'
import type { JobUser } from './jobs/processes.ts'

/**
 * The user of a job: one for each job that runs at the same time, derived from the home so that two Headways on one machine
 * share none (so that all processes of such a user can be ended with its job; the users in processes/users.ts are too few for
 * that), and without an entry in /etc/passwd. Null where Headway is no root and cannot change users.
 */
export const jobUsers = (home: Home): ((slot: number) => JobUser | null) => {
  if (!isRoot()) return () => null
  const hash = createHash('sha256').update(home.root).digest().readUInt32BE()
  const isRoomy = mapsAllUsers()
  const [first, homes] = isRoomy ? [0x4000_0000, 0x0040_0000] : [30_000, 200]
  // Node.js takes users up to 2^31 - 1 only.
  const base = first + (hash % homes) * 128
  return (slot) => ({ uid: base + (slot % 128), gid: base + (slot % 128), isExclusive: isRoomy })
}

/** In a container's user namespace there may be no more than 65,536 users. */
const mapsAllUsers = (): boolean => {
  try {
    return /\s4294967295\s*$/m.test(readFileSync('/proc/self/uid_map', 'utf8'))
  } catch {
    return false
  }
}
