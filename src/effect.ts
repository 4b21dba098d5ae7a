import { appendFileSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Marks a boundary where Headway changes the world outside its own memory: a write, a spawn, a route change, a commit.
 * The marks on both sides are failpoints: with HEADWAY_FAILPOINT=`<name>:before` or `<name>:after` in the environment the process
 * kills itself (SIGKILL) there, so that the tests can show that starting again ends in the same place. With
 * HEADWAY_FAILPOINT_TIMES=`<count>:<directory>` it does so only this many times over all processes and restarts that share the
 * directory. HEADWAY_FAILPOINT_TRACE=`<file>` appends each mark that is passed, which is how the tests know that none was missed, and
 * HEADWAY_FAILPOINT_KILLS=`<file>` each mark that killed, which is how they know that none was only named.
 * A name is `<room>.<what>`, is used in one place only, and is a literal at the call (`npm run effects` reads it).
 */
export const effect = async <Result>(name: string, act: () => Result | Promise<Result>): Promise<Result> => {
  pass(`${name}:before`)
  const result = await act()
  pass(`${name}:after`)
  return result
}

/** The same for an act that must not yield to the event loop. */
export const effectSync = <Result>(name: string, act: () => Result): Result => {
  pass(`${name}:before`)
  const result = act()
  pass(`${name}:after`)
  return result
}

const killAt = process.env.HEADWAY_FAILPOINT
const killTimes = process.env.HEADWAY_FAILPOINT_TIMES
const traceFile = process.env.HEADWAY_FAILPOINT_TRACE
const killsFile = process.env.HEADWAY_FAILPOINT_KILLS

const pass = (mark: string): void => {
  if (traceFile) appendFileSync(traceFile, `${mark}\n`)
  if (mark !== killAt || !mayKill()) return
  if (killsFile) appendFileSync(killsFile, `${mark}\n`)
  process.kill(process.pid, 'SIGKILL')
}

/** Takes one of the kills that are left; each is a file that only one process can create. */
const mayKill = (): boolean => {
  if (killTimes === undefined) return true
  const [count, directory] = killTimes.split(/:(.*)/s)
  for (let kill = 1; kill <= Number(count); kill += 1) {
    try {
      closeSync(openSync(join(directory ?? '', `kill-${kill}`), 'wx'))
      return true
    } catch {
      // that one was taken already
    }
  }
  return false
}
