import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { outputRead } from '../../processes/output.ts'
import { childrenOf } from '../../processes/tree.ts'
import { type Ending, type Output, type ProcessStart, quietMs } from '../jobs/processes.ts'
import { openOutputPipe } from './output-pipe.ts'

/** A program that was started by a shell of its job's. */
export type InnerProcess = {
  readonly stdout: Output
  readonly stderr: Output
  readonly ended: Promise<Ending>
  /** Its id on this machine, which is its session's, too; null when it was gone at once. */
  readonly pid: number | null
}

/**
 * A shell of a job's that starts the job's programs, one at a time: as quickly as from any shell, while a process as large
 * as Headway, or one that makes namespaces, takes milliseconds for it.
 */
export type InnerShell = {
  /** Whether it still answers as it was asked: a job can kill it, or speak in its place. */
  isSound(): boolean
  /** Null: this program has to be started by other means. */
  start(start: ProcessStart, prefix: readonly string[]): Promise<InnerProcess | null>
}

export type InnerShellParts = {
  /** The standard streams of the shell that runs `starterScript`. */
  readonly stdin: Writable
  readonly stdout: Readable
  /** Its id on this machine. */
  readonly pid: () => number | null
  /** Of the job's shells it is this one. */
  readonly name: string
  /** A folder of the job's own, in a directory that the job cannot change. */
  readonly pipes: string
  readonly clock: Clock
}

/** Programs whose outputs may be held open at once, by what earlier ones left running. */
const mostPairs = 16
const setsid = ['/usr/bin/setsid', '/bin/setsid'].find((path) => existsSync(path))

/** Resolves once the shell has answered, or cannot. */
export const openInnerShell = async (parts: InnerShellParts): Promise<InnerShell> => {
  if (setsid === undefined) return { isSound: () => true, start: async () => null }
  const { name, clock } = parts
  const pipes = join(parts.pipes, name)
  const starter = talkTo(parts)
  const free: number[] = [0]
  let pairs = 1
  let isBusy = false

  const startNext = async (start: ProcessStart, prefix: readonly string[]): Promise<InnerProcess | null> => {
    if (free.length === 0 && pairs < mostPairs) {
      await starter.isReady()
      await starter.order(`${makingOf(pairIn(pipes, pairs))}; exit`)
      free.push(pairs)
      pairs += 1
    }
    const pair = starter.isSound() ? free.shift() : undefined
    if (pair === undefined) return null
    const names = pairIn(pipes, pair)
    const [stdout, stderr] = names.map(openOutputPipe)
    if (!stdout || !stderr) {
      for (const stream of [stdout, stderr]) stream?.destroy()
      return null
    }
    const streams = [stdout, stderr]
    const read = Promise.all(streams.map((stream) => oneOf(stream, ['end', 'close'])))
    Promise.all(streams.map((stream) => oneOf(stream, ['close']))).then(() => free.push(pair))
    await starter.isReady()
    const pid = childOf(parts.pid()) // it waits, and becomes the program
    const exit = effectSync('build.start-inside', () => starter.order(orderFor(start, prefix, names)))
    const ended = exit.then(async (ending) => {
      isBusy = false
      if (!starter.isSound()) for (const stream of streams) stream.destroy() // perhaps nobody has ever opened them
      await outputRead(streams, read, clock, quietMs)
      return ending
    })
    return { stdout, stderr, ended, pid }
  }

  await starter.isReady()
  return {
    isSound: starter.isSound,
    start: async (start, prefix) => {
      if (isBusy || !starter.isSound() || start.input || !isExportable(start.env)) return null
      isBusy = true
      const program = await startNext(start, prefix)
      if (program === null) isBusy = false
      return program
    },
  }
}

/** What is said to the shell that waits to become the next program, and what is answered; but what comes out of a job may be anything. */
const talkTo = ({ stdin, stdout: answers }: Pick<InnerShellParts, 'stdin' | 'stdout'>) => {
  let isSound = true
  let orders = 0
  let current: ((ending: Ending) => void) | null = null
  let ready = deferred()

  const lose = (): void => {
    isSound = false
    current?.({ exitCode: null, signal: 'SIGKILL' })
    current = null
    ready.resolve()
  }
  /** `? <number>` waits for the order with this number, `= <number> <exit code>` has done it. */
  const hear = (line: string): void => {
    const [, sign, number, code] = /^([?=]) (\d{1,9})(?: (\d{1,3}))?$/.exec(line) ?? []
    const end = current
    if (sign === '?' && end === null && Number(number) === orders + 1) ready.resolve()
    else if (sign === '=' && end !== null && Number(number) === orders) {
      current = null
      end({ exitCode: Number(code), signal: null })
    } else lose()
  }
  let rest = ''
  answers.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (isSound) hear(line)
    if (rest.length > 100) lose()
  })
  answers.on('close', lose)
  return {
    isSound: () => isSound,
    isReady: (): Promise<void> => ready.promise,
    /** To be called when it is ready. */
    order: (text: string): Promise<Ending> =>
      new Promise((resolve) => {
        if (!isSound) return resolve({ exitCode: null, signal: 'SIGKILL' })
        orders += 1
        current = resolve
        ready = deferred()
        stdin.write(`${text}\n`)
      }),
  }
}

const deferred = (): { readonly promise: Promise<void>; resolve(): void } => Promise.withResolvers<void>()

/**
 * Two shells of a job that start its programs in turn: while one's program runs, the other makes ready for the next. The other is opened with the
 * second program, as many jobs have but one. Sound as long as both are.
 */
export const inTurn = (one: InnerShell, openOther: () => Promise<InnerShell>): InnerShell => {
  let starts = 0
  let [next, last] = [one, one]
  return {
    isSound: () => next.isSound() && last.isSound(),
    start: async (start, prefix) => {
      starts += 1
      if (starts === 2)
        openOther().then(
          (other) => {
            ;[next, last] = [other, one]
          },
          () => undefined, // what ended it has ended the one, too
        )
      const [now, then] = [next, last]
      ;[next, last] = [then, now]
      return (await now.start(start, prefix)) ?? (then === now ? null : then.start(start, prefix))
    },
  }
}

/** What a shell is called in /proc: not `sh`, of which a job may kill all that there are. */
export const commandOf = (name: string): string => `starter-${name}`

/**
 * What the shell does, in words for a subshell, which takes no time to start. It starts another shell ahead, the leader of a session, which reads the next order from the same input and becomes the program: what starting takes
 * has passed by then. Nothing is written to the two before one says that it is the reader.
 */
export const starterScript = (name: string, pipes: string): string =>
  setsid === undefined
    ? 'read -r never'
    : [
        `printf ${commandOf(name)} >/proc/self/comm`,
        makingOf(pairIn(join(pipes, name), 0)),
        `n=0; while n=$((n+1)); do (trap - HUP INT QUIT TERM; echo "? $n"; exec ${setsid} /bin/sh); echo "= $n $?"; done`,
      ].join('; ')

const makingOf = (pair: readonly string[]): string => `mkfifo -m 600 ${pair.map(quoted).join(' ')}`

const pairIn = (prefix: string, pair: number): [string, string] => [`${prefix}-${pair}-out`, `${prefix}-${pair}-err`]

/**
 * A program as the shell is told it, and nobody else: its environment is in no file. What is exported takes effect on none but the program
 * that the shell becomes, which is inside; the shell's own words on what goes wrong go to the program's standard error.
 */
const orderFor = (
  { argv, cwd, env }: ProcessStart,
  prefix: readonly string[],
  [stdout, stderr]: readonly [string, string],
): string =>
  [
    `exec >${quoted(stdout)} 2>${quoted(stderr)}`,
    `cd -P -- ${quoted(cwd)} || exit 126`,
    'unset OLDPWD PATH',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${[...prefix, ...argv].map(quoted).join(' ')} </dev/null`,
  ].join('\n')

const quoted = (text: string): string => `'${text.replaceAll('\0', '').replaceAll("'", `'\\''`)}'`

/** Names that a shell hands on as they are: no others, and none that means something to one of the shells that may be `sh`. */
const isExportable = (env: ProcessStart['env']): boolean =>
  Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !theShells.test(name))

const theShells =
  /^(_|BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|OPT(ARG|ERR|IND)|POSIXLY_CORRECT|PPID|PS4|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|TMOUT)$/

const oneOf = (stream: Socket, events: readonly string[]): Promise<void> =>
  new Promise((resolve) => {
    for (const event of events) stream.once(event, () => resolve())
  })

/** What the shell waits for, its only child. */
const childOf = (shell: number | null): number | null => (shell === null ? null : (childrenOf(shell)[0] ?? null))
