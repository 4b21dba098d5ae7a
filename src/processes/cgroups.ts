import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, rmdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effect, effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import { enter, isOwner, leave, sweepCgroups, treePrefix } from './cgroup-owners.ts'
import { openOwnTree } from './own-tree.ts'
import { sendSignal } from './tree.ts'

type Say = (message: string) => void

/** Null: no limit. */
export type CgroupLimits = {
  readonly memoryBytes: number | null
  /** Cores, as a share of their time. */
  readonly cpus: number | null
  /** Threads count as well: the kernel counts tasks. */
  readonly processes: number | null
  /** Its share of a busy machine against the other groups', who have 100. */
  readonly cpuWeight?: number
}

/** Limits of instances and jobs by the kernel's control groups; where they cannot be written, nothing is limited and the log says so. */
export type Cgroups = {
  readonly enforced: boolean
  /** Makes the groups of an instance, or sets their limits again. */
  prepare(id: string, limits: CgroupLimits): void
  /** The same, without holding the process up: the kernel takes milliseconds to make a group. */
  prepareSoon(id: string, limits: CgroupLimits): Promise<void>
  place(id: string, pid: number): void
  /** The same, without holding the process up: the kernel may take some ten milliseconds. */
  placeSoon(id: string, pid: number): Promise<void>
  members(id: string): number[]
  /** How often the kernel has killed a process of it for want of memory. */
  outOfMemoryKills(id: string): number
  /** How often the kernel has refused it a process for want of room under its limit. */
  refusedForks(id: string): number
  /** What its processes hold, without caches; null when not known. */
  memoryBytes(id: string): number | null
  /** Kills whoever is left in it and removes it. */
  remove(id: string): Promise<void>
  /** The ids that have groups. */
  ids(): string[]
  /** Removes the parts of other homes that nobody uses any more: see `sweepCgroups`. */
  sweepOthers(): Promise<void>
  /** Removes this home's own part of the trees, once no instance is left. */
  close(): void
}

/** What differs between version 1 (a tree for each controller) and version 2 (one tree). */
type Version = {
  /** The directories of a group's name, one in each tree. */
  readonly trees: readonly string[]
  readonly settings: (limits: CgroupLimits) => readonly (readonly [file: string, value: string])[]
  readonly kills: readonly [tree: string, file: string]
  readonly memory: readonly [tree: string, key: string]
}

const periodMicroseconds = 100_000
const quotaOf = (cpus: number): number => Math.max(1_000, Math.round(cpus * periodMicroseconds))

/** `name` is this home's own part of the trees; `own` the group of version 2 that this process is in, which it knows by itself. */
export const openCgroups = (
  name: string,
  clock: Clock,
  say: Say,
  root = '/sys/fs/cgroup',
  own?: string | null,
): Cgroups => {
  const version = findVersion(root, name, say, own)
  const paths = (id: string): string[] => version?.trees.map((tree) => join(tree, id)) ?? []
  const members = (id: string): number[] => [...new Set(paths(id).flatMap(pidsIn))]
  const limit = (id: string, limits: CgroupLimits): void => {
    for (const [file, value] of version?.settings(limits) ?? []) {
      const target = version?.trees.map((tree) => join(tree, id, file)).find((path) => existsSync(path))
      if (target === undefined) continue // a kernel without it, such as one without swap accounting
      try {
        effectSync('processes.cgroup-limit', () => writeFileSync(target, value))
      } catch (error) {
        say(`${id}: the limit ${file} = ${value} is not enforced: ${describeError(error)}`)
      }
    }
  }
  return {
    enforced: version !== null,
    prepare: (id, limits) => {
      if (!version) return
      effectSync('processes.cgroup-make', () => {
        for (const path of paths(id)) mkdirSync(path, { recursive: true })
      })
      limit(id, limits)
    },
    prepareSoon: async (id, limits) => {
      const groups = paths(id)
      if (groups.length > 0)
        await effect('processes.cgroup-make-soon', () =>
          Promise.all(groups.map((path) => mkdir(path, { recursive: true }))),
        )
      limit(id, limits)
    },
    place: (id, pid) => {
      for (const path of paths(id))
        effectSync('processes.cgroup-place', () => writeFileSync(join(path, 'cgroup.procs'), String(pid)))
    },
    placeSoon: async (id, pid) => {
      const groups = paths(id).map((path) => join(path, 'cgroup.procs'))
      if (groups.length > 0)
        await effect('processes.cgroup-place-soon', () => Promise.all(groups.map((file) => writeFile(file, `${pid}`))))
    },
    members,
    outOfMemoryKills: (id) => {
      if (!version) return 0
      const [tree, file] = version.kills
      return Number(keyIn(join(tree, id, file), 'oom_kill') ?? 0)
    },
    refusedForks: (id) => {
      const files = paths(id).map((path) => join(path, 'pids.events'))
      return Math.max(0, ...files.map((file) => keyIn(file, 'max') ?? 0))
    },
    memoryBytes: (id) => {
      if (!version) return null
      const [tree, key] = version.memory
      return keyIn(join(tree, id, 'memory.stat'), key)
    },
    remove: async (id) => {
      for (let round = 0; round < 200; round += 1) {
        const left = members(id)
        for (const pid of left) effectSync('processes.cgroup-kill', () => sendSignal(pid, 'SIGKILL'))
        const present = paths(id).filter((path) => existsSync(path))
        if (present.length === 0) return
        // The kernel takes milliseconds for each.
        await effect('processes.cgroup-remove', () =>
          Promise.all(present.map((path) => rmdir(path).catch(() => undefined))),
        )
        if (present.some((path) => existsSync(path))) await clock.sleep(5 + round)
      }
      say(`${id}: its control group cannot be removed`)
    },
    ids: () => [...new Set(version?.trees.flatMap(directoriesIn) ?? [])].filter((one) => !isOwner(one)),
    sweepOthers: () => sweepCgroups(version?.trees.map((tree) => dirname(tree)) ?? []),
    close: () => version?.trees.forEach(leave),
  }
}

/** The name of a directory's own part of the trees. */
export const cgroupNameOf = (directory: string): string =>
  `${treePrefix}${directory.replace(/[^a-zA-Z0-9]+/g, '-').slice(-80)}`

const findVersion = (root: string, name: string, say: Say, own?: string | null): Version | null => {
  try {
    if (existsSync(join(root, 'memory', 'memory.limit_in_bytes'))) return versionOne(root, name)
    if (existsSync(join(root, 'cgroup.controllers'))) return versionTwo(root, name, own)
    say('limits of memory, CPU and processes are not enforced: no control groups are mounted')
  } catch (error) {
    say(`limits of memory, CPU and processes are not enforced: ${describeError(error)}`)
  }
  return null
}

const versionOne = (root: string, name: string): Version => {
  const trees = ['memory', 'cpu', 'pids']
    .filter((one) => existsSync(join(root, one)))
    .map((one) => join(root, one, name))
  effectSync('processes.cgroup-root', () => trees.forEach(enter))
  const memory = join(root, 'memory', name)
  return {
    trees,
    settings: ({ memoryBytes, cpus, processes, cpuWeight = 100 }) => [
      ['memory.limit_in_bytes', String(memoryBytes ?? -1)],
      ['memory.memsw.limit_in_bytes', String(memoryBytes ?? -1)], // else swap would take what is beyond
      ['cpu.shares', String(Math.max(2, Math.round(cpuWeight * 10.24)))],
      ['cpu.cfs_period_us', String(periodMicroseconds)],
      ['cpu.cfs_quota_us', String(cpus === null ? -1 : quotaOf(cpus))],
      ['pids.max', String(processes ?? 'max')],
    ],
    kills: [memory, 'memory.oom_control'],
    memory: [memory, 'total_rss'],
  }
}

const versionTwo = (root: string, name: string, own: string | null | undefined): Version => {
  const tree = openOwnTree(root, name, own)
  return {
    trees: [tree],
    settings: ({ memoryBytes, cpus, processes, cpuWeight = 100 }) => [
      ['memory.max', String(memoryBytes ?? 'max')],
      ['memory.swap.max', memoryBytes === null ? 'max' : '0'],
      ['cpu.weight', String(cpuWeight)],
      ['cpu.max', `${cpus === null ? 'max' : quotaOf(cpus)} ${periodMicroseconds}`],
      ['pids.max', String(processes ?? 'max')],
    ],
    kills: [tree, 'memory.events'],
    memory: [tree, 'anon'],
  }
}

const pidsIn = (path: string): number[] =>
  readOrEmpty(join(path, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)

const keyIn = (file: string, key: string): number | null => {
  const line = readOrEmpty(file)
    .split('\n')
    .find((one) => one.startsWith(`${key} `))
  return line === undefined ? null : Number(line.slice(key.length + 1))
}

const directoriesIn = (path: string): string[] =>
  existsSync(path)
    ? readdirSync(path, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []))
    : []

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
