import { type ChildProcess, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import type { Command, CommandOutcome } from './command.ts'
import { confined } from './confine.ts'
import type { Cutter } from './cutter.ts'
import { lineCutter } from './lines.ts'
import { outputRead } from './output.ts'
import { signalGroup } from './tree.ts'

export { killGroup } from './tree.ts'

/** What a program left behind may hold its output open; for as long as this it has to say nothing. */
const quietMs = 500
const defaultMaxOutputBytes = 64 * 1024 * 1024

/**
 * Runs a program to its end as the leader of a session of its own and resolves to how it ended, whatever its exit code; only on
 * a timeout its whole process group is killed (`timedOut`). Rejects with a Problem when the program cannot be started or prints
 * more than `maxOutputBytes`, with the signal's reason when aborted. Without `env` it gets the search path and nothing else.
 */
export const run = async (command: Command, signal?: AbortSignal): Promise<CommandOutcome> => {
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  const running = start(command, signal, (channel, chunk) => (channel === 'stdout' ? stdout : stderr).push(chunk))
  const ending = await running.ended
  return { ...ending, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString('utf8') }
}

/**
 * As `run`, but hands the standard output on as it comes and holds none of it, and writes `input` as the program reads it. What `onOutput` throws
 * ends the program and is thrown.
 */
export const runThrough = async (
  command: Omit<Command, 'input'>,
  streams: { readonly input?: Iterable<string>; onOutput(chunk: Buffer): void },
  signal?: AbortSignal,
): Promise<Omit<CommandOutcome, 'stdout'>> => {
  const stderr: Buffer[] = []
  const unbounded = { ...command, maxOutputBytes: command.maxOutputBytes ?? Number.POSITIVE_INFINITY }
  const take = (channel: Channel, chunk: Buffer): void => {
    if (channel === 'stdout') streams.onOutput(chunk)
    else stderr.push(chunk)
  }
  const ending = await start(unbounded, signal, take, streams.input).ended
  return { ...ending, stderr: Buffer.concat(stderr).toString('utf8') }
}

/**
 * The standard output of a program that must succeed. Otherwise an error: the one that `explain` makes of the outcome, or, where it
 * is the purpose in words, one that says the purpose, the program, how it ended and the last lines of its stderr.
 */
export const runOk = async (
  command: Command,
  explain: string | ((outcome: CommandOutcome) => Error),
  signal?: AbortSignal,
): Promise<Buffer> => {
  const outcome = await run(command, signal)
  if (outcome.exitCode === 0) return outcome.stdout
  throw typeof explain === 'string' ? failureOf(command, outcome, explain) : explain(outcome)
}

/** How a program failed, for people; never its arguments, which may be long. */
const failureOf = (command: Command, outcome: CommandOutcome, purpose: string): Problem => {
  const last = outcome.stderr.trimEnd().split('\n').slice(-5).join('\n').slice(-2000)
  const how = outcome.timedOut
    ? `was stopped after ${command.timeoutMs} ms`
    : outcome.signal
      ? `was ended by ${outcome.signal}`
      : `ended with exit code ${outcome.exitCode}`
  return new Problem({
    kind: 'command-failed',
    status: 500,
    detail: `${purpose}: ${command.argv[0]} ${how}${last ? `: ${last}` : ' and wrote nothing to stderr'}`,
  })
}

export type StreamOptions = {
  /** Kills the whole process group when it aborts; `ended` then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called for each line, without its line break; a line longer than 64 KiB comes cut and marked. */
  onLine(line: string, channel: 'stdout' | 'stderr'): void
}

export type Ending = Pick<CommandOutcome, 'exitCode' | 'signal' | 'timedOut'>

export type RunningCommand = {
  readonly pid: number | null
  /** Resolves once the program has ended and its output was read; rejects as `run` does. */
  readonly ended: Promise<Ending>
  /** SIGTERM to the whole process group, SIGKILL after the grace (default 10 s); resolves when the program has ended. */
  stop(graceMs?: number): Promise<Ending>
}

/** Starts a long-running program and tells its output line by line; `maxOutputBytes` counts only when it is given. */
export const stream = (command: Command, { onLine, signal }: StreamOptions): RunningCommand => {
  const cutters: Record<Channel, Cutter> = {
    stdout: lineCutter((line) => onLine(line, 'stdout')),
    stderr: lineCutter((line) => onLine(line, 'stderr')),
  }
  const unbounded = { ...command, maxOutputBytes: command.maxOutputBytes ?? Number.POSITIVE_INFINITY }
  const running = start(unbounded, signal, (channel, chunk) => cutters[channel].push(chunk))
  const ended = running.ended.finally(() => {
    cutters.stdout.end()
    cutters.stderr.end()
  })
  ended.catch(() => {}) // heard by whoever waits for it
  const stop = async (graceMs = 10_000): Promise<Ending> => {
    if (running.pid !== null && running.isRunning()) signalGroup(running.pid, 'SIGTERM')
    const patience = setTimeout(running.kill, graceMs)
    try {
      return await ended
    } finally {
      clearTimeout(patience)
    }
  }
  return { pid: running.pid, ended, stop }
}

type Channel = 'stdout' | 'stderr'
type Started = { pid: number | null; ended: Promise<Ending>; isRunning(): boolean; kill(): void }

const start = (
  command: Command,
  signal: AbortSignal | undefined,
  onOutput: (channel: Channel, chunk: Buffer) => void,
  input: Iterable<string> | null = null,
): Started => {
  signal?.throwIfAborted()
  const child = launch(input === null ? command : { ...command, input: '' })
  const pid = child.pid ?? null
  let exited = false
  let fault: Error | null = null
  let timedOut = false
  // Once the leader was waited for, its number may be another group's, so nothing is killed after that.
  const kill = (): void => {
    if (pid !== null && !exited) signalGroup(pid, 'SIGKILL')
  }
  const failWith = (error: Error): void => {
    fault ??= error
    kill()
  }

  const limitBytes = command.maxOutputBytes ?? defaultMaxOutputBytes
  let sizeBytes = 0
  const listen = (channel: Channel): void => {
    child[channel]?.on('data', (chunk: Buffer) => {
      sizeBytes += chunk.length
      if (fault) return
      if (sizeBytes > limitBytes) return failWith(tooMuchOutput(command, limitBytes))
      try {
        onOutput(channel, chunk)
      } catch (error) {
        failWith(asError(error))
      }
    })
  }
  listen('stdout')
  listen('stderr')
  child.stdin?.on('error', () => {}) // it ended without reading everything
  if (input === null) child.stdin?.end(command.input ?? '')
  else if (child.stdin) pipeline(Readable.from(input), child.stdin).catch(() => {})

  const ended = new Promise<Ending>((resolve, reject) => {
    const timeout = command.timeoutMs === undefined ? null : setTimeout(onTimeout, command.timeoutMs)
    function onTimeout(): void {
      timedOut = true
      kill()
    }
    const onAbort = (): void => failWith(asError(signal?.reason))
    signal?.addEventListener('abort', onAbort)
    const finish = (exitCode: number | null, endedBy: NodeJS.Signals | null): void => {
      if (timeout) clearTimeout(timeout)
      signal?.removeEventListener('abort', onAbort)
      if (fault) reject(fault)
      else resolve({ exitCode, signal: endedBy, timedOut })
    }
    child.once('error', (error) => {
      if (pid !== null) return // a kill that failed; the exit is still told
      fault = notStarted(command, error)
      finish(null, null)
    })
    child.once('exit', (exitCode, endedBy) => {
      exited = true
      const closed = new Promise((done) => child.once('close', done))
      const pipes = [child.stdout, child.stderr].filter((stream) => stream instanceof Socket)
      void outputRead(pipes, closed, systemClock, quietMs).then(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      })
      void closed.then(() => finish(exitCode, endedBy))
    })
  })
  return { pid, ended, isRunning: () => !exited, kill }
}

const launch = (command: Command): ChildProcess => {
  const { argv, cwd } =
    command.cwd === undefined ? command : confined({ argv: command.argv, cwd: command.cwd }, command.user ?? null)
  const [program, ...args] = argv
  return effectSync('processes.spawn', () =>
    spawn(program, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...(command.env ?? { PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin' }) },
      stdio: [command.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      detached: true,
      // libuv clears the supplementary groups before it changes the user.
      ...(command.user ? { uid: command.user.uid, gid: command.user.gid } : {}),
    }),
  )
}

const notStarted = ({ argv, cwd }: Command, error: Error): Problem => {
  const code = 'code' in error ? error.code : null
  // execvp(3) says EACCES of a name that it found nowhere, where a folder of the PATH is closed to this user.
  const isMissing = code === 'ENOENT' || (code === 'EACCES' && !argv[0].includes('/'))
  return new Problem(
    isMissing
      ? {
          kind: 'program-missing',
          status: 500,
          detail: `${argv[0]} is not installed on this machine${cwd === undefined ? '' : `, or ${cwd} is not a directory`}`,
          next: `install ${argv[0]} so that it is on the PATH`,
        }
      : { kind: 'program-not-started', status: 500, detail: `${argv[0]} could not be started: ${error.message}` },
    { cause: error },
  )
}

const tooMuchOutput = ({ argv }: Command, limitBytes: number): Problem =>
  new Problem({
    kind: 'output-too-large',
    status: 500,
    detail: `${argv[0]} printed more than ${limitBytes} bytes and was stopped`,
  })

const asError = (reason: unknown): Error => (reason instanceof Error ? reason : new Error(String(reason)))
