import { join } from 'node:path'
import { journalFiles, type KeptLine, linesOf, openSnapshot } from './journal.ts'
import type { LogLine, LogQuery, Owner } from './protocol.ts'

const defaultLimit = 100

export const matchesOwner = (owner: Owner, id: string, query: LogQuery): boolean =>
  owner.project === query.project &&
  owner.service === query.service &&
  (query.environment === undefined || owner.environment === query.environment) &&
  (query.instance === undefined || id === query.instance)

export const matchesLine = ({ at, text }: KeptLine, { since, until, search }: LogQuery): boolean =>
  (since === undefined || at >= since) &&
  (until === undefined || at <= until) &&
  (search === undefined || text.toLowerCase().includes(search.toLowerCase()))

/** The newest lines that match over all journals of the query's owner, by time. */
export const findLines = async (
  root: string,
  owners: ReadonlyMap<string, Owner>,
  query: LogQuery,
): Promise<LogLine[]> => {
  const limit = query.limit ?? defaultLimit
  const wanted = [...owners].filter(([id, owner]) => matchesOwner(owner, id, query)).map(([id]) => id)
  const found: LogLine[] = []
  for (const id of wanted) {
    const lines = await newestOf(join(root, id), query, limit)
    found.push(...lines.map(({ at, stream, text }) => ({ at, instance: id, stream, text })))
  }
  // Sorting is stable: what one instance said in one millisecond stays in its order.
  found.sort((left, right) => left.at - right.at)
  return limit === 0 ? [] : found.slice(-limit)
}

/** Reads the newest file first and goes back only for as long as lines are missing and older files can hold any. */
const newestOf = async (directory: string, query: LogQuery, limit: number): Promise<KeptLine[]> => {
  const snapshots = await Promise.all(journalFiles(directory).map(openSnapshot))
  let newest: KeptLine[] = []
  try {
    for (const snapshot of snapshots) {
      if (!snapshot || newest.length >= limit) continue
      if (query.since !== undefined && (await snapshot.handle.stat()).mtimeMs < query.since) continue
      let lines: KeptLine[] = []
      for await (const line of linesOf(snapshot.handle, snapshot.sizeBytes)) {
        if (!matchesLine(line, query)) continue
        lines.push(line)
        if (lines.length > 2 * limit) lines = lines.slice(-limit) // no more than asked for is ever held
      }
      newest = [...lines, ...newest].slice(-limit)
    }
  } finally {
    await Promise.all(snapshots.map((snapshot) => snapshot?.handle.close()))
  }
  return newest
}
