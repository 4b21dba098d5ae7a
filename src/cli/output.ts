const colour = process.stdout.isTTY === true && !process.env.NO_COLOR
const paint =
  (code: number) =>
  (text: string): string =>
    colour ? `\u001b[${code}m${text}\u001b[0m` : text

export const bold = paint(1)
export const dim = paint(2)
export const red = paint(31)
export const green = paint(32)
export const yellow = paint(33)

/** The answer for a machine: JSON, or nothing else. */
export const printJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`)
}

/** Rows under headings, each column as wide as it must be. Says `empty` when there are none. */
export const printTable = (headings: readonly string[], rows: readonly (readonly string[])[], empty: string): void => {
  if (rows.length === 0) {
    console.log(dim(empty))
    return
  }
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => visibleLength(row[column] ?? ''))),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) =>
        column === cells.length - 1
          ? cell
          : cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - visibleLength(cell))),
      )
      .join('  ')
      .trimEnd()
  console.log(dim(line(headings.map((heading) => heading.toUpperCase()))))
  for (const row of rows) console.log(line(row))
}

const visibleLength = (text: string): number => [...text.replace(/\u001b\[\d+m/g, '')].length

/** How long ago, in the largest unit that fits: `12 s ago`, `3 h ago`. */
export const ago = (at: number | null, now = Date.now()): string => (at === null ? 'never' : `${span(now - at)} ago`)

/** A duration for reading: `45 ms`, `3.2 s`, `4 min`, `2 d`. */
export const span = (ms: number): string => {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`
  if (ms < 172_800_000) return `${Math.round(ms / 3_600_000)} h`
  return `${Math.round(ms / 86_400_000)} d`
}

export const bytes = (size: number): string =>
  size < 1e6
    ? `${Math.ceil(size / 1e3)} kB`
    : size < 1e9
      ? `${(size / 1e6).toFixed(1)} MB`
      : `${(size / 1e9).toFixed(1)} GB`

/** Text of others for a terminal: no cursor movement, no colours of its own, no reversed lines. */
export const printable = (text: string): string =>
  text
    .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')

/** A state as it is seen at a glance. */
export const stateColour = (state: string): string => {
  if (['healthy', 'live', 'quiet', 'success', 'succeeded'].includes(state)) return green(state)
  if (['failed', 'failure', 'firing', 'unhealthy', 'backing-off', 'rolled-back'].includes(state)) return red(state)
  return yellow(state)
}
