import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { Socket } from 'node:net'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../../clock.ts'
import { effect, effectSync } from '../../effect.ts'
import type { RunAs } from '../../processes/command.ts'
import { outputRead } from '../../processes/output.ts'
import { sendSignal } from '../../processes/tree.ts'

/** Every process of a job carries it, and its children inherit it: by it they are found again, even in sessions of their own. */
export const markerVariable = 'HEADWAY_JOB_PROCESS'

export type ProcessStart = {
  readonly argv: readonly [string, ...string[]]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: RunAs | null
  /** What it reads; nothing by default. */
  readonly input?: Readable
}

/** A child of this process to be. */
export type Spawn = ProcessStart & {
  /** It reads this from descriptor 3, and nothing before `placed` has been told its id. */
  readonly gate?: { readonly text: string; placed(pid: number): Promise<void> }
  /** Open files that it gets as descriptors 4, 5, … */
  readonly descriptors?: readonly number[]
}

export type Ending = { readonly exitCode: number | null; readonly signal: NodeJS.Signals | null }

/** What a program prints. */
export type Output = Readable & {
  /**
   * Where it is there, all that comes is shown to `take` in the place to which it was read, and nothing comes out of the stream: what is
   * to be kept must be copied. False: nothing more until `resume()`.
   */
  lookAt?(take: (chunk: Buffer) => boolean): void
}

/** A program on its way, wherever it runs. */
export type RunningProcess = {
  readonly stdout: Output
  readonly stderr: Output
  /** Resolves when the program itself has ended and what it printed has been read. */
  readonly ended: Promise<Ending>
  /** Signals the program and what it started in its session. */
  signal(name: NodeJS.Signals): void
  /** Kills the program and all that it started. */
  end(): Promise<void>
}

/** A program that is a child of this process. */
export type SpawnedProcess = Pick<RunningProcess, 'stdout' | 'stderr' | 'ended'> & { readonly pid: number }

/** What a program left running may keep its output open; a step waits for that only until it has said nothing for this long. */
export const quietMs = 200

/** Starts a program as the leader of a session of its own. Throws an Error that names the program when it cannot be started. */
export const startProcess = async (start: Spawn, clock: Clock): Promise<SpawnedProcess> => {
  const { argv, cwd, env, user, gate, descriptors = [] } = start
  const [program, ...rest] = argv
  const child = effectSync('build.start-step', () =>
    spawn(program, rest, {
      cwd,
      env: { ...env },
      stdio: [inputFor(start.input), 'pipe', 'pipe', ...(gate ? ['pipe' as const] : []), ...descriptors],
      detached: true,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    }),
  )
  const { pid } = child
  const { stdout, stderr } = child
  if (pid === undefined || stdout === null || stderr === null) throw await startFault(child, program)
  if (start.input && child.stdin) feed(start.input, child.stdin)
  const ended = endingOf(child, [stdout, stderr], clock)
  if (gate) await openGate(child, pid, gate)
  return { pid, stdout, stderr, ended }
}

/** A pipe of another program is handed over as it is; what comes from elsewhere passes through here. */
const inputFor = (input: Readable | undefined): 'ignore' | 'pipe' | Socket =>
  input === undefined ? 'ignore' : input instanceof Socket ? input : 'pipe'

const feed = (input: Readable, stdin: Writable): void => {
  // A program may end without having read everything; what is wrong with the input is told where it comes from.
  pipeline(input, stdin).catch(() => undefined)
}

/**
 * What a program is to read once it has been started. Node.js throws away what another program has printed when that ends and nobody
 * reads yet, so it is held from now on.
 */
export const heldInput = (input: Readable): Readable => {
  const held = new PassThrough()
  input.on('error', () => held.end())
  return input.pipe(held)
}

const openGate = async (
  child: ChildProcess,
  pid: number,
  { text, placed }: NonNullable<Spawn['gate']>,
): Promise<void> => {
  const pipe = child.stdio[3]
  if (!pipe || !('write' in pipe)) throw new Error('the gate has no pipe')
  pipe.on('error', () => undefined) // it has ended already
  try {
    await placed(pid)
    pipe.end(text, () => pipe.destroy())
  } catch (error) {
    pipe.destroy() // it ends without having begun
    throw error
  }
}

const startFault = (child: ChildProcess, program: string): Promise<Error> =>
  new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === 'ENOENT'
          ? new Error(`${program}: command not found on this machine`, { cause: error })
          : new Error(`${program} could not be started: ${error.message}`, { cause: error }),
      ),
    )
  })

const endingOf = async (child: ChildProcess, output: readonly Readable[], clock: Clock): Promise<Ending> => {
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.on('error', () => undefined) // a failed kill; the exit is still told
  const ending = await new Promise<Ending>((resolve) =>
    child.once('exit', (exitCode, signal) => resolve({ exitCode, signal })),
  )
  const pipes = output.filter((stream) => stream instanceof Socket)
  await outputRead(pipes, closed, clock, quietMs)
  return ending
}

/** Which processes belong together: those whose marker starts so, those whose folder is below, those in these sessions. */
export type ProcessFamily = {
  readonly marker: string
  readonly directory: string | null
  readonly sessions: ReadonlySet<number>
  /** Whose they are; null: Headway's own user; `anyone` where that is not known any more. */
  readonly user: JobUser | null | 'anyone'
}

/** An exclusive user is one that runs nothing but this job, so that all that it runs belongs to the job. */
export type JobUser = RunAs & { readonly isExclusive: boolean }

/**
 * Kills every process of a family, and goes on until none is found, as they may be starting others meanwhile. Resolves to
 * how many were killed.
 */
export const endFamily = (family: ProcessFamily, clock: Clock): Promise<number> =>
  effect('build.end-processes', async () => {
    const killed = new Set<number>()
    for (let round = 0; round < 200; round += 1) {
      const found = membersOf(family)
      if (found.length === 0) break
      // Stopped first, so that a fork bomb holds still while it is counted.
      for (const pid of found) sendSignal(pid, 'SIGSTOP')
      for (const pid of found) {
        sendSignal(pid, 'SIGKILL')
        killed.add(pid)
      }
      await clock.sleep(Math.min(2 + round, 20))
    }
    return killed.size
  })

/** Signals every process of a family that is there now. */
export const signalFamily = (family: ProcessFamily, name: NodeJS.Signals): void => {
  for (const pid of membersOf(family)) sendSignal(pid, name)
}

/** Signals a process's whole group; nothing happens when it is gone. */
export const signalGroup = (pid: number, name: NodeJS.Signals): void => void sendSignal(-pid, name)

/** The living members. Without /proc (no Linux) these are the sessions' leaders, by their groups. */
export const membersOf = (family: ProcessFamily): number[] => {
  const { user } = family
  const owner = user === 'anyone' ? null : (user?.uid ?? process.getuid?.())
  return processIds().filter((pid) => (owner === null || ownerOf(pid) === owner) && isMember(pid, family))
}

const processIds = (): number[] => {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  } catch {
    return []
  }
}

const isMember = (pid: number, { marker, directory, sessions, user }: ProcessFamily): boolean => {
  if (pid === process.pid) return false
  const status = statusOf(pid)
  if (status === null || status.isZombie) return false
  if (user !== null && user !== 'anyone' && user.isExclusive) return true
  if (sessions.has(status.session)) return true
  if (
    readOrEmpty(`/proc/${pid}/environ`)
      .split('\0')
      .some((entry) => entry.startsWith(`${markerVariable}=${marker}`))
  )
    return true
  const cwd = directory === null ? null : workingDirectoryOf(pid)
  return directory !== null && cwd !== null && `${cwd}/`.startsWith(`${directory}/`)
}

const ownerOf = (pid: number): number | undefined => {
  try {
    return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid
  } catch {
    return undefined
  }
}

/** Fields 3 and 6 of proc(5)'s stat, counted after the program's name, which may hold anything. */
const statusOf = (pid: number): { session: number; isZombie: boolean } | null => {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  if (text === '') return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { session: Number(fields[3]), isZombie: fields[0] === 'Z' || fields[0] === 'X' }
}

const workingDirectoryOf = (pid: number): string | null => {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
