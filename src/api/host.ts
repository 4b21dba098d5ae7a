import { Problem } from '../problem.ts'

/** Whether an address to listen on can be reached from this machine only. */
export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

/**
 * A page of somebody else's, opened in a browser on this machine, can make its own host name point to 127.0.0.1 and talk to us (DNS
 * rebinding). What listens on loopback therefore answers to loopback's names only, and to those that were configured.
 */
export const isExpectedHost = (header: string | undefined, configured: readonly string[]): boolean => {
  const name = /^(\[[0-9a-f:]+\]|[^:]+)(:\d+)?$/i
    .exec(header ?? '')?.[1]
    ?.toLowerCase()
    .replace(/\.$/, '')
  if (name === undefined) return false
  const bare = name.replace(/^\[|\]$/g, '')
  return isLoopback(bare) || bare.endsWith('.localhost') || configured.includes(bare)
}

export const unexpectedHost = (): Problem =>
  new Problem({
    kind: 'unexpected-host',
    status: 421,
    detail: 'this server answers to localhost only',
    next: 'use http://localhost or 127.0.0.1, or start it with headway up --host-name <name>',
  })
