import { chmod, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { runOk } from '../processes/run.ts'
import { findClient } from './binaries.ts'
import type { DatabaseOwner, ServiceDatabases } from './databases.ts'

/** One database alone, in pg_dump's own format, where that program is installed. The file is the owner's only (0600). */
export const createDumps = (ports: {
  readonly home: Home
  readonly clock: Clock
  readonly databases: Pick<ServiceDatabases, 'connection'>
}) => ({
  /** Writes the dump beneath the backups and returns its path. */
  dump: async (owner: DatabaseOwner): Promise<{ file: string }> => {
    const program = findClient('pg_dump', null)
    if (!program) throw clientMissing('pg_dump')
    const { database, url } = await ports.databases.connection(owner)
    const directory = join(ports.home.backups, 'dumps')
    const file = join(directory, `${database}-${new Date(ports.clock.now()).toISOString().replace(/[:.]/g, '-')}.dump`)
    await effect('operate.dump', async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const partial = `${file}.partial`
      const argv: [string, ...string[]] = [program, '--format=custom', '--no-password', `--file=${partial}`]
      try {
        await runOk({ argv, env: { PATH: '/usr/bin:/bin', ...clientEnvironment(url) } }, `dumping ${database}`)
        await chmod(partial, 0o600)
        await rename(partial, file)
      } finally {
        await rm(partial, { force: true })
      }
    })
    return { file }
  },
})
export type Dumps = ReturnType<typeof createDumps>

/** How PostgreSQL's client programs are told where to connect: by environment, so that no password is in an argument. */
export const clientEnvironment = (url: string): Record<string, string> => {
  const { hostname, port, username, password, pathname } = new URL(url)
  return {
    PGHOST: hostname,
    PGPORT: port || '5432',
    PGUSER: decodeURIComponent(username),
    PGPASSWORD: decodeURIComponent(password),
    PGDATABASE: decodeURIComponent(pathname.slice(1)),
  }
}

/** Where one of PostgreSQL's client programs is missing; `otherwise` is what helps besides installing it. */
export const clientMissing = (
  program: string,
  otherwise = 'or headway db backup, which copies all databases at file level',
): Problem =>
  new Problem({
    kind: 'client-missing',
    status: 409,
    detail: `${program} is not installed on this machine`,
    next: `apt-get install postgresql-client, ${otherwise}`,
  })
