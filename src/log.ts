import { renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { destination, pino } from 'pino'
import { effectSync } from './effect.ts'
import type { Home } from './home.ts'
import { describeError } from './problem.ts'

/** What the control plane says of itself, as JSON lines in a file of the home; never a token or a secret. */
export type Log = {
  readonly file: string
  info(message: string, about?: Readonly<Record<string, string | number>>): void
  /** Something went wrong and nobody waits for an answer. */
  problem(message: string, error?: unknown, about?: Readonly<Record<string, string | number>>): void
  close(): void
}

const largestBytes = 10 * 1024 * 1024
/** What may wait in memory for room on the disk; what is more is lost. */
const keptBytes = 1024 * 1024

/** Opens the log; the one before is kept beside it once it has grown large. */
export const openLog = (home: Home): Log => {
  const file = join(home.root, 'server.log')
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > largestBytes)
    effectSync('log.rotate', () => renameSync(file, `${file}.1`))
  const sink = destination({ dest: file, append: true, sync: true, mode: 0o600, maxLength: keptBytes })
  sink.on('error', () => {}) // a full disk: what cannot be written waits in memory, and stops nothing
  const log = pino({ base: null, timestamp: () => `,"time":"${new Date().toISOString()}"` }, sink)
  return {
    file,
    info: (message, about = {}) => log.info(about, message),
    problem: (message, error, about = {}) =>
      log.error(
        {
          ...about,
          ...(error === undefined ? {} : { error: describeError(error) }),
          ...(error instanceof Error ? { stack: error.stack } : {}),
        },
        message,
      ),
    close: () => sink.end(),
  }
}
