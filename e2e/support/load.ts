import { Agent, request } from 'node:http'

export type LoadOutcome = {
  readonly sent: number
  readonly answered: number
  /** Requests that got no answer, or one of 500 and above; the first few in words. */
  readonly failed: number
  readonly failures: readonly string[]
  /** Answers by the version that gave them, where the service says so in `x-release`. */
  readonly byVersion: Readonly<Record<string, number>>
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export type Load = {
  /** Requests that failed so far. */
  failed(): number
  answered(): number
  /** Stops sending, waits for what is under way, and tells how it went. */
  stop(): Promise<LoadOutcome>
}

/**
 * A steady load in open loop: `perSecond` requests leave at their times whether or not earlier ones were answered, as users do.
 * With `clients` each request comes from one of so many addresses of this machine, over a connection of its own.
 * The Host header is given beside the port, because not every resolver knows names under .localhost.
 */
export const startLoad = (
  target: { port: number; host: string; path?: string; clients?: number },
  perSecond: number,
): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const pending = new Set<Promise<void>>()
  const latencies: number[] = []
  const byVersion: Record<string, number> = {}
  const failures: string[] = []
  let sent = 0
  let failed = 0
  const startedAt = performance.now()

  const fail = (why: string): void => {
    failed += 1
    if (failures.length < 20) failures.push(`${new Date().toISOString()} ${why}`)
  }

  const once = (): Promise<void> =>
    new Promise((done) => {
      const began = performance.now()
      const outgoing = request(
        {
          host: '127.0.0.1',
          port: target.port,
          path: target.path ?? '/',
          ...(target.clients === undefined ? { agent } : { agent: false, localAddress: addressOf(target.clients) }),
          headers: { host: `${target.host}:${target.port}` },
          timeout: 30_000,
        },
        (incoming) => {
          incoming.resume()
          incoming.on('end', () => {
            latencies.push(performance.now() - began)
            const version = String(incoming.headers['x-release'] ?? 'unknown')
            byVersion[version] = (byVersion[version] ?? 0) + 1
            if ((incoming.statusCode ?? 500) >= 500) fail(`answered ${incoming.statusCode}`)
            done()
          })
          incoming.on('error', (error) => {
            fail(`answer broke off: ${error.message}`)
            done()
          })
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
      outgoing.on('error', (error) => {
        fail(error.message)
        done()
      })
      outgoing.end()
    })

  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
    for (; sent < due; sent += 1) {
      const one = once().finally(() => pending.delete(one))
      pending.add(one)
    }
  }, 5)

  return {
    failed: () => failed,
    answered: () => latencies.length,
    stop: async () => {
      clearInterval(timer)
      await Promise.all(pending)
      agent.destroy()
      latencies.sort((a, b) => a - b)
      const quantile = (p: number) =>
        latencies.length === 0
          ? null
          : (latencies[Math.min(latencies.length - 1, Math.floor(p * latencies.length))] ?? null)
      return {
        sent,
        answered: latencies.length,
        failed,
        failures,
        byVersion,
        p50Ms: quantile(0.5),
        p99Ms: quantile(0.99),
      }
    },
  }
}

/** One of so many loopback addresses, any of which may be connected from. */
const addressOf = (clients: number): string => {
  const client = Math.floor(Math.random() * clients)
  return `127.1.${Math.floor(client / 250)}.${(client % 250) + 1}`
}
