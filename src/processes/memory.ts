import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const afterMs = 8_000

/**
 * Gives back, once, what only the start of this process needed: some 10 MB of the control plane. V8 collects when something new is
 * allocated, which a process that waits hardly ever does. The flag is taken back at once, as compiled code that was
 * kept under other flags is not used.
 */
export const collectAfterStart = (): void => {
  setTimeout(() => {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    setFlagsFromString('--no-expose-gc')
    if (typeof collect === 'function') collect()
  }, afterMs).unref()
}
