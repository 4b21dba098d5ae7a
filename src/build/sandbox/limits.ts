import { availableParallelism, totalmem } from 'node:os'
import { Problem } from '../../problem.ts'

/** What one job may take. Null: no limit. */
export type JobLimits = {
  readonly memoryBytes: number | null
  /** Cores, as a share of their time. */
  readonly cpus: number | null
  /** Threads count as well. */
  readonly processes: number | null
  /** Of its own directories, together. */
  readonly diskBytes: number | null
}

/** Services have 100: on a busy machine they go first, and a job takes what they leave. */
export const jobCpuWeight = 25

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3

/**
 * So that the jobs that run at the same time, one for each core, leave the machine room to work: together at most some three quarters of
 * its memory, though each at least 1 GiB.
 */
export const defaultLimits = (machine = { memoryBytes: totalmem(), cores: availableParallelism() }): JobLimits => {
  const share = (machine.memoryBytes * 0.75) / machine.cores
  return {
    memoryBytes: Math.round(Math.max(share, gibibyte) / mebibyte) * mebibyte,
    cpus: null,
    processes: Math.max(512, machine.cores * 128),
    diskBytes: 10 * gibibyte,
  }
}

/**
 * Limits as the administrator writes them, `memory=2GiB,processes=1024,disk=20GiB,cpus=1.5`, over the defaults; `none` takes one away.
 * A Problem when one is written wrong.
 */
export const parseJobLimits = (text: string, defaults = defaultLimits()): JobLimits => {
  let limits = defaults
  for (const part of text.split(',').filter((one) => one.trim() !== '')) {
    const [name = '', value = ''] = part.split('=').map((one) => one.trim())
    const parse = parsers[name]
    const change = parse?.(value)
    if (!change) throw badLimit(part.trim())
    limits = { ...limits, ...change }
  }
  return limits
}

const parsers: Readonly<Record<string, (value: string) => Partial<JobLimits> | null>> = {
  memory: (value) => asLimit(value, sizeIn(value), (memoryBytes) => ({ memoryBytes })),
  disk: (value) => asLimit(value, sizeIn(value), (diskBytes) => ({ diskBytes })),
  processes: (value) => asLimit(value, /^\d+$/.test(value) ? Number(value) : null, (processes) => ({ processes })),
  cpus: (value) => asLimit(value, /^\d+(\.\d+)?$/.test(value) ? Number(value) : null, (cpus) => ({ cpus })),
}

const asLimit = (
  text: string,
  number: number | null,
  change: (limit: number | null) => Partial<JobLimits>,
): Partial<JobLimits> | null => (text === 'none' ? change(null) : number !== null && number > 0 ? change(number) : null)

const units: Readonly<Record<string, number>> = { m: mebibyte, g: gibibyte, t: 1024 * gibibyte }

const sizeIn = (text: string): number | null => {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([mgt])(?:i?b)?$/i.exec(text) ?? []
  const factor = units[unit.toLowerCase()]
  return factor === undefined ? null : Math.round(Number(number) * factor)
}

const badLimit = (part: string): Problem =>
  new Problem({
    kind: 'bad-job-limit',
    status: 400,
    detail: `${JSON.stringify(part)} is no limit of jobs`,
    next: 'write for example memory=2GiB,processes=1024,disk=20GiB,cpus=1.5, or none for one of them',
  })

/** A size as people say it: `2 GiB`, `1.5 GiB`, `512 MiB`. */
export const describeSize = (bytes: number): string => {
  const [unit, name] = bytes >= gibibyte ? [gibibyte, 'GiB'] : [mebibyte, 'MiB']
  return `${Number((bytes / unit).toFixed(1))} ${name}`
}
