import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import type { LogLine } from './protocol.ts'
import type { SpoolLine } from './spool.ts'

export type Stream = LogLine['stream']
export type JournalLimits = { readonly fileBytes: number; readonly files: number }
export const usualJournal: JournalLimits = { fileBytes: 10 * 1024 * 1024, files: 5 }

/**
 * The kept output of one instance: lines `<time> <o|e> <offset> <text>`. The offset is where the next line begins in the spool, so
 * that after a crash reading goes on exactly behind what is kept; `O` and `E` say that the spool was emptied.
 */
export type Journal = {
  append(stream: Stream, at: number, lines: readonly SpoolLine[]): void
  emptied(stream: Stream, at: number): void
}

export const openJournal = (directory: string, { fileBytes, files }: JournalLimits = usualJournal): Journal => {
  const file = join(directory, 'journal')
  let sizeBytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  const write = (content: string): void => {
    if (sizeBytes > fileBytes) {
      rotate(file, files)
      sizeBytes = 0
    }
    effectSync('agent.journal-append', () => appendFileSync(file, content, { mode: 0o600 }))
    sizeBytes += Buffer.byteLength(content)
  }
  return {
    append: (stream, at, lines) => {
      const mark = stream === 'stdout' ? 'o' : 'e'
      if (lines.length > 0) write(lines.map(({ text, end }) => `${at} ${mark} ${end} ${text}\n`).join(''))
    },
    emptied: (stream, at) => write(`${at} ${stream === 'stdout' ? 'O' : 'E'} 0 \n`),
  }
}

const rotate = (file: string, files: number): void => {
  for (let place = files - 1; place >= 1; place -= 1) {
    const younger = place === 1 ? file : `${file}.${place - 1}`
    if (existsSync(younger)) effectSync('agent.journal-rotate', () => renameSync(younger, `${file}.${place}`))
  }
}

const tailBytes = 1024 * 1024

/** Up to which offset each spool of the instance is kept. Looks at the last MiB of each file, which holds a line of both or of one. */
export const keptOffsets = (directory: string): Record<Stream, number> => {
  const found: { stdout?: number; stderr?: number } = {}
  for (const file of journalFiles(directory)) {
    for (const line of tailOf(file).split('\n').reverse()) {
      const parts = /^\d+ ([oeOE]) (\d+) /.exec(line)
      if (!parts) continue
      const stream = parts[1]?.toLowerCase() === 'o' ? 'stdout' : 'stderr'
      found[stream] ??= Number(parts[2])
      if (found.stdout !== undefined && found.stderr !== undefined) break
    }
  }
  return { stdout: found.stdout ?? 0, stderr: found.stderr ?? 0 }
}

/** The files of a journal, the newest first. */
export const journalFiles = (directory: string): string[] =>
  ['journal', ...Array.from({ length: 9 }, (_, index) => `journal.${index + 1}`)]
    .map((name) => join(directory, name))
    .filter((path) => existsSync(path))

const tailOf = (file: string): string => {
  const descriptor = openSync(file, 'r')
  try {
    const sizeBytes = fstatSync(descriptor).size
    const buffer = Buffer.alloc(Math.min(sizeBytes, tailBytes))
    readSync(descriptor, buffer, 0, buffer.length, sizeBytes - buffer.length)
    return buffer.toString('utf8')
  } finally {
    closeSync(descriptor)
  }
}

export type KeptLine = { readonly at: number; readonly stream: Stream; readonly text: string }

/** The lines of a journal's file up to a size, in the order in which they were written. */
export async function* linesOf(handle: FileHandle, sizeBytes: number): AsyncGenerator<KeptLine> {
  let rest = Buffer.alloc(0)
  const buffer = Buffer.alloc(256 * 1024)
  for (let position = 0; position < sizeBytes; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, sizeBytes - position), position)
    if (bytesRead === 0) break
    position += bytesRead
    const chunk = Buffer.concat([rest, buffer.subarray(0, bytesRead)])
    const end = chunk.lastIndexOf(10)
    rest = chunk.subarray(end + 1)
    for (const line of chunk.toString('utf8', 0, end + 1).split('\n')) {
      const parsed = parseLine(line)
      if (parsed) yield parsed
    }
  }
}

const parseLine = (line: string): KeptLine | null => {
  const first = line.indexOf(' ')
  const third = line.indexOf(' ', first + 3)
  const mark = line[first + 1]
  if (first < 1 || third < 0 || (mark !== 'o' && mark !== 'e')) return null
  return {
    at: Number(line.slice(0, first)),
    stream: mark === 'o' ? 'stdout' : 'stderr',
    text: line.slice(third + 1),
  }
}

/** The file as it is now: what is appended or rotated later is not seen through it. Null when it is gone. */
export const openSnapshot = async (file: string): Promise<{ handle: FileHandle; sizeBytes: number } | null> => {
  try {
    const handle = await open(file, 'r')
    return { handle, sizeBytes: (await handle.stat()).size }
  } catch {
    return null
  }
}
