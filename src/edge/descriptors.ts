import { readFileSync } from 'node:fs'

/** What an edge has open for itself: log, sockets of its own, files that it reads. */
const ownDescriptors = 256

/** How many descriptors this process may have; null where nobody says so. Node.js has raised its own limit as far as it may. */
export const mostDescriptors = (file = '/proc/self/limits'): number | null => {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync(file, 'utf8'))?.[1]
    return found === undefined ? null : Number(found)
  } catch {
    return null
  }
}

/** How many connections of clients each of so many listening sockets may take: each may need one to an instance too. */
export const connectionsWithin = (descriptors: number | null, wanted: number, listeners: number): number => {
  if (descriptors === null) return wanted
  return Math.max(16, Math.min(wanted, Math.floor((descriptors - ownDescriptors) / 2 / listeners)))
}

/** Whether it failed because this process or the whole machine has no descriptor left, which says nothing about the other side. */
export const isOutOfDescriptors = (error: Error): boolean =>
  'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE')

export type Turned = { away(why: 'full' | Error): void }

const onceEachMs = 60_000

/** Tells of clients that were turned away, at most once a minute. */
export const tellTurned = (
  { connections, descriptors }: { readonly connections: number; readonly descriptors: number | null },
  nowMs: () => number,
  say: (line: string) => void,
): Turned => {
  let toldMs = Number.NEGATIVE_INFINITY
  let count = 0
  const files = descriptors === null ? '' : ` (of ${descriptors} files that this process may have open, two for each)`
  const next =
    'raise its limit of open files (ulimit -n, LimitNOFILE= of systemd) and start it anew, or let more edges accept'
  return {
    away: (why) => {
      count += 1
      if (nowMs() - toldMs < onceEachMs) return
      const what =
        why === 'full' ? `${connections} connections are open, the most that one edge takes${files}` : why.message
      say(`edge: ${count === 1 ? 'a client was' : `${count} clients were`} turned away: ${what}; next: ${next}`)
      toldMs = nowMs()
      count = 0
    },
  }
}
