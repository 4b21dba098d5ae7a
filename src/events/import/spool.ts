import { DatabaseSync } from 'node:sqlite'
import { Problem } from '../../problem.ts'
import type { OutsideRecordInput } from '../records.ts'

/** A history that was read, kept aside on disk until it is told. */
export type History = Disposable & {
  /** How many records it is told in, those aside that only go on with one that is too long. */
  readonly total: number
  records(): Iterable<OutsideRecordInput>
}

export type Spool = Disposable & Pick<DatabaseSync, 'exec' | 'prepare'>

/** What of it is in memory, in KiB. */
const cacheKiB = 64 * 1024

/**
 * A database on disk for what does not fit into memory. It has no name, so that nothing is left of it however the process ends; where its file
 * is, SQLITE_TMPDIR or TMPDIR say, else it is /var/tmp.
 */
export const openSpool = (): Spool => {
  const database = new DatabaseSync('')
  database.exec(`PRAGMA cache_size = -${cacheKiB}; PRAGMA journal_mode = OFF; PRAGMA temp_store = FILE`)
  return database
}

/** Does something with a spool that is open until then, or longer where it went well; a full disk is told as what it is. */
export const filled = async <Result>(spool: Spool, fill: (spool: Spool) => Promise<Result>): Promise<Result> => {
  try {
    return await fill(spool)
  } catch (error) {
    spool[Symbol.dispose]()
    throw isFull(error) ? noRoom(error) : error
  }
}

const [sqliteIoError, sqliteFull] = [10, 13]
const isFull = (error: unknown): boolean =>
  error instanceof Error && 'errcode' in error && [sqliteIoError, sqliteFull].includes(Number(error.errcode) & 0xff)

const noRoom = (cause: unknown): Problem =>
  new Problem(
    {
      kind: 'no-room',
      status: 507,
      detail: `${process.env.SQLITE_TMPDIR ?? process.env.TMPDIR ?? '/var/tmp'} has no room for what is imported; nothing was`,
      next: 'name a directory that has some twice as much room as the files take: TMPDIR=<directory> headway import ...',
    },
    { cause },
  )
