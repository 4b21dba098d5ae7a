import type {
  AgentEvent,
  Instance,
  InstanceSpec,
  LogLine,
  LogQuery,
  RouteTable,
  StopOutcome,
  TrafficMinute,
} from '../agent/protocol.ts'
import type { EdgeSamples } from '../edge/protocol.ts'

/** The port through which the stages run services; embedded default: the machine's agent. Every verb may be repeated. */
export type Runtime = {
  /** Writes the instance down and starts it; the same spec again changes nothing. */
  start(spec: InstanceSpec): Promise<Instance>
  /** Resolves when the instance is healthy or has failed to become so; `null` when there is no such instance. */
  settled(id: string, timeoutMs: number, signal?: AbortSignal): Promise<Instance | null>
  /** Out of the routes, drained, stopped, its directory gone. */
  stop(id: string): Promise<StopOutcome>
  instances(): Promise<Instance[]>
  /** Replaces the whole table; resolves once the edge routes so. Generations only rise. */
  route(table: RouteTable): Promise<void>
  routes(): Promise<RouteTable>
  events(after: number, waitMs: number, signal?: AbortSignal): Promise<{ events: AgentEvent[]; next: number }>
  /** Counts by minute, of those that start at `after` (milliseconds since 1970) or later; all that is kept by default. */
  traffic(after?: number): Promise<{ epoch: string; minutes: TrafficMinute[] }>
  /** What each edge has counted for the judge since it began, of the services whose route asks for it; also of edges that have just ended. */
  samples(): Promise<readonly EdgeSamples[]>
  logs(query: LogQuery, signal?: AbortSignal): AsyncIterable<LogLine>
}
