import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import type { Agent as HttpAgent } from 'node:http'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { Agent, sendRequest as request } from '../edge/http.ts'
import { edgeLaunch, edgeListenFd } from '../edge/launch.ts'
import type { EdgeRoute, EdgeSamples } from '../edge/protocol.ts'
import { settingsSignature } from '../edge/settings.ts'
import { effect, effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { describeError, Problem } from '../problem.ts'
import { environmentOf, identityOf, sendSignal } from '../processes/tree.ts'
import { fields, flag, text, whole } from './check.ts'
import { parseSamples } from './samples.ts'
import type { Say } from './say.ts'
import { cleanEnvironment } from './start.ts'
import { parseCounters, type Traffic } from './traffic.ts'
import { ask } from './unix.ts'

export type Edges = {
  /** The edge that accepts; null for the moment in which there is none. */
  pid(): number | null
  /** Resolves once every edge routes each new request by what `routes` said after this call. */
  push(): Promise<void>
  /** Open requests on an instance over all edges. */
  inFlight(instance: string): Promise<number>
  /** A new edge takes over the socket, the old ones serve what they have open to its end; the new one's pid. */
  replace(): Promise<number>
  /** Brings the counters up to date. */
  count(): Promise<void>
  /** What each edge counts for the judge, and what those had counted that ended in the last ten minutes. */
  samples(): Promise<EdgeSamples[]>
  /** No edge accepts any more; resolves when all have ended, by force after the limit. */
  end(limitMs: number): Promise<void>
  /** Looks after them no more; they go on. */
  leave(): void
}

export type EdgesOptions = {
  readonly home: Home
  readonly clock: Clock
  readonly listenFd: number
  /** The listening socket for TLS; null where there is none. */
  readonly tlsFd: number | null
  /** Where the socket listens. */
  readonly address: { readonly host: string; readonly port: number }
  readonly traffic: Traffic
  readonly say: Say
  routes(): readonly EdgeRoute[]
}

type Seen = {
  readonly pid: number
  readonly generation: number
  readonly retiring: boolean
  readonly settings: string
  /** Connections of clients. */
  readonly open: number
}

const lookMs = 500
const keptSamplesMs = 600_000
const saveMs = 10_000
const readyMs = 10_000
const longestBackOffMs = 5_000
/** An edge that answers on its socket for no longer than this hangs, with every connection that it holds. */
const longestSilenceMs = 10_000

/**
 * Keeps one edge running on the inherited socket. Which edges there are is seen from their sockets, whoever started them: those of
 * an agent before this one obey as well and watch over this one.
 */
export const keepEdges = ({ home, clock, listenFd, tlsFd, address, traffic, say, routes }: EdgesOptions): Edges => {
  let accepting: Seen | null = null
  let newest = 0
  let ended = false
  const children = new Set<ChildProcess>()
  const over = new AbortController()
  const socketOf = (pid: number): string => join(home.sockets, `edge-${pid}.sock`)

  const silentSinceMs = new Map<number, number>()
  const noteSilence = (pid: number): void => {
    if (identityOf(pid) === null) {
      silentSinceMs.delete(pid)
      effectSync('agent.edge-socket-clear', () => rmSync(socketOf(pid), { force: true })) // it was killed
      return
    }
    if (!environmentOf(pid).includes(`HEADWAY_EDGE_HOME=${home.root}`)) return // its pid is somebody else's by now
    const since = silentSinceMs.get(pid) ?? clock.monotonicMs()
    silentSinceMs.set(pid, since)
    if (clock.monotonicMs() - since < longestSilenceMs) return
    say(`edge ${pid} hangs: no answer for ${longestSilenceMs / 1000} s; it is killed`)
    killHung(pid)
  }

  const look = async (): Promise<Seen[]> => {
    const pids = readdirSync(home.sockets).flatMap((name) => Number(/^edge-(\d+)\.sock$/.exec(name)?.[1] ?? []))
    const answers = await Promise.all(pids.map((pid) => healthOf(pid, socketOf(pid))))
    const seen = answers.flatMap((one) => one ?? [])
    for (const { pid } of seen) silentSinceMs.delete(pid)
    for (const pid of pids.filter((one) => !seen.some((answering) => answering.pid === one))) noteSilence(pid)
    for (const { generation } of seen) newest = Math.max(newest, generation)
    return seen
  }

  const start = async (): Promise<Seen> => {
    const { command, args, env } = edgeLaunch(
      { home: home.root, sockets: home.sockets, state: home.agent },
      cleanEnvironment(),
      tlsFd !== null,
    )
    const log = openSync(join(home.agent, 'edge.log'), 'a', 0o600)
    const child = effectSync('agent.edge-spawn', () =>
      spawn(command, args, {
        env,
        detached: true,
        stdio: ['ignore', log, log, listenFd, 'pipe', ...(tlsFd === null ? [] : [tlsFd])],
      }),
    )
    closeSync(log)
    // The pipe stays open for as long as this process lives, which is all that it says; it keeps nothing alive by itself.
    children.add(child)
    child.stdio[4]?.on('error', () => {})
    child.unref()
    let gone: string | null = null
    child.once('error', (error) => {
      gone = error.message
    })
    child.once('exit', (exitCode, signal) => {
      gone = `it ended with ${signal ?? exitCode}`
      children.delete(child)
      if (accepting?.pid === child.pid) accepting = null
      wake()
    })
    const until = clock.monotonicMs() + readyMs
    for (;;) {
      const seen = child.pid === undefined ? null : await healthOf(child.pid, socketOf(child.pid))
      if (seen) return seen
      if (gone !== null || clock.monotonicMs() > until) {
        if (child.pid !== undefined && gone === null) sendSignal(child.pid, 'SIGKILL')
        throw new Problem({
          kind: 'edge-not-started',
          status: 503,
          detail: `the edge did not start: ${gone ?? `it did not answer within ${readyMs} ms`}`,
          next: `read ${join(home.agent, 'edge.log')}`,
        })
      }
      await clock.sleep(5)
    }
  }

  /** Gives one edge the table of this moment; false when it is gone. */
  const tell = async (pid: number): Promise<boolean> => {
    for (;;) {
      newest = Math.max(newest + 1, clock.now())
      const table = { generation: newest, routes: routes() }
      try {
        const answer = await effect('agent.edge-table', () =>
          ask(socketOf(pid), { method: 'PUT', path: '/table', body: table, timeoutMs: 5_000 }),
        )
        if (answer.status === 200) return true
        if (answer.status !== 409) throw new Error(`the edge ${pid} refused the routes: ${JSON.stringify(answer.body)}`)
        await look() // it has a newer table than this agent knew of
      } catch (error) {
        if (await healthOf(pid, socketOf(pid))) throw error
        return false
      }
    }
  }

  let starting: Promise<Seen> | null = null
  const startOne = (): Promise<Seen> => {
    starting ??= start()
      .then(async (fresh) => {
        await tell(fresh.pid)
        accepting = fresh
        return fresh
      })
      .finally(() => {
        starting = null
      })
    return starting
  }

  /** Sees to it that exactly one edge accepts. */
  const settle = async (): Promise<Seen[]> => {
    const seen = await look()
    const serving = seen.filter(({ retiring }) => !retiring)
    const [first, ...surplus] = serving
      .filter(({ pid }) => hasSocket(pid, listenFd))
      .sort((left) => (left.pid === accepting?.pid ? -1 : 1))
    // One that an agent started in the instant of its death, or that serves a socket which is not this agent's.
    const unwanted = [...surplus, ...serving.filter(({ pid }) => !hasSocket(pid, listenFd))]
    if (!starting) for (const { pid } of unwanted) await retire(pid)
    if (first) {
      accepting = first
      return seen
    }
    accepting = null
    if (ended) return seen
    return [...seen, await startOne()]
  }

  const retire = async (pid: number): Promise<void> => {
    await effect('agent.edge-retire', () =>
      ask(socketOf(pid), { method: 'POST', path: '/retire', body: {}, timeoutMs: 5_000 }),
    ).catch(() => null) // gone
  }

  const pushNow = async (): Promise<void> => {
    const seen = await settle()
    const heard = await Promise.all(seen.map(({ pid }) => tell(pid)))
    if (!ended && !heard.includes(true)) await startOne()
  }
  let running: Promise<void> = Promise.resolve()
  let queued: Promise<void> | null = null
  const push = (): Promise<void> => {
    queued ??= running
      .catch(() => {})
      .then(() => {
        queued = null
        running = pushNow()
        return running
      })
    return queued
  }

  const count = async (): Promise<void> => {
    for (const { pid } of await look()) {
      const answer = await ask(socketOf(pid), { method: 'GET', path: '/counters', timeoutMs: 5_000 }).catch(() => null)
      if (answer?.status === 200) traffic.take(parseCounters(answer.body))
    }
  }

  /** Last words of edges that hand over, by epoch: whoever asks seldom would miss them. */
  const lastSamples = new Map<string, EdgeSamples>()
  const samplesOf = async (pid: number): Promise<EdgeSamples[]> => {
    const answer = await ask(socketOf(pid), { method: 'GET', path: '/samples', timeoutMs: 5_000 }).catch(() => null)
    return answer?.status === 200 ? [parseSamples(answer.body)] : []
  }
  const samples = async (): Promise<EdgeSamples[]> => {
    const live = (await Promise.all((await look()).map(({ pid }) => samplesOf(pid)))).flat()
    for (const [epoch, { at }] of lastSamples) if (clock.now() - at > keptSamplesMs) lastSamples.delete(epoch)
    const gone = [...lastSamples.values()].filter(({ epoch }) => !live.some((one) => one.epoch === epoch))
    return [...live, ...gone]
  }

  /** What a retiring edge still serves counts, too: it lives for as long as one connection is open, and this is the last one. */
  const countToTheEnd = async (old: readonly Seen[], hold: HttpAgent): Promise<void> => {
    const isBusy = async ({ pid }: Seen): Promise<boolean> => ((await healthOf(pid, socketOf(pid)))?.open ?? 0) > 1
    while (!over.signal.aborted && (await Promise.all(old.map(isBusy))).includes(true))
      await clock.sleep(lookMs, over.signal).catch(() => {})
    await count().catch((error: unknown) => say(`edge: ${describeError(error)}`))
    for (const { pid } of old) for (const last of await samplesOf(pid)) lastSamples.set(last.epoch, last)
    hold.destroy()
  }

  /** An edge reads its settings when it starts: where they have changed since, another takes over. */
  const takeUpSettings = async (): Promise<void> => {
    const wanted = settingsSignature(home.agent)
    if (accepting === null || accepting.settings === wanted) return
    say(`edge ${accepting.pid} runs by earlier settings; another takes over`)
    await replace()
  }

  const replace = async (): Promise<number> => {
    await starting?.catch(() => {})
    const old = (await look()).filter(({ retiring }) => !retiring)
    const hold = old.length === 1 ? await holdOpen(address) : null
    const fresh = await startOne()
    for (const { pid } of old) await retire(pid)
    if (hold) void countToTheEnd(old, hold)
    return fresh.pid
  }

  let wake = (): void => {}
  const watch = async (): Promise<void> => {
    let failures = 0
    let savedAt = clock.monotonicMs()
    while (!over.signal.aborted) {
      try {
        if (!starting && !ended) await settle()
        if (!starting && !ended) await takeUpSettings()
        await count()
        if (clock.monotonicMs() - savedAt > saveMs) {
          traffic.save()
          savedAt = clock.monotonicMs()
        }
        failures = 0
      } catch (error) {
        failures += 1
        say(`edge: ${describeError(error)}`)
      }
      const pauseMs = failures === 0 ? lookMs : Math.min(longestBackOffMs, 100 * 2 ** failures)
      await Promise.race([
        clock.sleep(pauseMs, over.signal).catch(() => {}),
        new Promise<void>((resolve) => {
          wake = failures === 0 ? resolve : () => {}
        }),
      ])
    }
  }
  void watch()

  return {
    pid: () => accepting?.pid ?? null,
    push,
    inFlight: async (instance) => {
      const path = `/in-flight?instance=${encodeURIComponent(instance)}`
      const counts = await Promise.all(
        (await look()).map(async ({ pid }) => {
          const answer = await ask(socketOf(pid), { method: 'GET', path, timeoutMs: 5_000 }).catch(() => null)
          return answer?.status === 200 ? whole(fields(answer.body, 'in-flight').requests, 'requests') : 0
        }),
      )
      return counts.reduce((sum, open) => sum + open, 0)
    },
    replace,
    count,
    samples,
    end: async (limitMs) => {
      ended = true
      await starting?.catch(() => {})
      await count().catch(() => {})
      // SIGTERM: unlike one that hands over, an edge for which none follows does not wait for idle connections.
      for (const { pid } of await look()) effectSync('agent.edge-end', () => sendSignal(pid, 'SIGTERM'))
      const until = clock.monotonicMs() + limitMs
      while (((await look()).length > 0 || silentSinceMs.size > 0) && clock.monotonicMs() < until) {
        await count().catch(() => {})
        await clock.sleep(50)
      }
      for (const { pid } of await look()) killHung(pid)
      for (const pid of silentSinceMs.keys()) killHung(pid)
      await clock.sleep(10)
      await look() // clears what those that were killed have left
      over.abort()
      traffic.save()
    },
    leave: () => {
      ended = true
      over.abort()
      traffic.save()
    },
  }
}

const killHung = (pid: number): void => {
  effectSync('agent.edge-kill', () => sendSignal(pid, 'SIGKILL'))
}

/** A connection that the accepting edge has answered on (for a host that no service has) and keeps open; null when none answered. */
const holdOpen = ({ host, port }: EdgesOptions['address']): Promise<HttpAgent | null> =>
  new Promise((resolve) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const reachable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
    const asked = request(
      { host: reachable, port, agent, timeout: 5_000, headers: { host: 'edge.invalid' } },
      (response) => {
        response.resume()
        response.once('end', () => resolve(agent))
        response.once('error', () => resolve(null))
      },
    )
    asked.once('timeout', () => asked.destroy(new Error('no answer')))
    asked.once('error', () => resolve(null))
    asked.end()
  })

/** Whether a process holds the very socket that is our descriptor; assumed where /proc does not tell. */
const hasSocket = (pid: number, descriptor: number): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/fd/${edgeListenFd}`) === readlinkSync(`/proc/self/fd/${descriptor}`)
  } catch {
    return true
  }
}

const healthOf = async (pid: number, socketPath: string): Promise<Seen | null> => {
  try {
    const { status, body } = await ask(socketPath, { method: 'GET', path: '/health', timeoutMs: 2_000 })
    const health = fields(body, 'health')
    if (status !== 200 || whole(health.pid, 'pid') !== pid) return null
    return {
      pid,
      generation: whole(health.generation, 'generation'),
      retiring: flag(health.retiring, 'retiring'),
      settings: health.settings === undefined ? 'none' : text(health.settings, 'settings'), // one of an earlier version
      open: whole(health.openConnections, 'openConnections'),
    }
  } catch {
    return null
  }
}
