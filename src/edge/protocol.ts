import type { TrafficMinute } from '../agent/protocol.ts'

/**
 * What is said between the agent and an edge process: JSON over HTTP on a Unix socket of the edge's own (`edge-<pid>.sock`, mode 0600).
 * The listening socket is inherited as file descriptor 3 (`HEADWAY_EDGE_FD`), never opened by the edge.
 *
 *   PUT  /table       EdgeTable          { generation } once every new request is routed so; 409 when older than the last one
 *   GET  /table                          EdgeTable
 *   GET  /in-flight?instance=<id>        EdgeInFlight: open requests (upgrades and those still connecting included) on that instance
 *   GET  /counters                       EdgeCounters: the last 10 minutes and the current one
 *   POST /retire      { limitMs? }       { openRequests, openConnections }; stops accepting (the socket lives on in the other
 *                                        holders), serves what is open to its end or for the limit (1 h), then exits
 *   GET  /health                         EdgeHealth
 *
 * The edge also keeps the last table on disk (`edge-table.json`), so that one started while nobody is there routes at once. When
 * its agent is gone (the inherited pipe on descriptor 4 reads end-of-file) it starts a successor agent, which inherits the socket.
 *
 * A retiring edge goes on obeying this protocol: what its clients still send over connections that they hold open is routed by its
 * table, so whoever changes routes tells every edge that answers and asks all of them what is in flight.
 * How an edge is started is said by `edgeLaunch` in launch.ts. SIGTERM retires it with a limit of ten seconds.
 */
export type EdgeEndpoint = { readonly instance: string; readonly port: number; readonly healthy: boolean }
export type EdgePool = {
  readonly version: string
  readonly weight: number
  readonly endpoints: readonly EdgeEndpoint[]
}
export type EdgeRoute = {
  readonly hosts: readonly string[]
  readonly service: string
  readonly pools: readonly EdgePool[]
}
export type EdgeTable = { readonly generation: number; readonly routes: readonly EdgeRoute[] }

export type EdgeInFlight = { readonly requests: number; readonly connections: number }
/** `epoch` names the process: another epoch means that counting began anew. */
export type EdgeCounters = { readonly epoch: string; readonly minutes: readonly TrafficMinute[] }
export type EdgeHealth = {
  readonly pid: number
  readonly generation: number
  readonly retiring: boolean
  readonly openRequests: number
  readonly openConnections: number
}

/** Upper edges, in milliseconds, of the latency histogram's buckets; the last bucket is unbounded. */
export const latencyEdgesMs = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000] as const
