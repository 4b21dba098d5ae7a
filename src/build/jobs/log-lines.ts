/** A line of a job's log; `at` is in milliseconds since 1970. */
export type LogLine = { readonly at: number; readonly text: string }

/**
 * How a job's log is written: a stamp, which is a line of its own, tells the time of all lines up to the next, so that much output at once
 * can be kept as it came. Older logs have a time before each line.
 */
const stamp = '\u0001'
const stampByte = 1

export const stampAt = (now: number): string => `${stamp}${now}\n`

/** Lines with their ends, of which none looks like a stamp. */
export const escaped = (lines: Buffer): Buffer =>
  lines.includes(stampByte) ? Buffer.from(lines.toString().replaceAll(stampLike, ` ${stamp}`)) : lines

const stampLike = /^\u0001/gm

/** Parses whole lines of a log, one part after the other from its beginning on. */
export const createLineParser = (): ((lines: string) => Generator<LogLine>) => {
  let at: number | null = null
  return function* (lines) {
    for (const line of lines.split('\n').slice(0, -1)) {
      if (line.startsWith(stamp)) at = Number(line.slice(stamp.length)) || 0
      else yield at === null ? olderLine(line) : { at, text: line }
    }
  }
}

const olderLine = (line: string): LogLine => {
  const space = line.indexOf(' ')
  return { at: Number(line.slice(0, space)) || 0, text: line.slice(space + 1) }
}
