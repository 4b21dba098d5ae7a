import { isIP, type Socket } from 'node:net'

/** What a proxy said about the connection that it passes on (PROXY protocol, versions 1 and 2). */
export type ProxyReading =
  | { readonly kind: 'more' }
  | { readonly kind: 'broken'; readonly why: string }
  /** `source` is null where it speaks for itself (a health check) or tells no address. */
  | { readonly kind: 'header'; readonly bytes: number; readonly source: { address: string; port: number } | null }

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
/** Of version 1, its line end included. */
const longestLine = 107
/** Of version 2: addresses, and what else a proxy tells. */
const longestBody = 2048

/** Reads the header from the beginning of a connection. Strict: whoever sends anything else is not the proxy that it is taken for. */
export const readProxyHeader = (bytes: Buffer): ProxyReading => {
  if (bytes.length === 0) return { kind: 'more' }
  const compared = Math.min(bytes.length, signature.length)
  if (bytes.compare(signature, 0, compared, 0, compared) === 0)
    return bytes.length < 16 ? { kind: 'more' } : readBinary(bytes)
  const start = 'PROXY '
  if (bytes.toString('latin1', 0, start.length) !== start.slice(0, bytes.length))
    return broken('it has no PROXY header')
  return readLine(bytes)
}

const readLine = (bytes: Buffer): ProxyReading => {
  const end = bytes.indexOf('\r\n', 0, 'latin1')
  if (end === -1) return bytes.length < longestLine ? { kind: 'more' } : broken('its PROXY line is too long')
  if (end + 2 > longestLine) return broken('its PROXY line is too long')
  const line = bytes.toString('latin1', 0, end)
  if (/^PROXY UNKNOWN(?: [\x20-\x7e]*)?$/.test(line)) return { kind: 'header', bytes: end + 2, source: null }
  const [, family, from = '', to = '', fromPort = '', toPort = '', ...rest] = line.split(' ')
  const version = family === 'TCP4' ? 4 : family === 'TCP6' ? 6 : 0
  const isFine = version !== 0 && rest.length === 0 && isIP(from) === version && isIP(to) === version
  if (!isFine || !isPort(fromPort) || !isPort(toPort)) return broken('its PROXY line is malformed')
  return { kind: 'header', bytes: end + 2, source: { address: from, port: Number(fromPort) } }
}

const isPort = (text: string): boolean => /^(0|[1-9][0-9]{0,4})$/.test(text) && Number(text) < 65_536

const readBinary = (bytes: Buffer): ProxyReading => {
  const [version, command] = [bytes.readUInt8(12) >> 4, bytes.readUInt8(12) & 0xf]
  const [family, transport] = [bytes.readUInt8(13) >> 4, bytes.readUInt8(13) & 0xf]
  const length = bytes.readUInt16BE(14)
  if (version !== 2 || command > 1) return broken('its PROXY header is of an unknown version')
  if (length > longestBody) return broken('its PROXY header is too long')
  if (bytes.length < 16 + length) return { kind: 'more' }
  const end = 16 + length
  if (command === 0 || family === 0) return { kind: 'header', bytes: end, source: null } // LOCAL, or UNSPEC
  if (transport !== 1 || (family !== 1 && family !== 2)) return broken('its PROXY header is not one of TCP')
  if (length < (family === 1 ? 12 : 36)) return broken('its PROXY header is too short')
  if (family === 1)
    return {
      kind: 'header',
      bytes: end,
      source: { address: [...bytes.subarray(16, 20)].join('.'), port: bytes.readUInt16BE(24) },
    }
  return { kind: 'header', bytes: end, source: { address: wide(bytes.subarray(16, 32)), port: bytes.readUInt16BE(48) } }
}

const broken = (why: string): ProxyReading => ({ kind: 'broken', why })

/** An address of IPv6 as people write it; one of IPv4 within it as such. */
const wide = (bytes: Buffer): string => {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) return [...bytes.subarray(12)].join('.')
  const text = groups.map((group) => group.toString(16)).join(':')
  return new URL(`http://[${text}]/`).hostname.slice(1, -1)
}

/**
 * Reads the header of an accepted connection, and puts back what follows it. `met` gets the client's address, or null where the proxy
 * speaks for itself; a connection that has none in time is closed.
 */
export const meetProxy = (socket: Socket, limitMs: number, met: (address: string | null) => void): void => {
  let held = Buffer.alloc(0)
  const late = setTimeout(() => socket.destroy(), limitMs).unref()
  const gone = (): void => void socket.destroy()
  const onReadable = (): void => {
    for (let bytes: unknown = socket.read(); bytes instanceof Buffer; bytes = socket.read())
      held = Buffer.concat([held, bytes])
    const reading = readProxyHeader(held)
    if (reading.kind === 'more') return
    clearTimeout(late)
    socket.off('readable', onReadable)
    socket.off('end', gone)
    socket.off('close', onClose)
    if (reading.kind === 'broken') return void socket.destroy()
    if (held.length > reading.bytes) socket.unshift(held.subarray(reading.bytes))
    met(reading.source?.address ?? null)
  }
  const onClose = (): void => clearTimeout(late)
  socket.on('error', () => {}) // its close follows
  socket.once('end', gone)
  socket.once('close', onClose)
  socket.on('readable', onReadable)
}
