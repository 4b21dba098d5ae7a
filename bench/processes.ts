import { readdirSync, readFileSync } from 'node:fs'

/** The processes of one Headway, told apart by what they run. Linux only: reads /proc. */
export type Footprint = {
  readonly name: string
  readonly pid: number
  readonly pssBytes: number
  readonly rssBytes: number
}

/** Proportional and resident memory of every process whose command line holds this text and is one of Headway's own. */
export const footprintsOf = (home: string, controlPlanePid: number): Footprint[] => {
  const found: Footprint[] = []
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)) {
    const name = nameOf(pid, home, controlPlanePid)
    if (name) found.push({ name, pid, ...memoryOf(pid) })
  }
  return found.sort((a, b) => a.name.localeCompare(b.name))
}

const nameOf = (pid: number, home: string, controlPlanePid: number): string | null => {
  if (pid === controlPlanePid) return 'control plane'
  const words = read(`/proc/${pid}/cmdline`).split('\0')
  const environment = read(`/proc/${pid}/environ`)
  if (!words.join(' ').includes(home) && !environment.includes(home)) return null
  if (words.some((word) => /agent\/main\.(ts|js)$/.test(word))) return 'agent'
  if (words.some((word) => /edge\/main\.(ts|js)$/.test(word))) return 'edge'
  return null
}

const memoryOf = (pid: number): { pssBytes: number; rssBytes: number } => {
  const rollup = read(`/proc/${pid}/smaps_rollup`)
  const kilobytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0)
  return { pssBytes: kilobytes('Pss') * 1024, rssBytes: kilobytes('Rss') * 1024 }
}

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return '' // it has ended, or is not ours to read
  }
}
