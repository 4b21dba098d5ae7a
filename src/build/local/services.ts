import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { plainHttp } from '../../http.ts'

/** Where jobs reach artifacts, caches and identities; on the loopback alone, for those with a job's token. */
export type JobDoor = { readonly url: string; close(): Promise<void> }

export const listenForJobs = async (
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<JobDoor> => {
  const server = plainHttp().createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = addressOf(server.address())
  return {
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

const addressOf = (address: string | AddressInfo | null): AddressInfo => {
  if (address === null || typeof address === 'string') throw new Error('the door of the jobs has no port')
  return address
}
