import { closeSync, fstatSync, openSync, statSync, write, writeSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { effect } from '../effect.ts'

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

/** How lines are written, and which share of the requests has one; failures always do. */
export type AccessLogStyle = { readonly format: 'json' | 'combined'; readonly share: number }

export type AccessLog = {
  /** Its lines tell what the client said of itself. */
  readonly isCombined: boolean
  write(line: AccessLine): void
  /** Lines that were left out because the disk was slower than the traffic. */
  dropped(): number
  /** Writes what is held and closes; what comes later is left out. */
  close(): void
}

export type AccessLogLimits = {
  readonly fileBytes: number
  readonly keptFiles: number
  readonly heldBytes: number
  readonly flushMs: number
}
export const usualLogLimits: AccessLogLimits = {
  fileBytes: 32 << 20,
  keptFiles: 4,
  heldBytes: 4 << 20,
  flushMs: 250,
}

/**
 * Lines, appended to a file that is rotated by size. Never blocks and never fails a request: lines are held for a moment and
 * written together; beyond `heldBytes` they are dropped and counted, and a line says how many.
 */
export const openAccessLog = (
  file: string,
  say: (line: string) => void,
  limits: AccessLogLimits = usualLogLimits,
  { format, share }: AccessLogStyle = { format: 'json', share: 1 },
): AccessLog => {
  const textOf = format === 'json' ? jsonOf : combinedOf
  /** The part of the next line that is due: shares are exact, and cost no randomness. */
  let due = 0
  let descriptor = openSync(file, 'a', 0o600)
  let sizeBytes = fstatSync(descriptor).size
  let page = newPage()
  /** Those that are full and wait for the disk. */
  let held: Page[] = []
  let heldBytes = 0
  let spare: Page | null = null
  let dropped = 0
  let told = 0
  let busy = false
  let closed = false
  let complained = false

  const add = (text: string): void => {
    if (page.usedBytes + text.length > page.bytes.length) turn(text.length)
    page.usedBytes += page.bytes.write(text, page.usedBytes, 'latin1')
    page.lines += 1
  }

  const turn = (leastBytes: number): void => {
    held.push(page)
    heldBytes += page.usedBytes
    page = spare && leastBytes <= pageBytes ? spare : newPage(leastBytes)
    spare = null
  }

  const take = (): Page[] => {
    if (dropped > told) {
      add(format === 'json' ? `{"dropped":${dropped - told}}\n` : `# ${dropped - told} dropped\n`)
      told = dropped
    }
    turn(0)
    const pages = held
    held = []
    heldBytes = 0
    return pages
  }

  const flush = async (): Promise<void> => {
    if (busy || closed || (held.length === 0 && page.lines === 0)) return
    busy = true
    let pages: Page[] = []
    try {
      followRotation()
      if (sizeBytes >= limits.fileBytes) await rotate()
      pages = take()
      for (let first = pages[0]; first; first = pages[0]) {
        await append(descriptor, textIn(first))
        sizeBytes += first.usedBytes
        pages.shift()
        spare = emptied(first)
      }
      complained = false
    } catch (error) {
      dropped += pages.reduce((sum, { lines }) => sum + lines, 0)
      if (!complained) say(`edge: the access log ${file} cannot be written: ${String(error)}`) // once, not for each line
      complained = true
    } finally {
      busy = false
      if (closed) finish()
    }
  }

  const rotate = async (): Promise<void> => {
    for (let age = limits.keptFiles - 1; age >= 0; age -= 1) {
      const from = age === 0 ? file : `${file}.${age}`
      await effect('edge.log-rotate', () => rename(from, `${file}.${age + 1}`).catch(ignoreAbsence))
    }
    reopen()
  }

  const reopen = (): void => {
    const next = openSync(file, 'a', 0o600)
    closeSync(descriptor)
    descriptor = next
    sizeBytes = fstatSync(descriptor).size
  }

  /** Several edges write to the same file, and any of them rotates it. */
  const followRotation = (): void => {
    const { ino, size } = fstatSync(descriptor)
    sizeBytes = size
    if (statSync(file, { throwIfNoEntry: false })?.ino !== ino) reopen()
  }

  const finish = (): void => {
    try {
      for (const one of take()) writeSync(descriptor, textIn(one))
    } finally {
      closeSync(descriptor)
    }
  }

  const timer = setInterval(() => void flush(), limits.flushMs).unref()

  return {
    isCombined: format === 'combined',
    write: (line) => {
      if (closed) return
      if (share < 1 && !line.failed && line.status < 500) {
        due += share
        if (due < 1 - 1e-9) return // ten times a tenth is a little less than one
        due -= 1
      }
      if (heldBytes + page.usedBytes >= limits.heldBytes) {
        dropped += 1
        return
      }
      add(textOf(line))
      if (page.usedBytes > flushBytes) void flush()
    },
    dropped: () => dropped,
    close: () => {
      if (closed) return
      closed = true
      clearInterval(timer)
      if (!busy) finish()
    },
  }
}

/** Lines as bytes in one piece of memory that is used again: no line outlives its request as an object. */
type Page = { readonly bytes: Buffer; usedBytes: number; lines: number }
const pageBytes = 64 << 10
const flushBytes = 56 << 10
const newPage = (leastBytes = 0): Page => ({
  bytes: Buffer.allocUnsafeSlow(Math.max(pageBytes, leastBytes)),
  usedBytes: 0,
  lines: 0,
})
const textIn = ({ bytes, usedBytes }: Page): Buffer => bytes.subarray(0, usedBytes)
/** For the next lines; null for one of unusual size. */
const emptied = (page: Page): Page | null => {
  page.usedBytes = 0
  page.lines = 0
  return page.bytes.length === pageBytes ? page : null
}

/** As JSON.stringify would, which takes several times as long; of ASCII alone, so that a character is a byte. */
const jsonOf = (line: AccessLine): string => {
  const { time, requestId, client, host, method, path, status, bytes, durationMs, service, version, instance } = line
  const asked = `{"time":"${time}","requestId":${quoted(requestId)},"client":${quotedAs.client(client)},"host":${quotedAs.host(host)}`
  const answered = `,"method":${quotedAs.method(method)},"path":${quotedAs.path(path)},"status":${status},"bytes":${bytes}`
  const by = `,"service":${quotedAs.service(service)},"version":${quotedAs.version(version)},"instance":${quotedAs.instance(instance)}`
  return `${asked}${answered},"durationMs":${thousandths(durationMs)}${by}${line.failed ? ',"failed":true' : ''}}\n`
}

/** To a thousandth, without the long way of making text of a fraction. */
const thousandths = (value: number): string => {
  const all = Math.round(value * 1000)
  const whole = Math.floor(all / 1000)
  const rest = all - whole * 1000
  return rest === 0 ? `${whole}` : `${whole}.${rest < 10 ? '00' : rest < 100 ? '0' : ''}${rest}`
}

/** As Apache and nginx write it, which most tools read; what could end a field is escaped as Apache does. */
const combinedOf = (line: AccessLine): string => {
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
/** The same where it is often what it was in the line before. */
const quotedAgain = (): ((text: string | null) => string) => {
  let before: string | null = null
  let quotedBefore = 'null'
  return (text) => {
    if (text !== before) quotedBefore = quoted(text)
    before = text
    return quotedBefore
  }
}
const quotedAs = {
  client: quotedAgain(),
  host: quotedAgain(),
  method: quotedAgain(),
  path: quotedAgain(),
  service: quotedAgain(),
  version: quotedAgain(),
  instance: quotedAgain(),
}
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

const ignoreAbsence = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'ENOENT') throw error
}

const append = (descriptor: number, bytes: Buffer): Promise<void> =>
  new Promise((done, failed) => {
    write(descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (error) failed(error)
      else if (written < bytes.length) append(descriptor, bytes.subarray(written)).then(done, failed)
      else done()
    })
  })

/** `/search?q=&page=`: which parameters were given, not what they said. */
export const withoutQueryValues = (target: string): string => {
  const mark = target.indexOf('?')
  if (mark === -1) return target
  const names = target
    .slice(mark + 1)
    .split('&')
    .map((pair) => pair.replace(/=.*$/s, '='))
  return `${target.slice(0, mark)}?${names.join('&')}`
}
