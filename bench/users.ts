import { request } from 'node:http'

/** One request of somebody, as its sender saw it. Times are monotonic milliseconds. */
export type Seen = {
  readonly at: number
  readonly tookMs: number
  /** What the service calls the version that answered; `edge` where none did. */
  readonly version: string
  readonly failed: boolean
}

export type Users = {
  /** Everything that was answered since the last time of asking. */
  take(): Seen[]
  stop(): Promise<void>
}

/**
 * Many people at once, each with an address of its own from 127.0.0.0/8 and a connection for each request. They come at random times
 * (as a Poisson process) whether or not others were answered.
 */
export const startUsers = (options: {
  readonly port: number
  readonly host: string
  readonly perSecond: number
  readonly identities: number
  /** The second byte of their addresses, so that those of several services are not the same. */
  readonly network: number
}): Users => {
  const { port, host, perSecond, identities, network } = options
  const pending = new Set<Promise<void>>()
  let seen: Seen[] = []
  let next = performance.now()

  const addressOf = (identity: number): string => `127.${network}.${identity >> 8}.${identity & 255}`

  const ask = (): Promise<void> =>
    new Promise((done) => {
      const at = performance.now()
      const note = (version: string, failed: boolean): void => {
        seen.push({ at, tookMs: performance.now() - at, version, failed })
        done()
      }
      const outgoing = request(
        {
          ...{ host: '127.0.0.1', port, path: '/', agent: false, timeout: 30_000 },
          localAddress: addressOf(1 + Math.floor(Math.random() * identities)),
          headers: { host: `${host}:${port}` },
        },
        (incoming) => {
          incoming.resume()
          const version = String(incoming.headers['x-version'] ?? 'edge')
          incoming.on('end', () => note(version, (incoming.statusCode ?? 500) >= 500))
          incoming.on('error', () => note(version, true))
        },
      )
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer within 30 s')))
      outgoing.on('error', () => note('edge', true))
      outgoing.end()
    })

  const timer = setInterval(() => {
    for (; next <= performance.now(); next += (-Math.log(1 - Math.random()) * 1000) / perSecond) {
      const one = ask().finally(() => pending.delete(one))
      pending.add(one)
    }
  }, 2)

  return {
    take: () => {
      const taken = seen
      seen = []
      return taken
    },
    stop: async () => {
      clearInterval(timer)
      await Promise.all(pending)
    },
  }
}
