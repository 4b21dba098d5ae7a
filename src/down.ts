import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { effectSync } from './effect.ts'
import type { Home } from './home.ts'
import { isLocked, lockHolder } from './lock.ts'
import { Problem } from './problem.ts'
import { sendSignal } from './processes/tree.ts'

const patienceMs = 30_000
const lookEveryMs = 50

/**
 * Asks the control plane of this home to stop and waits until it has let go of the data; its pid, or null when none runs. Goes by the
 * lock, so that a note which a killed server left never leads to a stranger's process. A Problem when it takes more than 30 s.
 */
export const stopControlPlane = async (home: Home): Promise<number | null> => {
  if (!existsSync(home.lock) || !isLocked(home)) return null
  const pid = lockHolder(home)
  if (pid === null || !effectSync('down.stop-control-plane', () => sendSignal(pid, 'SIGTERM'))) return null
  for (let waitedMs = 0; isLocked(home); waitedMs += lookEveryMs) {
    if (waitedMs > patienceMs)
      throw new Problem({
        kind: 'still-running',
        status: 500,
        detail: `process ${pid}, the control plane of ${home.root}, has not ended within ${patienceMs / 1000} s`,
        next: `kill -9 ${pid} loses nothing; then say headway down again`,
      })
    await delay(lookEveryMs)
  }
  return pid
}
