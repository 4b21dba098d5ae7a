import { type FSWatcher, mkdirSync, readdirSync, readFileSync, rmSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { type Journal, type JournalLimits, keptOffsets, openJournal, type Stream, usualJournal } from './journal.ts'
import { findLines, matchesLine, matchesOwner } from './log-search.ts'
import { parseOwner } from './parse.ts'
import type { LogLine, LogQuery, Owner } from './protocol.ts'
import type { Say } from './say.ts'
import { openSpool, type Spool } from './spool.ts'

const streams = ['stdout', 'stderr'] as const
/** Files are watched; the look that comes anyway is for file systems that tell nothing. */
const lookMs = 1_000
/** Output is collected this long after the first word of it, so that a busy service costs little. */
const gatherMs = 25
/** How many batches are taken at once of what is written without a pause, by who asks for lines and by who takes the last of them. */
const askedTurns = 4
const lastTurns = 32
const keepGoneMs = 7 * 24 * 3_600_000
const keepGoneBytes = 1024 * 1024 * 1024

/** The output of all instances, those of the last days included. */
export type Logs = {
  /** Begins to follow an instance; resolves to the files to which its process is to append. */
  follow(id: string, owner: Owner): Record<Stream, string>
  /** Takes what is left and stops following; the journal stays for seven days. */
  release(id: string): void
  /** The newest lines that match, by time. */
  find(query: LogQuery): Promise<LogLine[]>
  /** Every line from now on that matches; the answer ends it. */
  listen(query: LogQuery, onLine: (line: LogLine) => void): () => void
  /** Removes journals of instances that are long gone, the oldest first where they take too much room. */
  tidy(): void
  close(): void
}

type Followed = {
  readonly owner: Owner
  readonly journal: Journal
  readonly spools: Readonly<Record<Stream, Spool>>
  readonly watcher: FSWatcher
  gathering: boolean
}

export const openLogs = (root: string, clock: Clock, say: Say, limits: JournalLimits = usualJournal): Logs => {
  const followed = new Map<string, Followed>()
  const listeners = new Set<{ query: LogQuery; onLine: (line: LogLine) => void }>()
  mkdirSync(root, { recursive: true, mode: 0o700 })

  const tell = (id: string, owner: Owner, line: LogLine): void => {
    for (const { query, onLine } of listeners)
      if (matchesOwner(owner, id, query) && matchesLine(line, query)) onLine(line)
  }
  const keep = (id: string, one: Followed, stream: Stream, lines: ReturnType<Spool['read']>): void => {
    const at = Math.min(one.spools[stream].writtenAt(), clock.now())
    one.journal.append(stream, at, lines)
    if (listeners.size > 0) for (const { text } of lines) tell(id, one.owner, { at, instance: id, stream, text })
  }
  /** True when there is more. */
  const collect = (id: string, one: Followed): boolean => {
    let more = false
    for (const stream of streams) {
      const lines = one.spools[stream].read()
      keep(id, one, stream, lines)
      if (lines.length > 0) more = true
      if (one.spools[stream].empty()) one.journal.emptied(stream, clock.now())
    }
    return more
  }
  /** Ends, however fast the instance writes; what cannot be kept (a full disk) is said, and waits in the spool. */
  const collectSome = (id: string, one: Followed, mostTurns: number): void => {
    try {
      for (let turn = 0; turn < mostTurns && collect(id, one); turn += 1);
    } catch (error) {
      say(`${id}: its output cannot be kept: ${describeError(error)}`)
    }
  }
  const collectSoon = (id: string, one: Followed): void => {
    if (one.gathering) return
    one.gathering = true
    setTimeout(() => {
      one.gathering = false
      if (followed.get(id) !== one) return
      try {
        if (collect(id, one)) collectSoon(id, one)
      } catch (error) {
        say(`${id}: its output cannot be kept: ${describeError(error)}`) // a full disk; the spool keeps it for later
      }
    }, gatherMs).unref()
  }
  const keepRest = (id: string, one: Followed): void => {
    try {
      for (const stream of streams) keep(id, one, stream, one.spools[stream].rest())
    } catch (error) {
      say(`${id}: the last of its output cannot be kept: ${describeError(error)}`)
    }
  }
  const look = setInterval(() => {
    for (const [id, one] of followed) collectSoon(id, one)
  }, lookMs).unref()

  return {
    follow: (id, owner) => {
      const directory = join(root, id)
      const spoolDirectory = join(directory, 'spool')
      const files = { stdout: join(spoolDirectory, 'stdout'), stderr: join(spoolDirectory, 'stderr') }
      if (followed.has(id)) return files
      effectSync('agent.log-directory', () => {
        mkdirSync(spoolDirectory, { recursive: true, mode: 0o700 })
        writeDurably(join(directory, 'owner.json'), JSON.stringify(owner))
      })
      const offsets = keptOffsets(directory)
      const one: Followed = {
        owner,
        journal: openJournal(directory, limits),
        spools: {
          stdout: openSpool(files.stdout, offsets.stdout),
          stderr: openSpool(files.stderr, offsets.stderr),
        },
        watcher: watch(spoolDirectory, { persistent: false }, () => collectSoon(id, one)),
        gathering: false,
      }
      one.watcher.on('error', () => {}) // the look goes on
      followed.set(id, one)
      collectSoon(id, one)
      return files
    },
    release: (id) => {
      const one = followed.get(id)
      if (one) {
        collectSome(id, one, lastTurns)
        keepRest(id, one)
        closeFollowed(one)
        followed.delete(id)
      }
      effectSync('agent.spool-remove', () => rmSync(join(root, id, 'spool'), { recursive: true, force: true }))
    },
    find: (query) => {
      for (const [id, one] of followed) collectSome(id, one, askedTurns)
      return findLines(root, ownersIn(root), query)
    },
    listen: (query, onLine) => {
      const listener = { query, onLine }
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    tidy: () => {
      const gone = readdirSync(root)
        .filter((id) => !followed.has(id))
        .map((id) => ({ id, at: statSync(join(root, id)).mtimeMs, bytes: sizeOf(join(root, id)) }))
        .sort((left, right) => right.at - left.at)
      let total = 0
      for (const { id, at, bytes } of gone) {
        total += bytes
        if (clock.now() - at < keepGoneMs && total <= keepGoneBytes) continue
        effectSync('agent.journal-remove', () => rmSync(join(root, id), { recursive: true, force: true }))
      }
    },
    close: () => {
      clearInterval(look)
      for (const one of followed.values()) closeFollowed(one)
      followed.clear()
    },
  }
}

const closeFollowed = ({ watcher, spools }: Followed): void => {
  watcher.close()
  for (const stream of streams) spools[stream].close()
}

const ownersIn = (root: string): Map<string, Owner> =>
  new Map(
    readdirSync(root).flatMap((id): [string, Owner][] => {
      try {
        return [[id, parseOwner(JSON.parse(readFileSync(join(root, id, 'owner.json'), 'utf8')))]]
      } catch {
        return [] // being made or removed
      }
    }),
  )

const sizeOf = (directory: string): number =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)
