import { isIP } from 'node:net'
import { Problem } from '../../problem.ts'
import type { Asking } from '../sessions/cookie.ts'

/** To whom a passkey speaks (WebAuthn's relying party): the origin of the page that asks, and the host name that the passkey holds for. */
export type Party = { readonly origin: string; readonly host: string }

/**
 * The party that a request comes from. Throws a Problem where browsers have no passkeys: at a bare address, and without encryption
 * anywhere but on this machine. Where names were configured, no other counts: a passkey that is made for a name is no good at another.
 */
export const partyOf = (asking: Asking, configured: readonly string[]): Party => {
  const url = URL.canParse(asking.origin ?? '') ? new URL(asking.origin ?? '') : null
  if (!url || url.host !== asking.host) throw noParty('the request does not say from which page it comes')
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0)
    throw noParty(
      `a passkey belongs to a name, and ${host} is an address`,
      /^(127\.|::1$)/.test(host) ? `open ${url.protocol}//localhost${url.port && `:${url.port}`}` : undefined,
    )
  const isHere = host === 'localhost' || host.endsWith('.localhost')
  if (url.protocol !== 'https:' && !isHere) throw noParty('browsers offer passkeys to encrypted pages only')
  if (!isHere && configured.length > 0 && !configured.includes(host))
    throw noParty(`this Headway is called ${configured.join(', ')}, not ${host}`)
  return { origin: url.origin, host }
}

const noParty = (detail: string, next = 'open the web by https and a name of this Headway (headway up --host-name)') =>
  new Problem({ kind: 'no-passkeys-here', status: 400, detail, next })
