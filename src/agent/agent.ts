import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { EdgeTable } from '../edge/protocol.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { sendSignal } from '../processes/tree.ts'
import { keepEdge } from './edge.ts'
import { createEvents } from './events.ts'
import { type Supervised, type Surroundings, supervise } from './instance.ts'
import { createJournals } from './journal.ts'
import { freePort, markedProcesses } from './launch.ts'
import type { Instance, InstanceSpec, RouteTable, StopOutcome } from './protocol.ts'
import { createRecords } from './records.ts'
import { createSealing } from './sealing.ts'

export type AgentOptions = {
  readonly home: Home
  readonly clock: Clock
  readonly listenFd: number
  report(problem: string): void
}

/** The machine's agent: owns the services' processes and the edge, whatever becomes of the control plane. */
export const createAgent = async ({ home, clock, listenFd, report }: AgentOptions) => {
  const records = createRecords(join(home.agent, 'instances'), createSealing(home.masterKey))
  const journals = createJournals(join(home.agent, 'logs'), clock)
  const events = createEvents(join(home.agent, 'events.ndjson'), clock)
  const edge = keepEdge({ clock, home: home.root, sockets: home.sockets, state: home.agent, listenFd, report })
  const routesFile = join(home.agent, 'routes.json')
  let routes: RouteTable = existsSync(routesFile)
    ? JSON.parse(readFileSync(routesFile, 'utf8'))
    : { generation: 0, routes: [] }
  const instances = new Map<string, Supervised>()

  const effective = (): EdgeTable => ({
    generation: routes.generation,
    routes: routes.routes.map(({ hosts, service, pools }) => ({
      hosts,
      service,
      pools: pools.map(({ version, weight, instances: ids }) => ({
        version,
        weight,
        endpoints: ids.flatMap((id) => {
          const instance = instances.get(id)
          return instance ? [{ instance: id, port: instance.port(), healthy: instance.healthy() }] : []
        }),
      })),
    })),
  })

  const around: Surroundings = {
    clock,
    records,
    home: home.root,
    directoryOf: (id) => join(home.instances, id),
    spoolOf: journals.spoolOf,
    takenPorts: () => new Set([...instances.values()].map((instance) => instance.port())),
    changed: () =>
      edge
        .route(effective())
        .catch((error: unknown) => report(`the edge was not told: ${error instanceof Error ? error.message : error}`)),
    happened: events.add,
    inFlight: edge.inFlight,
    report,
  }

  const take = (instance: Supervised): void => {
    instances.set(instance.id, instance)
    journals.follow(instance.id, instance.spec.owner)
  }

  /** Ends processes of ours that no record speaks of: they were started in the instant before a crash. */
  const endUnknown = (): void => {
    for (const { pid, instance } of markedProcesses(home.root))
      if (!instances.has(instance)) effectSync('agent.kill-unknown', () => sendSignal(pid, 'SIGKILL'))
  }

  mkdirSync(home.agent, { recursive: true, mode: 0o700 })
  for (const record of records.all(report)) take(supervise(record, around))
  endUnknown()
  await edge.ready()
  for (const instance of [...instances.values()]) {
    const beginning = instance.begin().then(() => {
      if (instance.view().state === 'stopping') forget(instance.id)
    })
    beginning.catch((error: unknown) => report(`instance ${instance.id}: ${error}`))
  }
  await around.changed()
  const tidying = setInterval(() => journals.tidy(), 3600_000).unref()

  function forget(id: string): void {
    instances.delete(id)
    journals.release(id)
  }

  return {
    edge,
    events,
    journals,
    start: async (spec: InstanceSpec): Promise<Instance> => {
      const known = instances.get(spec.id)
      if (known) {
        if (JSON.stringify(known.spec) === JSON.stringify(spec)) return known.view()
        throw new Problem({
          kind: 'instance-exists',
          status: 409,
          detail: `the instance ${spec.id} is there already, from another specification`,
          next: 'stop it first, or choose another name',
        })
      }
      const port = spec.port ?? (await freePort(around.takenPorts()))
      const record = {
        spec,
        port,
        process: null,
        startedAt: null,
        restarts: 0,
        lastExit: null,
        provenAt: null,
        phase: 'running' as const,
      }
      records.write(record)
      const instance = supervise(record, around)
      take(instance)
      await instance.begin()
      return instance.view()
    },
    stop: async (id: string): Promise<StopOutcome> => {
      const instance = instances.get(id)
      if (!instance) return { kind: 'absent' }
      const outcome = await instance.stop()
      forget(id)
      return outcome
    },
    get: (id: string): Instance | null => instances.get(id)?.view() ?? null,
    list: (): Instance[] => [...instances.values()].map((instance) => instance.view()),
    /** The instance once it is healthy or failed, or as it is when the time is over. */
    settled: async (id: string, timeoutMs: number): Promise<Instance | null> => {
      const instance = instances.get(id)
      if (!instance) return null
      const over = () => ['healthy', 'failed', 'stopping'].includes(instance.view().state)
      if (!over())
        await new Promise<void>((resolve) => {
          const timer = setTimeout(done, timeoutMs)
          const forgetListener = instance.onChange(() => {
            if (over()) done()
          })
          function done() {
            clearTimeout(timer)
            forgetListener()
            resolve()
          }
        })
      return instance.view()
    },
    route: async (table: RouteTable): Promise<void> => {
      if (table.generation < routes.generation)
        throw new Problem({
          kind: 'routes-outdated',
          status: 409,
          detail: `routes of generation ${table.generation} came after those of ${routes.generation}`,
          next: 'read the routes and try again',
        })
      effectSync('agent.write-routes', () => writeDurably(routesFile, JSON.stringify(table)))
      routes = table
      await edge.route(effective())
    },
    routes: (): RouteTable => routes,
    /** Leaves; with `stop` every instance and the edge are ended first, in no hurry. */
    shutdown: async (what: 'keep' | 'stop'): Promise<void> => {
      clearInterval(tidying)
      if (what === 'stop') {
        await Promise.all([...instances.values()].map((instance) => instance.stop().then(() => forget(instance.id))))
        await edge.stop()
      } else {
        for (const instance of instances.values()) instance.abandon()
        edge.leave()
      }
      journals.close()
    },
  }
}
export type Agent = Awaited<ReturnType<typeof createAgent>>
