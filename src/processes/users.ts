import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { effectSync } from '../effect.ts'
import { type Home, isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from './command.ts'
import { writeDurably } from './files.ts'

/** systemd keeps this range for users that have no entry in /etc/passwd. */
const range = { first: 61_184, last: 65_519 } as const
const size = range.last - range.first + 1

/**
 * The unprivileged user of a purpose such as `service/default/my-service`: the same one for ever, no other purpose's, written
 * down in the home. Null where Headway is not root and cannot change users. Only the control plane asks, as one process.
 * A Problem when the range is used up or the list cannot be read.
 */
export const userFor = (home: Pick<Home, 'root'>, purpose: string): RunAs | null => {
  if (!isRoot()) return null
  const file = join(home.root, 'users.json')
  const known = readKnown(file)
  const had = known[purpose]
  if (had !== undefined) return { uid: had, gid: had }
  const uid = chooseUser(`${home.root}\0${purpose}`, new Set([...Object.values(known), ...usersOfMachine()]))
  effectSync('processes.allot-user', () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o711 })
    writeDurably(file, `${JSON.stringify({ ...known, [purpose]: uid }, null, 2)}\n`)
  })
  return { uid, gid: uid }
}

/** The same for one home. */
export const createUsers =
  (home: Pick<Home, 'root'>): ((purpose: string) => RunAs | null) =>
  (purpose) =>
    userFor(home, purpose)

/** Begins at a place that home and purpose decide, so that two Headways on one machine seldom meet; takes the next free one. */
export const chooseUser = (seed: string, taken: ReadonlySet<number>): number => {
  const start = createHash('sha256').update(seed).digest().readUInt32BE() % size
  for (let step = 0; step < size; step += 1) {
    const uid = range.first + ((start + step) % size)
    if (!taken.has(uid)) return uid
  }
  throw new Problem({
    kind: 'users-used-up',
    status: 507,
    detail: `all ${size} unprivileged users from ${range.first} to ${range.last} are taken`,
    next: 'remove services that are not needed any more',
  })
}

const readKnown = (file: string): Readonly<Record<string, number>> => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {}
    throw error
  }
  return parseKnown(text, file)
}

const parseKnown = (text: string, file: string): Readonly<Record<string, number>> => {
  try {
    const known: unknown = JSON.parse(text)
    if (typeof known !== 'object' || known === null) throw new TypeError('not an object')
    return Object.fromEntries(
      Object.entries(known).map(([purpose, uid]: [string, unknown]): [string, number] => {
        if (typeof uid !== 'number' || !(uid >= range.first && uid <= range.last))
          throw new TypeError(`${purpose} has no user from the range`)
        return [purpose, uid]
      }),
    )
  } catch (error) {
    throw new Problem(
      {
        kind: 'users-unreadable',
        status: 500,
        detail:
          'the list of unprivileged users cannot be read, and giving out new ones could mix up whose files are whose',
        where: { file },
        next: 'restore the file from a backup',
      },
      { cause: error },
    )
  }
}

/** Users and groups that have a name, and users that run something, be it another Headway's. */
const usersOfMachine = (): number[] => {
  const named = ['/etc/passwd', '/etc/group'].flatMap((file) =>
    readOrEmpty(file)
      .split('\n')
      .map((line) => Number(line.split(':')[2] || Number.NaN)),
  )
  return [...named, ...ownersOfProcesses()]
}

const ownersOfProcesses = (): number[] => {
  try {
    return readdirSync('/proc').flatMap((name) =>
      /^\d+$/.test(name) ? (statSync(`/proc/${name}`, { throwIfNoEntry: false })?.uid ?? []) : [],
    )
  } catch {
    return [] // no /proc, or a process that ended between
  }
}

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
