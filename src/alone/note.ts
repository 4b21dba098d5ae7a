import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fields, orNull, text, whole } from '../agent/check.ts'
import type { EdgeTable } from '../edge/protocol.ts'
import type { EdgeSettings } from '../edge/settings.ts'
import { settingsFile } from '../edge/settings.ts'
import { tablePath } from '../edge/table.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'

/** What an edge that stands alone was started for; its keeper, and each that follows it up, goes by this. */
export type Note = {
  /** The file of routes. */
  readonly file: string
  /** Of whoever said so last: an earlier one sees by it that another has taken over. */
  readonly session: string
  /** Where counters are served on loopback; 0 for a free port, null for nowhere. */
  readonly metricsPort: number | null
  /** As HEADWAY_EDGE_WORKERS says it; empty for as many as the load needs. */
  readonly workers: string
}

const noteFile = (home: Home): string => join(home.agent, 'alone.json')

/** `table` is what its first edge routes by from its first request on; null where one runs already and routes. */
export const keepNote = (home: Home, note: Note, settings: EdgeSettings, table: EdgeTable | null): void => {
  effectSync('alone.keep-note', () => {
    if (table !== null) writeDurably(tablePath(home.agent), JSON.stringify(table))
    writeDurably(settingsFile(home.agent), JSON.stringify(settings))
    writeDurably(noteFile(home), JSON.stringify(note))
  })
}

export const readNote = (home: Home): Note => {
  const note = fields(JSON.parse(readFileSync(noteFile(home), 'utf8')), 'note')
  return {
    file: text(note.file, 'file'),
    session: text(note.session, 'session'),
    metricsPort: orNull(note.metricsPort, 'metricsPort', whole),
    workers: text(note.workers, 'workers'),
  }
}

/** Directories that nobody else may look into; one of them may stand in /tmp, where others could have made it first. */
export const preparePlaces = ({ agent, sockets }: Home): void => {
  for (const path of [agent, sockets]) {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(path)
    if (uid === process.getuid?.() && (mode & 0o077) === 0) continue
    throw new Problem({
      kind: 'place-open-to-others',
      status: 403,
      detail: `${path} belongs to another user or is open to others`,
      next: `remove it, or choose another with --state`,
    })
  }
}
