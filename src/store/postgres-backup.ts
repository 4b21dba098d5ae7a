import { closeSync, existsSync, fsyncSync, globSync, openSync, renameSync, rmSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { effect, effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { syncDirectory } from '../processes/files.ts'
import { runOk } from '../processes/run.ts'

/** Writes a dump in PostgreSQL's custom format, for `pg_restore`; a `Problem` says how to make one where pg_dump is missing. */
export const dumpPostgres = async (url: string, file: string): Promise<void> => {
  const program = findProgram('pg_dump')
  if (!program) throw dumpMissing(url, file)
  const half = `${file}.half`
  try {
    effectSync('store.dump-begin', () => {
      rmSync(half, { force: true })
      closeSync(openSync(half, 'wx', 0o600))
    })
    const argv = [program, '--format=custom', '--no-password', `--file=${half}`] as const
    const copying = `dumping the database ${describeUrl(url)}`
    await effect('store.dump-copy', () => runOk({ argv, env: environmentFor(url), timeoutMs: 3_600_000 }, copying))
    effectSync('store.dump-end', () => {
      const descriptor = openSync(half, 'r')
      fsyncSync(descriptor)
      closeSync(descriptor)
      renameSync(half, file)
      syncDirectory(dirname(file))
    })
  } catch (error) {
    effectSync('store.dump-discard', () => rmSync(half, { force: true }))
    throw error
  }
}

/** Host, port and database, as a person may read them; without the password. */
export const describeUrl = (url: string): string => {
  const { host, pathname, searchParams } = new URL(url)
  return `${pathname.slice(1) || 'postgres'} on ${host || searchParams.get('host') || 'localhost'}`
}

/** What libpq reads; the password must not stand in argv, where every user of the machine could read it. */
const environmentFor = (url: string): Record<string, string> => {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  const given = {
    PGHOST: searchParams.get('host') ?? decodeURIComponent(hostname),
    PGPORT: searchParams.get('port') ?? port,
    PGUSER: decodeURIComponent(username) || (searchParams.get('user') ?? ''),
    PGPASSWORD: decodeURIComponent(password) || (searchParams.get('password') ?? ''),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
    PGSSLMODE: searchParams.get('sslmode') ?? '',
    PGSSLROOTCERT: searchParams.get('sslrootcert') ?? '',
    PATH: process.env.PATH ?? '/usr/bin:/bin',
  }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''))
}

/** A PostgreSQL program: the newest that Debian installed (a dump needs one at least as new as the server), else one on the PATH. */
export const findProgram = (name: string): string | null => {
  const version = (file: string) => Number(/postgresql\/(\d+)/.exec(file)?.[1] ?? 0)
  const installed = globSync(`/usr/lib/postgresql/*/bin/${name}`).sort((a, b) => version(b) - version(a))
  const onPath = (process.env.PATH ?? '').split(delimiter).map((directory) => join(directory, name))
  return [...installed, ...onPath].find((file) => existsSync(file)) ?? null
}

const dumpMissing = (url: string, file: string): Problem =>
  new Problem({
    kind: 'pg-dump-missing',
    status: 501,
    detail: `the data is in PostgreSQL (${describeUrl(url)}), which pg_dump backs up, and pg_dump is not installed here`,
    next: `install PostgreSQL's client programs (Debian: postgresql-client) and do it again, or run pg_dump --format=custom --file=${file} elsewhere`,
  })
