import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import type { Clock } from '../../clock.ts'
import { describeError } from '../../problem.ts'
import type { Cgroups } from '../../processes/cgroups.ts'
import { run } from '../../processes/run.ts'
import { membersOf, type ProcessFamily } from '../jobs/processes.ts'
import { describeSize, type JobLimits } from './limits.ts'

/** A job whose use of the machine is watched. */
export type Metered = {
  /** Its control group. */
  readonly id: string
  readonly family: ProcessFamily
  /** All its directories. */
  readonly directory: string
  /** What it keeps on the disk elsewhere, in bytes. */
  readonly elsewhereBytes?: () => Promise<number>
  /** How many processes it has, where it is asked of somebody else. */
  readonly processes?: () => Promise<number>
  readonly limits: JobLimits
  /** Told once, with an Error that says the limit. */
  onOver(reason: Error): void
}

export type Meter = {
  /** Watches a job until it is told to stop. */
  watch(job: Metered): Promise<{ stop(): void }>
}

const lookMs = 250
/** Where the kernel counts nothing for us, finding a job's processes means reading through all of /proc. */
const sampleMs = 500
const walkTimeoutMs = 120_000
/** What a job writes cannot be told from what others free meanwhile: its directories are walked at least so often. */
const walkEveryMs = 5000
/** No more than this share of the time goes into walking a job's directories for that. */
const walkShare = 1 / 20
const pageBytes = 4096
const gibibyte = 1024 ** 3

type Watched = Metered & {
  /** Taken of the file system by everybody when the job began. */
  readonly usedBytes: number
  /** Below this the file system counts as full. */
  readonly reserveBytes: number
  /** Not walked before. */
  nextWalkMs: number
  /** Walked then, whatever the file system says. */
  walkByMs: number
  nextCountMs: number
  isOver: boolean
}

/**
 * Ends jobs that go over their limits. Memory and processes are the kernel's to count where there are control groups, else they are
 * sampled. The disk is asked how full it is, which costs nothing: when more was written to it since a job began than the job may write,
 * the job's directories are walked at once, and else, as others may have freed as much, every few seconds. When the disk is nearly full,
 * whoever has most on it is ended.
 */
export const createMeter = (clock: Clock, cgroups: Cgroups, report: (message: string) => void): Meter => {
  const jobs = new Set<Watched>()
  let isLooking = false

  const over = (job: Watched, what: string): void => {
    if (job.isOver) return
    job.isOver = true
    jobs.delete(job)
    job.onOver(new Error(`the job was ended: ${what}`))
  }

  const look = async (): Promise<void> => {
    let sampledAtMs = 0
    while (jobs.size > 0) {
      await clock.sleep(lookMs)
      const isSampled = !cgroups.enforced && clock.monotonicMs() - sampledAtMs >= sampleMs
      if (isSampled) sampledAtMs = clock.monotonicMs()
      for (const job of jobs) {
        const what = cgroups.enforced ? refusedByKernel(job, cgroups) : isSampled ? sampled(job) : null
        if (what !== null) over(job, what)
      }
      for (const job of jobs) await lookAtProcesses(job)
      await lookAtDisk()
    }
  }

  const lookAtProcesses = async (job: Watched): Promise<void> => {
    const { processes, limits, nextCountMs } = job
    if (!processes || limits.processes === null || clock.monotonicMs() < nextCountMs) return
    job.nextCountMs = clock.monotonicMs() + sampleMs
    if ((await processes()) >= limits.processes) over(job, tooManyProcesses(limits.processes))
  }

  const lookAtDisk = async (): Promise<void> => {
    for (const job of jobs) {
      const disk = await diskOf(job.directory)
      const isFull = disk.freeBytes < job.reserveBytes
      if (isFull) await endLargest(disk.freeBytes)
      else if (isToBeWalked(job, disk.usedBytes - job.usedBytes)) await walk(job)
    }
  }

  const isToBeWalked = ({ limits, elsewhereBytes, nextWalkMs, walkByMs }: Watched, grownBytes: number): boolean => {
    if (limits.diskBytes === null) return false
    const mayBeOver = elsewhereBytes !== undefined || grownBytes > limits.diskBytes
    return clock.monotonicMs() >= (mayBeOver ? nextWalkMs : walkByMs)
  }

  const walk = async (job: Watched): Promise<void> => {
    const began = clock.monotonicMs()
    const bytes = await sizeOf(job)
    const tookMs = clock.monotonicMs() - began
    job.nextWalkMs = clock.monotonicMs() + Math.max(1000, tookMs * 10)
    job.walkByMs = clock.monotonicMs() + Math.max(walkEveryMs, tookMs / walkShare)
    const { diskBytes } = job.limits
    if (diskBytes !== null && bytes > diskBytes) over(job, `more than ${describeSize(diskBytes)} on the disk`)
  }

  const endLargest = async (freeBytes: number): Promise<void> => {
    const sizes = await Promise.all(Array.from(jobs, async (job) => ({ job, bytes: await sizeOf(job) })))
    const [largest] = sizes.sort((one, other) => other.bytes - one.bytes)
    if (!largest) return
    const of = `it had ${describeSize(largest.bytes)} on it, more than every other job`
    over(largest.job, `the disk is full, only ${describeSize(freeBytes)} are left, and ${of}`)
  }

  return {
    watch: async (metered) => {
      const disk = await diskOf(metered.directory)
      const reserveBytes = Math.min(gibibyte, disk.sizeBytes / 20, disk.freeBytes / 2)
      const job: Watched = {
        ...metered,
        usedBytes: disk.usedBytes,
        reserveBytes,
        nextWalkMs: 0,
        walkByMs: clock.monotonicMs() + walkEveryMs,
        nextCountMs: 0,
        isOver: false,
      }
      jobs.add(job)
      if (!isLooking) {
        isLooking = true
        look()
          .catch((error: unknown) => report(`watching the limits of jobs: ${describeError(error)}`))
          .finally(() => {
            isLooking = false
          })
      }
      return { stop: () => void jobs.delete(job) }
    },
  }
}

const refusedByKernel = ({ id, limits }: Metered, cgroups: Cgroups): string | null => {
  if (limits.processes !== null && cgroups.refusedForks(id) > 0) return tooManyProcesses(limits.processes)
  if (limits.memoryBytes !== null && cgroups.outOfMemoryKills(id) > 0) return tooMuchMemory(limits.memoryBytes)
  return null
}

const sampled = ({ family, limits }: Metered): string | null => {
  const pids = membersOf(family)
  if (limits.processes !== null && pids.length > limits.processes) return tooManyProcesses(limits.processes)
  const bytes = pids.reduce((sum, pid) => sum + ownMemoryOf(pid), 0)
  return limits.memoryBytes !== null && bytes > limits.memoryBytes ? tooMuchMemory(limits.memoryBytes) : null
}

const tooManyProcesses = (limit: number): string => `more than ${limit} processes (threads count as well)`
const tooMuchMemory = (limit: number): string => `more than ${describeSize(limit)} of memory`

/** proc(5)'s statm: what is resident, without what is shared. */
const ownMemoryOf = (pid: number): number => {
  try {
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'latin1').split(' ').map(Number)
    return Math.max(0, resident - shared) * pageBytes
  } catch {
    return 0
  }
}

const diskOf = async (directory: string): Promise<{ sizeBytes: number; usedBytes: number; freeBytes: number }> => {
  const { bsize, blocks, bfree, bavail } = await statfs(directory)
  return { sizeBytes: blocks * bsize, usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize }
}

/** What a job's directories hold. Files come and go meanwhile, and some are closed to us: what could be counted counts. */
const sizeOf = async ({ directory, elsewhereBytes }: Metered): Promise<number> => {
  const argv = ['du', '-sxk', '--', directory] as const
  const { stdout } = await run({ argv, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' }, timeoutMs: walkTimeoutMs })
  return Number(stdout.toString().split('\t')[0] || 0) * 1024 + ((await elsewhereBytes?.()) ?? 0)
}
