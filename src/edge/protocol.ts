import type { TrafficMinute } from '../agent/protocol.ts'
import type { EdgeMatch, EdgeRules } from './rules.ts'

/**
 * What is said between the agent and an edge process: JSON over HTTP on a Unix socket of the edge's own (`edge-<pid>.sock`, mode 0600).
 * The listening socket is inherited as file descriptor 3 and some more (`HEADWAY_EDGE_FD`), never opened by the edge.
 *
 *   PUT  /table       EdgeTable          { generation } once every new request is routed so; 409 when older than the last one
 *   GET  /table                          EdgeTable
 *   GET  /in-flight?instance=<id>        EdgeInFlight: open requests (upgrades and those still connecting included) on that instance
 *   GET  /counters                       EdgeCounters: the last 10 minutes and the current one
 *   GET  /samples                        EdgeSamples: what the judge goes by, for the routes that ask for it
 *   POST /retire      { limitMs? }       { openRequests, openConnections }; stops accepting (the socket lives on in the other
 *                                        holders), serves what is open to its end or for the limit (1 h), then exits
 *   POST /shed       { share }           {}; this share of its clients comes anew with its next request, perhaps to another edge
 *   POST /taken   { taken: Taken[] }     { taken }: what clients had of rates elsewhere, and here since this was asked last
 *   GET  /health                         EdgeHealth
 *
 * An edge that ends leaves what it has counted in `edge-last-<epoch>.json` beside its table.
 *
 * The edge also keeps the last table on disk (`edge-table.json`), so that one started while nobody is there routes at once. When
 * its agent is gone (the inherited pipe on descriptor 4 reads end-of-file) it starts a successor agent, which inherits the socket.
 *
 * A retiring edge goes on obeying this protocol: what its clients still send over connections that they hold open is routed by its
 * table, so whoever changes routes tells every edge that answers and asks all of them what is in flight.
 * How an edge is started is said by `edgeLaunch` in launch.ts. SIGTERM retires it with a limit of ten seconds.
 */
export type EdgeEndpoint = {
  readonly instance: string
  readonly port: number
  readonly healthy: boolean
  /** A numeric address; this machine's own where nothing is said. */
  readonly host?: string
}
export type EdgePool = {
  readonly version: string
  readonly weight: number
  readonly endpoints: readonly EdgeEndpoint[]
}
/**
 * A client keeps the version that it met: the cookie holds its place among the weights (a number, no name), for this many seconds. When
 * weights change, as few clients as possible change their version; a version of weight 0 has none.
 */
export type EdgeAffinity = { readonly cookie: string; readonly seconds: number }
/**
 * Requests with this header (name in any case) or query parameter of exactly this value go to the version, whatever its weight; they
 * are left out of the samples. Of several that fit the first counts; one whose version has no pool changes nothing.
 */
export type EdgeOverride = {
  readonly in: 'header' | 'query'
  readonly name: string
  readonly value: string
  readonly version: string
}
/**
 * A copy of this share of requests goes here too, for the methods named; its answer is thrown away. It never holds up the original:
 * where too many are open, the body is too large or the machine is busy it is left out, and counted as such.
 */
export type EdgeMirror = {
  readonly version: string
  readonly endpoints: readonly EdgeEndpoint[]
  /** From 0 to 1. */
  readonly share: number
  readonly methods: readonly string[]
}
export const mirroredMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS']
/** The service is being judged: its requests are counted for `GET /samples` too. */
export type EdgeSampling = { readonly errorWindowMs: number }

export type EdgeRoute = {
  readonly hosts: readonly string[]
  readonly service: string
  readonly pools: readonly EdgePool[]
  readonly affinity?: EdgeAffinity
  readonly overrides?: readonly EdgeOverride[]
  readonly mirror?: EdgeMirror
  readonly sample?: EdgeSampling
  /** Of the requests for its hosts those that fit; without it all that fit no other route. */
  readonly match?: EdgeMatch
  readonly rules?: EdgeRules
}
export type EdgeTable = { readonly generation: number; readonly routes: readonly EdgeRoute[] }

export type EdgeInFlight = { readonly requests: number; readonly connections: number }
/** `epoch` names the process: another epoch means that counting began anew. */
export type EdgeCounters = { readonly epoch: string; readonly minutes: readonly TrafficMinute[] }
/**
 * One version's requests since the epoch began. An error (5xx, or an answer that the edge had to give or break off) counts once per
 * client and route (method and path without query) in the route's `errorWindowMs`, for the version that met it first: the key has no
 * version in it, or two identical releases would be told apart. Copies of a mirror are kept apart from what they are copies of.
 */
export type VersionSample = {
  readonly version: string
  readonly requests: number
  readonly errors: number
  /** One count per edge of latencyEdgesMs: requests that took longer. */
  readonly slower: readonly number[]
  /** Of `requests`, copies that a mirror sent. */
  readonly mirrored: number
  /** Copies that were left out; in none of the other counts. */
  readonly leftOut: number
}
export type ServiceSample = { readonly service: string; readonly versions: readonly VersionSample[] }
/** Counts only rise within an epoch (a process); all of them are of the same instant `at` (milliseconds since 1970). */
export type EdgeSamples = { readonly epoch: string; readonly at: number; readonly services: readonly ServiceSample[] }

export type EdgeHealth = {
  /** Which settings it runs by (`settingsSignature`). */
  readonly settings: string
  readonly pid: number
  readonly generation: number
  readonly retiring: boolean
  readonly openRequests: number
  readonly openConnections: number
  /** For how long it was at work since it started. */
  readonly busyMs: number
}

/** Upper edges, in milliseconds, of the latency histogram's buckets; the last bucket is unbounded. */
export const latencyEdgesMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000] as const
