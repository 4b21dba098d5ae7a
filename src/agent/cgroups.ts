import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { InstanceSpec } from './protocol.ts'

/** The kernel's accounts for one instance. Where they cannot be made the instance runs without limits. */
export type Cgroup = {
  /** Directories; a process is put into an account by writing its number to `cgroup.procs` there. */
  readonly directories: readonly string[]
  members(): number[]
  memoryBytes(): number | null
  /** How often the kernel ended a process of it for want of memory. */
  outOfMemoryKills(): number
  remove(): void
}

const mount = '/sys/fs/cgroup'
const period = 100_000

/** Makes the accounts that the limits need (and one for the members at least); null where cgroups cannot be written. */
export const makeCgroup = (id: string, { memoryBytes, cpus, processes }: InstanceSpec['limits']): Cgroup | null => {
  try {
    return existsSync(join(mount, 'cgroup.controllers'))
      ? unified(id, memoryBytes, cpus, processes)
      : separate(id, memoryBytes, cpus, processes)
  } catch {
    return null // read-only, or not ours
  }
}

const unified = (id: string, memoryBytes: number | null, cpus: number | null, processes: number | null): Cgroup => {
  const parent = join(mount, 'headway')
  const directory = join(parent, id)
  mkdirSync(parent, { recursive: true })
  for (const at of [mount, parent]) writeFileSync(join(at, 'cgroup.subtree_control'), '+memory +cpu +pids')
  mkdirSync(directory, { recursive: true })
  if (memoryBytes !== null) writeFileSync(join(directory, 'memory.max'), String(memoryBytes))
  if (cpus !== null) writeFileSync(join(directory, 'cpu.max'), `${Math.round(cpus * period)} ${period}`)
  if (processes !== null) writeFileSync(join(directory, 'pids.max'), String(processes))
  return cgroupOf([directory], join(directory, 'memory.current'), join(directory, 'memory.events'))
}

const separate = (id: string, memoryBytes: number | null, cpus: number | null, processes: number | null): Cgroup => {
  const account = (controller: string): string => {
    const directory = join(mount, controller, 'headway', id)
    mkdirSync(directory, { recursive: true })
    return directory
  }
  const memory = account('memory')
  if (memoryBytes !== null) writeFileSync(join(memory, 'memory.limit_in_bytes'), String(memoryBytes))
  const directories = [memory]
  if (cpus !== null) {
    const cpu = account('cpu')
    writeFileSync(join(cpu, 'cpu.cfs_period_us'), String(period))
    writeFileSync(join(cpu, 'cpu.cfs_quota_us'), String(Math.round(cpus * period)))
    directories.push(cpu)
  }
  if (processes !== null) {
    const pids = account('pids')
    writeFileSync(join(pids, 'pids.max'), String(processes))
    directories.push(pids)
  }
  return cgroupOf(directories, join(memory, 'memory.usage_in_bytes'), join(memory, 'memory.oom_control'))
}

const cgroupOf = (directories: readonly string[], usage: string, events: string): Cgroup => ({
  directories,
  members: () => [
    ...new Set(
      directories.flatMap((directory) => read(join(directory, 'cgroup.procs')).split('\n').filter(Boolean).map(Number)),
    ),
  ],
  memoryBytes: () => {
    const text = read(usage).trim()
    return text === '' ? null : Number(text)
  },
  outOfMemoryKills: () => Number(/^oom_kill (\d+)$/m.exec(read(events))?.[1] ?? 0),
  remove: () => {
    for (const directory of directories) {
      try {
        rmdirSync(directory)
      } catch {
        // a process of it is still ending; an empty account left behind costs nothing and is used again under the same name
      }
    }
  },
})

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
