import { appendFileSync, closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Marks a boundary where Headway changes the world outside its own memory: a write, a spawn, a route change, a commit.
 * The marks on both sides are failpoints: with HEADWAY_FAILPOINT=`<name>:before` or `<name>:after` in the environment the process
 * kills itself (SIGKILL) there, so that the tests can show that starting again ends in the same place. With
 * HEADWAY_FAILPOINT_TIMES=`<count>:<directory>` it does so only this many times over all processes and restarts that share the
 * directory, and with HEADWAY_FAILPOINT_SKIP=`<count>` not before it has passed there so often. HEADWAY_FAILPOINT_TRACE=`<file>` appends each mark that is passed, which is how the tests know that none was missed, and
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
const killSkip = Number(process.env.HEADWAY_FAILPOINT_SKIP ?? 0)
const traceFile = process.env.HEADWAY_FAILPOINT_TRACE
const killsFile = process.env.HEADWAY_FAILPOINT_KILLS

const pass = (mark: string): void => {
  if (traceFile) appendFileSync(traceFile, `${mark}\n`)
  if (mark !== killAt || !mayKill(mark)) return
  process.kill(process.pid, 'SIGKILL')
}

const mayKill = (mark: string): boolean => {
  if (killTimes === undefined) {
    say(mark)
    return true
  }
  const [count, directory = ''] = killTimes.split(/:(.*)/s)
  if (take(directory, 'skip', killSkip) || existsSync(placeOf(directory, 'kill', Number(count)))) return false
  say(mark) // before it is taken: whoever else kills this process in between leaves none that was taken and not told
  return take(directory, 'kill', Number(count))
}

const say = (mark: string): void => {
  if (killsFile) appendFileSync(killsFile, `${mark}\n`)
}

/** Takes one of so many that are left; each is a file that only one process can create. */
const take = (directory: string, what: string, count: number): boolean => {
  for (let one = 1; one <= count; one += 1) {
    try {
      closeSync(openSync(placeOf(directory, what, one), 'wx'))
      return true
    } catch {
      // that one was taken already
    }
  }
  return false
}

const placeOf = (directory: string, what: string, one: number): string => join(directory, `${what}-${one}`)
