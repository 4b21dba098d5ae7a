import { BlockList, isIP } from 'node:net'

/** Who asks, as far as it can be believed. */
export type Origin = {
  /** The address of the client: the nearest that no trusted proxy vouches for. */
  readonly client: string
  /** For the instance: every address on the way, the client's first. */
  readonly forwardedFor: string
  readonly proto: 'http' | 'https'
}

/** The proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody's by default, as anybody can send them. */
export type Trust = (peer: string, rawHeaders: readonly string[]) => Origin

const mostHops = 32

export const trustNobody: Trust = (peer) => ({ client: peer, forwardedFor: peer, proto: 'http' })

/** From addresses and networks separated by commas, `10.0.0.7, 192.168.0.0/16, ::1`; a TypeError names what is neither. */
export const parseTrust = (proxies: string): Trust => {
  const listed = proxies.split(',').flatMap((one) => one.trim() || [])
  if (listed.length === 0) return trustNobody
  const trusted = new BlockList()
  for (const one of listed) addTo(trusted, one)
  const isTrusted = (address: string) => trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  return (peer, rawHeaders) => {
    if (isIP(peer) === 0 || !isTrusted(peer)) return trustNobody(peer, rawHeaders)
    const hops = [...believable(valuesOf(rawHeaders, 'x-forwarded-for')), peer]
    // Read from the near end: beyond the first that is not trusted, anything may have been made up.
    const from = Math.max(
      0,
      hops.findLastIndex((hop) => !isTrusted(hop)),
    )
    const https = valuesOf(rawHeaders, 'x-forwarded-proto').at(-1)?.trim().toLowerCase() === 'https'
    return {
      client: hops[from] ?? peer,
      forwardedFor: hops.slice(from).join(', '),
      proto: https ? 'https' : 'http',
    }
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

/** The addresses of the list from its near end up to the first that is none. */
const believable = (lists: readonly string[]): string[] => {
  const hops = lists.flatMap((list) => list.split(',')).map((hop) => hop.trim())
  const nonsense = hops.findLastIndex((hop) => isIP(hop) === 0)
  return hops.slice(nonsense + 1).slice(-mostHops)
}

const valuesOf = (rawHeaders: readonly string[], lowerName: string): string[] => {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (rawHeaders[at]?.toLowerCase() === lowerName) values.push(rawHeaders[at + 1] ?? '')
  return values
}
