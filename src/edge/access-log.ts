import { closeSync, fstatSync, openSync, statSync, write, writeSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { effect } from '../effect.ts'
import { type AccessLine, combinedOf, JsonLines, jsonOf } from './access-line.ts'

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
  const lines = format === 'json' ? new JsonLines() : null
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

  /** What most lines are, without a text of their own. */
  const addAtOnce = (line: AccessLine): boolean => {
    const end = lines?.put(line, page.bytes, page.usedBytes) ?? -1
    if (end === -1) return false
    page.usedBytes = end
    page.lines += 1
    return true
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
      if (!addAtOnce(line)) add(textOf(line))
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
