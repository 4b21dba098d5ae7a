import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { allPids } from '../../processes/tree.ts'
import { type Ending, outputRead, type ProcessStart } from '../jobs/processes.ts'

/** A program that was started from inside of its job's namespaces. */
export type InnerProcess = {
  readonly stdout: Readable
  readonly stderr: Readable
  readonly ended: Promise<Ending>
  /** Its id on this machine, which is its session's, too; null when it is gone. */
  pid(): number | null
}

/** Starts a job's programs from inside of its namespaces, one at a time. */
export type InnerShell = {
  /** Whether it still answers as it was asked: a job can kill it, or speak in its place. */
  isSound(): boolean
  /** Null: this program has to be started by other means. */
  start(start: ProcessStart, prefix: readonly string[]): InnerProcess | null
}

/** Where it is told what to start. */
export type StartFolder = {
  /** The job can change nothing in it. */
  readonly orders: string
  /** The job's own, in a directory that is not. */
  readonly pipes: string
  /** Writes a file for the job's user alone to read. */
  write(file: string, text: string): void
}

/** Programs whose outputs may be held open at once, by what earlier ones left running. */
const pairs = 4
const setsid = ['/usr/bin/setsid', '/bin/setsid'].find((path) => existsSync(path))

/**
 * What it is: a shell which, before it is asked, has forked a process that waits for the name of a file, reads it and becomes the program that is in
 * there. So a program starts as quickly as from any shell, however large Headway is. The waiting process says its id, then `begun`;
 * the shell says `= <exit code>`. A signal to all of a job's processes does not end it, and it is not called `sh`, which a job may kill.
 */
export const innerShellScript = ({ orders, pipes }: Pick<StartFolder, 'orders' | 'pipes'>): string => `
echo job-starter >/proc/$$/comm
trap '' HUP INT QUIT TERM
mkfifo -m 600 ${Array.from({ length: pairs }, (_, pair) => pairIn(pipes, pair).map(quoted).join(' ')).join(' ')}
exec 2>/dev/null
while :; do
  (
    read -r pid rest </proc/self/stat
    echo "$pid"
    read -r order || { kill -KILL $$; exit; }
    echo begun
    . ${quoted(orders)}/"$order"
  )
  echo "= $?"
done`

const pairIn = (pipes: string, pair: number): [string, string] => [
  join(pipes, `${pair}-out`),
  join(pipes, `${pair}-err`),
]

/** What it was asked to start; the id is the one inside, null until the program begins. */
type Order = { pid: number | null; readonly end: (ending: Ending) => void }

/** Talks with the shell that runs `innerShellScript`; `first` is the first process of its namespace. Resolves once it is ready. */
export const openInnerShell = async (
  streams: { readonly stdin: Writable; readonly stdout: Readable },
  first: number,
  folder: StartFolder,
  clock: Clock,
): Promise<InnerShell> => {
  const ready = Promise.withResolvers<void>()
  const free = Array.from({ length: pairs }, (_, pair) => pair)
  let isSound = true
  let orders = 0
  let hasPipes = true
  let waiting: number | null = null
  let current: Order | null = null

  const lose = (): void => {
    isSound = false
    ready.resolve()
    current?.end({ exitCode: null, signal: 'SIGKILL' })
    current = null
  }
  /** What comes out of a job may be anything. */
  const hear = (line: string): void => {
    const [, pid] = /^(\d{1,10})$/.exec(line) ?? []
    const [, code] = /^= (\d{1,3})$/.exec(line) ?? []
    if (pid !== undefined) {
      waiting = Number(pid)
      ready.resolve()
    } else if (line === 'begun' && current?.pid === null && waiting !== null) {
      current.pid = waiting
    } else if (code !== undefined && current && current.pid !== null) {
      const { end } = current
      current = null
      end({ exitCode: Number(code), signal: null })
    } else lose()
  }
  let rest = ''
  streams.stdout.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (isSound) hear(line)
    if (rest.length > 100) lose()
  })
  streams.stdout.on('close', lose)
  await ready.promise
  return {
    isSound: () => isSound,
    start: (start, prefix) => {
      const isPossible =
        isSound && hasPipes && !current && setsid !== undefined && !start.input && isExportable(start.env)
      const pair = isPossible ? free.shift() : undefined
      if (pair === undefined || setsid === undefined) return null
      const names = pairIn(folder.pipes, pair)
      const [stdout, stderr] = names.map(openPipe)
      if (!stdout || !stderr) {
        for (const stream of [stdout, stderr]) stream?.destroy()
        hasPipes = false
        return null
      }
      const closed = Promise.all([stdout, stderr].map(closeOf)).then(() => free.push(pair))
      const exit = Promise.withResolvers<Ending>()
      const mine: Order = { pid: null, end: exit.resolve }
      current = mine
      orders += 1
      const file = `${orders}-start`
      const path = join(folder.orders, file)
      folder.write(path, orderFor(start, [setsid, ...prefix], names))
      effectSync('build.start-inside', () => streams.stdin.write(`${file}\n`))
      const ended = exit.promise.then((ending) => {
        // It holds the program's environment, which is not for others of the job.
        effectSync('build.remove-order', () => rmSync(path, { force: true }))
        if (mine.pid === null) for (const stream of [stdout, stderr]) stream.destroy()
        return outputRead(ending, closed, clock)
      })
      return { stdout, stderr, ended, pid: () => (mine.pid === null ? null : pidOutside(mine.pid, first)) }
    },
  }
}

/**
 * The program as the shell is told it. What is exported takes effect on none but the programs that follow, which are all inside; the
 * shell's own words for what goes wrong come after the outputs are the program's.
 */
const orderFor = (
  { argv, cwd, env }: ProcessStart,
  prefix: readonly string[],
  [stdout, stderr]: readonly [string, string],
): string =>
  [
    'trap - HUP INT QUIT TERM',
    `exec </dev/null >${quoted(stdout)} 2>${quoted(stderr)}`,
    `cd -P -- ${quoted(cwd)} || exit 126`,
    'unset OLDPWD PATH',
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${[...prefix, ...argv].map(quoted).join(' ')}`,
    '',
  ].join('\n')

const quoted = (text: string): string => `'${text.replaceAll('\0', '').replaceAll("'", `'\\''`)}'`

/** Names that a shell hands on as they are: no others, and none that means something to one of the shells that may be `sh`. */
const isExportable = (env: ProcessStart['env']): boolean =>
  Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !theShells.test(name))

const theShells =
  /^(_|BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HIST.*|IFS|LINENO|OPT(ARG|ERR|IND)|POSIXLY_CORRECT|PPID|PS4|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|TMOUT)$/

/** A named pipe that the job made, or whatever it put in its place, which is not opened. */
const openPipe = (path: string): Socket | null => {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch {
    return null
  }
  if (!fstatSync(descriptor).isFIFO()) {
    closeSync(descriptor)
    return null
  }
  return new Socket({ fd: descriptor, readable: true, writable: false })
}

const closeOf = (stream: Socket): Promise<void> => new Promise((resolve) => stream.once('close', () => resolve()))

/** Of a process inside the id outside, where it is in the namespace of which the other is the first one. */
const pidOutside = (inside: number, first: number): number | null => {
  const namespace = namespaceOf(first)
  const isIt = (pid: number): boolean => idsOf(pid).at(-1) === inside && namespaceOf(pid) === namespace
  return namespace === null ? null : (allPids().find(isIt) ?? null)
}

const namespaceOf = (pid: number): string | null => {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return null
  }
}

/** Its ids from the outermost namespace to its own: proc(5)'s NSpid. */
const idsOf = (pid: number): number[] => {
  try {
    const [, ids = ''] = /^NSpid:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? []
    return ids.split('\t').map(Number)
  } catch {
    return []
  }
}
