import { appendFileSync } from 'node:fs'

/**
 * Marks a boundary where Headway changes the world outside its own memory: a write, a spawn, a route change, a commit.
 * The marks on both sides are failpoints: with HEADWAY_FAILPOINT=`<name>:before` or `<name>:after` in the environment the process
 * kills itself (SIGKILL) there, so that the tests can show that starting again ends in the same place.
 * HEADWAY_FAILPOINT_TRACE=`<file>` appends each mark that is passed, which is how the tests know that none was missed.
 * A name is `<room>.<what>`, is used in one place only, and is a literal at the call (the import check reads it).
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
const traceFile = process.env.HEADWAY_FAILPOINT_TRACE

const pass = (mark: string): void => {
  if (traceFile) appendFileSync(traceFile, `${mark}\n`)
  if (mark === killAt) process.kill(process.pid, 'SIGKILL')
}
