export type AccessLine = {
  readonly time: string
  readonly requestId: string
  readonly client: string
  readonly host: string
  readonly method: string
  /** Without the values of its query, which may hold secrets. */
  readonly path: string
  readonly status: number
  readonly bytes: number
  readonly durationMs: number
  readonly service: string | null
  readonly version: string | null
  readonly instance: string | null
  readonly failed: boolean
  /** For the combined format. */
  readonly said: Said | null
}
/** What the client said of itself. */
export type Said = {
  readonly httpVersion: string
  readonly referer: string | undefined
  readonly userAgent: string | undefined
}

type Asked = Pick<AccessLine, 'host' | 'method' | 'path' | 'status'>
type Served = Pick<AccessLine, 'service' | 'version' | 'instance' | 'failed'>

let isoMs = Number.NaN
let isoText = ''
let isoSecond = Number.NaN
/** Up to its milliseconds. */
let isoSecondText = ''
/** The time of a line, as Date tells it. Many requests end in the same second, some in the same millisecond. */
export const isoTime = (atMs: number): string => {
  if (atMs === isoMs) return isoText
  const second = Math.floor(atMs / 1000)
  if (second !== isoSecond) isoSecondText = new Date(second * 1000).toISOString().slice(0, -4)
  isoSecond = second
  isoMs = atMs
  isoText = `${isoSecondText}${String(Math.floor(atMs) - second * 1000).padStart(3, '0')}Z`
  return isoText
}

/** As JSON.stringify would, which takes several times as long; of ASCII alone, so that a character is a byte. */
export const jsonOf = (line: AccessLine): string => {
  const { time, requestId, client, bytes, durationMs } = line
  const asked = `{"time":"${time}","requestId":${quoted(requestId)},"client":${quoted(client)}${askedOf(line)}`
  return `${asked}${bytes},"durationMs":${thousandths(durationMs)}${servedOf(line)}`
}

const askedOf = ({ host, method, path, status }: Asked): string =>
  `,"host":${quoted(host)},"method":${quoted(method)},"path":${quoted(path)},"status":${status},"bytes":`

const servedOf = ({ service, version, instance, failed }: Served): string =>
  `,"service":${quoted(service)},"version":${quoted(version)},"instance":${quoted(instance)}${failed ? ',"failed":true' : ''}}\n`

/** What lines have in common, as bytes. */
type Part<Of> = { readonly of: Of; readonly bytes: Buffer }

const places = 64
/** Longer ones are of long paths, and not kept. */
const mostPartBytes = 1 << 10
/** A time, two numbers and what stands around all that is said. */
const mostOtherBytes = 256
const timeAt = '{"time":"'.length
const timeLength = '2026-01-01T00:00:00.000Z'.length

/**
 * Lines as `jsonOf` makes them, straight into memory: what a line has in common with one before is copied, so that only its time, id,
 * client and numbers are made anew. Made as text and then written, a line costs some four times as much.
 */
export class JsonLines {
  readonly #opening = Buffer.from(`{"time":"${' '.repeat(timeLength)}","requestId":"`, 'latin1')
  readonly #client = Buffer.from('","client":"', 'latin1')
  readonly #duration = Buffer.from(',"durationMs":', 'latin1')
  readonly #asked: (Part<Asked> | null)[] = Array<null>(places).fill(null)
  readonly #served: (Part<Served> | null)[] = Array<null>(places).fill(null)
  #time = ''

  /** Where the line ends; -1 where there is no room for it, or it is one for `jsonOf`. What is behind `from` is then of no use. */
  put(line: AccessLine, to: Buffer, from: number): number {
    const { time, requestId, client, bytes, durationMs } = line
    const asked = this.#askedOf(line)
    const served = this.#servedOf(line)
    const mostBytes = asked.bytes.length + served.bytes.length + requestId.length + client.length + mostOtherBytes
    if (from + mostBytes > to.length || time.length !== timeLength) return -1
    if (time !== this.#time) {
      if (putPlain(this.#opening, timeAt, time) === -1) return -1
      this.#time = time
    }
    let at = putPlain(to, putBytes(to, from, this.#opening), requestId)
    if (at === -1) return -1
    at = putPlain(to, putBytes(to, at, this.#client), client)
    if (at === -1) return -1
    to[at] = quote
    at = putBytes(to, at + 1, asked.bytes)
    if (!isCount(bytes)) return -1
    at = putBytes(to, putDigits(to, at, bytes), this.#duration)
    const thousandths = Math.round(durationMs * 1000)
    if (!isCount(thousandths)) return -1
    return putBytes(to, putThousandths(to, at, thousandths), served.bytes)
  }

  #askedOf(line: AccessLine): Part<Asked> {
    const { host, method, path, status } = line
    const place = (endOf(path) + path.length * 31 + method.length + status) & (places - 1)
    const kept = this.#asked[place]
    const of = kept?.of
    if (kept && of && of.path === path && of.status === status && of.method === method && of.host === host) return kept
    const part = { of: { host, method, path, status }, bytes: Buffer.from(askedOf(line), 'latin1') }
    if (part.bytes.length <= mostPartBytes) this.#asked[place] = part
    return part
  }

  #servedOf(line: AccessLine): Part<Served> {
    const { service, version, instance, failed } = line
    const place = (endOf(instance) + endOf(version) + endOf(service)) & (places - 1)
    const kept = this.#served[place]
    const of = kept?.of
    const isSame = of && of.instance === instance && of.version === version && of.service === service
    if (kept && isSame && of.failed === failed) return kept
    const part = { of: { service, version, instance, failed }, bytes: Buffer.from(servedOf(line), 'latin1') }
    if (part.bytes.length <= mostPartBytes) this.#served[place] = part
    return part
  }
}

const quote = 0x22
const zero = 0x30
/** Tells names apart that are as long as each other, by what numbers them. */
const endOf = (text: string | null): number => {
  let sum = 0
  if (text !== null)
    for (let place = Math.max(0, text.length - 4); place < text.length; place += 1)
      sum = sum * 7 + text.charCodeAt(place)
  return sum
}
const isCount = (value: number): boolean => value >= 0 && value <= Number.MAX_SAFE_INTEGER

const putBytes = (to: Buffer, at: number, bytes: Buffer): number => {
  to.set(bytes, at)
  return at + bytes.length
}

/** -1 where something of it is to be escaped. */
const putPlain = (to: Buffer, at: number, text: string): number => {
  const { length } = text
  for (let place = 0; place < length; place += 1) {
    const code = text.charCodeAt(place)
    if (code < 0x20 || code > 0x7e || code === quote || code === 0x5c) return -1
    to[at + place] = code
  }
  return at + length
}

const putDigits = (to: Buffer, at: number, value: number): number => {
  let last = at
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) last += 1
  for (let place = last, rest = value; place >= at; place -= 1, rest = Math.floor(rest / 10))
    to[place] = zero + (rest % 10)
  return last + 1
}

const putThousandths = (to: Buffer, at: number, all: number): number => {
  const rest = all % 1000
  const end = putDigits(to, at, Math.floor(all / 1000))
  if (rest === 0) return end
  to[end] = 0x2e
  to[end + 1] = zero + Math.floor(rest / 100)
  to[end + 2] = zero + (Math.floor(rest / 10) % 10)
  to[end + 3] = zero + (rest % 10)
  return end + 4
}

/** To a thousandth, without the long way of making text of a fraction. */
const thousandths = (value: number): string => {
  const all = Math.round(value * 1000)
  const whole = Math.floor(all / 1000)
  const rest = all - whole * 1000
  return rest === 0 ? `${whole}` : `${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

/** As Apache and nginx write it, which most tools read; what could end a field is escaped as Apache does. */
export const combinedOf = (line: AccessLine): string => {
  const { time, client, method, path, status, bytes, said } = line
  const asked = `${inField(method)} ${inField(path)} HTTP/${said?.httpVersion ?? '1.1'}`
  return `${client} - - [${commonTime(time)}] "${asked}" ${status} ${bytes} "${inField(said?.referer)}" "${inField(said?.userAgent)}"\n`
}

const harmless = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/
const inField = (text: string | undefined): string => {
  if (text === undefined || text === '') return '-'
  if (harmless.test(text)) return text
  const hexadecimal = (character: string): string => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`
  return Buffer.from(text)
    .toString('latin1')
    .replace(/["\\]/g, '\\$&')
    .replace(/[^\x20-\x7e]/g, hexadecimal)
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
/** `10/Oct/2000:13:55:36 +0000` */
const commonTime = (iso: string): string =>
  `${iso.slice(8, 10)}/${months[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`

/** What stands in JSON as it is. */
const plain = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const quoted = (text: string | null): string =>
  text === null ? 'null' : plain.test(text) ? `"${text}"` : JSON.stringify(text).replace(/[^\x20-\x7e]/g, escaped)
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
