import { closeSync, existsSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs'
import { effectSync } from '../effect.ts'

/**
 * A process as it can be recognised later: a pid alone is used again by others. `start` is the boot's id and the clock tick of
 * the start from /proc/<pid>/stat.
 */
export type ProcessIdentity = { readonly pid: number; readonly start: string }

/** Who it is, or null when there is no such process (a zombie, ended but not yet waited for, is none). */
export const identityOf = (pid: number): ProcessIdentity | null => {
  const status = statusOf(pid)
  return status && !status.isZombie ? { pid, start: `${bootId()}/${status.startTicks}` } : null
}

/** Whether this very process still runs. */
export const isAlive = (identity: ProcessIdentity): boolean => identityOf(identity.pid)?.start === identity.start

export const sameProcess = (one: ProcessIdentity, other: ProcessIdentity): boolean =>
  one.pid === other.pid && one.start === other.start

/** Signals the whole process group that the pid leads; false when nobody is left in it. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): boolean => sendSignal(-pid, signal)

/** Signals a whole process group; one that is gone, or never was, is fine. */
export const killGroup = (pid: number | undefined, signal: NodeJS.Signals): void => {
  if (pid !== undefined) signalGroup(pid, signal)
}

/** Signals one process (or, with the pid of a leader negated, its group); false when it is gone or not ours. */
export const sendSignal = (pid: number, signal: NodeJS.Signals): boolean => {
  if (!(Math.abs(pid) > 1)) return false // kill(2) takes 0 for our own group and -1 for every process there is
  try {
    process.kill(pid, signal)
    return true
  } catch {
    return false
  }
}

/** All living processes. */
export const allPids = (): number[] => {
  try {
    return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []))
  } catch {
    return []
  }
}

/**
 * Kills what was started with its HOME in this directory, with all that it started in turn, and looks again until nothing is found: those
 * found may be starting others. Gives up after a second or so.
 */
export const endAllAtHomeIn = async (directory: string): Promise<void> => {
  const isThere = (entry: string): boolean => entry.startsWith(`HOME=${directory}/`)
  for (let round = 0; round < 100; round += 1) {
    const pids = allPids()
    const left = pids.filter((pid) => environmentOf(pid).some(isThere) && identityOf(pid) !== null)
    if (left.length === 0 && !pids.some(isBetweenPrograms)) return
    for (const pid of left) effectSync('processes.end-left-over', () => sendSignal(pid, 'SIGKILL'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/**
 * Whether it was started just now and shows no environment yet, as in the middle of execve(2): that is until the new program is in place,
 * which takes as long as the disk and the scheduler want. A kernel thread shows none either, but has no program.
 */
const isBetweenPrograms = (pid: number): boolean => {
  if (environmentOf(pid).join('') !== '') return false
  const status = statusOf(pid)
  if (status === null || status.isZombie) return false
  const upSeconds = Number(readOrEmpty('/proc/uptime').split(' ')[0])
  return upSeconds - Number(status.startTicks) / ticksASecond < justNowSeconds && hasProgram(pid)
}

/** The unit of times in proc(5)'s stat: USER_HZ, which is this on every Linux that Node.js runs on. */
const ticksASecond = 100
const justNowSeconds = 5

const hasProgram = (pid: number): boolean => {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== ''
  } catch {
    return false
  }
}

/** Those whose process group or session the pid leads, itself included; zombies are not counted. */
export const groupMembers = (leader: number): number[] =>
  allPids().filter((pid) => {
    const status = statusOf(pid)
    return status !== null && !status.isZombie && (status.group === leader || status.session === leader)
  })

/** Those that a process of one thread has started, or was given by others' ends, and that it has not yet taken note of the end of. */
export const childrenOf = (parent: number): number[] => {
  const list = `/proc/${parent}/task/${parent}/children` // where the kernel has it: else all processes are read
  if (existsSync(list)) return readOrEmpty(list).split(' ').filter(Boolean).map(Number)
  return allPids().filter((pid) => statusOf(pid)?.parent === parent)
}

/** The environment that a process was started with; empty when it is gone or not ours to read. */
export const environmentOf = (pid: number): readonly string[] => readOrEmpty(`/proc/${pid}/environ`).split('\0')

/** The TCP ports on which any of these processes listens, ascending. Empty where /proc does not tell. */
export const listeningPorts = (pids: readonly number[]): number[] => {
  const portOf = portsByInode()
  const ports = pids.flatMap(socketInodes).flatMap((inode) => portOf.get(inode) ?? [])
  return [...new Set(ports)].sort((left, right) => left - right)
}

/** The port on which a socket of this process listens; null where /proc does not tell. */
export const portOfDescriptor = (descriptor: number): number | null => {
  const [inode] = inodeOf(`/proc/self/fd/${descriptor}`)
  return inode === undefined ? null : (portsByInode().get(inode) ?? null)
}

const portsByInode = (): ReadonlyMap<string, number> =>
  new Map(['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => parseListeners(firstListeners(file))))

/**
 * The beginning of proc(5)'s net/tcp, which lists all sockets that listen before all others (the kernel's
 * networking/proc_net_tcp.rst). The rest is megabytes on a machine with many connections.
 */
const firstListeners = (file: string): string => {
  let descriptor: number | null = null
  try {
    descriptor = openSync(file, 'r')
    const block = Buffer.alloc(16_384)
    let text = ''
    for (;;) {
      const read = readSync(descriptor, block)
      text += block.toString('latin1', 0, read)
      const isPast = /^ *\d+: \S+ \S+ (?!0A)[\dA-F]{2} /m.test(text)
      if (read === 0 || isPast) return text
    }
  } catch {
    return ''
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

/** Lines of proc(5)'s net/tcp in state 0A (LISTEN) as pairs of the socket's inode and its port. */
export const parseListeners = (table: string): [inode: string, port: number][] =>
  table.split('\n').flatMap((line): [string, number][] => {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    const port = local?.split(':')[1]
    return state === '0A' && port !== undefined && inode !== undefined ? [[inode, Number.parseInt(port, 16)]] : []
  })

const socketInodes = (pid: number): string[] => {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => inodeOf(`/proc/${pid}/fd/${descriptor}`))
  } catch {
    return []
  }
}

const inodeOf = (link: string): string[] => {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(link))?.slice(1) ?? []
  } catch {
    return [] // closed meanwhile
  }
}

type Status = {
  readonly isZombie: boolean
  readonly parent: number
  readonly group: number
  readonly session: number
  readonly startTicks: string
}

/** Fields 3, 4, 5, 6 and 22 of proc(5)'s stat, counted from after the program's name, which may hold anything. */
const statusOf = (pid: number): Status | null => {
  const text = readOrEmpty(`/proc/${pid}/stat`)
  const [state, parent, group, session, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const startTicks = rest[15]
  if (state === undefined || startTicks === undefined) return null
  const ids = { parent: Number(parent), group: Number(group), session: Number(session) }
  return { isZombie: state === 'Z' || state === 'X', ...ids, startTicks }
}

let knownBootId: string | undefined
const bootId = (): string => {
  knownBootId ??= readOrEmpty('/proc/sys/kernel/random/boot_id').trim()
  return knownBootId
}

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
