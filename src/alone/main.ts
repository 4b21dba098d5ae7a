import { existsSync } from 'node:fs'
import type { Server } from 'node:http'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { takeLock } from '../agent/lock.ts'
import { openLog } from '../agent/say.ts'
import { agentListenFd, agentTlsFd, startAgent } from '../agent/start.ts'
import { ask } from '../agent/unix.ts'
import { systemClock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { homeAt } from '../home.ts'
import { describeError } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { collectAfterStart } from '../processes/memory.ts'
import { portOfDescriptor } from '../processes/tree.ts'
import { serveFace } from './face.ts'
import { type Keeper, keepAlone } from './keeper.ts'
import { serveMetrics } from './metrics.ts'
import { preparePlaces, readNote } from './note.ts'

// The keeper of an edge that stands alone: `node src/alone/main.ts --home <state>`, with listening sockets as descriptors 3 (and 4 for
// TLS). It outlives whoever started it; an edge starts it again when it is gone, as it does with an agent.
const { values } = parseArgs({
  options: { home: { type: 'string' }, tls: { type: 'boolean' }, takeover: { type: 'boolean' } },
})
const home = homeAt(values.home)
const say = openLog(join(home.agent, 'keeper.log'))
const socketPath = join(home.sockets, 'agent.sock')
const stoppedFile = join(home.agent, 'stopped')
const lastAnswersMs = 10_000
const patienceMs = 20_000

process.on('uncaughtException', (error) => {
  say(`ends: ${error.stack ?? describeError(error)}`)
  process.exit(70) // an edge starts a successor
})
preparePlaces(home)
if (!(await takesTurn())) {
  say('another keeper serves this edge; this one ends')
  process.exit(0)
}
if (existsSync(stoppedFile)) {
  say('this edge was stopped; this keeper, which an edge had started before, ends')
  process.exit(0)
}
const note = readNote(home)
process.env.HEADWAY_EDGE_WORKERS = note.workers
const tlsFd = values.tls ? agentTlsFd : null
let metrics: Server | null = null
const began = Promise.withResolvers<Keeper>()
let keeper: Keeper | null = null
// It answers before it is ready: an edge that found nobody would start another.
await serveFace({
  socketPath,
  health: () => ({
    pid: process.pid,
    session: note.session,
    isReady: keeper !== null,
    port: portOfDescriptor(agentListenFd) ?? 0,
    tlsPort: tlsFd === null ? null : portOfDescriptor(tlsFd),
    metricsPort: metrics && portOf(metrics),
    edgePid: keeper?.edges.pid() ?? null,
    reload: keeper?.lastReload() ?? { count: 0, routes: 0, problems: [] },
  }),
  reload: async () => (await began.promise).reload(),
  takeOver: (program) =>
    startAgent({ home: home.root, listenFd: agentListenFd, tlsFd, program, flags: ['--takeover'] }),
  leave: () => leave('another takes over'),
  shutDown,
})
process.on('SIGHUP', () => void keeper?.reload().catch((error: unknown) => say(describeError(error))))
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => void shutDown().finally(() => process.exit(0)))

const kept = await keepAlone({
  ...{ home, clock: systemClock, file: note.file, listenFd: agentListenFd, tlsFd, say },
  program: fileURLToPath(import.meta.url),
})
// Those of the version before: what they have open they serve to its end.
if (values.takeover) await kept.edges.replace()
if (note.metricsPort !== null) metrics = await metricsAt(note.metricsPort, kept)
keeper = kept
began.resolve(kept)
say('ready')
collectAfterStart()

function leave(why: string): never {
  say(`leaves: ${why}`)
  keeper?.leave()
  process.exit(0)
}

async function shutDown(): Promise<void> {
  say('stops')
  await (await began.promise).end(lastAnswersMs)
  // Only now: a keeper that is started for edges which this one did not come to end has to go on with them.
  effectSync('alone.stopped-note', () => writeDurably(stoppedFile, ''))
}

/** One keeper at a time. Whoever takes over asks the one before to leave once it is itself ready to be the next. */
async function takesTurn(): Promise<boolean> {
  if (takeLock(home.agent)) return true
  if (!values.takeover) return false
  await ask(socketPath, { method: 'POST', path: '/leave', body: {}, timeoutMs: 5_000 }).catch(() => null)
  const until = systemClock.monotonicMs() + patienceMs
  while (systemClock.monotonicMs() < until) {
    if (takeLock(home.agent)) return true
    await systemClock.sleep(5)
  }
  return false
}

/** The one before may still hold the port. */
async function metricsAt(port: number, { traffic, edges }: Keeper): Promise<Server | null> {
  const served = { traffic, count: () => edges.count() }
  const until = systemClock.monotonicMs() + patienceMs
  for (;;)
    try {
      return await serveMetrics(port, served)
    } catch (error) {
      if (systemClock.monotonicMs() > until) {
        say(`no counters are served on port ${port}: ${describeError(error)}`)
        return null
      }
      await systemClock.sleep(100)
    }
}

function portOf(server: Server): number | null {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : null
}
