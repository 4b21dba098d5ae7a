import { Problem } from '../problem.ts'

/** SQLite's own error, with its result code (https://www.sqlite.org/rescode.html) and the statement, never the values. */
export class SqlError extends Error {
  readonly code: number | null

  constructor(message: string, code: number | null, sql: string) {
    super(`${message} in: ${sql.length > 300 ? `${sql.slice(0, 300)} ...` : sql}`)
    this.name = 'SqlError'
    this.code = code
  }
}

const sqliteFull = 13
const sqliteIoErrors = 10 // the lower byte of every SQLITE_IOERR_*
const sqliteShmSize = 4874 // the shared-memory file beside the database could not grow: there, only a full disk does that

/** What a statement failed with, given SQLite's words and its result code. */
export const sqlError = (file: string, sql: string, message: string, code: number | null): Error => {
  const cause = new SqlError(message, code, sql)
  return code === sqliteFull || code === sqliteShmSize ? diskFull(file, cause) : cause
}

/** What ended a connection, or kept it from being opened. */
export const storeError = (file: string, cause: unknown): Error => {
  const full =
    cause instanceof Error && 'errcode' in cause && [sqliteFull, sqliteShmSize].includes(Number(cause.errcode))
  if (full) return diskFull(file, cause)
  const unreadable =
    cause instanceof Error && 'errcode' in cause && (Number(cause.errcode) & 0xff) === sqliteIoErrors
      ? 'the disk failed to read or write it'
      : 'it could not be opened'
  return new Problem(
    {
      kind: 'store-broken',
      status: 500,
      detail: `the database ${file}: ${unreadable} (${cause instanceof Error ? cause.message : String(cause)})`,
      next: 'look at the disk and the rights of the file; a database that is damaged is replaced by `headway restore <backup>`',
    },
    { cause },
  )
}

/** The disk holds no more; what was acknowledged stands, what was being written was rolled back. */
export const diskFull = (file: string, cause: unknown): Problem =>
  new Problem(
    {
      kind: 'disk-full',
      status: 507,
      detail: `the disk that holds ${file} is full; nothing recorded so far was lost, and this change was not made`,
      next: `free space there (df -h, then remove what is not needed) and do it again; Headway need not be restarted`,
    },
    { cause },
  )
