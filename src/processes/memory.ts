import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const afterMs = 8_000
/** V8 forgets the code of a function that did not run between so many collections; its source stays. */
const rounds = 4
const betweenMs = 1_000

/**
 * Gives back, once, what only the start of this thread needed, compiled code among it: some 12 MB of the control plane, 4 of the edge.
 * V8 collects when something new is allocated, which a process that waits hardly ever does. Each round pauses the thread for 10 to
 * 150 ms.
 */
export const collectAfterStart = (waitMs = afterMs): void => {
  const round = (left: number): void => {
    collect()
    if (left > 1) setTimeout(round, betweenMs, left - 1).unref()
  }
  setTimeout(round, waitMs, rounds).unref()
}

/**
 * The flag, which is the process's, is taken back at once, as compiled code that was kept under other flags is not used. What V8
 * keeps beside the heap for the next collection goes too (`last-resort`). Another thread may have taken the flag back: then nothing
 * is collected.
 */
const collect = (): void => {
  setFlagsFromString('--expose-gc')
  const found: unknown = runInNewContext('globalThis.gc')
  setFlagsFromString('--no-expose-gc')
  if (typeof found === 'function') found({ type: 'major', execution: 'sync', flavor: 'last-resort' })
}
