import { type Kysely, sql } from 'kysely'
import { latencyEdgesMs, type TrafficMinute } from '../agent/protocol.ts'
import { effect } from '../effect.ts'
import type { Store } from '../store/store.ts'
import { quantile } from './histogram.ts'

const classColumns = ['requests', 'c1', 'c2', 'c3', 'c4', 'c5', 'failed'] as const
const latencyColumns = Array.from({ length: latencyEdgesMs.length + 1 }, (_, bucket) => `l${bucket}` as const)
const countColumns: readonly CountColumn[] = [...classColumns, ...latencyColumns]
type CountColumn = (typeof classColumns)[number] | `l${number}`

/** One row for what one generation of counters (epoch) saw of a version in a minute; the sum over epochs is what happened. */
type TrafficRow = { service: string; version: string; minute: number; epoch: string } & Record<CountColumn, number>
type TrafficTables = { monitor_traffic_minutes: TrafficRow }

export type Traffic = {
  readonly requests: number
  /** Answers of 500 and above and what the edge had to answer itself, as a share of all; null without requests. */
  readonly errorRate: number | null
  readonly classes: TrafficMinute['classes']
  readonly p50Ms: number | null
  readonly p95Ms: number | null
  readonly p99Ms: number | null
}
export type TrafficQuery = { readonly service: string; readonly from: number; readonly until: number }

/** The table of telemetry; it is no view, as the ledger does not hold what it is made from. */
export const createTrafficTable = async (db: Kysely<unknown>): Promise<void> => {
  let table = db.schema
    .createTable('monitor_traffic_minutes')
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('version', 'text', (column) => column.notNull())
    .addColumn('minute', 'bigint', (column) => column.notNull())
    .addColumn('epoch', 'text', (column) => column.notNull())
  for (const name of countColumns) table = table.addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0))
  await table.addPrimaryKeyConstraint('monitor_traffic_key', ['service', 'minute', 'version', 'epoch']).execute()
  await db.schema.createIndex('monitor_traffic_minute').on('monitor_traffic_minutes').column('minute').execute()
}

/** Requests per service, version and minute, kept for thirty days. */
export const createTraffic = (store: Store) => {
  const db = store.tables<TrafficTables>()

  const ranged = ({ service, from, until }: TrafficQuery) =>
    db
      .selectFrom('monitor_traffic_minutes')
      .select(countColumns.map((name) => sql<number>`sum(${sql.ref(name)})`.as(name)))
      .where('service', '=', service)
      .where('minute', '>=', from)
      .where('minute', '<', until)

  return {
    /** Takes over minutes as counted since `epoch` began; the same again changes nothing. */
    merge: async (epoch: string, minutes: readonly TrafficMinute[]): Promise<void> => {
      if (minutes.length === 0) return
      const rows = minutes.map((minute) => rowOf(epoch, minute))
      await effect('monitor.keep-traffic', () =>
        store.transaction<TrafficTables, void>(async (tx) => {
          for (let from = 0; from < rows.length; from += 50)
            await tx
              .insertInto('monitor_traffic_minutes')
              .values(rows.slice(from, from + 50))
              .onConflict((clash) =>
                clash
                  .columns(['service', 'minute', 'version', 'epoch'])
                  .doUpdateSet((row) =>
                    Object.fromEntries(countColumns.map((name) => [name, row.ref(`excluded.${name}`)])),
                  ),
              )
              .execute()
        }),
      )
    },

    forgetBefore: async (minute: number): Promise<void> => {
      await effect('monitor.forget-traffic', () =>
        db.deleteFrom('monitor_traffic_minutes').where('minute', '<', minute).execute(),
      )
    },

    /** Everything of a service in a range of time. */
    total: async (query: TrafficQuery): Promise<Traffic> => trafficOf(await ranged(query).executeTakeFirst()),

    byVersion: async (query: TrafficQuery): Promise<(Traffic & { version: string })[]> => {
      const rows = await ranged(query).select('version').groupBy('version').orderBy('version').execute()
      return rows.map((row) => ({ version: row.version, ...trafficOf(row) }))
    },

    byMinute: async (query: TrafficQuery): Promise<(Traffic & { minute: number; version: string })[]> => {
      const rows = await ranged(query)
        .select(['minute', 'version'])
        .groupBy(['minute', 'version'])
        .orderBy('minute')
        .orderBy('version')
        .execute()
      return rows.map((row) => ({ minute: Number(row.minute), version: row.version, ...trafficOf(row) }))
    },
  }
}
export type TrafficStore = ReturnType<typeof createTraffic>

const rowOf = (epoch: string, { service, version, minute, requests, classes, latency }: TrafficMinute): TrafficRow => {
  const buckets = latencyColumns.map((name, bucket) => [name, latency[bucket] ?? 0])
  return { service, version, minute, epoch, requests, ...classes, ...Object.fromEntries(buckets) }
}

/** Sums come as null without rows, and as text from PostgreSQL. */
const trafficOf = (row: Partial<Record<string, unknown>> | undefined): Traffic => {
  const count = (name: CountColumn): number => Number(row?.[name] ?? 0)
  const requests = count('requests')
  const latency = latencyColumns.map(count)
  return {
    requests,
    errorRate: requests === 0 ? null : (count('c5') + count('failed')) / requests,
    classes: {
      c1: count('c1'),
      c2: count('c2'),
      c3: count('c3'),
      c4: count('c4'),
      c5: count('c5'),
      failed: count('failed'),
    },
    p50Ms: quantile(latency, 0.5),
    p95Ms: quantile(latency, 0.95),
    p99Ms: quantile(latency, 0.99),
  }
}
