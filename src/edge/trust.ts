import { BlockList, isIP } from 'node:net'
import type { Peer } from './wire/client.ts'

/** Who asks, as far as it can be believed. */
export type Origin = {
  /** The address of the client: the nearest that no trusted proxy vouches for. */
  readonly client: string
  /** For the instance: every address on the way, the client's first. */
  readonly forwardedFor: string
  readonly proto: 'http' | 'https'
}

/** The proxies that are believed about who asks; nobody's by default, as anybody can send such headers. */
export type Trust = (peer: Peer, rawHeaders: readonly string[]) => Origin
/** The one header that the proxies set; the other may have been made up by a client, which they pass on. */
export type TrustedHeader = 'x-forwarded-for' | 'forwarded'

const mostHops = 32

export const trustNobody: Trust = ({ address, isSecure }) => ({
  client: address,
  forwardedFor: address,
  proto: isSecure ? 'https' : 'http',
})

/**
 * From addresses and networks separated by commas, `10.0.0.7, 192.168.0.0/16, ::1`; a TypeError names what is neither. Of `forwarded`
 * (RFC 7239) `for` and `proto` are read.
 */
export const parseTrust = (proxies: string, header: TrustedHeader = 'x-forwarded-for'): Trust => {
  const isTrusted = parseNetworks(proxies)
  if (!isTrusted) return trustNobody
  return (peer, rawHeaders) => {
    if (!isTrusted(peer.address)) return trustNobody(peer, rawHeaders)
    const said = header === 'forwarded' ? forwardedIn(rawHeaders) : plainIn(rawHeaders)
    const hops = [...believable(said.hops), peer.address]
    // Read from the near end: beyond the first that is not trusted, anything may have been made up.
    const from = Math.max(
      0,
      hops.findLastIndex((hop) => !isTrusted(hop)),
    )
    return {
      client: hops[from] ?? peer.address,
      forwardedFor: hops.slice(from).join(', '),
      proto: said.proto === null ? (peer.isSecure ? 'https' : 'http') : said.proto === 'https' ? 'https' : 'http',
    }
  }
}

/** Whether an address is one of these or in one of these networks; null where none is named. */
export const parseNetworks = (networks: string): ((address: string) => boolean) | null => {
  const listed = networks.split(',').flatMap((one) => one.trim() || [])
  if (listed.length === 0) return null
  const list = new BlockList()
  for (const one of listed) addTo(list, one)
  return (address) => {
    const version = isIP(address)
    return version !== 0 && list.check(address, version === 6 ? 'ipv6' : 'ipv4')
  }
}

const addTo = (list: BlockList, one: string): void => {
  const [address = '', bits, ...rest] = one.split('/')
  const version = isIP(address)
  const most = version === 6 ? 128 : 32
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (version === 0 || rest.length > 0 || !(prefix <= most))
    throw new TypeError(`${JSON.stringify(one)} is neither an address nor a network such as 10.0.0.0/8`)
  list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4')
}

type Said = { readonly hops: readonly string[]; readonly proto: string | null }

const plainIn = (rawHeaders: readonly string[]): Said => ({
  hops: valuesOf(rawHeaders, 'x-forwarded-for').flatMap((list) => list.split(',')),
  proto: valuesOf(rawHeaders, 'x-forwarded-proto').at(-1)?.trim().toLowerCase() ?? null,
})

/** `for=192.0.2.60;proto=https, for="[2001:db8::17]:4711"`; what is no address (`unknown`, `_hidden`) is believed no further. */
const forwardedIn = (rawHeaders: readonly string[]): Said => {
  const elements = valuesOf(rawHeaders, 'forwarded').flatMap((list) => list.split(','))
  const partOf = (element: string, name: string): string =>
    new RegExp(`(?:^|;)\\s*${name}="?([^";,]*)"?\\s*(?:;|$)`, 'i').exec(element)?.[1] ?? ''
  return {
    hops: elements.map((element) => {
      const node = partOf(element, 'for')
      return /^\[([^\]]*)\](?::\d+)?$/.exec(node)?.[1] ?? /^([0-9.]+):\d+$/.exec(node)?.[1] ?? node
    }),
    proto: partOf(elements.at(-1) ?? '', 'proto').toLowerCase() || null,
  }
}

/** The addresses of the list from its near end up to the first that is none. */
const believable = (list: readonly string[]): string[] => {
  const hops = list.map((hop) => hop.trim())
  const nonsense = hops.findLastIndex((hop) => isIP(hop) === 0)
  return hops.slice(nonsense + 1).slice(-mostHops)
}

const valuesOf = (rawHeaders: readonly string[], lowerName: string): string[] => {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.toLowerCase() === lowerName) values.push(rawHeaders[at + 1] ?? '')
  return values
}
