import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { describeError } from '../../problem.ts'
import type { Cell } from '../sandbox/sandbox.ts'
import { type CommandFile, isRefusedVariable, parsePairs, parsePaths } from './command-files.ts'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'
import { createOutputReader, marked } from './output.ts'
import type { Ending, JobUser } from './processes.ts'
import { makeCommandFiles, readCommandFile, type Workspace } from './workspace.ts'

/** What a step's program may change for the steps behind it, and how it ended. */
export type StepEnd = {
  readonly outcome: 'success' | 'failure' | 'cancelled'
  readonly exitCode: number | null
  /** Why it did not succeed, in a sentence. */
  readonly detail: string | null
  readonly outputs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** Folders for the PATH, newest first. */
  readonly paths: readonly string[]
  readonly summary: string
}

/** What all the steps of a job have in common. */
export type StepPlace = {
  readonly workspace: Workspace
  readonly user: JobUser | null
  readonly log: JobLog
  readonly mask: Mask
  readonly clock: Clock
  /** Starts with `<run>/<job>/`; see `markerVariable`. */
  readonly marker: string
  /** In which its programs run. */
  readonly cell: Cell
}

export type Program = {
  /** The step's number in the job, from 1. */
  readonly step: number
  /** The program with its arguments. */
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly input?: Readable
  readonly timeoutMs: number | null
  /** Asks it to end: SIGINT, then SIGTERM, then the whole tree is killed. */
  readonly cancel: AbortSignal
  /** Ends it at once. */
  readonly kill: AbortSignal
}

const maximumSummaryBytes = 1024 * 1024
const untilTermMs = 7500
const untilKillMs = 2500

/** Runs one program of a step to its end and reads what it wrote into its command files, even when it failed. */
export const runProgram = async (program: Program, place: StepPlace): Promise<StepEnd> => {
  const { workspace, user, log, mask, clock, cell } = place
  if (!existsSync(program.cwd)) return failed(`the working directory ${program.cwd} does not exist`)
  const files = makeCommandFiles(workspace, program.step, user)
  const marker = `${place.marker}${program.step}`
  const output = createOutputReader(log, mask)
  let ending: Ending
  let stopped: 'timeout' | 'cancelled' | null = null
  try {
    const process = await cell.start({ ...program, env: { ...program.env, ...files }, marker })
    output.read(process.stdout)
    output.read(process.stderr)
    const watch = watchOver(program, clock, {
      ask: (signal) => process.signal(signal),
      end: () => process.end(),
      onStop: (why) => {
        stopped ??= why
      },
    })
    ending = await process.ended
    watch.over()
  } catch (error) {
    return failed(describeError(error))
  }
  output.endCommands()
  const told = readFiles(files, log, mask)
  const detail =
    stopped === 'timeout' ? `it took longer than ${minutes(program.timeoutMs)}` : (told.fault ?? output.refusal())
  const { fault: _, ...changes } = told
  if (cell.over.aborted)
    return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail: describeError(cell.over.reason) }
  if (stopped === 'cancelled')
    return { ...changes, outcome: 'cancelled', exitCode: ending.exitCode, detail: 'cancelled' }
  if (detail !== null) return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail }
  if (ending.exitCode === 0) return { ...changes, outcome: 'success', exitCode: 0, detail: null }
  const how = ending.signal ? `it was ended by ${ending.signal}` : `it ended with exit code ${ending.exitCode}`
  return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail: how }
}

export const failed = (detail: string): StepEnd => ({
  outcome: 'failure',
  exitCode: null,
  detail,
  outputs: {},
  env: {},
  paths: [],
  summary: '',
})

type Watch = {
  ask(signal: NodeJS.Signals): void
  end(): Promise<unknown>
  onStop(why: 'timeout' | 'cancelled'): void
}

/** Ends the program on its time limit, when it is cancelled and when it is to be killed; `over()` stops watching. */
const watchOver = (program: Program, clock: Clock, { ask, end, onStop }: Watch): { over(): void } => {
  const done = new AbortController()
  let isEnding = false
  const stop = async (why: 'timeout' | 'cancelled', isUrgent: boolean): Promise<void> => {
    if (done.signal.aborted) return
    onStop(why)
    if (!isUrgent && isEnding) return
    isEnding = true
    if (!isUrgent) {
      ask('SIGINT')
      await clock.sleep(untilTermMs, done.signal)
      ask('SIGTERM')
      await clock.sleep(untilKillMs, done.signal)
    }
    await end()
  }
  const quietly = (work: Promise<void>): void => {
    work.catch(() => undefined) // the program ended meanwhile
  }
  const onCancel = (): void => quietly(stop('cancelled', false))
  const onKill = (): void => quietly(stop('cancelled', true))
  if (program.timeoutMs !== null)
    quietly(clock.sleep(program.timeoutMs, done.signal).then(() => stop('timeout', false)))
  program.cancel.addEventListener('abort', onCancel)
  program.kill.addEventListener('abort', onKill)
  if (program.cancel.aborted) onCancel()
  if (program.kill.aborted) onKill()
  return {
    over: () => {
      done.abort()
      program.cancel.removeEventListener('abort', onCancel)
      program.kill.removeEventListener('abort', onKill)
    },
  }
}

type Told = Pick<StepEnd, 'outputs' | 'env' | 'paths' | 'summary'> & { readonly fault: string | null }

const readFiles = (files: Readonly<Record<CommandFile, string>>, log: JobLog, mask: Mask): Told => {
  const faults: string[] = []
  const read = <Value>(variable: CommandFile, parse: (text: string) => Value, otherwise: Value): Value => {
    try {
      return parse(readCommandFile(files[variable]))
    } catch (error) {
      faults.push(mask.hide(`${variable}: ${describeError(error)}`))
      return otherwise
    }
  }
  const env = read('GITHUB_ENV', (text) => Object.fromEntries(parsePairs(text)), {})
  for (const name of Object.keys(env).filter(isRefusedVariable)) {
    delete env[name]
    faults.push(`GITHUB_ENV cannot set ${name}`)
  }
  const summary = read('GITHUB_STEP_SUMMARY', (text) => text, '')
  const isTooLong = Buffer.byteLength(summary) > maximumSummaryBytes
  if (isTooLong) log.write(marked('error', 'The step summary is larger than 1 MiB and was not kept'))
  return {
    env,
    outputs: read('GITHUB_OUTPUT', (text) => Object.fromEntries(parsePairs(text)), {}),
    paths: read('GITHUB_PATH', parsePaths, []),
    summary: isTooLong ? '' : mask.hide(summary),
    fault: faults[0] ?? null,
  }
}

const minutes = (ms: number | null): string => `${(ms ?? 0) / 60_000} minutes`

/** Where a step's script is written; the shell is told by its extension. */
export const scriptFile = (workspace: Workspace, step: number, extension: string): string =>
  join(workspace.files, `${step}-script${extension}`)
