/**
 * What is said between the agent and an edge process: JSON over HTTP on a Unix socket of the edge's own (`edge-<pid>.sock`, mode 0600).
 * The listening socket is inherited as file descriptor 3 (`HEADWAY_EDGE_FD`), never opened by the edge.
 *
 *   PUT  /table       EdgeTable          { generation } once every new request is routed so
 *   GET  /table                          EdgeTable
 *   GET  /in-flight?instance=<id>        { requests, connections }: open requests (upgrades included) on that instance
 *   GET  /counters                       { epoch, minutes: TrafficMinute[] }: the last 10 minutes and the current one
 *   POST /retire                         stops accepting (the socket lives on in the other holders), serves what is open to its
 *                                        end or for a long limit, then exits
 *   GET  /health                         { pid, generation, openRequests, openConnections }
 *
 * The edge also keeps the last table on disk (`edge-table.json`), so that one started while nobody is there routes at once. When
 * its agent is gone (the inherited pipe on descriptor 4 reads end-of-file) it starts a successor agent, which inherits the socket.
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
