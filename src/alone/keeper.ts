import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { keepCertificates } from '../agent/acme/keep.ts'
import { type Edges, keepEdges } from '../agent/edges.ts'
import type { Say } from '../agent/say.ts'
import { openTraffic, type Traffic } from '../agent/traffic.ts'
import type { Clock } from '../clock.ts'
import type { EdgeRoute } from '../edge/protocol.ts'
import { tableFile } from '../edge/table.ts'
import type { Home } from '../home.ts'
import { describeError, describeProblem } from '../problem.ts'
import { readInProcess, routesInWords } from './reading.ts'

export type KeeperOptions = {
  readonly home: Home
  readonly clock: Clock
  /** The file of routes. */
  readonly file: string
  /** Listening sockets, never accepted on here; `tlsFd` is null where there is none. */
  readonly listenFd: number
  readonly tlsFd: number | null
  /** This program, which an edge starts again when its keeper is gone. */
  readonly program: string
  readonly say: Say
}

/** What became of the file when it was read last; `problems` as a person reads them. */
export type Reload = { readonly count: number; readonly routes: number; readonly problems: readonly string[] }

export type Keeper = {
  readonly edges: Edges
  readonly traffic: Traffic
  /** Reads the file and routes by it; what cannot be read changes nothing. */
  reload(): Promise<Reload>
  lastReload(): Reload
  /** Leaves edges and sockets to another keeper. */
  leave(): void
  /** No edge accepts any more; resolves when what is open has ended, by force after the limit. */
  end(limitMs: number): Promise<void>
}

const lookMs = 1_000

/** Keeps edges that route by a file; resolves when they do. As the machine's agent does, but with nothing else to look after. */
export const keepAlone = async (options: KeeperOptions): Promise<Keeper> => {
  const { home, clock, file, listenFd, tlsFd, program, say } = options
  // What was routed last serves until the file is read, and for as long as it cannot be.
  let routes: readonly EdgeRoute[] = tableFile(home.agent, say).load().routes
  let last: Reload = { count: 0, routes: routes.length, problems: [] }
  let seen = ''
  const traffic = openTraffic(join(home.agent, 'traffic.json'), randomUUID)
  const edges = keepEdges({ home, clock, listenFd, tlsFd, traffic, say, keeper: program, routes: () => routes })

  const readOnce = async (): Promise<Reload> => {
    seen = signatureOf(file) // before it is read: a change in between counts as one
    const read = await readInProcess(file)
    const problems = read.kind === 'ok' ? [] : read.problems.map(describeProblem)
    for (const problem of problems) say(`the routes stay as they were: ${problem}`)
    if (read.kind === 'ok') {
      routes = read.routes
      await edges.push()
      certificates?.look()
      say(`${routesInWords(routes.length)} from ${file}`)
    }
    last = { count: last.count + 1, routes: routes.length, problems }
    return last
  }
  let reading: Promise<unknown> = Promise.resolve()
  const reload = (): Promise<Reload> => {
    const next = reading.then(readOnce)
    reading = next.catch(() => {})
    return next
  }

  const certificates =
    tlsFd === null
      ? null
      : keepCertificates({ state: home.agent, clock, say, names: () => routes.flatMap(({ hosts }) => hosts) })
  await reload()
  const looking = setInterval(() => {
    if (signatureOf(file) !== seen) reload().catch((error: unknown) => say(describeError(error)))
  }, lookMs)

  const rest = (): void => {
    clearInterval(looking)
    certificates?.leave()
  }
  return {
    edges,
    traffic,
    reload,
    lastReload: () => last,
    leave: () => {
      rest()
      edges.leave()
    },
    end: async (limitMs) => {
      rest()
      await edges.end(limitMs)
    },
  }
}

/** Changes when the file does, also where another is put in its place. */
const signatureOf = (file: string): string => {
  const found = statSync(file, { throwIfNoEntry: false })
  return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none'
}
