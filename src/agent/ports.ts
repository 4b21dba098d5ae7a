import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

export const instanceHost = '127.0.0.1'
const lowest = 20_000

/** Whether a program could listen on the port now. */
export const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: instanceHost, exclusive: true }, () => server.close(() => resolve(true)))
  })

/**
 * A free port that nobody in `taken` has, below those that the kernel gives to outgoing connections: one of these could hold the
 * port at the moment when its instance is started again. `random` gives numbers from 0 to below 1.
 */
export const allotPort = async (taken: ReadonlySet<number>, random: () => number): Promise<number> => {
  const highest = firstOutgoingPort() - 1
  const count = highest - lowest + 1
  for (let tries = 0; count > 0 && tries < 200; tries += 1) {
    const port = lowest + Math.floor(random() * count)
    if (!taken.has(port) && (await isFree(port))) return port
  }
  return anyFreePort()
}

const firstOutgoingPort = (): number => {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/)[0])
  } catch {
    return 32_768
  }
}

const anyFreePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, instanceHost, () => {
      const address = server.address()
      server.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port is free')),
      )
    })
  })
