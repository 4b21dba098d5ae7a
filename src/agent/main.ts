import { existsSync, fstatSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { homeAt } from '../home.ts'
import { describeError } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { collectAfterStart } from '../processes/memory.ts'
import { portOfDescriptor } from '../processes/tree.ts'
import { createAgent } from './agent.ts'
import { fields, text, whole } from './check.ts'
import { takeLock } from './lock.ts'
import { openLog } from './say.ts'
import { serveAgent } from './server.ts'
import { agentListenFd, agentTlsFd } from './start.ts'

// The agent's process: `node src/agent/main.ts --home <root>` with the edge's listening socket as descriptor 3 (see start.ts).
process.umask(0o022) // the services inherit it, whatever the shell's was that started Headway
const { values } = parseArgs({ options: { home: { type: 'string' }, tls: { type: 'boolean' } } })
const home = homeAt(values.home)
const startedAt = Date.now()
const say = openLog(join(home.agent, 'agent.log'))

process.on('SIGHUP', () => {}) // the terminal of whoever started Headway may go
process.on('uncaughtException', (error) => {
  say(`ends: ${error.stack ?? describeError(error)}`)
  process.exit(70) // the edge starts a successor
})

if (!isSocket(agentListenFd) || (values.tls && !isSocket(agentTlsFd))) {
  process.stderr.write(
    `descriptor ${agentListenFd} is no socket: an agent is started by startAgent() in src/agent/start.ts\n`,
  )
  process.exit(64)
}
for (const path of [home.agent, home.sockets]) mkdirSync(path, { recursive: true, mode: 0o700 })
mkdirSync(home.instances, { recursive: true, mode: 0o711 })
if (!isOursAlone(home.sockets)) {
  say(`${home.sockets} belongs to another user or is open to others; remove it and start again`)
  process.exit(77)
}
if (!takeLock(home.agent)) {
  say('another agent serves this home; this one ends')
  process.exit(0)
}

const stoppedFile = join(home.agent, 'stopped')
if (existsSync(stoppedFile)) {
  say('everything of this home was stopped; this agent, which an edge had started before, ends')
  process.exit(0)
}

const listening = addressOf(join(home.agent, 'listening.json'))
const agent = await createAgent({
  home,
  clock: systemClock,
  listenFd: agentListenFd,
  tlsFd: values.tls ? agentTlsFd : null,
  say,
  random: Math.random,
})
await serveAgent({
  agent,
  socketPath: join(home.sockets, 'agent.sock'),
  health: () => ({
    version: ownVersion(),
    pid: process.pid,
    startedAt,
    edge: { pid: agent.edges.pid(), ...listening },
  }),
  stopped: () => effectSync('agent.stopped-note', () => writeDurably(stoppedFile, '')),
  left: () => process.exit(0),
})
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    say(`${signal}: leaves; instances and edge go on`)
    void agent.leave('keep').finally(() => process.exit(0))
  })
say('ready')
collectAfterStart()

function isSocket(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isSocket()
  } catch {
    return false
  }
}

/** It may stand in /tmp, where others could have made it first. */
function isOursAlone(directory: string): boolean {
  const { uid, mode } = statSync(directory)
  return uid === process.getuid?.() && (mode & 0o077) === 0
}

type Listening = { host: string; port: number; tls: { host: string; port: number } | null }

/** What is on disk may be another start's that was killed half way; the port is the one of the very socket. */
function addressOf(file: string): Listening {
  const noted = fields(JSON.parse(readFileSync(file, 'utf8')), 'listening')
  const address = {
    host: text(noted.host, 'host'),
    port: whole(noted.port, 'port'),
    tls: values.tls ? { host: tlsHostIn(noted.tls), port: portOfDescriptor(agentTlsFd) ?? 0 } : null,
  }
  const port = portOfDescriptor(agentListenFd) ?? address.port
  if (port !== address.port)
    effectSync('agent.listening-mend', () => writeDurably(file, JSON.stringify({ ...address, port })))
  return { ...address, port }
}

function tlsHostIn(noted: unknown): string {
  return typeof noted === 'object' && noted !== null && 'host' in noted ? text(noted.host, 'tls.host') : '127.0.0.1'
}

function ownVersion(): string {
  const manifest = new URL('../../package.json', import.meta.url)
  return text(fields(JSON.parse(readFileSync(manifest, 'utf8')), 'package.json').version, 'version')
}
