import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { outputRead } from '../../processes/output.ts'
import { childrenOf } from '../../processes/tree.ts'
import { type Ending, type Output, type ProcessStart, quietMs } from '../jobs/processes.ts'

/** A program that was started from inside of its job's namespaces. */
export type InnerProcess = {
  readonly stdout: Output
  readonly stderr: Output
  readonly ended: Promise<Ending>
  /** Its id on this machine, which is its session's, too; null when it is gone. */
  pid(): number | null
}

/**
 * A shell inside of a job's namespaces that starts the job's programs, one at a time: as quickly as from any shell, while a process as large
 * as Headway, or one that makes namespaces, takes milliseconds for it.
 */
export type InnerShell = {
  /** Whether it still answers as it was asked: a job can kill it, or speak in its place. */
  isSound(): boolean
  /** Null: this program has to be started by other means. */
  start(start: ProcessStart, prefix: readonly string[]): Promise<InnerProcess | null>
}

export type InnerShellParts = {
  /** The standard streams of a `sh` that has just been started with no arguments. */
  readonly stdin: Writable
  readonly stdout: Readable
  /** Its id on this machine. */
  readonly pid: () => number | null
  /** What it shall do before anything else, as it concerns all that it starts. */
  readonly prelude: string
  /** A folder of the job's own, in a directory that the job cannot change. */
  readonly pipes: string
  readonly clock: Clock
}

/** Programs whose outputs may be held open at once, by what earlier ones left running. */
const mostPairs = 16
const setsid = ['/usr/bin/setsid', '/bin/setsid'].find((path) => existsSync(path))

/** Resolves once the shell has answered, or cannot. */
export const openInnerShell = async (parts: InnerShellParts): Promise<InnerShell> => {
  const { stdin, stdout: answers, pipes, clock } = parts
  const free: number[] = []
  let pairs = 0
  let isSound = true
  let orders = 0
  let current: ((ending: Ending) => void) | null = null

  const lose = (): void => {
    isSound = false
    current?.({ exitCode: null, signal: 'SIGKILL' })
    current = null
  }
  /** `= <number of the order> <exit code>`; but what comes out of a job may be anything. */
  const hear = (line: string): void => {
    const [, order, code] = /^= (\d{1,9}) (\d{1,3})$/.exec(line) ?? []
    const end = current
    if (end === null || Number(order) !== orders) lose()
    else {
      current = null
      end({ exitCode: Number(code), signal: null })
    }
  }
  let rest = ''
  answers.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (isSound) hear(line)
    if (rest.length > 100) lose()
  })
  answers.on('close', lose)
  const order = (text: string): Promise<Ending> =>
    new Promise((resolve) => {
      orders += 1
      current = resolve
      stdin.write(`${text}\necho "= ${orders} $?"\n`)
    })

  const makePair = (): string => {
    free.push(pairs)
    pairs += 1
    return `mkfifo -m 600 ${pairIn(pipes, pairs - 1)
      .map(quoted)
      .join(' ')}`
  }
  const isAble = ({ input, env }: ProcessStart): boolean => isSound && current === null && !input && isExportable(env)

  await order([parts.prelude, prelude, makePair()].join('\n'))
  return {
    isSound: () => isSound,
    start: async (start, prefix) => {
      if (setsid === undefined || !isAble(start)) return null
      if (free.length === 0 && pairs < mostPairs) await order(makePair())
      const pair = isAble(start) ? free.shift() : undefined
      if (pair === undefined) return null
      const names = pairIn(pipes, pair)
      const [stdout, stderr] = names.map(openPipe)
      if (!stdout || !stderr) {
        for (const stream of [stdout, stderr]) stream?.destroy()
        return null
      }
      const closed = Promise.all([stdout, stderr].map(closeOf)).then(() => free.push(pair))
      const exit = effectSync('build.start-inside', () => order(orderFor(start, [setsid, ...prefix], names)))
      const ended = exit.then(async (ending) => {
        if (!isSound) for (const stream of [stdout, stderr]) stream.destroy() // perhaps nobody has ever opened them
        await outputRead([stdout, stderr], closed, clock, quietMs)
        return ending
      })
      return { stdout, stderr, ended, pid: () => childOf(parts.pid()) }
    },
  }
}

/** It is not called `sh`, of which a job may kill all that there are, and does not end with a signal to all of a job's processes. */
const prelude = `exec 3>&- 4>&-; echo job-starter >/proc/$$/comm; trap '' HUP INT QUIT TERM; exec 2>/dev/null`

const pairIn = (pipes: string, pair: number): [string, string] => [
  join(pipes, `${pair}-out`),
  join(pipes, `${pair}-err`),
]

/**
 * A program as the shell is told it, and nobody else: its environment is in no file. What is exported takes effect on none but the programs that
 * follow, which are all inside; the shell's own words on what goes wrong go to the program's standard error.
 */
const orderFor = (
  { argv, cwd, env }: ProcessStart,
  prefix: readonly string[],
  [stdout, stderr]: readonly [string, string],
): string =>
  [
    '(trap - HUP INT QUIT TERM',
    `exec </dev/null >${quoted(stdout)} 2>${quoted(stderr)}`,
    `cd -P -- ${quoted(cwd)} || exit 126`,
    'unset OLDPWD PATH',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${[...prefix, ...argv].map(quoted).join(' ')})`,
  ].join('\n')

const quoted = (text: string): string => `'${text.replaceAll('\0', '').replaceAll("'", `'\\''`)}'`

/** Names that a shell hands on as they are: no others, and none that means something to one of the shells that may be `sh`. */
const isExportable = (env: ProcessStart['env']): boolean =>
  Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !theShells.test(name))

const theShells =
  /^(_|BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|OPT(ARG|ERR|IND)|POSIXLY_CORRECT|PPID|PS4|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|TMOUT)$/

/** A named pipe that the job made; null where it put something else in its place. */
const openPipe = (path: string): OutputPipe | null => {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch {
    return null
  }
  if (fstatSync(descriptor).isFIFO()) return new OutputPipe(descriptor)
  closeSync(descriptor)
  return null
}

/** Everything is read to one place, as much output in buffers of their own would keep the collector of garbage busy. */
const readTo = Buffer.allocUnsafeSlow(64 * 1024)

class OutputPipe extends Socket implements Output {
  #take = (chunk: Buffer): boolean => this.push(Buffer.from(chunk))

  constructor(descriptor: number) {
    const callback = (length: number): boolean => this.#take(readTo.subarray(0, length))
    super({ fd: descriptor, readable: true, writable: false, onread: { buffer: readTo, callback } })
  }

  lookAt(take: (chunk: Buffer) => boolean): void {
    this.#take = take
    this.resume()
  }
}

const closeOf = (stream: Socket): Promise<void> => new Promise((resolve) => stream.once('close', () => resolve()))

/** What the shell waits for, its only child. */
const childOf = (shell: number | null): number | null => (shell === null ? null : (childrenOf(shell)[0] ?? null))
