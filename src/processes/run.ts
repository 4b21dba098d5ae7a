import { spawn } from 'node:child_process'
import { Problem } from '../problem.ts'
import type { Command, CommandOutcome } from './command.ts'

const defaultOutputBytes = 64 * 1024 * 1024

/**
 * Runs a program to its end, in a process group of its own that is killed whole on a timeout or when the signal aborts. Resolves whatever
 * its exit code; rejects when it can't be started, was aborted, or prints more than it may.
 */
export const run = (command: Command, signal?: AbortSignal): Promise<CommandOutcome> =>
  new Promise((resolve, reject) => {
    const [program, ...words] = command.argv
    const child = spawn(program, words, {
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
      env: { ...command.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
      ...(command.user ? { uid: command.user.uid, gid: command.user.gid } : {}),
    })
    const limit = command.maxOutputBytes ?? defaultOutputBytes
    const output: Buffer[] = []
    const complaints: Buffer[] = []
    let size = 0
    let timedOut = false
    let broken: Error | undefined

    const end = (why?: Error): void => {
      broken ??= why
      killGroup(child.pid, 'SIGKILL')
    }
    const keep = (kept: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length
      if (size <= limit) kept.push(chunk)
      else end(new Error(`${program} printed more than ${limit} bytes`))
    }
    child.stdout.on('data', keep(output))
    child.stderr.on('data', keep(complaints))
    child.stdin.on('error', () => undefined) // it may end without reading its input
    child.stdin.end(command.input ?? '')

    const timer =
      command.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            timedOut = true
            end()
          }, command.timeoutMs)
    const abort = () => end(new Error(`${program} was ended because its work was called off`))
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()

    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      settle()
      reject(notStarted(program, error))
    })
    child.once('close', (exitCode, endedBy) => {
      settle()
      if (broken) reject(broken)
      else
        resolve({
          exitCode,
          signal: endedBy,
          stdout: Buffer.concat(output),
          stderr: Buffer.concat(complaints).toString(),
          timedOut,
        })
    })
  })

/** The same for a program that must succeed: its standard output, or an Error that says what it was for and how it ended. */
export const runOk = async (command: Command, purpose: string, signal?: AbortSignal): Promise<Buffer> => {
  const outcome = await run(command, signal)
  if (outcome.exitCode === 0) return outcome.stdout
  const lastLines = outcome.stderr.trim().split('\n').slice(-5).join('\n')
  const how = outcome.timedOut
    ? `took longer than ${command.timeoutMs} ms`
    : outcome.signal
      ? `was ended by ${outcome.signal}`
      : `ended with ${outcome.exitCode}`
  throw new Error(`${purpose}: ${command.argv[0]} ${how}${lastLines ? `: ${lastLines}` : ''}`)
}

/** Sends a signal to a whole process group; one that is gone already is fine. */
export const killGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // it is gone
  }
}

const notStarted = (program: string, cause: NodeJS.ErrnoException): Error =>
  cause.code === 'ENOENT'
    ? new Problem(
        {
          kind: 'program-missing',
          status: 500,
          detail: `${program} is not installed on this machine`,
          next: `install ${program} and try again`,
        },
        { cause },
      )
    : new Error(`${program} could not be started: ${cause.message}`, { cause })
