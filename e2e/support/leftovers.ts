import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Processes that mention this path in their command line, environment or working directory: what a Headway with this home left behind. */
export const processesOf = (...paths: string[]): string[] => {
  const found: string[] = []
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue
    const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')
    const seen = [command, read(`/proc/${pid}/environ`), link(`/proc/${pid}/cwd`)].join('\n')
    if (paths.some((path) => seen.includes(path))) found.push(`${pid} ${command.slice(0, 160)}`)
  }
  return found
}

/** Names in a directory; none when it is not there. */
export const entriesOf = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory).sort() : [])

const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const link = (file: string): string => {
  try {
    return readlinkSync(file)
  } catch {
    return ''
  }
}
