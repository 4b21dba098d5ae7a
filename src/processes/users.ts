import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { type Home, isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from './command.ts'
import { writeDurably } from './files.ts'

/** The range that systemd gives to services without a user of their own; no distribution puts accounts there. */
const first = 61_184
const last = 65_519

/**
 * Hands out unprivileged users, one for each key (`service/default/shop`, `jobs/default`), the same one every time; null when
 * Headway is not root and everything runs as the user that it has. They are numbers only and need no account.
 */
export const createUsers = (home: Home): ((key: string) => RunAs | null) => {
  if (!isRoot()) return () => null
  const file = join(home.root, 'users.json')
  const given: Record<string, number> = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}
  return (key) => {
    const known = given[key]
    if (known !== undefined) return { uid: known, gid: known }
    const taken = new Set([...Object.values(given), ...accounts()])
    let free = first
    while (taken.has(free)) free += 1
    if (free > last)
      throw new Problem({
        kind: 'users-used-up',
        status: 507,
        detail: `all ${last - first + 1} unprivileged users are taken`,
        next: 'remove services that are no longer used: headway remove <service>',
      })
    given[key] = free
    effectSync('processes.allot-user', () => writeDurably(file, `${JSON.stringify(given, null, 2)}\n`))
    return { uid: free, gid: free }
  }
}

const accounts = (): number[] =>
  readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => Number(line.split(':')[2]))
    .filter((uid) => uid >= first && uid <= last)
