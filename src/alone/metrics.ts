import type { Server } from 'node:http'
import type { TrafficMinute } from '../agent/protocol.ts'
import type { Traffic } from '../agent/traffic.ts'
import { createServer } from '../edge/http.ts'
import { latencyEdgesMs } from '../edge/protocol.ts'

type Total = {
  readonly service: string
  readonly version: string
  readonly classes: Map<string, number>
  readonly latency: number[]
}

/** Counters that only rise, out of minutes that are forgotten in time. */
export class Totals {
  readonly #last = new Map<string, TrafficMinute>()
  readonly #totals = new Map<string, Total>()

  take(minutes: readonly TrafficMinute[]): void {
    const current = new Set<string>()
    for (const minute of minutes) {
      const key = JSON.stringify([minute.minute, minute.service, minute.version])
      current.add(key)
      this.#add(minute, this.#last.get(key))
      this.#last.set(key, minute)
    }
    for (const key of this.#last.keys()) if (!current.has(key)) this.#last.delete(key)
  }

  #add({ service, version, classes, latency }: TrafficMinute, last: TrafficMinute | undefined): void {
    const key = JSON.stringify([service, version])
    const total = this.#totals.get(key) ?? { service, version, classes: new Map(), latency: latency.map(() => 0) }
    this.#totals.set(key, total)
    for (const name of classNames)
      total.classes.set(name, (total.classes.get(name) ?? 0) + classes[name] - (last?.classes[name] ?? 0))
    latency.forEach((count, bucket) => {
      total.latency[bucket] = (total.latency[bucket] ?? 0) + count - (last?.latency[bucket] ?? 0)
    })
  }

  /** In the text format of Prometheus. */
  text(): string {
    const lines = ['# TYPE headway_edge_requests_total counter']
    const totals = [...this.#totals.values()]
    for (const { service, version, classes } of totals)
      for (const [name, count] of classes)
        lines.push(
          `headway_edge_requests_total{${labels({ service, version, class: classWords[name] ?? name })}} ${count}`,
        )
    lines.push('# TYPE headway_edge_request_duration_seconds histogram')
    for (const { service, version, latency } of totals) {
      let below = 0
      latency.forEach((count, bucket) => {
        below += count
        const edgeMs = latencyEdgesMs[bucket]
        const le = edgeMs === undefined ? '+Inf' : String(edgeMs / 1000)
        lines.push(`headway_edge_request_duration_seconds_bucket{${labels({ service, version, le })}} ${below}`)
      })
      lines.push(`headway_edge_request_duration_seconds_count{${labels({ service, version })}} ${below}`)
    }
    return `${lines.join('\n')}\n`
  }
}

const classNames = ['c1', 'c2', 'c3', 'c4', 'c5', 'failed'] as const
const classWords: Readonly<Record<string, string>> = { c1: '1xx', c2: '2xx', c3: '3xx', c4: '4xx', c5: '5xx' }

const labels = (given: Readonly<Record<string, string>>): string =>
  Object.entries(given)
    .map(
      ([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
    )
    .join(',')

/** `GET /metrics` on loopback, for whoever is on this machine. */
export const serveMetrics = async (
  port: number,
  { traffic, count }: { traffic: Traffic; count: () => Promise<void> },
): Promise<Server> => {
  const totals = new Totals()
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404, { 'content-type': 'text/plain' })
      return void response.end('There is only GET /metrics here.\n')
    }
    const answer = async (): Promise<void> => {
      await count()
      totals.take(traffic.since(0).minutes)
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
      response.end(totals.text())
    }
    answer().catch(() => response.destroy())
  })
  await new Promise<void>((done, failed) => {
    server.once('error', failed)
    server.listen({ port, host: '127.0.0.1' }, done)
  })
  return server
}
