import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { describeError } from '../../problem.ts'
import type { Cell } from '../sandbox/sandbox.ts'
import { type Annotations, remark } from './annotations.ts'
import { type CommandFile, isRefusedVariable, type Pairs, parsePairs, parsePaths } from './command-files.ts'
import { isOver } from './limits.ts'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'
import type { Matchers } from './matchers.ts'
import { createOutputReader, marked, type ToldByCommands } from './output.ts'
import type { Ending, JobUser, RunningProcess } from './processes.ts'
import { type CommandFolders, readIfThere, readOfJob, type Workspace } from './workspace.ts'

/** What a step's program may change for the steps behind it, and how it ended. */
export type StepEnd = {
  readonly outcome: 'success' | 'failure' | 'cancelled'
  readonly exitCode: number | null
  /** Why it did not succeed, in a sentence. */
  readonly detail: string | null
  readonly outputs: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** Folders for the PATH, oldest first. */
  readonly paths: readonly string[]
  /** What the action's `post` is told in STATE_ variables. */
  readonly state: Readonly<Record<string, string>>
  /** Masked, at most 1 MiB. */
  readonly summary: string
  /** What was run, for whoever reads of the failure. */
  readonly command?: string
  /** Why it did not succeed is in an annotation already, or in none at all. */
  readonly isTold?: boolean
}

/** What all the steps of a job have in common. */
export type StepPlace = {
  readonly workspace: Workspace
  readonly user: JobUser | null
  readonly log: JobLog
  readonly mask: Mask
  readonly clock: Clock
  readonly annotations: Annotations
  readonly matchers: Matchers
  /** ACTIONS_STEP_DEBUG */
  readonly isDebug: boolean
  /** Begins with what is this job's alone; see `markerVariable`. */
  readonly marker: string
  /** In which its programs run. */
  readonly cell: Cell
  readonly commandFolders: CommandFolders
}

/** When a step must end before it has ended by itself. */
export type StepSignals = {
  /** Its time limit is over: it is asked to end as by `cancel`, and has failed. */
  readonly timeout: AbortSignal
  /** Asks it to end: SIGINT, then SIGTERM, then the whole tree is killed. */
  readonly cancel: AbortSignal
  /** Ends it at once. */
  readonly kill: AbortSignal
}

export type Program = {
  /** Unique in the job; the command files are called after it. */
  readonly number: number
  /** The step's name, for annotations. */
  readonly step: string
  /** The program with its arguments. */
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly input?: Readable
  /** Takes what it prints to standard output, which is then not in the log. */
  readonly take?: (stdout: Readable) => void
  /** Where it runs in a container of its own: the image, of which `argv[0]` is the entry point (empty: its own). */
  readonly image?: string
  readonly signals: StepSignals
}

const maximumSummaryBytes = 1024 * 1024
const untilTermMs = 7500
const untilKillMs = 2500

/** Runs one program of a step to its end and reads what it wrote into its command files, even when it failed. */
export const runProgram = async (program: Program, place: StepPlace): Promise<StepEnd> => {
  const { workspace, user, clock, cell, commandFolders } = place
  if (!existsSync(program.cwd)) return failed(`the working directory ${program.cwd} does not exist`)
  const files = commandFolders.make(program.number)
  const marker = `${place.marker}${program.number}/`
  const readFile = (path: string): string => readOfJob(workspace, path, user)
  const output = createOutputReader(
    { ...place, work: workspace.work, readFile },
    { name: program.step, env: program.env },
  )
  let ending: Ending
  let stopped: 'timeout' | 'cancelled' | null = null
  try {
    const process = await startIn(cell, { ...program, env: { ...program.env, ...files } }, marker)
    if (program.take) program.take(process.stdout)
    else output.read(process.stdout)
    output.read(process.stderr)
    const watch = watchOver(program.signals, clock, {
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
  const told = commandFolders.areUntouched(program.number) ? nothingTold : readFiles(files, program.step, place)
  const changes = together(output.told(), told)
  if (cell.over.aborted)
    return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail: describeError(cell.over.reason) }
  if (stopped === 'cancelled')
    return { ...changes, outcome: 'cancelled', exitCode: ending.exitCode, detail: 'cancelled' }
  const detail = stopped === 'timeout' ? 'it took too long' : (told.fault ?? output.refusal())
  if (detail !== null) return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail }
  if (ending.exitCode === 0) return { ...changes, outcome: 'success', exitCode: 0, detail: null }
  const how = ending.signal ? `it was ended by ${ending.signal}` : `it ended with exit code ${ending.exitCode}`
  return { ...changes, outcome: 'failure', exitCode: ending.exitCode, detail: how }
}

const startIn = (cell: Cell, { argv, cwd, env, input, image }: Program, marker: string): Promise<RunningProcess> => {
  const start = { argv, cwd, env, marker, ...(input ? { input } : {}) }
  if (image === undefined) return cell.start(start)
  if (!cell.containers) throw new Error(`there is no Docker Engine here to run ${image}`)
  return cell.containers.run({ ...start, image })
}

const unchanged = { outputs: {}, env: {}, paths: [], state: {}, summary: '' }

export const succeeded = (changes: Partial<StepEnd> = {}): StepEnd => ({
  ...unchanged,
  outcome: 'success',
  exitCode: 0,
  detail: null,
  ...changes,
})

export const failed = (detail: string): StepEnd => ({ ...unchanged, outcome: 'failure', exitCode: null, detail })

/** Commands come while the program runs, the files are read when it has ended. */
const together = (commands: ToldByCommands, files: ToldInFiles) => ({
  outputs: { ...commands.outputs, ...files.outputs },
  env: { ...commands.env, ...files.env },
  paths: [...commands.paths, ...files.paths],
  state: { ...commands.state, ...files.state },
  summary: files.summary,
})

type Watch = {
  ask(signal: NodeJS.Signals): void
  end(): Promise<unknown>
  onStop(why: 'timeout' | 'cancelled'): void
}

/** Ends the program on its time limit, when it is cancelled and when it is to be killed; `over()` stops watching. */
const watchOver = (
  { timeout, cancel, kill }: StepSignals,
  clock: Clock,
  { ask, end, onStop }: Watch,
): { over(): void } => {
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
  const listeners: readonly (readonly [AbortSignal, () => void])[] = [
    [kill, () => quietly(stop('cancelled', true))],
    [cancel, () => quietly(stop('cancelled', false))],
    [timeout, () => quietly(stop('timeout', false))],
  ]
  for (const [signal, act] of listeners) {
    signal.addEventListener('abort', act)
    if (signal.aborted) act()
  }
  return {
    over: () => {
      done.abort(isOver)
      for (const [signal, act] of listeners) signal.removeEventListener('abort', act)
    },
  }
}

type ToldInFiles = ToldByCommands & { readonly summary: string; readonly fault: string | null }

const nothingTold: ToldInFiles = { outputs: {}, state: {}, env: {}, paths: [], summary: '', fault: null }

const readFiles = (
  files: Readonly<Record<CommandFile, string>>,
  step: string,
  { log, mask, annotations, user }: StepPlace,
): ToldInFiles => {
  const faults: string[] = []
  const complain = (message: string): void => {
    annotations.add({ ...remark('failure', mask.hide(message)), step })
    log.write(marked('error', mask.hide(message)))
  }
  const textOf = (variable: CommandFile): string => {
    try {
      return readIfThere(files[variable], user)
    } catch (error) {
      faults.push(`${variable}: ${describeError(error)}`)
      return ''
    }
  }
  const pairsOf = (variable: CommandFile): Record<string, string> => {
    const { pairs, fault }: Pairs = parsePairs(textOf(variable))
    if (fault !== null) faults.push(`${variable}: ${fault}`)
    return Object.fromEntries(pairs)
  }
  const env = pairsOf('GITHUB_ENV')
  for (const name of Object.keys(env).filter(isRefusedVariable)) {
    delete env[name]
    // As actions/runner, FileCommandManager.cs, `SetEnvFileCommand`: an error is shown, the step does not fail.
    complain(`GITHUB_ENV cannot set ${name}`)
  }
  const summary = textOf('GITHUB_STEP_SUMMARY')
  const isTooLong = Buffer.byteLength(summary) > maximumSummaryBytes
  if (isTooLong) complain('The step summary is larger than 1 MiB and was not kept')
  return {
    env,
    outputs: pairsOf('GITHUB_OUTPUT'),
    state: pairsOf('GITHUB_STATE'),
    paths: parsePaths(textOf('GITHUB_PATH')),
    summary: isTooLong ? '' : mask.hide(summary),
    fault: faults[0] ?? null,
  }
}
