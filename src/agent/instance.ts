import { closeSync, openSync } from 'node:fs'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import type { Cgroups } from '../processes/cgroups.ts'
import { groupMembers, isAlive, listeningPorts, signalGroup } from '../processes/tree.ts'
import { placesOf, prepareDirectory, removeDirectory, workingDirectoryOf } from './directory.ts'
import type { Events } from './events.ts'
import type { Stream } from './journal.ts'
import { adopt, launch, type Running } from './launch.ts'
import { type Family, killLeftovers, marksOf } from './leftovers.ts'
import { instanceHost, isFree } from './ports.ts'
import { probe } from './probe.ts'
import type { AgentEvent, Exit, Instance, InstanceSpec, StopOutcome } from './protocol.ts'
import type { InstanceRecord, Records } from './records.ts'

/** What an instance needs of the agent. */
export type Surroundings = {
  readonly clock: Clock
  readonly records: Records
  readonly events: Events
  readonly cgroups: Cgroups
  /** The directory of all instances' own directories. */
  readonly instances: string
  /** Where the output goes; follows it from then on. */
  spools(spec: InstanceSpec): Record<Stream, string>
  /** Takes the last of the output and follows it no more. */
  releaseSpools(id: string): void
  allotPort(): Promise<number>
  /** What the edges must know of it has changed; resolves once they route so. */
  changed(id: string): Promise<void>
  inFlight(id: string): Promise<number>
}

/** While starting, probes come quickly: a push waits for them. */
const startingPaces = [
  { afterMs: 0, paceMs: 25 },
  { afterMs: 3_000, paceMs: 100 },
  { afterMs: 15_000, paceMs: 500 },
] as const
/** Looking for the port on which it listens instead costs more than a probe. */
const explainEveryMs = 500
const firstBackOffMs = 500
const longestBackOffMs = 30_000
/** Healthy for this long, its next exit counts as the first. */
const steadyMs = 60_000
/** Never healthy and exited this often: not started again. */
const hopelessExits = 2
const drainPaceMs = 25

type Ending = { readonly kind: 'exited'; readonly exit: Exit } | { readonly kind: 'late' } | { readonly kind: 'quit' }

/** One supervised service process: started, probed, started again, stopped. Its record on disk is always ahead of the world. */
export class SupervisedInstance {
  readonly spec: InstanceSpec
  readonly #around: Surroundings
  readonly #quit = new AbortController()
  readonly #listeners = new Set<() => void>()
  #record: InstanceRecord
  #state: Instance['state']
  #lastProbe: string | null
  #running: Running | null = null
  #life: Promise<void> = Promise.resolve()
  #stopped: Promise<StopOutcome> | null = null
  #exitsInRow = 0
  #healthySinceMs = 0
  #outOfMemoryKills = 0
  #toldEndpoint = ''

  constructor(record: InstanceRecord, around: Surroundings) {
    this.#around = around
    this.#record = record
    this.#lastProbe = record.lastProbe
    this.spec = record.spec
    this.#state = record.failed ? 'failed' : record.isHealthy ? 'healthy' : 'starting'
    this.#adopt()
  }

  /** Goes on where its record says: stops, lives, or stays failed. */
  begin(): void {
    if (this.#record.stopping) void this.stop()
    else if (!this.#record.failed) this.#life = this.#live()
  }

  get isStopping(): boolean {
    return this.#record.stopping
  }

  get port(): number | null {
    return this.#record.port
  }

  /** Where it takes requests; null once it is stopping. */
  endpoint(): { port: number; healthy: boolean } | null {
    const { port, stopping } = this.#record
    return stopping || port === null ? null : { port, healthy: this.#state === 'healthy' }
  }

  view(): Instance {
    const { startedAt, restarts, lastExit, port } = this.#record
    return {
      id: this.spec.id,
      owner: this.spec.owner,
      state: this.#state,
      port: port ?? 0,
      pid: this.#running?.identity.pid ?? null,
      startedAt,
      restarts,
      lastExit,
      lastProbe: this.#lastProbe,
      memoryBytes: this.#running ? this.#around.cgroups.memoryBytes(this.spec.id) : null,
    }
  }

  /** Resolves when it is healthy, failed or stopping, or the time is over. */
  settled(timeoutMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const isSettled = (): boolean => ['healthy', 'failed', 'stopping'].includes(this.#state)
      const finish = (): void => {
        clearTimeout(patience)
        this.#listeners.delete(look)
        signal.removeEventListener('abort', finish)
        resolve()
      }
      const look = (): void => {
        if (isSettled()) finish()
      }
      const patience = setTimeout(finish, timeoutMs)
      signal.addEventListener('abort', finish)
      this.#listeners.add(look)
      look()
    })
  }

  /** Out of the routes, drained, ended, its directory gone, its record last. Asked again, it is the same stop. */
  stop(): Promise<StopOutcome> {
    this.#stopped ??= this.#end()
    return this.#stopped
  }

  /** Lets go of it without ending it: a successor will adopt it. */
  leave(): void {
    this.#quit.abort()
  }

  #adopt(): void {
    const { process } = this.#record
    if (!process || !isAlive(process)) return
    this.#outOfMemoryKills = this.#around.cgroups.outOfMemoryKills(this.spec.id)
    this.#running = adopt(process, () => this.#ranOutOfMemory(), this.#around.clock)
    this.#healthySinceMs = this.#around.clock.monotonicMs()
  }

  async #live(): Promise<void> {
    this.#around.spools(this.spec)
    if (this.#record.process && !this.#running) await this.#noteEndWhileAway()
    while (!this.#quit.signal.aborted && !this.#record.failed) {
      const ending = await this.#liveOnce()
      if (ending.kind === 'quit') return
      if (ending.kind === 'late') return this.#fail(null)
      await this.#noteExit(ending.exit)
    }
  }

  async #liveOnce(): Promise<Ending> {
    try {
      this.#running ??= await this.#launch()
    } catch (error) {
      this.#lastProbe = `could not be started: ${describeError(error)}`
      return {
        kind: 'exited',
        exit: { exitCode: null, signal: null, outOfMemory: false, at: this.#around.clock.now() },
      }
    }
    return this.#running ? this.#attend(this.#running) : { kind: 'quit' }
  }

  async #launch(): Promise<Running | null> {
    const { clock, cgroups, instances } = this.#around
    const { id } = this.spec
    const places = placesOf(instances, id)
    await killLeftovers(this.#family(), clock) // of a process before, or of a start that was not written down
    const port = await this.#choosePort()
    if (!this.#record.prepared) await prepareDirectory(places, this.spec)
    const cwd = workingDirectoryOf(places, this.spec)
    if (this.#quit.signal.aborted) return null
    cgroups.prepare(id, this.spec.limits)
    this.#outOfMemoryKills = cgroups.outOfMemoryKills(id)
    const spools = this.#around.spools(this.spec)
    const [stdout, stderr] = [openSync(spools.stdout, 'a', 0o600), openSync(spools.stderr, 'a', 0o600)]
    try {
      const env = {
        ...this.spec.env,
        ...marksOf(id, instances),
        PORT: String(port),
        HOST: instanceHost,
        HOME: places.home,
        TMPDIR: places.tmp,
      }
      const { argv, user } = this.spec
      const gated = await launch({ argv, user, cwd, env, stdout, stderr }, () => this.#ranOutOfMemory(), clock)
      const now = clock.now()
      const { identity } = gated.running
      this.#save({
        port,
        prepared: true,
        process: identity,
        startedAt: now,
        firstStartedAt: this.#record.firstStartedAt ?? now,
      })
      cgroups.place(id, identity.pid)
      effectSync('agent.instance-release', () => gated.release())
      return gated.running
    } finally {
      closeSync(stdout)
      closeSync(stderr)
    }
  }

  /** The fixed one, else the one of last time unless somebody else took it meanwhile. */
  async #choosePort(): Promise<number> {
    const fixed = this.spec.port ?? this.#record.port
    if (fixed !== null && (await isFree(fixed))) return fixed
    if (this.spec.port !== null) throw new Error(`port ${this.spec.port} is taken by another program`)
    return this.#around.allotPort()
  }

  /** Probes until it ends, is given up, or this agent lets go of it. */
  async #attend(running: Running): Promise<Ending> {
    const { clock } = this.#around
    const ended = new AbortController()
    void running.exited.then(() => ended.abort())
    const signal = AbortSignal.any([ended.signal, this.#quit.signal])
    const began = clock.monotonicMs()
    let failures = 0
    let explainedAtMs = Number.NEGATIVE_INFINITY
    if (this.#state !== 'healthy') this.#become('starting')
    while (!signal.aborted) {
      const port = this.#record.port ?? 0
      const seen = await probe(this.spec.health, port, signal)
      if (signal.aborted) break
      if (seen.healthy) {
        failures = 0
        this.#lastProbe = seen.said
        if (this.#state !== 'healthy') this.#becomeHealthy()
      } else if (this.#state === 'healthy') {
        failures += 1
        this.#lastProbe = seen.said
        if (failures >= this.spec.health.failures) await this.#endUnhealthy(running)
      } else {
        const now = clock.monotonicMs()
        const isLate = this.#isLate()
        if (isLate || now - explainedAtMs > explainEveryMs) {
          this.#lastProbe = this.#explain(seen.said, running)
          explainedAtMs = now
        }
        if (isLate && !this.#record.everHealthy) return { kind: 'late' }
        if (isLate) await this.#endUnhealthy(running)
      }
      const waitedMs = clock.monotonicMs() - began
      const pace = startingPaces.findLast(({ afterMs }) => waitedMs >= afterMs)?.paceMs ?? 25
      const pauseMs = this.#state === 'healthy' ? this.spec.health.intervalMs : pace
      await clock.sleep(pauseMs, signal).catch(() => {})
    }
    if (this.#quit.signal.aborted) return { kind: 'quit' }
    return { kind: 'exited', exit: await running.exited }
  }

  #isLate(): boolean {
    const { everHealthy, firstStartedAt, startedAt } = this.#record
    const since = everHealthy ? startedAt : firstStartedAt
    return since !== null && this.#around.clock.now() - since > this.spec.readyTimeoutMs
  }

  #explain(said: string, running: Running): string {
    const port = this.#record.port ?? 0
    const elsewhere = listeningPorts(groupMembers(running.identity.pid))
    if (elsewhere.length === 0 || elsewhere.includes(port)) return said
    return `${said}; it listens on ${elsewhere.join(', ')}, PORT is ${port}`
  }

  #becomeHealthy(): void {
    this.#healthySinceMs = this.#around.clock.monotonicMs()
    this.#state = 'healthy' // before the record, so that what waits for the disk does not wait for the route
    this.#tell('healthy', null, null)
    this.#save({ everHealthy: true, isHealthy: true })
    this.#become('healthy')
  }

  /** It answers no more: no new requests for it, then its end. Its exit is what the caller sees next. */
  async #endUnhealthy(running: Running): Promise<void> {
    this.#become('unhealthy')
    this.#tell('unhealthy', null, null)
    await this.#terminate(running)
  }

  /** It ended while no agent was there. One that was not yet healthy may never have been let through its gate: that is no exit. */
  async #noteEndWhileAway(): Promise<void> {
    if (this.#record.isHealthy) await this.#noteExit(this.#exitWhileAway())
    else this.#save({ process: null })
  }

  #exitWhileAway(): Exit {
    const { lastExit, startedAt } = this.#record
    const isNoted = lastExit !== null && startedAt !== null && lastExit.at >= startedAt
    return isNoted ? lastExit : { exitCode: null, signal: null, outOfMemory: false, at: this.#around.clock.now() }
  }

  /** Writes down how it ended, the event first: a crash between the two tells it twice rather than never. */
  async #noteExit(exit: Exit): Promise<void> {
    const { clock } = this.#around
    const wasSteady = this.#state === 'healthy' && clock.monotonicMs() - this.#healthySinceMs > steadyMs
    this.#exitsInRow = wasSteady ? 1 : this.#exitsInRow + 1
    const isHopeless = !this.#record.everHealthy && this.#record.restarts + 1 >= hopelessExits
    const restartInMs = isHopeless ? null : Math.min(longestBackOffMs, firstBackOffMs * 2 ** (this.#exitsInRow - 1))
    if (!this.#isTold()) this.#tell('exited', exit, restartInMs)
    const leader = this.#running?.identity.pid ?? null
    this.#running = null
    this.#become('backing-off')
    await killLeftovers(this.#family(leader), clock)
    if (isHopeless) return this.#fail(exit)
    this.#save({ process: null, isHealthy: false, lastExit: exit, restarts: this.#record.restarts + 1 })
    await clock.sleep(restartInMs ?? 0, this.#quit.signal).catch(() => {})
  }

  /** Whether an agent before this one has told of this very exit already. */
  #isTold(): boolean {
    const last = this.#around.events.lastOf(this.spec.id)
    return last?.kind === 'exited' && last.at > (this.#record.startedAt ?? 0) && this.#record.process !== null
  }

  async #fail(exit: Exit | null): Promise<void> {
    const running = this.#running
    if (running) await this.#terminate(running, 0)
    await killLeftovers(this.#family(), this.#around.clock)
    this.#running = null
    const lastExit = exit ?? this.#record.lastExit
    this.#save({ failed: true, isHealthy: false, process: null, lastExit, lastProbe: this.#lastProbe })
    this.#tell('failed', lastExit, null)
    this.#become('failed')
  }

  async #end(): Promise<StopOutcome> {
    const { clock, cgroups, instances, records } = this.#around
    const { id, stop } = this.spec
    if (!this.#record.stopping) this.#save({ stopping: true, isHealthy: false })
    this.#become('stopping')
    this.#quit.abort()
    await this.#life.catch(() => {})
    await this.#around.changed(id)
    const drained = await this.#drain(this.#running ? stop.drainMs : 0)
    const { killed, exit } = this.#running ? await this.#terminate(this.#running) : { killed: false, exit: null }
    await killLeftovers(this.#family(), clock)
    this.#running = null
    await cgroups.remove(id)
    await removeDirectory(placesOf(instances, id))
    this.#around.releaseSpools(id)
    records.remove(id)
    return { kind: 'stopped', drained, killed, exit: exit ?? this.#record.lastExit }
  }

  async #drain(limitMs: number): Promise<boolean> {
    const { clock } = this.#around
    const until = clock.monotonicMs() + limitMs
    for (;;) {
      if ((await this.#around.inFlight(this.spec.id)) === 0) return true
      if (clock.monotonicMs() >= until || (this.#running && !isAlive(this.#running.identity))) return false
      await clock.sleep(drainPaceMs)
    }
  }

  /** The signal to the whole group, SIGKILL to what is left of it after the grace. */
  async #terminate(running: Running, graceMs = this.spec.stop.graceMs): Promise<{ killed: boolean; exit: Exit }> {
    const { clock } = this.#around
    const { pid } = running.identity
    const done = new AbortController()
    const exited = running.exited.finally(() => done.abort())
    if (isAlive(running.identity)) effectSync('agent.stop-signal', () => signalGroup(pid, this.spec.stop.signal))
    const inTime = await Promise.race([
      exited.then(() => true),
      clock.sleep(graceMs, done.signal).then(
        () => false,
        () => true,
      ),
    ])
    if (!inTime) effectSync('agent.stop-kill', () => signalGroup(pid, 'SIGKILL'))
    const exit = await exited
    await killLeftovers(this.#family(pid), clock)
    return { killed: !inTime, exit }
  }

  #family(leader: number | null = null): Family {
    const { cgroups, instances } = this.#around
    return { id: this.spec.id, instances, leader, members: () => cgroups.members(this.spec.id) }
  }

  #ranOutOfMemory(): boolean {
    return this.#around.cgroups.outOfMemoryKills(this.spec.id) > this.#outOfMemoryKills
  }

  #save(change: Partial<InstanceRecord>): void {
    this.#record = { ...this.#record, ...change }
    this.#around.records.save(this.#record)
  }

  #tell(kind: AgentEvent['kind'], exit: Exit | null, restartInMs: number | null): void {
    const { events, clock } = this.#around
    events.append({ at: clock.now(), instance: this.spec.id, owner: this.spec.owner, kind, exit, restartInMs })
  }

  #become(state: Instance['state']): void {
    this.#state = state
    const endpoint = JSON.stringify(this.endpoint())
    if (endpoint !== this.#toldEndpoint) {
      this.#toldEndpoint = endpoint
      this.#around.changed(this.spec.id).catch(() => {}) // told again with the next change, and by whoever starts an edge
    }
    for (const listener of this.#listeners) listener()
  }
}
