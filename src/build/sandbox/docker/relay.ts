import { connect, createServer, type Server, type Socket } from 'node:net'
import type { Network } from './containers.ts'

/** By this name Headway is reached from a container. Clients of GitHub's services insist on a name that ends in `.localhost`. */
const relayName = 'headway.localhost'

/** The names by which a container knows this machine. */
export const hostsOf = ({ gateway }: Network): readonly string[] =>
  gateway === null ? [] : [`${relayName}:${gateway}`, `host.docker.internal:${gateway}`]

/**
 * Headway listens on this machine's loopback only: a port on the job's own network leads there, so that a container reaches it by the
 * name that it has been given, and nobody outside of this machine does.
 */
export const openRelay = async (
  address: string,
  target: string,
): Promise<AsyncDisposable & { readonly url: string }> => {
  const { protocol, hostname, port } = new URL(target)
  const sockets = new Set<Socket>()
  const server: Server = createServer((inside) => {
    const outside = connect(Number(port || (protocol === 'https:' ? 443 : 80)), hostname)
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(socket)
      socket.pipe(other)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, address, resolve)
  })
  const bound = server.address()
  return {
    url: `${protocol}//${relayName}:${typeof bound === 'object' ? bound?.port : ''}`,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
