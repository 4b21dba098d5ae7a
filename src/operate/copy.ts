import { chown, copyFile, mkdir, open, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from 'pg'
import type { RunAs } from '../processes/command.ts'
import { syncDirectory } from '../processes/files.ts'

/** Folders of which a base backup keeps the name only: they belong to the running server (PostgreSQL's documentation, 26.3.4). */
const emptied = ['pg_dynshmem', 'pg_notify', 'pg_replslot', 'pg_serial', 'pg_snapshots', 'pg_stat_tmp', 'pg_subtrans']
const leftOut = new Set([...emptied, 'pg_wal', 'postmaster.pid', 'postmaster.opts'])

/**
 * Copies the files of a running engine so that they can be started from: PostgreSQL's low-level base backup. The caller marks the effect.
 * The function names changed with version 15; both forms need the connection to stay open from start to stop.
 */
export const copyRunning = async (client: Client, from: string, to: string, label: string): Promise<number> => {
  const { rows: versions } = await client.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::int AS version",
  )
  const modern = (versions[0]?.version ?? 0) >= 150_000
  await client.query(modern ? 'SELECT pg_backup_start($1, true)' : 'SELECT pg_start_backup($1, true, false)', [label])
  const ofFiles = await copyTree(from, to, { skip: leftOut })
  const stop = modern ? 'SELECT * FROM pg_backup_stop(false)' : 'SELECT * FROM pg_stop_backup(false, false)'
  const { rows } = await client.query<{ labelfile: string }>(stop)
  // The changes made while the files were copied stand in the log; with them the copy becomes whole.
  const ofLog = await copyTree(join(from, 'pg_wal'), join(to, 'pg_wal'), {})
  for (const name of emptied) await mkdir(join(to, name), { mode: 0o700 })
  await writeFile(join(to, 'backup_label'), rows[0]?.labelfile ?? '', { mode: 0o600, flush: true })
  syncDirectory(to)
  return ofFiles + ofLog
}

/** An engine has a thousand small files, and each waits for the disk: those that wait together are written together. */
const filesAtOnce = 16

/** Copies a directory durably; a file that goes away meanwhile is not missed. Returns the size of what was copied. The caller
 * marks the effect. */
export const copyTree = async (
  from: string,
  to: string,
  { owner = null, skip }: { owner?: RunAs | null; skip?: ReadonlySet<string> },
): Promise<number> => {
  await mkdir(to, { mode: 0o700 })
  if (owner) await chown(to, owner.uid, owner.gid)
  const entries = (await readdir(from, { withFileTypes: true })).filter(({ name }) => !skip?.has(name))
  let sizeBytes = 0
  for (const { name } of entries.filter((entry) => entry.isDirectory()))
    sizeBytes += await copyTree(join(from, name), join(to, name), { owner })
  const files = entries.filter((entry) => entry.isFile())
  while (files.length > 0) {
    const some = files.splice(0, filesAtOnce)
    const sizes = await Promise.all(some.map(({ name }) => copyDurably(join(from, name), join(to, name), owner)))
    for (const size of sizes) sizeBytes += size
  }
  syncDirectory(to)
  return sizeBytes
}

const copyDurably = async (from: string, to: string, owner: RunAs | null): Promise<number> => {
  try {
    await copyFile(from, to)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0
    throw error
  }
  if (owner) await chown(to, owner.uid, owner.gid)
  const file = await open(to, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
  return (await stat(to)).size
}
