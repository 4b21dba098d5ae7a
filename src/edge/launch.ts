import type { IOType } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** The descriptors that an edge inherits: the listening socket, and a pipe that reads end-of-file once its agent is gone. */
export const edgeListenFd = 3
export const edgeLivenessFd = 4
/** The listening socket for TLS, where there is one. */
export const edgeTlsFd = 5
/**
 * The listening socket once more: of each descriptor Node.js accepts one connection in a turn of its loop, so that with one alone each
 * connection costs a turn. Eight took a fifth to a third less CPU for each fresh connection than one; more than eight was no better.
 */
const edgeMoreListenFds = [6, 7, 8, 9, 10, 11, 12]
/**
 * How many connections wait with the kernel until they are accepted; whoever listens on the socket last says it for all, and the machine
 * may allow less. Of those beyond it the kernel drops what they send, and they try again after 200 ms and more: Node's own 511 made that
 * the tail of a thousand clients who came at once.
 */
export const mostWaiting = 4_096

/** What an edge inherits: its log, and the descriptors above. */
export const edgeStdio = (log: IOType | number, listenFd: number, tlsFd: number | null): (IOType | number)[] => [
  'ignore',
  log,
  log,
  listenFd,
  'pipe',
  tlsFd ?? 'ignore',
  ...edgeMoreListenFds.map(() => listenFd),
]

export type EdgePlaces = {
  /** The root of Headway's home; handed to a successor agent, and part of how the process is recognised. */
  readonly home: string
  /** Where `edge-<pid>.sock` is made; holds `agent.sock` too. */
  readonly sockets: string
  /** Where `edge-table.json` and the access log are kept. */
  readonly state: string
  /** Whose successor is started when it is gone; the machine's agent where nothing is said. */
  readonly keeper?: string
}

/**
 * How an edge is started, as a value: `spawn(command, args, { env, detached: true, stdio: edgeStdio(log, listenFd, tlsFd) })`.
 * Index 3 is the listening socket, index 4 a pipe of which the agent keeps its end open for as long as it lives, index 5 the listening
 * socket for TLS, where there is one. It is ready when `edge-<pid>.sock` answers; it routes by the table on disk even before.
 */
export const edgeLaunch = (places: EdgePlaces, env: NodeJS.ProcessEnv = process.env, hasTls = false) => ({
  command: process.execPath,
  args: [
    '--disable-warning=ExperimentalWarning',
    '--v8-pool-size=1', // threads of V8's own; four would keep some megabytes
    '--max-semi-space-size=16', // megabytes; with 4 a fifth of what each connection left was kept, and cost 5 % of its time
    fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)),
  ],
  env: {
    ...pick(env, passedOn),
    HEADWAY_EDGE_FD: [edgeListenFd, ...edgeMoreListenFds].join(','),
    HEADWAY_EDGE_LIVENESS_FD: String(edgeLivenessFd),
    ...(hasTls ? { HEADWAY_EDGE_TLS_FD: String(edgeTlsFd) } : {}),
    HEADWAY_EDGE_HOME: places.home,
    HEADWAY_EDGE_SOCKETS: places.sockets,
    HEADWAY_EDGE_STATE: places.state,
    ...(places.keeper === undefined ? {} : { HEADWAY_EDGE_KEEPER: places.keeper }),
  },
})

/** A clean environment: what a successor agent needs to find programs, what Node needs, and the failpoints; never a secret. */
const passedOn =
  /^(PATH|HOME|USER|LANG|LC_ALL|TZ|TMPDIR|XDG_CACHE_HOME|NODE_COMPILE_CACHE|HEADWAY_(HOME|TRUSTED_PROXIES|EDGE_WORKERS|FAILPOINT\w*))$/

const pick = (env: NodeJS.ProcessEnv, names: RegExp): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => names.test(name)))
