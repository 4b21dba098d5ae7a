import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import {
  groupMembers,
  identityOf,
  isAlive,
  killGroup,
  listeningPorts,
  type ProcessIdentity,
  sendSignal,
} from '../processes/tree.ts'
import { type Cgroup, makeCgroup } from './cgroups.ts'
import { prepareDirectory, removeDirectory } from './directory.ts'
import { freePort, isTaken, launch, markedProcesses } from './launch.ts'
import { probe } from './probe.ts'
import type { AgentEvent, Exit, Instance, InstanceSpec, StopOutcome } from './protocol.ts'
import type { InstanceRecord, Records } from './records.ts'

const firstProbesMs = 25
const firstBackOffMs = 500
const longestBackOffMs = 30_000
/** After this long without an exit the next one is treated as the first. */
const steadyMs = 60_000
/** A service that ends this often before it was ever healthy is not started again. */
const hopeless = 2
const adoptedPollMs = 250

export type Surroundings = {
  readonly clock: Clock
  readonly records: Records
  /** The agent's home; marks its processes. */
  readonly home: string
  directoryOf(id: string): string
  spoolOf(id: string): { stdout: string; stderr: string }
  takenPorts(): ReadonlySet<number>
  /** Tells what the edge must know: whether and where the instance takes requests. Resolves when the edge has heard. */
  changed(): Promise<void>
  happened(event: Omit<AgentEvent, 'seq' | 'at'>): void
  /** Open requests on the instance at every edge. */
  inFlight(id: string): Promise<number>
  report(problem: string): void
}

/** One supervised service process: started, probed, started again, and stopped. */
export type Supervised = {
  readonly id: string
  readonly spec: InstanceSpec
  port(): number
  /** Whether it takes requests now. */
  healthy(): boolean
  view(): Instance
  begin(): Promise<void>
  stop(): Promise<StopOutcome>
  /** Lets go of it without ending it: the agent is leaving and a successor will adopt it. */
  abandon(): void
  onChange(listener: () => void): () => void
}

export const supervise = (record: InstanceRecord, around: Surroundings): Supervised => {
  const { clock, records } = around
  const { spec } = record
  const { id } = spec
  const abort = new AbortController()
  const listeners = new Set<() => void>()
  let current = record
  let healthy = false
  let state: Instance['state'] = record.phase === 'running' ? 'starting' : record.phase
  let lastProbe: string | null = null
  let cgroup: Cgroup | null = null
  let exited: Promise<Exit> | undefined
  let stopping: Promise<StopOutcome> | undefined
  let recentExits = 0
  let lastExitAt = 0

  const note = (change: Partial<InstanceRecord>): void => {
    current = { ...current, ...change }
    records.write(current)
  }
  const become = async (next: Instance['state']): Promise<void> => {
    const before = state
    state = next
    const nowHealthy = next === 'healthy'
    const routeChanged = nowHealthy !== healthy
    healthy = nowHealthy
    if (before !== next && (next === 'healthy' || next === 'unhealthy' || next === 'failed'))
      around.happened({
        instance: id,
        owner: spec.owner,
        kind: next,
        exit: next === 'failed' ? current.lastExit : null,
        restartInMs: null,
      })
    if (routeChanged) await around.changed()
    for (const listener of listeners) listener()
  }

  /** Starts the process, or adopts the one that an earlier agent started, and resolves when it has been recorded. */
  const startProcess = async (): Promise<void> => {
    cgroup = makeCgroup(id, spec.limits)
    const known = current.process
    if (known && isAlive(known)) {
      exited = watchAdopted(known)
      return
    }
    endStrays() // one that was spawned but not yet written down when the agent was killed
    if (spec.port === null && (await isTaken(current.port))) note({ port: await freePort(around.takenPorts()) })
    if (!existsSync(join(around.directoryOf(id), 'tmp'))) await prepareDirectory(around.directoryOf(id), spec)
    mkdirSync(around.directoryOf(id), { recursive: true })
    const child = launch({
      spec,
      port: current.port,
      directory: around.directoryOf(id),
      spool: around.spoolOf(id),
      cgroup,
      home: around.home,
    })
    exited = exitOf(child)
    if (child.pid !== undefined) note({ process: identityOf(child.pid), startedAt: clock.now() })
  }

  const exitOf = (child: ChildProcess): Promise<Exit> =>
    new Promise((resolve) => {
      const kills = cgroup?.outOfMemoryKills() ?? 0
      child.once('error', (error) => {
        lastProbe = `could not be started: ${error.message}`
        resolve({ exitCode: 127, signal: null, outOfMemory: false, at: clock.now() })
      })
      child.once('exit', (exitCode, signal) =>
        resolve({ exitCode, signal, outOfMemory: (cgroup?.outOfMemoryKills() ?? 0) > kills, at: clock.now() }),
      )
    })

  /** A process that is not our child tells nobody how it ended. */
  const watchAdopted = async (known: ProcessIdentity): Promise<Exit> => {
    while (isAlive(known)) await clock.sleep(adoptedPollMs)
    return { exitCode: null, signal: null, outOfMemory: false, at: clock.now() }
  }

  const endStrays = (): void => {
    const mine = markedProcesses(around.home).filter(({ instance }) => instance === id)
    if (mine.length > 0)
      effectSync('agent.kill-strays', () => {
        for (const { pid } of mine) sendSignal(pid, 'SIGKILL')
      })
  }

  /** Probes until it is healthy, has failed, or has ended; then goes on probing until it has ended. */
  const watchHealth = async (ended: Promise<Exit>): Promise<'exited' | 'late' | 'unhealthy'> => {
    let over = false
    void ended.then(() => {
      over = true
    })
    const deadline = clock.monotonicMs() + spec.readyTimeoutMs
    let failures = 0
    while (!over && !abort.signal.aborted) {
      const seen = await probe(spec.health, current.port)
      if (over || abort.signal.aborted) break
      lastProbe = seen.healthy ? seen.words : explained(seen.words)
      if (seen.healthy) {
        failures = 0
        if (state !== 'healthy') {
          if (current.provenAt === null) note({ provenAt: clock.now() })
          await become('healthy')
        }
      } else if (state === 'healthy') {
        failures += 1
        if (failures >= spec.health.failures) return 'unhealthy'
      } else if (clock.monotonicMs() > deadline) return 'late'
      const pause = state === 'healthy' ? spec.health.intervalMs : firstProbesMs
      await Promise.race([ended, clock.sleep(pause, abort.signal).catch(() => undefined)])
    }
    return 'exited'
  }

  const explained = (words: string): string => {
    if (!words.includes('ECONNREFUSED') || !current.process) return words
    const elsewhere = listeningPorts(groupMembers(current.process.pid)).filter((port) => port !== current.port)
    return elsewhere.length > 0 ? `it listens on ${elsewhere.join(', ')}, but PORT is ${current.port}` : words
  }

  const life = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      await startProcess()
      const ended = exited
      if (!ended) return
      const verdict = await watchHealth(ended)
      if (abort.signal.aborted) return
      if (verdict === 'late') {
        const probed = lastProbe
        await endProcess(0)
        lastProbe = probed
        note({ phase: 'failed', process: null })
        await become('failed')
        return
      }
      if (verdict === 'unhealthy') {
        await become('unhealthy')
        await endProcess(spec.stop.graceMs)
      }
      const exit = await ended
      if (abort.signal.aborted) return
      if (clock.now() - lastExitAt > steadyMs) recentExits = 0
      lastExitAt = clock.now()
      recentExits += 1
      const givenUp = current.provenAt === null && current.restarts + 1 >= hopeless
      const restartInMs = givenUp ? null : Math.min(longestBackOffMs, firstBackOffMs * 2 ** (recentExits - 1))
      around.happened({ instance: id, owner: spec.owner, kind: 'exited', exit, restartInMs })
      killStrayGroup()
      note({
        lastExit: exit,
        process: null,
        ...(givenUp ? { phase: 'failed' as const } : { restarts: current.restarts + 1 }),
      })
      await become(givenUp ? 'failed' : 'backing-off')
      if (restartInMs === null) return
      await clock.sleep(restartInMs, abort.signal).catch(() => undefined)
      if (!abort.signal.aborted) await become('starting')
    }
  }

  const killStrayGroup = (): void => killGroup(current.process?.pid, 'SIGKILL')

  /** Ends the process and everything that it started; true when it had to be killed. */
  const endProcess = async (graceMs: number): Promise<boolean> => {
    const known = current.process
    let killed = false
    if (known && isAlive(known) && exited) {
      effectSync('agent.signal', () => killGroup(known.pid, graceMs > 0 ? spec.stop.signal : 'SIGKILL'))
      const inTime = await Promise.race([exited.then(() => true), clock.sleep(graceMs).then(() => false)])
      killed = !inTime
    }
    if (known) effectSync('agent.kill', () => killGroup(known.pid, 'SIGKILL'))
    for (const pid of cgroup?.members() ?? []) sendSignal(pid, 'SIGKILL')
    endStrays()
    await exited
    return killed
  }

  const stop = async (): Promise<StopOutcome> => {
    note({ phase: 'stopping' })
    await become('stopping')
    await around.changed()
    const until = clock.monotonicMs() + spec.stop.drainMs
    let open = await around.inFlight(id)
    while (open > 0 && clock.monotonicMs() < until) {
      await clock.sleep(20)
      open = await around.inFlight(id)
    }
    abort.abort()
    const killed = await endProcess(spec.stop.graceMs)
    const exit = (await exited) ?? current.lastExit
    await removeDirectory(around.directoryOf(id))
    cgroup?.remove()
    records.remove(id)
    return { kind: 'stopped', drained: open === 0, killed, exit }
  }

  return {
    id,
    spec,
    port: () => current.port,
    healthy: () => healthy,
    view: () => ({
      id,
      owner: spec.owner,
      state,
      port: current.port,
      pid: current.process?.pid ?? null,
      startedAt: current.startedAt,
      restarts: current.restarts,
      lastExit: current.lastExit,
      lastProbe,
      memoryBytes: cgroup?.memoryBytes() ?? null,
    }),
    begin: async () => {
      if (current.phase === 'stopping') {
        exited = current.process && isAlive(current.process) ? watchAdopted(current.process) : undefined
        stopping ??= stop()
        await stopping
      } else if (current.phase === 'running') {
        void life().catch((error: unknown) => {
          around.report(`instance ${id}: ${error instanceof Error ? error.message : error}`)
          lastProbe = error instanceof Error ? error.message : String(error)
          note({ phase: 'failed' })
          void become('failed')
        })
      }
    },
    stop: () => {
      stopping ??= stop()
      return stopping
    },
    abandon: () => abort.abort(),
    onChange: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}
