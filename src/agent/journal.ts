import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  watch,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import type { LogLine, LogQuery } from './protocol.ts'

const spoolLimit = 1024 * 1024
const segmentBytes = 10 * 1024 * 1024
const segments = 5
const longestLine = 64 * 1024
const keepRemovedMs = 7 * 24 * 3600_000
const pollMs = 500

type Owner = { readonly project: string; readonly service: string; readonly environment: string }
type Stream = LogLine['stream']

/**
 * The output of all instances. Processes append to spool files, so that nothing breaks while no agent is there; the lines are stamped with the
 * time when they were seen and kept in rotated journals, one directory for each instance.
 */
export const createJournals = (root: string, clock: Clock) => {
  mkdirSync(root, { recursive: true, mode: 0o700 })
  const open = new Map<string, { collect(): void; close(): void }>()
  const listeners = new Set<(instance: string, line: LogLine) => void>()
  const directoryOf = (id: string): string => join(root, id)
  const spoolOf = (id: string): { stdout: string; stderr: string } => ({
    stdout: join(directoryOf(id), 'stdout.spool'),
    stderr: join(directoryOf(id), 'stderr.spool'),
  })

  const collectAll = (): void => {
    for (const { collect } of open.values()) collect()
  }

  return {
    spoolOf,
    /** Makes the instance's place and begins to follow its output. */
    follow: (id: string, owner: Owner): void => {
      if (open.has(id)) return
      const directory = directoryOf(id)
      mkdirSync(directory, { recursive: true, mode: 0o700 })
      const { project, service, environment } = owner
      effectSync('agent.write-log-owner', () =>
        writeAll(join(directory, 'owner.json'), JSON.stringify({ project, service, environment }), 'w'),
      )
      open.set(
        id,
        followSpools(id, directory, spoolOf(id), clock, (line) => {
          for (const listener of listeners) listener(id, line)
        }),
      )
    },
    /** Takes what is left and stops following; the journal stays. */
    release: (id: string): void => {
      const followed = open.get(id)
      followed?.collect()
      followed?.close()
      open.delete(id)
    },
    close: (): void => {
      collectAll()
      for (const { close } of open.values()) close()
      open.clear()
    },
    /** Removes journals of instances that have been gone for a week. */
    tidy: (): void => {
      for (const id of readdirSync(root)) {
        if (open.has(id) || clock.now() - statSync(directoryOf(id)).mtimeMs < keepRemovedMs) continue
        effectSync('agent.remove-journal', () => rmSync(directoryOf(id), { recursive: true, force: true }))
      }
    },
    /** The newest lines that match, oldest first; then, when following, each further one as it comes. */
    query: (query: LogQuery): LogLine[] => {
      collectAll()
      const wanted = readdirSync(root).filter(
        (id) => matchesOwner(directoryOf(id), query) && (query.instance === undefined || query.instance === id),
      )
      const lines = wanted.flatMap((id) => linesOf(directoryOf(id), id).filter((line) => matches(line, query)))
      lines.sort((a, b) => a.at - b.at)
      return lines.slice(-(query.limit ?? 100))
    },
    onLine: (query: LogQuery, listener: (line: LogLine) => void): (() => void) => {
      const hear = (id: string, line: LogLine): void => {
        if (
          (query.instance === undefined || query.instance === id) &&
          matchesOwner(directoryOf(id), query) &&
          matches(line, query)
        )
          listener(line)
      }
      listeners.add(hear)
      return () => listeners.delete(hear)
    },
  }
}
export type Journals = ReturnType<typeof createJournals>

const followSpools = (
  id: string,
  directory: string,
  spools: Record<Stream, string>,
  clock: Clock,
  said: (line: LogLine) => void,
) => {
  const readers = (['stdout', 'stderr'] as const).map((stream) => ({
    stream,
    file: spools[stream],
    at: 0,
    partial: '',
  }))
  const offsets = join(directory, 'offsets.json')
  for (const reader of readers) {
    writeAll(reader.file, '', 'a')
    reader.at = offsetIn(offsets, reader.stream, statSync(reader.file).size)
  }
  const journal = join(directory, 'journal')

  const keep = (stream: Stream, texts: readonly string[]): void => {
    if (texts.length === 0) return
    const at = clock.now()
    const lines = texts.map((text) =>
      text.length > longestLine ? `${text.slice(0, longestLine)} … (${text.length} characters)` : text,
    )
    writeAll(journal, lines.map((text) => `${at} ${stream === 'stdout' ? 'o' : 'e'} ${text}\n`).join(''), 'a')
    if (statSync(journal).size > segmentBytes) rotate(journal)
    for (const text of lines) said({ at, instance: id, stream, text })
  }

  const collect = (): void => {
    let moved = false
    for (const reader of readers) {
      if (!existsSync(reader.file)) continue
      const descriptor = openSync(reader.file, 'r')
      try {
        const buffer = Buffer.alloc(256 * 1024)
        const size = fstatSync(descriptor).size
        if (size < reader.at) reader.at = 0
        for (let count = 1; count > 0; ) {
          count = readSync(descriptor, buffer, 0, buffer.length, reader.at)
          reader.at += count
          moved ||= count > 0
          const pieces = (reader.partial + buffer.toString('utf8', 0, count)).split('\n')
          reader.partial = pieces.pop() ?? ''
          if (reader.partial.length > longestLine) {
            pieces.push(reader.partial)
            reader.partial = ''
          }
          keep(
            reader.stream,
            pieces.map((piece) => piece.replace(/\r$/, '')),
          )
        }
      } finally {
        closeSync(descriptor)
      }
      if (reader.at > spoolLimit) {
        // Nothing may be written between the two: the writer appends, so what comes later starts at the new end.
        if (statSync(reader.file).size === reader.at) {
          truncateSync(reader.file, 0)
          reader.at = 0
        }
      }
    }
    if (moved)
      writeAll(
        offsets,
        JSON.stringify(
          Object.fromEntries(readers.map(({ stream, at, partial }) => [stream, at - Buffer.byteLength(partial)])),
        ),
        'w',
      )
  }

  const watcher = watch(directory, { persistent: false }, (_event, name) => {
    if (name?.endsWith('.spool')) soon()
  })
  watcher.on('error', () => undefined) // the directory is gone; the poll notices
  let waiting = false
  const soon = (): void => {
    if (waiting) return
    waiting = true
    setTimeout(() => {
      waiting = false
      if (existsSync(directory)) collect()
    }, 20).unref()
  }
  const poll = setInterval(soon, pollMs).unref()
  collect()
  return {
    collect,
    close: () => {
      for (const reader of readers) keep(reader.stream, reader.partial === '' ? [] : [reader.partial])
      for (const reader of readers) reader.partial = ''
      watcher.close()
      clearInterval(poll)
    },
  }
}

const rotate = (journal: string): void => {
  for (let place = segments - 1; place >= 1; place -= 1) {
    const older = place === 1 ? journal : `${journal}.${place - 1}`
    if (existsSync(older)) renameSync(older, `${journal}.${place}`)
  }
}

const offsetIn = (file: string, stream: Stream, size: number): number => {
  try {
    const at: unknown = JSON.parse(readFileSync(file, 'utf8'))[stream]
    return typeof at === 'number' && at <= size ? at : 0
  } catch {
    return 0
  }
}

const linesOf = (directory: string, id: string): LogLine[] => {
  const files = readdirSync(directory).filter((name) => /^journal(\.\d+)?$/.test(name))
  files.sort((a, b) => Number(b.split('.')[1] ?? 0) - Number(a.split('.')[1] ?? 0))
  return files.flatMap((name) =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .flatMap((line): LogLine[] => {
        const parts = /^(\d+) ([oe]) (.*)$/s.exec(line)
        return parts
          ? [
              {
                at: Number(parts[1]),
                instance: id,
                stream: parts[2] === 'o' ? 'stdout' : 'stderr',
                text: parts[3] ?? '',
              },
            ]
          : []
      }),
  )
}

const matchesOwner = (directory: string, query: LogQuery): boolean => {
  try {
    const owner: Owner = JSON.parse(readFileSync(join(directory, 'owner.json'), 'utf8'))
    return (
      owner.project === query.project &&
      owner.service === query.service &&
      (query.environment === undefined || owner.environment === query.environment)
    )
  } catch {
    return false
  }
}

const matches = (line: LogLine, { since, until, search }: LogQuery): boolean =>
  (since === undefined || line.at >= since) &&
  (until === undefined || line.at <= until) &&
  (search === undefined || line.text.toLowerCase().includes(search.toLowerCase()))

const writeAll = (file: string, text: string, flags: string): void => {
  const descriptor = openSync(file, flags, 0o600)
  try {
    writeSync(descriptor, text)
  } finally {
    closeSync(descriptor)
  }
}
