import { readFileSync } from 'node:fs'
import { chown, mkdir } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { effect } from '../../effect.ts'
import { describeError } from '../../problem.ts'
import type { RunAs } from '../../processes/command.ts'
import { runOk } from '../../processes/run.ts'
import type { RunningProcess } from '../jobs/processes.ts'
import { writeForJob } from '../jobs/workspace.ts'
import type { Json } from '../workflow/expression.ts'
import { fixedPorts } from './docker/containers.ts'
import { wordsOf } from './docker/options.ts'
import { takePorts } from './ports.ts'
import type { Cell, CellOrder, ServiceWish } from './sandbox.ts'

/** The programs of PostgreSQL on this machine. */
export type Postgres = { readonly directory: string; readonly major: number }

/** Whether a service can be served without a container: `postgres`, `postgres:16-alpine`, `docker.io/library/postgres:17`. */
export const isPostgres = ({ image }: ServiceWish): boolean =>
  /^(docker\.io\/)?(library\/)?postgres(:[^/]*)?$/.test(image)

/**
 * Serves the `postgres` services of a job by this machine's PostgreSQL, in the job's own cell and under its limits; gives the
 * `job.services` context. The variables mean what they mean to the image (hub.docker.com/_/postgres).
 */
export const startHostServices = async (
  order: CellOrder,
  cell: Cell,
  postgres: Postgres,
  stack: AsyncDisposableStack,
): Promise<Record<string, Json>> => {
  const contexts: Record<string, Json> = {}
  for (const service of order.services) {
    const [fixed] = fixedPorts(service)
    if (fixed !== undefined) stack.use(await takePorts([fixed], `${order.run}/${order.key}`, order.say, order.cancel))
    const port = fixed === undefined ? await freePort() : Number.parseInt(fixed, 10)
    try {
      await startPostgres(service, port, order, cell, postgres)
    } catch (error) {
      throw new Error(`the service ${service.id} (${service.image}) did not start: ${describeError(error)}`, {
        cause: error,
      })
    }
    order.say(
      `service ${service.id}: there is no Docker Engine; PostgreSQL ${postgres.major} of this machine serves in place of ${service.image}, on port ${port}`,
    )
    contexts[service.id] = { id: service.id, network: 'host', ports: { 5432: String(port) } }
  }
  return contexts
}

const startPostgres = async (
  { id, env }: ServiceWish,
  port: number,
  order: CellOrder,
  cell: Cell,
  { directory }: Postgres,
): Promise<void> => {
  const { POSTGRES_USER: owner = 'postgres', POSTGRES_PASSWORD: password = '' } = env
  const isTrusting = env.POSTGRES_HOST_AUTH_METHOD === 'trust'
  if (password === '' && !isTrusting)
    throw new Error('POSTGRES_PASSWORD is not set (or POSTGRES_HOST_AUTH_METHOD: trust for none)')
  const home = join(order.workspace.root, `service-${id}`)
  const data = join(home, 'data')
  const auth = isTrusting ? 'trust' : 'scram-sha-256'
  const options = ['--encoding=UTF8', '--locale=C', `--auth=${auth}`, `--username=${owner}`]
  if (password !== '') options.push(`--pwfile=${join(home, 'password')}`)
  options.push(...wordsOf(env.POSTGRES_INITDB_ARGS ?? ''))
  await initialise(directory, home, password, [`--pgdata=${data}`, ...options], order, cell)
  const settings = [
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'fsync=off', // it lives no longer than the job
    'shared_buffers=32MB',
    'dynamic_shared_memory_type=mmap',
  ]
  const server = await cell.start({
    argv: [join(directory, 'postgres'), '-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])],
    cwd: home,
    env: { ...variables, HOME: home },
    marker: `${order.marker}service-${id}/`,
  })
  await answering(server, { port, user: owner, password, database: env.POSTGRES_DB ?? owner }, order)
}

const variables = { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' }

/** initdb looks its user up by name. In bubblewrap the job's has one; outside of it another's account makes the files. */
const initialise = async (
  directory: string,
  home: string,
  password: string,
  options: readonly string[],
  { marker }: CellOrder,
  cell: Cell,
): Promise<void> => {
  const { user } = cell
  const account = user && cell.isolation !== 'bubblewrap' ? someAccount() : null
  const maker = account ?? user
  await effect('build.make-service-directory', async () => {
    await mkdir(home, { recursive: true, mode: 0o700 })
    if (maker) await chown(home, maker.uid, maker.gid)
  })
  writeForJob(join(home, 'password'), `${password}\n`, maker)
  const argv = [join(directory, 'initdb'), ...options] as const
  const env = { ...variables, HOME: home }
  if (account && user) {
    await runOk(
      { argv: [argv[0], ...options], cwd: home, env, user: account, timeoutMs: 60_000 },
      'preparing PostgreSQL',
    )
    await effect('build.hand-over-service', () =>
      runOk(
        { argv: ['chown', '-hR', '--', `${user.uid}:${user.gid}`, home], env: variables },
        'handing PostgreSQL over',
      ),
    )
    return
  }
  const making = await cell.start({ argv: [argv[0], ...options], cwd: home, env, marker })
  const said = lastWords(making)
  const { exitCode } = await making.ended
  if (exitCode !== 0) throw new Error(`initdb ended with exit code ${exitCode}: ${said()}`)
}

const someAccount = (): RunAs => {
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const name of ['nobody', 'postgres']) {
    const account = accounts.find(([one]) => one === name)
    if (account) return { uid: Number(account[2]), gid: Number(account[3]) }
  }
  throw new Error('PostgreSQL needs a user nobody or postgres on this machine')
}

type Login = { readonly port: number; readonly user: string; readonly password: string; readonly database: string }

const readyTimeoutMs = 60_000

/** Waits until it answers, and makes the database that was asked for. */
const answering = async (
  server: RunningProcess,
  { port, user, password, database }: Login,
  { clock, cancel }: CellOrder,
): Promise<void> => {
  const said = lastWords(server)
  let isOver = false
  server.ended.then(() => {
    isOver = true
  })
  const { default: pg } = await import('pg')
  const until = clock.monotonicMs() + readyTimeoutMs
  for (;;) {
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' })
    client.on('error', () => undefined)
    try {
      await client.connect()
      if (database !== 'postgres') await client.query(`CREATE DATABASE ${client.escapeIdentifier(database)}`)
      return
    } catch (error) {
      if (isOver) throw new Error(`it ended: ${said()}`)
      const code = error instanceof Error && 'code' in error ? error.code : null
      if ((code !== '57P03' && code !== 'ECONNREFUSED') || clock.monotonicMs() > until) throw error
      await clock.sleep(50, cancel)
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

const lastWords = ({ stdout, stderr }: RunningProcess): (() => string) => {
  let text = ''
  for (const stream of [stdout, stderr])
    stream.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-1000)
    })
  return () => text.trim()
}

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0))
    })
  })
