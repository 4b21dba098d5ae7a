import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { edgeLaunch } from '../edge/launch.ts'
import type { EdgeTable } from '../edge/protocol.ts'
import { effect, effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import { identityOf, isAlive, type ProcessIdentity } from '../processes/tree.ts'
import type { TrafficMinute } from './protocol.ts'
import { cleanEnvironment } from './start.ts'

export type EdgeOptions = {
  readonly clock: Clock
  readonly home: string
  readonly sockets: string
  readonly state: string
  readonly listenFd: number
  report(problem: string): void
}

type Known = { readonly process: ProcessIdentity; readonly retired: boolean }

/** Keeps one edge running on the inherited socket, gives it the routes, and lets a new one take over from an old one. */
export const keepEdge = (options: EdgeOptions) => {
  const { clock, state, sockets, report } = options
  const file = join(state, 'edges.json')
  let edges: Known[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []
  let table: EdgeTable = { generation: 0, routes: [] }
  let stopped = false
  let starting: Promise<ProcessIdentity> | undefined
  let pushed: Promise<void> = Promise.resolve()

  const remember = (next: Known[]): void => {
    edges = next.filter((edge) => isAlive(edge.process))
    effectSync('agent.write-edges', () => writeDurably(file, JSON.stringify(edges)))
  }
  const socketOf = ({ pid }: ProcessIdentity): string => join(sockets, `edge-${pid}.sock`)
  const active = (): ProcessIdentity | null =>
    edges.find((edge) => !edge.retired && isAlive(edge.process))?.process ?? null

  const start = async (): Promise<ProcessIdentity> => {
    const { command, args, env } = edgeLaunch({ home: options.home, sockets, state }, cleanEnvironment())
    const log = openSync(join(state, 'edge.log'), 'a', 0o600)
    const child = effectSync('agent.spawn-edge', () =>
      spawn(command, args, { env, detached: true, stdio: ['ignore', log, log, options.listenFd, 'pipe'] }),
    )
    closeSync(log)
    child.on('error', (error) => report(`the edge could not be started: ${error.message}`))
    // The other end of its pipe: it stays open for as long as this agent lives, and must not keep the agent alive by itself.
    child.stdio[4]?.on('error', () => undefined)
    child.unref()
    const born = child.pid === undefined ? null : identityOf(child.pid)
    if (!born) throw new Error('the edge ended as soon as it was started; see agent/edge.log')
    for (const until = clock.monotonicMs() + 10_000; ; ) {
      if ((await ask(socketOf(born), 'GET', '/health').catch(() => null)) !== null) return born
      if (!isAlive(born)) throw new Error('the edge ended as soon as it was started; see agent/edge.log')
      if (clock.monotonicMs() > until) throw new Error('the edge did not answer within 10 s; see agent/edge.log')
      await clock.sleep(10)
    }
  }

  const ensure = (): Promise<ProcessIdentity> => {
    const there = active()
    if (there) return Promise.resolve(there)
    starting ??= start()
      .then(async (born) => {
        await ask(socketOf(born), 'PUT', '/table', table)
        remember([...edges, { process: born, retired: false }])
        return born
      })
      .finally(() => {
        starting = undefined
      })
    return starting
  }

  const send = async (): Promise<void> => {
    const latest = table
    const edge = await ensure()
    await effect('agent.push-routes', () => ask(socketOf(edge), 'PUT', '/table', latest))
  }

  const watch = async (): Promise<void> => {
    while (!stopped) {
      await clock.sleep(200)
      if (!stopped && !active())
        await ensure().catch((error: unknown) => report(error instanceof Error ? error.message : String(error)))
    }
  }
  void watch()

  return {
    pid: (): number | null => active()?.pid ?? null,
    /** Resolves when every new request is routed by this table or a later one. */
    route: (next: EdgeTable): Promise<void> => {
      table = next
      pushed = pushed.catch(() => undefined).then(send)
      return pushed
    },
    ready: async (): Promise<void> => {
      await ensure()
    },
    /** Open requests on an instance, at edges that have retired too. */
    inFlight: async (instance: string): Promise<number> => {
      const counts = await Promise.all(
        edges
          .filter((edge) => isAlive(edge.process))
          .map(async ({ process }) => {
            const seen = (await ask(
              socketOf(process),
              'GET',
              `/in-flight?instance=${encodeURIComponent(instance)}`,
            ).catch(() => null)) as { requests: number } | null
            return seen?.requests ?? 0
          }),
      )
      return counts.reduce((sum, count) => sum + count, 0)
    },
    /** What every living edge has counted, each under an epoch of its own. */
    counters: async (): Promise<{ epoch: string; minutes: TrafficMinute[] }[]> => {
      const all = await Promise.all(
        edges
          .filter((edge) => isAlive(edge.process))
          .map(({ process }) => ask(socketOf(process), 'GET', '/counters').catch(() => null)),
      )
      return all.filter((one) => one !== null) as { epoch: string; minutes: TrafficMinute[] }[]
    },
    /** A new edge takes over the socket; the old one serves what it has open to its end. */
    replace: async (): Promise<number> => {
      const old = active()
      const fresh = await start()
      await ask(socketOf(fresh), 'PUT', '/table', table)
      remember([
        ...edges.map((edge) => (edge.process.pid === old?.pid ? { ...edge, retired: true } : edge)),
        { process: fresh, retired: false },
      ])
      if (old) await effect('agent.retire-edge', () => ask(socketOf(old), 'POST', '/retire'))
      return fresh.pid
    },
    /** Ends every edge, what they have open included. */
    stop: async (): Promise<void> => {
      stopped = true
      for (const { process: one } of edges)
        if (isAlive(one)) effectSync('agent.stop-edge', () => process.kill(one.pid, 'SIGTERM'))
      for (const until = clock.monotonicMs() + 5000; edges.some((edge) => isAlive(edge.process)); ) {
        if (clock.monotonicMs() > until)
          for (const { process: one } of edges) if (isAlive(one)) process.kill(one.pid, 'SIGKILL')
        await clock.sleep(20)
      }
    },
    leave: (): void => {
      stopped = true
    },
  }
}
export type EdgeKeeper = ReturnType<typeof keepEdge>

/** One question to an edge's own socket. */
const ask = (socketPath: string, method: string, path: string, body?: unknown): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body)
    const asking = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        timeout: 5000,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      },
      (answer) => {
        const parts: Buffer[] = []
        answer.on('data', (part: Buffer) => parts.push(part))
        answer.on('error', reject)
        answer.on('end', () => {
          const said = Buffer.concat(parts).toString()
          if ((answer.statusCode ?? 500) >= 300) reject(new Error(`the edge refused ${method} ${path}: ${said}`))
          else resolve(said === '' ? null : JSON.parse(said))
        })
      },
    )
    asking.on('timeout', () => asking.destroy(new Error(`the edge did not answer ${method} ${path} within 5 s`)))
    asking.on('error', reject)
    asking.end(text)
  })
