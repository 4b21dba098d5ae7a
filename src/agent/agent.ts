import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { describeError, Problem } from '../problem.ts'
import { cgroupNameOf, openCgroups } from '../processes/cgroups.ts'
import { allPids, sendSignal } from '../processes/tree.ts'
import { keepCertificates } from './acme/keep.ts'
import { placesOf, removeDirectory } from './directory.ts'
import { type Edges, keepEdges } from './edges.ts'
import { type Events, openEvents } from './events.ts'
import { SupervisedInstance, type Surroundings } from './instance.ts'
import { markedInstance } from './leftovers.ts'
import { type Logs, openLogs } from './logs.ts'
import { allotPort } from './ports.ts'
import type { Instance, InstanceSpec, RouteTable, StopOutcome } from './protocol.ts'
import { newRecord, openRecords } from './records.ts'
import { edgeRoutes, openRoutes } from './routes.ts'
import type { Say } from './say.ts'
import { openTraffic, type TrafficMinutes } from './traffic.ts'

export type AgentOptions = {
  readonly home: Home
  readonly clock: Clock
  /** The edge's listening socket; never accepted on here. */
  readonly listenFd: number
  /** The listening socket for TLS; null where there is none. */
  readonly tlsFd: number | null
  readonly say: Say
  /** From 0 to below 1; chooses ports. */
  random(): number
}

/** The machine's agent: owns the services' processes and the edges, whatever becomes of the control plane. See protocol.ts. */
export type Agent = {
  readonly edges: Edges
  readonly events: Events
  readonly logs: Logs
  start(spec: InstanceSpec): Instance
  stop(id: string): Promise<StopOutcome>
  get(id: string): Instance | null
  list(): Instance[]
  settled(id: string, timeoutMs: number, signal: AbortSignal): Promise<Instance | null>
  route(table: RouteTable): Promise<void>
  routes(): RouteTable
  traffic(from: number): Promise<TrafficMinutes>
  /** With `stop` every instance and edge is ended first; with `keep` they go on and a successor takes them over. */
  leave(instances: 'keep' | 'stop'): Promise<void>
}

const tidyMs = 3_600_000
const lastAnswersMs = 5_000

/** Takes over what is on disk and running; resolves when the edge routes by it. */
export const createAgent = async ({ home, clock, listenFd, tlsFd, say, random }: AgentOptions): Promise<Agent> => {
  const recordsDirectory = join(home.agent, 'instances')
  const logsDirectory = join(home.agent, 'logs')
  for (const path of [recordsDirectory, logsDirectory]) mkdirSync(path, { recursive: true, mode: 0o700 })
  const records = openRecords(home, recordsDirectory, say)
  const events = openEvents(join(home.agent, 'events.ndjson'))
  const logs = openLogs(logsDirectory, clock, say)
  const routes = openRoutes(join(home.agent, 'routes.json'))
  const traffic = openTraffic(join(home.agent, 'traffic.json'), () => randomBytes(8).toString('hex'))
  const cgroups = openCgroups(cgroupNameOf(home.agent), clock, say)
  const instances = new Map<string, SupervisedInstance>()
  const edges = keepEdges({
    home,
    clock,
    listenFd,
    tlsFd,
    traffic,
    say,
    routes: () => edgeRoutes(routes.table(), (id) => instances.get(id)?.endpoint() ?? null),
  })

  const certificates =
    tlsFd === null
      ? null
      : keepCertificates({
          ...{ state: home.agent, clock, say },
          names: () => routes.table().routes.flatMap(({ hosts }) => hosts),
        })

  const isRouted = (id: string): boolean =>
    routes
      .table()
      .routes.some(({ pools, mirror }) =>
        [...pools, ...(mirror ? [mirror] : [])].some(({ instances }) => instances.includes(id)),
      )
  const allotting = new Set<number>()
  const around: Surroundings = {
    clock,
    records,
    events,
    cgroups,
    instances: home.instances,
    spools: ({ id, owner }) => logs.follow(id, owner),
    releaseSpools: (id) => logs.release(id),
    allotPort: async () => {
      const taken = [...instances.values()].flatMap(({ port }) => port ?? [])
      const port = await allotPort(new Set([...taken, ...allotting]), random)
      allotting.add(port) // until its instance has it in its record, which a failed start never does
      setTimeout(() => allotting.delete(port), 10_000).unref()
      return port
    },
    changed: (id) => (isRouted(id) ? edges.push() : Promise.resolve()),
    inFlight: (id) => edges.inFlight(id),
  }

  const stopAndForget = async (instance: SupervisedInstance): Promise<StopOutcome> => {
    const outcome = await instance.stop()
    if (instances.get(instance.spec.id) === instance) instances.delete(instance.spec.id)
    return outcome
  }
  const goOn = (instance: SupervisedInstance): void => {
    instance.begin()
    if (instance.isStopping)
      stopAndForget(instance).catch((error: unknown) => say(`${instance.spec.id}: ${describeError(error)}`))
  }

  for (const record of records.load()) instances.set(record.spec.id, new SupervisedInstance(record, around))
  await clearUnknown({ home, instances, cgroups, logs, logsDirectory, say })
  await edges.push()
  for (const instance of instances.values()) goOn(instance)
  const tidying = setInterval(() => logs.tidy(), tidyMs).unref()

  return {
    edges,
    events,
    logs,
    start: (spec) => {
      const known = instances.get(spec.id)
      if (known) {
        if (isDeepStrictEqual(known.spec, spec) && !known.isStopping) return known.view()
        throw new Problem({
          kind: known.isStopping ? 'instance-stopping' : 'instance-exists',
          status: 409,
          detail: `the instance ${spec.id} ${known.isStopping ? 'is being stopped' : 'is there with another specification'}`,
          next: 'choose another id, or start it again once it is stopped',
        })
      }
      const record = newRecord(spec)
      records.save(record)
      const instance = new SupervisedInstance(record, around)
      instances.set(spec.id, instance)
      goOn(instance)
      return instance.view()
    },
    stop: async (id) => {
      const instance = instances.get(id)
      return instance ? stopAndForget(instance) : { kind: 'absent' }
    },
    get: (id) => instances.get(id)?.view() ?? null,
    list: () => [...instances.values()].map((instance) => instance.view()),
    settled: async (id, timeoutMs, signal) => {
      const instance = instances.get(id)
      await instance?.settled(timeoutMs, signal)
      return instance?.view() ?? null
    },
    route: async (table) => {
      routes.replace(table)
      await edges.push()
      certificates?.look()
    },
    routes: () => routes.table(),
    traffic: async (from) => {
      await edges.count()
      return traffic.since(from)
    },
    leave: async (how) => {
      clearInterval(tidying)
      certificates?.leave()
      if (how === 'stop') {
        const edgesEnd = edges.end(lastAnswersMs)
        await Promise.all([...instances.values()].map(stopAndForget))
        await edgesEnd
        cgroups.close()
      } else {
        for (const instance of instances.values()) instance.leave()
        edges.leave()
      }
      logs.close()
    },
  }
}

/** Two homes on one machine may have instances of the same name. */

type Known = {
  readonly home: Home
  readonly instances: ReadonlyMap<string, SupervisedInstance>
  readonly cgroups: ReturnType<typeof openCgroups>
  readonly logs: Logs
  readonly logsDirectory: string
  readonly say: Say
}

/** Ends and removes what no record speaks of: what is left of instances whose record went, and of starts that never had one. */
const clearUnknown = async ({ home, instances, cgroups, logs, logsDirectory, say }: Known): Promise<void> => {
  for (const pid of allPids()) {
    const id = markedInstance(pid, home.instances)
    if (id === null || instances.has(id)) continue
    say(`process ${pid} belongs to no instance that is known (${id}) and is ended`)
    effectSync('agent.unknown-kill', () => sendSignal(pid, 'SIGKILL'))
  }
  for (const id of cgroups.ids()) if (!instances.has(id)) await cgroups.remove(id)
  for (const id of readdirSync(home.instances))
    if (!instances.has(id)) await removeDirectory(placesOf(home.instances, id))
  for (const id of readdirSync(logsDirectory)) if (!instances.has(id)) logs.release(id)
  logs.tidy()
}
