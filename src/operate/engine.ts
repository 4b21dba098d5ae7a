import { randomInt } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chown, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Client } from 'pg'
import type { Instance, InstanceSpec } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import { effect, effectSync } from '../effect.ts'
import { type Home, isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import { syncDirectory, writeDurably } from '../processes/files.ts'
import { runOk } from '../processes/run.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { type Binaries, findBinaries } from './binaries.ts'
import type { Credentials } from './credentials.ts'

/** A PostgreSQL server that Headway may make databases on. */
export type Engine = {
  /** Whether its files are on this machine and Headway's own. */
  readonly own: boolean
  /** Makes sure that it runs and gives the administrator's URL. Nothing runs before this is first called. */
  ensure(): Promise<string>
}

/** An engine of Headway's own, which also can be stopped, and whose files can be copied. */
export type OwnEngine = Engine & {
  readonly own: true
  readonly directory: string
  binaries(): Promise<Binaries>
  /** Whose files they are; null when everything runs as the user that Headway has. */
  user(): RunAs | null
  exists(): boolean
  stop(): Promise<void>
}

export const engineInstance = 'headway-postgres'
const superuser = 'headway'
const readyTimeoutMs = 60_000

/** A server that is already there, by the URL of a role that may create roles and databases. */
export const externalEngine = (url: string): Engine => ({ own: false, ensure: async () => url })

/**
 * The engine that Headway brings: an instance under the machine's agent like any service, so that it outlives the control plane.
 * Loopback only; every connection has to know a password.
 */
export const createOwnEngine = (options: {
  readonly home: Home
  readonly runtime: Runtime
  readonly clock: Clock
  readonly credentials: Credentials
  readonly findBinaries?: typeof findBinaries
}): OwnEngine => {
  const { home, runtime, clock, credentials } = options
  const directory = join(home.databases, 'postgres')
  const portFile = join(home.root, 'postgres-port')
  let starting: Promise<string> | null = null
  let found: Promise<Binaries> | null = null
  let proven: number | null = null

  const binaries = (): Promise<Binaries> => {
    found ??= (options.findBinaries ?? findBinaries)(home, { major: majorOf(directory) }).catch((error: unknown) => {
      found = null
      throw error
    })
    return found
  }

  const urlAt = (port: number): string =>
    `postgres://${superuser}:${encodeURIComponent(credentials.take('postgres'))}@127.0.0.1:${port}/postgres`

  const ensure = async (): Promise<string> => {
    const running = (await runtime.instances()).find(({ id }) => id === engineInstance)
    if (running?.state === 'healthy') return prove(running)
    if (running?.state === 'failed') await stop()
    await recover()
    const { directory: programs } = await binaries()
    const user = engineUser()
    if (!existsSync(directory)) await initialise(programs, user)
    const port = await portToUse()
    await effect('operate.start-postgres', () => runtime.start(spec(programs, user, port)))
    const settled = await runtime.settled(engineInstance, readyTimeoutMs)
    if (settled?.state !== 'healthy') throw notReady(settled?.lastProbe ?? null)
    return prove(settled)
  }

  /** The port opens before the server answers, also when the agent has started it anew; each process is asked once. */
  const prove = async ({ port, pid }: Instance): Promise<string> => {
    const url = urlAt(port)
    if (pid !== null && pid === proven) return url
    await untilItAnswers(url)
    proven = pid
    const previous = previousDirectory(directory)
    if (existsSync(previous)) await effect('operate.restore-done', () => rm(previous, { recursive: true, force: true }))
    return url
  }

  /**
   * After a crash between the two renames of a restore the directory is missing: then the one before it is put back. What an
   * initialisation left half made goes.
   */
  const recover = async (): Promise<void> => {
    await mkdir(home.databases, { recursive: true, mode: 0o711 })
    const previous = previousDirectory(directory)
    if (!existsSync(directory) && existsSync(previous))
      await effect('operate.recover-postgres', () => rename(previous, directory))
    for (const name of readdirSync(home.databases).filter((one) => one.startsWith('.init-')))
      await effect('operate.clear-init', () => rm(join(home.databases, name), { recursive: true, force: true }))
  }

  const initialise = async (programs: string, user: RunAs | null): Promise<void> => {
    const password = credentials.take('postgres')
    await effect('operate.init-postgres', async () => {
      const fresh = await mkdtemp(join(home.databases, '.init-'))
      const passwordFile = join(fresh, 'password')
      await writeFile(passwordFile, password, { mode: 0o600 })
      for (const path of user ? [fresh, passwordFile] : []) await chown(path, user?.uid ?? 0, user?.gid ?? 0)
      const data = join(fresh, 'data')
      const settings = ['--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', `--username=${superuser}`]
      const argv: [string, ...string[]] = [join(programs, 'initdb'), `--pgdata=${data}`, ...settings]
      argv.push(`--pwfile=${passwordFile}`)
      const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC', HOME: fresh }
      await runOk({ argv, cwd: fresh, env, timeoutMs: 120_000, ...(user ? { user } : {}) }, 'preparing PostgreSQL')
      await rename(data, directory)
      syncDirectory(home.databases)
      await rm(fresh, { recursive: true, force: true })
    })
  }

  const spec = (programs: string, user: RunAs | null, port: number): InstanceSpec => ({
    id: engineInstance,
    owner: { project: 'headway', service: 'postgres', environment: 'production', release: '', commit: '' },
    files: null,
    workingDirectory: '.',
    argv: [join(programs, 'postgres'), '-D', directory, '-p', String(port), ...settings.flatMap((one) => ['-c', one])],
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
    port,
    health: { kind: 'tcp', intervalMs: 10_000, timeoutMs: 5_000, failures: 3 },
    readyTimeoutMs,
    stop: { signal: 'SIGINT', drainMs: 0, graceMs: 30_000 },
    limits: { memoryBytes: null, cpus: null, processes: null },
    user: user ? { uid: user.uid, gid: user.gid } : null,
  })

  /** The same port for ever: running services know it from their environment. */
  const portToUse = async (): Promise<number> => {
    if (existsSync(portFile)) return Number(readFileSync(portFile, 'utf8'))
    const port = await freePort()
    effectSync('operate.keep-port', () => writeDurably(portFile, String(port)))
    return port
  }

  /** Until crash recovery is over it answers that it is starting up. */
  const untilItAnswers = async (url: string): Promise<void> => {
    const until = clock.monotonicMs() + readyTimeoutMs
    for (;;) {
      try {
        await withClient(url, async (client) => {
          // Nobody but the administrator has business in the databases that come with the server.
          await client.query('REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC')
        })
        return
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : null
        const startingUp = code === '57P03' || code === 'ECONNREFUSED'
        if (!startingUp || clock.monotonicMs() > until) throw error
        await clock.sleep(50)
      }
    }
  }

  const stop = async (): Promise<void> => {
    await effect('operate.stop-postgres', () => runtime.stop(engineInstance))
  }

  return {
    own: true,
    directory,
    binaries,
    user: engineUser,
    exists: () => existsSync(directory) || existsSync(previousDirectory(directory)),
    stop,
    ensure: () => {
      starting ??= ensure().finally(() => {
        starting = null
      })
      return starting
    },
  }
}

/** Where the data directory stands while a restored one takes its place. */
export const previousDirectory = (directory: string): string => `${directory}.previous`

/** Opens a connection for as long as `work` takes. */
export const withClient = async <Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> => {
  const { default: pg } = await import('pg') // most servers that run have no database to ask just now
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {}) // a connection that breaks fails the query that is under way
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}

/** Small: most services of a small team share one engine. */
const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'shared_buffers=32MB',
  'max_connections=200',
  'max_wal_size=256MB',
  'wal_keep_size=256MB',
  'jit=off',
  'huge_pages=off',
  'logging_collector=off',
  'password_encryption=scram-sha-256',
]

/** initdb and postgres refuse to be root and look their user up by name, so it must be one with an account. */
const engineUser = (): RunAs | null => {
  if (!isRoot()) return mustHaveAccount()
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['postgres', 'nobody']) {
    const account = accounts.find(([one]) => one === name)
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) }
  }
  throw new Problem({
    kind: 'postgres-user-missing',
    status: 503,
    detail: 'PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody',
    next: 'useradd --system postgres',
  })
}

const mustHaveAccount = (): null => {
  try {
    userInfo()
    return null
  } catch (cause) {
    throw new Problem(
      {
        kind: 'postgres-user-missing',
        status: 503,
        detail: `PostgreSQL looks up the user it runs as by name, and this machine has no account for user id ${process.getuid?.()}`,
        next: 'start Headway as a user with an entry in /etc/passwd, or set HEADWAY_POSTGRES_URL to a server that is there',
      },
      { cause },
    )
  }
}

const majorOf = (directory: string): number | undefined => {
  const file = join(directory, 'PG_VERSION')
  return existsSync(file) ? Number.parseInt(readFileSync(file, 'utf8'), 10) : undefined
}

/** Below the range from which outgoing connections get theirs, so that none takes it while the engine is down. */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(15_000, 25_000)
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer()
      probe.once('error', () => resolve(false))
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (free) return port
  }
}

const notReady = (probe: string | null): Problem =>
  new Problem({
    kind: 'postgres-not-ready',
    status: 503,
    detail: `PostgreSQL did not become ready within ${readyTimeoutMs / 1000} s${probe ? `: ${probe}` : ''}`,
    next: 'headway logs postgres --project headway shows why; then deploy again',
  })
