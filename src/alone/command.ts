import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { lockHolder } from '../agent/lock.ts'
import { startAgent } from '../agent/start.ts'
import { ask } from '../agent/unix.ts'
import type { Clock } from '../clock.ts'
import { mostWaiting } from '../edge/launch.ts'
import type { EdgeRoute } from '../edge/protocol.ts'
import type { EdgeSettings } from '../edge/settings.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { describeProblem, Problem } from '../problem.ts'
import { type KeeperHealth, parseHealth } from './face.ts'
import type { Reload } from './keeper.ts'
import { keepNote, preparePlaces } from './note.ts'
import { readInProcess, routesInWords } from './reading.ts'

export type AloneOptions = {
  /** Where it keeps what outlives its processes. */
  readonly home: Home
  readonly clock: Clock
  /** The file of routes. */
  readonly file: string
  readonly settings: EdgeSettings
  readonly host: string
  /** 0 for a free one. */
  readonly port: number
  readonly metricsPort: number | null
  readonly workers: string
  say(line: string): void
}

export type Started = KeeperHealth & { readonly tookOver: boolean }

const readyMs = 60_000
const againMs = 5_000
const lookMs = 500
/** An edge starts another keeper within a second; on a busy machine that takes its time. */
const silentMs = 30_000

const socketOf = (home: Home): string => join(home.sockets, 'agent.sock')
const stoppedFile = (home: Home): string => join(home.agent, 'stopped')

/** The routes in a file; a Problem with everything that is wrong with it. */
export const checkRoutes = async (file: string): Promise<readonly EdgeRoute[]> => {
  const read = await readInProcess(file)
  if (read.kind === 'ok') return read.routes
  const [first, ...others] = read.problems
  throw new Problem({
    ...(first ?? { kind: 'unreadable-file', status: 400, detail: `${file} cannot be read` }),
    ...(others.length === 0 ? {} : { next: [first?.next, ...others.map(describeProblem)].filter(Boolean).join('\n') }),
  })
}

/** Starts an edge, or takes over the one that runs in this place, with its sockets; resolves when it routes by the file. */
export const startAlone = async (options: AloneOptions): Promise<Started> => {
  const { home, clock, file, settings } = options
  const routes = await checkRoutes(file)
  preparePlaces(home)
  const running = await healthOf(home)
  if (running) refuseOtherPorts(running, options)
  const session = randomUUID()
  const note = { file, session, metricsPort: options.metricsPort, workers: options.workers }
  keepNote(home, note, settings, running ? null : { generation: clock.now(), routes })
  effectSync('alone.stopped-clear', () => rmSync(stoppedFile(home), { force: true }))
  if (running) await takeOver(home)
  else if (!(await openAndStart(options))) await takeOver(home)
  const until = clock.monotonicMs() + readyMs
  let triedMs = clock.monotonicMs()
  for (;;) {
    const health = await healthOf(home)
    if (health?.session !== session && clock.monotonicMs() - triedMs > againMs) {
      triedMs = clock.monotonicMs()
      if (health === null) await startAgain(options)
      else await takeOver(home).catch(() => {}) // whoever was to take over died over it, or this one leaves just now
    }
    if (health?.session === session && health.isReady) return { ...health, tookOver: running !== null }
    if (clock.monotonicMs() > until)
      throw new Problem({
        kind: 'edge-not-started',
        status: 503,
        detail: `the edge was not ready within ${readyMs / 1000} s`,
        next: `read ${join(home.agent, 'keeper.log')} and ${join(home.agent, 'edge.log')}`,
      })
    await clock.sleep(20)
  }
}

/** Goes with the edge until it is stopped, by a signal or by others, or another command has taken over; says what became of the file. */
export const followAlone = async ({ home, clock, say }: AloneOptions, { session, reload }: Started): Promise<void> => {
  const ending = new AbortController()
  const stop = (): void => {
    void stopAlone(home, clock).finally(() => ending.abort())
  }
  const readAgain = (): void => void ask(socketOf(home), { method: 'POST', path: '/reload' }).catch(() => null)
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
  process.on('SIGHUP', readAgain)
  let last: Reload = reload
  let answeredMs = clock.monotonicMs()
  while (!ending.signal.aborted) {
    const health = await healthOf(home)
    if (health && health.session !== session) return say('another command has taken over this edge')
    if (health) answeredMs = clock.monotonicMs()
    else if (existsSync(stoppedFile(home))) return say('stopped')
    else if (clock.monotonicMs() - answeredMs > silentMs)
      throw new Problem({
        kind: 'edge-gone',
        status: 503,
        detail: `nothing keeps the edge any more`,
        next: `read ${join(home.agent, 'keeper.log')} and start it again`,
      })
    if (health && health.reload.count !== last.count) {
      last = health.reload
      if (last.problems.length === 0) say(`${routesInWords(last.routes)}, read again`)
      for (const problem of last.problems) say(`the routes stay as they were: ${problem}`)
    }
    await clock.sleep(lookMs, ending.signal).catch(() => {})
  }
  say('stopped')
}

/** False when none runs in this place. A keeper that dies over it is followed by another, which is asked again. */
export const stopAlone = async (home: Home, clock: Clock): Promise<boolean> => {
  let found = false
  for (const until = clock.monotonicMs() + silentMs; clock.monotonicMs() < until; ) {
    if (await healthOf(home)) {
      found = true
      await ask(socketOf(home), { method: 'POST', path: '/shutdown', body: {} }).catch(() => null)
    } else if (!hasEdges(home)) return found
    await clock.sleep(50)
  }
  return found
}

const hasEdges = (home: Home): boolean =>
  existsSync(home.sockets) && readdirSync(home.sockets).some((name) => /^edge-\d+\.sock$/.test(name))

/** The keeper died before it had an edge that would have started another; should it only be slow, it holds the port or the lock. */
const startAgain = async (options: AloneOptions): Promise<void> => {
  if (lockHolder(options.home.agent) !== null || hasEdges(options.home)) return
  await openAndStart(options).catch((error: unknown) => {
    if (!(error instanceof Problem && error.kind === 'port-in-use')) throw error
  })
}

const healthOf = async (home: Home): Promise<KeeperHealth | null> => {
  try {
    const { status, body } = await ask(socketOf(home), { method: 'GET', path: '/health', timeoutMs: 5_000 })
    return status === 200 ? parseHealth(body) : null
  } catch {
    return null
  }
}

const ownProgram = (): string =>
  fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url))

const takeOver = async (home: Home): Promise<void> => {
  const body = { program: ownProgram() }
  const { status } = await ask(socketOf(home), { method: 'POST', path: '/takeover', body, timeoutMs: 10_000 })
  if (status !== 200) throw new Error(`the edge that runs in ${home.root} does not let itself be taken over`)
}

/** Its sockets are what is taken over: they are where they are. */
const refuseOtherPorts = (running: KeeperHealth, { home, port, settings }: AloneOptions): void => {
  const { tls } = settings
  const fits =
    (port === 0 || port === running.port) &&
    (tls === null) === (running.tlsPort === null) &&
    (tls === null || tls.port === 0 || tls.port === running.tlsPort)
  if (fits) return
  const secure = running.tlsPort === null ? 'without TLS' : `with ${running.tlsPort} for TLS`
  throw new Problem({
    kind: 'edge-port-fixed',
    status: 409,
    detail: `the edge that runs in ${home.root} has port ${running.port}, ${secure}; another port is not taken over`,
    next: 'say the same ports, stop it first with --stop, or choose another place with --state',
  })
}

/** False when somebody of this place holds the port, whose keeper is back meanwhile. */
const openAndStart = async (options: AloneOptions): Promise<boolean> => {
  const { home, host, port, clock, settings } = options
  const opened: Server[] = []
  try {
    opened.push(await listenAt(host, port))
    if (settings.tls) opened.push(await listenAt(settings.tls.host, settings.tls.port))
    const [listenFd = -1, tlsFd = null] = opened.map(descriptorOf)
    startAgent({ home: home.root, listenFd, tlsFd, program: ownProgram() })
    return true
  } catch (error) {
    const isTaken = error instanceof Problem && error.kind === 'port-in-use'
    if (!isTaken || !hasEdges(home)) throw error
    // Edges of this place whose keeper was killed: they start another.
    const until = clock.monotonicMs() + silentMs
    while (clock.monotonicMs() < until) {
      if (await healthOf(home)) return false
      await clock.sleep(100)
    }
    throw error
  } finally {
    for (const server of opened) server.close() // the keeper has them
  }
}

const listenAt = (host: string, port: number): Promise<Server> =>
  new Promise((done, failed) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error: NodeJS.ErrnoException) => failed(portProblem(error, host, port)))
    server.listen({ host, port, backlog: mostWaiting }, () => done(server))
  })

const portProblem = (error: NodeJS.ErrnoException, host: string, port: number): Error => {
  if (error.code === 'EADDRINUSE')
    return new Problem({
      kind: 'port-in-use',
      status: 409,
      detail: `port ${port} on ${host} is in use by another program`,
      next: 'choose another with --port or --tls-port (0 picks a free one), or stop that program',
    })
  if (error.code === 'EACCES')
    return new Problem({
      kind: 'port-forbidden',
      status: 403,
      detail: `port ${port} on ${host} may not be opened by this user`,
      next: 'choose one above 1023 with --port or --tls-port',
    })
  return error
}

/** Node tells nobody the descriptor of a server; its handle has it. */
const descriptorOf = (listening: object): number => {
  const handle: unknown = Reflect.get(listening, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number' || fd < 0)
    throw new Error('this Node.js does not tell the descriptor of a listening socket')
  return fd
}
