import { rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { collectAfterStart } from '../processes/memory.ts'
import { openAccessLog, usualLogLimits } from './access-log.ts'
import { openControl } from './control.ts'
import { usualLimits } from './core.ts'
import { connectionsWithin, mostDescriptors, tellTurned } from './descriptors.ts'
import type { TlsDoor } from './doors.ts'
import { createEdge } from './edge.ts'
import { leaveLastWords } from './last-words.ts'
import { type EdgePlaces, edgeListenFd } from './launch.ts'
import { batchedUuids } from './request-ids.ts'
import { type EdgeSettings, loadSettings, noSettings, settingsSignature } from './settings.ts'
import { type SuccessorTiming, watchOverAgent } from './successor.ts'
import { tableFile } from './table.ts'
import { parseTrust, type Trust, trustNobody } from './trust.ts'

export type EdgeProcess = EdgePlaces & {
  /** Of one listening socket, each of them. */
  readonly listenFds: readonly number[]
  /** Reads end-of-file once the agent is gone; null when nobody started this edge that it would have to watch over. */
  readonly livenessFd: number | null
  /** The listening socket for TLS; null where there is none. */
  readonly tlsFd: number | null
  readonly startAgent: (how: { home: string; listenFd: number; tlsFd: number | null }) => Promise<unknown>
  readonly timing?: SuccessorTiming
}

const say = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`)

/** Routes by the table on disk at once, then obeys its agent, and sees to it that there is one. Ends the process when all is over. */
export const runEdge = async ({ home, sockets, state, listenFds, ...how }: EdgeProcess): Promise<void> => {
  outliveItsStarter()
  const saved = tableFile(state, say)
  const signature = settingsSignature(state) // before they are read: a change in between counts as one
  const settings = loadSettings(state, say)
  const { format, share } = settings.accessLog
  const log =
    format === 'off' ? null : openAccessLog(join(state, 'edge-access.log'), say, usualLogLimits, { format, share })
  const trust = trustOf(settings)
  const descriptors = mostDescriptors()
  const connections = connectionsWithin(descriptors, usualLimits.connections, how.tlsFd === null ? 1 : 2)
  const turned = tellTurned({ connections, descriptors }, () => systemClock.monotonicMs(), say)
  const limits = { ...usualLimits, connections }
  const worded = how.keeper === undefined ? null : (await import('./alone.ts')).asSaidAlone
  const common = { limits, turned, clock: systemClock, newId: batchedUuids(), random: Math.random, log, trust }
  // Most edges need neither TLS nor a greeting, and do not load what those are made of.
  const doors = settings === noSettings ? null : await import('./doors.ts')
  const greet = doors?.greeting(settings) ?? null
  let door: TlsDoor | null = null
  const own = doors && settings.tls ? doors.ownAnswers(state, settings.tls, () => door) : null
  const edge = createEdge({
    ...common,
    settings: signature,
    greet,
    ...(own ? { own } : {}),
    ...(worded ? { worded } : {}),
  })
  edge.route(saved.load())
  if (doors && settings.tls && how.tlsFd !== null) {
    const shared = { edge, tls: settings.tls, state, greet, clock: systemClock, say }
    door = await doors.openTlsDoor({ ...shared, connections, turned })
    await door.listen({ fd: how.tlsFd })
  }
  await edge.listen({ fds: listenFds })

  const controlSocket = join(sockets, `edge-${process.pid}.sock`)
  const control = await openControl(edge, saved, controlSocket, say)
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.on(signal, () => edge.retire({ limitMs: 10_000, leaveIdle: true }))

  const end = async (): Promise<void> => {
    try {
      leaveLastWords(state, { counters: edge.counters(), samples: edge.samples() })
    } catch (error) {
      say(`edge: what it has counted last is lost: ${String(error)}`)
    }
    await control.close()
    log?.close()
    effectSync('edge.control-socket-leave', () => rmSync(controlSocket, { force: true }))
    process.exit(0)
  }
  void edge.over.then(end)
  collectAfterStart()
  const outcome = await watchOverAgent({
    agentGone: endOf(how.livenessFd),
    home,
    agentSocket: join(sockets, 'agent.sock'),
    startAgent: () => how.startAgent({ home, listenFd: listenFds[0] ?? edgeListenFd, tlsFd: how.tlsFd }),
    clock: systemClock,
    say,
    signal: edge.retiring,
    ...(how.timing ? { timing: how.timing } : {}),
  })
  if (outcome === 'home-gone') await end()
}

/** A setting that cannot be read costs nobody the traffic. */
const trustOf = ({ trusted, trustedHeader }: EdgeSettings): Trust => {
  try {
    return parseTrust(trusted || (process.env.HEADWAY_TRUSTED_PROXIES ?? ''), trustedHeader)
  } catch (error) {
    say(`edge: no proxy is trusted, as HEADWAY_TRUSTED_PROXIES cannot be read: ${String(error)}`)
    return trustNobody
  }
}

const outliveItsStarter = (): void => {
  process.stderr.on('error', () => {}) // whoever read it is gone
  process.on('SIGHUP', () => {}) // the terminal of whoever started it is none of its business
  // A fault in one exchange must not cost all other clients their connections.
  process.on('uncaughtException', (error) => say(`edge: unexpected: ${error.stack ?? error}`))
}

const endOf = (descriptor: number | null): Promise<void> =>
  new Promise((gone) => {
    if (descriptor === null) return
    const liveness = new Socket({ fd: descriptor, readable: true, writable: false })
    liveness.on('error', () => gone())
    liveness.on('close', () => gone())
    liveness.resume()
  })
