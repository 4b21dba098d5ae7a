import type { LogLine, LogQuery } from '../agent/protocol.ts'
import { type Target, targetLabel } from '../deploy/index.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Stage } from '../stage.ts'
import type { Migration } from '../store/migrations.ts'
import type { Store } from '../store/store.ts'
import { type AlertPorts, createAlerts } from './alerts/index.ts'
import { createCollector } from './collector.ts'
import { monitorFacts } from './facts.ts'
import { createTraffic, createTrafficTable, type TrafficQuery } from './traffic.ts'

export type { Traffic } from './traffic.ts'

export type MonitorOptions = Omit<AlertPorts, 'traffic'> & {
  readonly store: Store
  readonly runtime: Runtime
}

/** What the stage keeps beside the ledger. */
export const monitorMigrations: readonly Migration[] = [{ name: 'monitor-traffic', up: createTrafficTable }]

/** The stage that watches what services do: their traffic by version and minute, and their logs. */
export const createMonitor = (options: MonitorOptions) => {
  const { store, clock, runtime } = options
  const traffic = createTraffic(store)
  const alerts = createAlerts({ ...options, traffic })
  const collector = createCollector({ ...options, traffic, onCollected: alerts.lookAround })
  const closing = new AbortController()
  let following: Promise<void> = Promise.resolve()
  const of = (target: Target, range: { from: number; until: number }): TrafficQuery => ({
    service: targetLabel(target),
    ...range,
  })

  return {
    name: 'monitor',
    facts: monitorFacts,
    views: [],
    alerts,
    /** Fetches what the edge has counted up to now. */
    collect: collector.collect,
    /** All requests of a service from `from` up to `until` (milliseconds since 1970), by whole minutes. */
    total: (target: Target, range: { from: number; until: number }) => traffic.total(of(target, range)),
    byVersion: (target: Target, range: { from: number; until: number }) => traffic.byVersion(of(target, range)),
    byMinute: (target: Target, range: { from: number; until: number }) => traffic.byMinute(of(target, range)),
    now: () => clock.now(),
    logs: (query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine> => runtime.logs(query, signal),
    start: async (): Promise<void> => {
      following = collector.follow(closing.signal)
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await following
      await alerts.stop()
    },
  } satisfies Stage & Record<string, unknown>
}
export type Monitor = ReturnType<typeof createMonitor>
