import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { edgeProcesses } from '../../agent/leftovers.ts'
import { lockHolder } from '../../agent/lock.ts'
import { cleanEnvironment } from '../../agent/start.ts'
import { ask } from '../../agent/unix.ts'
import type { Clock } from '../../clock.ts'
import { type EdgeSettings, loadSettings, settingsFile } from '../../edge/settings.ts'
import { effect, effectSync } from '../../effect.ts'
import { type Home, prepareHome } from '../../home.ts'
import { Problem } from '../../problem.ts'
import { writeDurably } from '../../processes/files.ts'

export type AgentOptions = {
  readonly home: Home
  readonly clock: Clock
  /** Where services are to be reached. Counts only when no agent runs yet; port 0: the one of last time, else any free one. */
  readonly edgeHost: string
  readonly edgePort: number
  /** How the edge is to be; as it was the last time, where nothing is said. */
  readonly edgeSettings?: EdgeSettings
}

const readyMs = 20_000
const lookMs = 1_500
/** An edge whose agent died starts the next one by itself. */
const successorMs = 5_000

export const agentSocket = (home: Home): string => join(home.sockets, 'agent.sock')

export const isAnswering = (socketPath: string): Promise<boolean> =>
  ask(socketPath, { method: 'GET', path: '/health', timeoutMs: 5_000 }).then(
    ({ status }) => status === 200,
    () => false,
  )

/** Resolves when an agent of this home answers; a Problem when the edge's port is in use or the agent does not start. */
export const ensureAgent = async (options: AgentOptions): Promise<void> => {
  const { home, clock, edgeHost } = options
  const answersWithin = async (limitMs: number): Promise<boolean> => {
    const until = clock.monotonicMs() + limitMs
    for (;;) {
      if (await isAnswering(agentSocket(home))) return true
      if (clock.monotonicMs() >= until) return false
      await clock.sleep(10)
    }
  }
  prepareHome(home)
  if (await answersWithin(0)) {
    if (options.edgeSettings) {
      refuseOtherDoor(home, options.edgeSettings)
      keepSettings(home, options.edgeSettings)
    }
    return
  }
  if (options.edgeSettings) keepSettings(home, options.edgeSettings)
  for (const edge of await acceptingEdges(home)) {
    if (await answersWithin(successorMs)) return
    // It has given up starting one and holds the port; what it has open it serves to its end.
    await ask(edge, { method: 'POST', path: '/retire', body: {}, timeoutMs: 5_000 }).catch(() => null)
  }
  await startFirstAgent(options)
  const deadline = clock.monotonicMs() + readyMs
  while (clock.monotonicMs() < deadline) {
    if (await answersWithin(lookMs)) return
    if (lockHolder(home.agent) !== null || (await acceptingEdges(home)).length > 0) continue // one is on its way
    // It died before it had an edge that would have followed it up; should it only be slow, it holds the port.
    await openAndStart(home, edgeHost, lastPort(home)).catch((error: unknown) => {
      if (!(error instanceof Problem && error.kind === 'port-in-use')) throw error
    })
  }
  throw new Problem({
    kind: 'agent-silent',
    status: 503,
    detail: `the machine's agent did not answer within ${readyMs / 1000} s: ${lastLine(join(home.agent, 'agent.log'))}`,
    next: `read ${join(home.agent, 'agent.log')}`,
  })
}

/** Whether instances or edges are left that an agent would take over; an edge also while it starts and has no socket yet. */
export const hasLeftovers = (home: Home): boolean =>
  edgeProcesses(home).length > 0 ||
  [
    { directory: join(home.agent, 'instances'), name: /\.json$/ },
    { directory: home.sockets, name: /^edge-\d+\.sock$/ },
  ].some(({ directory, name }) => existsSync(directory) && readdirSync(directory).some((entry) => name.test(entry)))

const acceptingEdges = async (home: Home): Promise<string[]> => {
  const sockets = readdirSync(home.sockets)
    .filter((name) => /^edge-\d+\.sock$/.test(name))
    .map((name) => join(home.sockets, name))
  const answers = await Promise.all(
    sockets.map((socket) => ask(socket, { method: 'GET', path: '/health', timeoutMs: 2_000 }).catch(() => null)),
  )
  return sockets.filter((_, index) => {
    const health = answers[index]?.body
    return typeof health === 'object' && health !== null && 'retiring' in health && health.retiring === false
  })
}

/** Opens the edge's port and starts an agent that holds it. */
const startFirstAgent = ({ home, edgeHost, edgePort }: AgentOptions): Promise<void> =>
  effect('runtime.agent-start', async () => {
    const port = edgePort === 0 ? lastPort(home) : edgePort
    try {
      await openAndStart(home, edgeHost, port)
    } catch (error) {
      if (edgePort !== 0 || port === 0) throw error
      await openAndStart(home, edgeHost, 0) // somebody else took last time's, and any will do
    }
  })

const openAndStart = (home: Home, host: string, port: number, triesLeft = 3): Promise<void> =>
  new Promise((resolve, reject) => {
    const suffix = import.meta.url.endsWith('.ts') ? '.ts' : '.js'
    const { tls } = loadSettings(home.agent, () => {})
    const program = fileURLToPath(new URL(`../../agent/listen${suffix}`, import.meta.url))
    const child = effectSync('runtime.agent-listen', () =>
      spawn(
        process.execPath,
        [
          ...['--disable-warning=ExperimentalWarning', program, home.root, home.agent, host, String(port)],
          ...(tls ? [tls.host, String(tls.port)] : []),
        ],
        { stdio: ['ignore', 'ignore', 'pipe'], env: cleanEnvironment() },
      ),
    )
    let said = ''
    child.stderr.on('data', (text: Buffer) => {
      said += text
    })
    child.once('error', reject)
    child.once('close', (exitCode, signal) => {
      if (exitCode === 0) resolve()
      else if (signal !== null && triesLeft > 0)
        resolve(openAndStart(home, host, port, triesLeft - 1)) // killed: that says nothing of the port
      else reject(portProblem(port, host, said))
    })
  })

/** A running edge takes other settings up by itself, but for sockets: its agent holds those that it was started with. */
const refuseOtherDoor = (home: Home, { tls }: EdgeSettings): void => {
  const open = tlsPortOf(home)
  if ((tls?.port ?? null) === open || (tls?.port === 0 && open !== null)) return
  throw new Problem({
    kind: 'edge-port-fixed',
    status: 409,
    detail: `the edge runs already, ${open === null ? 'without a port for TLS' : `with port ${open} for TLS`}`,
    next: 'say all of the edge together, its port for TLS too; for another port headway down first: services stop for that moment',
  })
}

const keepSettings = (home: Home, settings: EdgeSettings): void => {
  const text = JSON.stringify(settings)
  const file = settingsFile(home.agent)
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  effectSync('runtime.edge-settings', () => writeDurably(file, text))
}

const portProblem = (wanted: number, at: string, said: string): Error => {
  const { port, host } = failedAt(said) ?? { port: wanted, host: at }
  if (said.includes('EADDRINUSE'))
    return new Problem({
      kind: 'port-in-use',
      status: 409,
      detail: `port ${port} on ${host}, where services are to be reached, is in use by another program`,
      next: 'choose another with --edge-port or --edge-tls-port (0 picks a free one), or stop that program',
    })
  if (said.includes('EACCES'))
    return new Problem({
      kind: 'port-forbidden',
      status: 403,
      detail: `port ${port} on ${host} may not be opened by this user`,
      next: 'choose one above 1023 with --edge-port or --edge-tls-port',
    })
  return new Error(`the edge's port ${port} on ${host} could not be opened: ${said.trim()}`)
}

const failedAt = (said: string): { port: number; host: string } | null => {
  try {
    const told: unknown = JSON.parse(said)
    if (typeof told !== 'object' || told === null || !('port' in told) || !('host' in told)) return null
    return typeof told.port === 'number' && typeof told.host === 'string' ? { port: told.port, host: told.host } : null
  } catch {
    return null
  }
}

/** The port for TLS that the running agent holds; null when it holds none. */
const tlsPortOf = (home: Home): number | null => {
  try {
    const { tls }: { tls?: { port?: unknown } | null } = JSON.parse(
      readFileSync(join(home.agent, 'listening.json'), 'utf8'),
    )
    return typeof tls?.port === 'number' ? tls.port : null
  } catch {
    return null
  }
}

const lastPort = (home: Home): number => {
  try {
    const { port }: { port?: unknown } = JSON.parse(readFileSync(join(home.agent, 'listening.json'), 'utf8'))
    return typeof port === 'number' ? port : 0
  } catch {
    return 0
  }
}

const lastLine = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').at(-1) ?? ''
  } catch {
    return 'it wrote no log'
  }
}
