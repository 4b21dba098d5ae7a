import { closeSync, openSync, readFileSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { effectSync } from './effect.ts'
import { type Home, homeUnusable } from './home.ts'
import { Problem } from './problem.ts'
import { writeDurably } from './processes/files.ts'

/** What the server that runs at a home says of itself in `home.server`. */
export const ServerNote = z.object({ url: z.string(), edgePort: z.number().int(), pid: z.number().int() })
export type ServerNote = z.infer<typeof ServerNote>

export type Lock = {
  release(): void
}

/** Kept here until released: a connection that nobody refers to is closed by the garbage collector, and its lock is gone with it. */
const held = new Set<DatabaseSync>()

/**
 * Takes the data directory for this process alone. The lock is SQLite's on a file of its own, which the kernel drops when the process
 * ends in whatever way: nothing is ever stale, no pid is compared, and of two that start at once exactly one gets it. Throws the
 * Problem `already-running`, with the pid and the address of the one that has it.
 */
export const takeLock = (home: Home): Lock => {
  const database = open(home)
  try {
    database.exec('BEGIN IMMEDIATE')
  } catch (error) {
    database.close()
    throw isBusy(error) ? alreadyRunning(home) : unusable(home, error)
  }
  held.add(database)
  effectSync('lock.note-holder', () => writeDurably(holderFile(home), `${process.pid}\n`))
  effectSync('lock.forget-last-server', () => rmSync(home.server, { force: true }))
  return {
    release: () => {
      held.delete(database)
      if (database.isOpen) database.close()
    },
  }
}

/** Whether a server has the data directory now. */
export const isLocked = (home: Home): boolean => {
  const database = open(home)
  try {
    database.exec('BEGIN IMMEDIATE')
    return false
  } catch (error) {
    if (isBusy(error)) return true
    throw unusable(home, error)
  } finally {
    database.close()
  }
}

/** The pid of the process that took the lock last; meaningful only while `isLocked`. */
export const lockHolder = (home: Home): number | null => {
  const pid = Number(readOrEmpty(holderFile(home)))
  return Number.isInteger(pid) && pid > 0 ? pid : null
}

/** What the last server said of itself; null when there is no note, or one that cannot be read. */
export const readServerNote = (home: Home): ServerNote | null => {
  try {
    return ServerNote.parse(JSON.parse(readFileSync(home.server, 'utf8')))
  } catch {
    return null
  }
}

/** Closed to everybody else: who can open it could lock it. */
const open = (home: Home): DatabaseSync => {
  try {
    closeSync(openSync(home.lock, 'a', 0o600))
  } catch (cause) {
    throw homeUnusable(home.lock, cause)
  }
  return new DatabaseSync(home.lock, { timeout: 0 })
}

const holderFile = (home: Home): string => `${home.lock}.pid`

const isBusy = (error: unknown): boolean => error instanceof Error && 'errcode' in error && error.errcode === 5

const alreadyRunning = (home: Home): Problem => {
  const pid = lockHolder(home)
  const note = readServerNote(home)
  const where = note && note.pid === pid ? ` and answers at ${note.url}` : ''
  return new Problem({
    kind: 'already-running',
    status: 409,
    detail: `a Headway runs on ${home.root} already${pid === null ? '' : `: it is process ${pid}`}${where}`,
    next: `use that one, stop it with headway down --home ${home.root}, or choose another directory with --home`,
  })
}

const unusable = (home: Home, cause: unknown): Problem =>
  new Problem(
    {
      kind: 'home-unusable',
      status: 500,
      detail: `${home.lock} cannot be locked`,
      next: 'see that its directory can be written and is on a local disk',
    },
    { cause },
  )

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
