import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { forgetLastWords, lastWordsIn, readLastWords } from '../edge/last-words.ts'
import { edgeLaunch, edgeListenFd, edgeStdio } from '../edge/launch.ts'
import type { EdgeRoute, EdgeSamples } from '../edge/protocol.ts'
import { settingsSignature } from '../edge/settings.ts'
import { parseTaken, TakenElsewhere } from '../edge/taken.ts'
import { effect, effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { describeError, Problem } from '../problem.ts'
import { environmentOf, identityOf, sendSignal } from '../processes/tree.ts'
import { fields, flag, text, whole } from './check.ts'
import { edgeProcesses } from './leftovers.ts'
import { parseSamples } from './samples.ts'
import type { Say } from './say.ts'
import { cleanEnvironment } from './start.ts'
import { atRest, parseBounds, type Strength, strengthAfter } from './strength.ts'
import { parseCounters, type Traffic } from './traffic.ts'
import { ask } from './unix.ts'

export type Edges = {
  /** An edge that accepts, of several the eldest; null for the moment in which there is none. */
  pid(): number | null
  /** Resolves once every edge routes each new request by what `routes` said after this call. */
  push(): Promise<void>
  /** Open requests on an instance over all edges. */
  inFlight(instance: string): Promise<number>
  /** New edges take over the socket, the old ones serve what they have open to its end; the pid of a new one. */
  replace(): Promise<number>
  /** Brings the counters up to date. */
  count(): Promise<void>
  /** What each edge counts for the judge, and what those had counted that ended in the last ten minutes. */
  samples(): Promise<EdgeSamples[]>
  /**
   * No edge starts or accepts any more; resolves when none of this home is left, by force after the limit, and no socket of one. A
   * replacement under way fails.
   */
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
  readonly traffic: Traffic
  readonly say: Say
  /** The program that keeps these edges, where it is not the machine's agent: what an edge starts when it is gone. */
  readonly keeper?: string
  routes(): readonly EdgeRoute[]
}

type Seen = {
  readonly pid: number
  readonly generation: number
  readonly retiring: boolean
  readonly settings: string
  /** For how long it was at work since it started. */
  readonly busyMs: number
}

const lookMs = 500
const keptSamplesMs = 600_000
const saveMs = 10_000
const readyMs = 10_000
/** The kernel ends what is killed as soon as it comes to it. */
const killedMs = 10_000
const longestBackOffMs = 5_000
/** An edge that answers on its socket for no longer than this hangs, with every connection that it holds. */
const longestSilenceMs = 10_000

/**
 * Keeps edges running on the inherited socket: one at rest, more while those that accept have no time left, at most one for each core.
 * Which edges there are is seen from their sockets, whoever started them: those of an agent before this one obey as well and watch over
 * this one.
 */
export const keepEdges = ({ home, clock, listenFd, tlsFd, traffic, say, keeper, routes }: EdgesOptions): Edges => {
  const bounds = parseBounds(process.env.HEADWAY_EDGE_WORKERS ?? '', availableParallelism())
  /** Null until it is known how many an agent before this one has left. */
  let strength: Strength | null = null
  /** The eldest first; all of them this agent's to tell to accept no more. */
  let accepting: readonly Seen[] = []
  let replacing = false
  let newest = 0
  let ended = false
  const children = new Set<ChildProcess>()
  const over = new AbortController()
  const socketOf = (pid: number): string => join(home.sockets, `edge-${pid}.sock`)

  const silentSinceMs = new Map<number, number>()
  /** What one that was killed has left. */
  const clearSocket = (pid: number): void => {
    silentSinceMs.delete(pid)
    effectSync('agent.edge-socket-clear', () => rmSync(socketOf(pid), { force: true }))
  }
  const noteSilence = (pid: number): void => {
    if (identityOf(pid) === null) {
      clearSocket(pid)
      return
    }
    if (!environmentOf(pid).includes(`HEADWAY_EDGE_HOME=${home.root}`)) return // its pid is somebody else's by now
    const since = silentSinceMs.get(pid) ?? clock.monotonicMs()
    silentSinceMs.set(pid, since)
    if (clock.monotonicMs() - since < longestSilenceMs) return
    say(`edge ${pid} hangs: no answer for ${longestSilenceMs / 1000} s; it is killed`)
    killHung(pid)
  }

  const withSocket = (): number[] =>
    readdirSync(home.sockets).flatMap((name) => Number(/^edge-(\d+)\.sock$/.exec(name)?.[1] ?? []))
  const look = async (): Promise<Seen[]> => {
    const pids = withSocket()
    const answers = await Promise.all(pids.map((pid) => healthOf(pid, socketOf(pid))))
    const seen = answers.flatMap((one) => one ?? [])
    for (const { pid } of seen) silentSinceMs.delete(pid)
    for (const pid of pids.filter((one) => !seen.some((answering) => answering.pid === one))) noteSilence(pid)
    for (const { generation } of seen) newest = Math.max(newest, generation)
    return seen
  }

  const start = async (): Promise<Seen> => {
    const { command, args, env } = edgeLaunch(
      { home: home.root, sockets: home.sockets, state: home.agent, ...(keeper === undefined ? {} : { keeper }) },
      cleanEnvironment(),
      tlsFd !== null,
    )
    const log = openSync(join(home.agent, 'edge.log'), 'a', 0o600)
    const child = effectSync('agent.edge-spawn', () =>
      spawn(command, args, {
        env,
        detached: true,
        stdio: edgeStdio(log, listenFd, tlsFd),
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
      accepting = accepting.filter(({ pid }) => pid !== child.pid)
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
  /** A part of the clients of `others` comes to it with their next requests. */
  const startOne = async (others: readonly Seen[] = []): Promise<Seen> => {
    if (ended)
      throw new Problem({
        kind: 'edges-end',
        status: 503,
        detail: 'no edge is started any more, as this agent ends',
        next: 'start Headway again',
      })
    starting ??= start()
      .then(async (fresh) => {
        await tell(fresh.pid)
        for (const { pid } of others) await shed(pid, 1 / (others.length + 1))
        accepting = [...accepting, fresh]
        return fresh
      })
      .finally(() => {
        starting = null
      })
    return starting
  }

  const lastBusyMs = new Map<number, { readonly busyMs: number; readonly atMs: number }>()
  /** The part of the time since the last look that each was at work; of those that were there then. */
  const sharesOf = (serving: readonly Seen[]): number[] => {
    const atMs = clock.monotonicMs()
    const shares = serving.flatMap(({ pid, busyMs }) => {
      const last = lastBusyMs.get(pid)
      return last && atMs > last.atMs ? Math.min(1, Math.max(0, (busyMs - last.busyMs) / (atMs - last.atMs))) : []
    })
    lastBusyMs.clear()
    for (const { pid, busyMs } of serving) lastBusyMs.set(pid, { busyMs, atMs })
    return shares
  }

  /** Sees to it that as many edges accept as are wanted, and at least one before it returns. */
  const settle = async (): Promise<Seen[]> => {
    const seen = await look()
    const serving = seen.filter(({ retiring }) => !retiring)
    const place = (pid: number): number => accepting.findIndex((one) => one.pid === pid) >>> 0 // those unknown at the end
    const ours = serving
      .filter(({ pid }) => hasSocket(pid, listenFd))
      .sort((one, other) => place(one.pid) - place(other.pid))
    strength ??= atRest(bounds, ours.length)
    const { wanted } = strength
    if (!starting && !replacing) {
      // Those of too many, of an agent that died in the instant, and of a socket which is not this agent's.
      for (const { pid } of [...ours.slice(wanted), ...serving.filter((one) => !ours.includes(one))]) await retire(pid)
      accepting = ours.slice(0, wanted)
    }
    if (ended || replacing) return seen
    if (ours.length === 0) return [...seen, await startOne()]
    if (!starting && ours.length < wanted)
      startOne(ours).catch((error: unknown) => say(`edge: ${describeError(error)}`)) // nobody waits for one more
    return seen
  }

  /** Looks how much there is to do. */
  const measure = (seen: readonly Seen[]): void => {
    const serving = seen.filter(({ pid }) => accepting.some((one) => one.pid === pid))
    const before = strength ?? atRest(bounds, serving.length)
    strength = strengthAfter(before, sharesOf(serving), clock.monotonicMs(), bounds)
    if (strength.wanted !== before.wanted) say(`edge: ${strength.wanted} are to accept instead of ${before.wanted}`)
  }

  const takenElsewhere = new TakenElsewhere()
  /** Several edges hold a service's limits together. Nothing is kept of it: what is not told is only a limit held less exactly. */
  const shareLimits = async (): Promise<void> => {
    const pids = accepting.map(({ pid }) => pid)
    if (pids.length < 2 || !routes().some(({ rules }) => rules?.rate)) return
    for (const pid of pids) {
      const body = { taken: takenElsewhere.for(pid) }
      const answer = await ask(socketOf(pid), { method: 'POST', path: '/taken', body, timeoutMs: 2_000 }).catch(
        () => null,
      )
      if (answer?.status === 200) takenElsewhere.told(pid, parseTaken(answer.body), pids)
    }
  }

  const shed = async (pid: number, share: number): Promise<void> => {
    await effect('agent.edge-shed', () =>
      ask(socketOf(pid), { method: 'POST', path: '/shed', body: { share }, timeoutMs: 5_000 }),
    ).catch(() => null) // gone
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
    hearLastWords()
  }

  /** What those had counted that have ended, by epoch. */
  const lastSamples = new Map<string, EdgeSamples>()
  /** Their files are kept as long as anybody asks for it, also one that comes after this agent. */
  const hearLastWords = (): void => {
    for (const { epoch, file } of lastWordsIn(home.agent)) {
      const known = lastSamples.get(epoch)
      if (known && clock.now() - known.at <= keptSamplesMs) continue
      if (known) {
        lastSamples.delete(epoch)
        forgetLastWords(file)
        continue
      }
      try {
        const words = fields(readLastWords(file), 'last words')
        traffic.take(parseCounters(words.counters))
        traffic.save() // before its file may go
        lastSamples.set(epoch, parseSamples(words.samples))
      } catch (error) {
        say(`edge: its last counts in ${file} cannot be read and are given up: ${describeError(error)}`)
        forgetLastWords(file)
      }
    }
  }
  const samplesOf = async (pid: number): Promise<EdgeSamples[]> => {
    const answer = await ask(socketOf(pid), { method: 'GET', path: '/samples', timeoutMs: 5_000 }).catch(() => null)
    return answer?.status === 200 ? [parseSamples(answer.body)] : []
  }
  const samples = async (): Promise<EdgeSamples[]> => {
    const live = (await Promise.all((await look()).map(({ pid }) => samplesOf(pid)))).flat()
    hearLastWords() // those that ended while the others were asked
    const gone = [...lastSamples.values()].filter(({ epoch }) => !live.some((one) => one.epoch === epoch))
    return [...live, ...gone]
  }

  /** An edge reads its settings when it starts: where they have changed since, others take over. */
  const takeUpSettings = async (): Promise<void> => {
    const wanted = settingsSignature(home.agent)
    const earlier = accepting.find(({ settings }) => settings !== wanted)
    if (!earlier) return
    say(`edge ${earlier.pid} runs by earlier settings; another takes over`)
    await replace()
  }

  const replaceNow = async (): Promise<number> => {
    replacing = true // none is started beside those that take over: it would be taken for an old one
    try {
      await starting?.catch(() => {})
      const old = (await look()).filter(({ retiring }) => !retiring)
      const first = await startOne()
      const fresh = [first]
      while (fresh.length < (strength?.wanted ?? 1)) fresh.push(await startOne())
      accepting = fresh
      for (const { pid } of old) await retire(pid)
      return first.pid
    } finally {
      replacing = false
    }
  }
  let replacement: Promise<unknown> = Promise.resolve()
  /** One after the other. */
  const replace = (): Promise<number> => {
    const next = replacement.then(replaceNow)
    replacement = next.catch(() => {})
    return next
  }

  /** Those that answer, and all that can be told by their environment. */
  const left = async (): Promise<Set<number>> =>
    new Set([...(await look()).map(({ pid }) => pid), ...edgeProcesses(home)])

  const endAll = async (limitMs: number): Promise<void> => {
    const told = new Set<number>()
    const until = clock.monotonicMs() + limitMs
    let pids = await left()
    for (; pids.size > 0 && clock.monotonicMs() < until + killedMs; pids = await left()) {
      const isOver = clock.monotonicMs() >= until
      if (isOver) for (const pid of pids) killHung(pid)
      for (const pid of [...pids].filter((one) => !told.has(one))) {
        // SIGTERM: unlike one that hands over, an edge for which none follows does not wait for idle connections.
        effectSync('agent.edge-end', () => sendSignal(pid, 'SIGTERM'))
        told.add(pid)
      }
      await count().catch(() => {})
      await clock.sleep(isOver ? 10 : 50)
    }
    if (pids.size > 0) say(`edges were killed and are still there: ${[...pids].join(', ')}`)
    for (const pid of withSocket()) if (!pids.has(pid)) clearSocket(pid)
  }

  let wake = (): void => {}
  const watch = async (): Promise<void> => {
    let failures = 0
    let savedAt = clock.monotonicMs()
    while (!over.signal.aborted) {
      try {
        if (!starting && !ended) measure(await settle())
        if (!starting && !ended) await takeUpSettings()
        await shareLimits()
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
    pid: () => accepting[0]?.pid ?? null,
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
      await endAll(limitMs)
      hearLastWords()
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
      busyMs: health.busyMs === undefined ? 0 : whole(health.busyMs, 'busyMs'), // one of a former version does not tell
    }
  } catch {
    return null
  }
}
