import { span } from './output.ts'

/** How far something is that takes long, and how fast it went until now (null: not known yet). */
export type Progress = {
  readonly done: number
  readonly total: number
  readonly perSecond: number | null
}

/** Where it is told: a terminal gets one line that changes, anything else a line now and then. */
export type ProgressOutput = {
  readonly isTTY?: boolean | undefined
  /** 0 where a terminal does not know its own size. */
  readonly columns?: number | undefined
  write(text: string): unknown
}

/** Views, as they are built anew to be compared. */
export const rebuiltViews = { what: 'views are built anew', unit: 'facts' }

const screenMs = 100
const lineMs = 10_000

/**
 * Tells how far something is as often as is good for who reads it, however often it is called; the last word (`done` equals `total`) always, once.
 * `unit` is what is counted, in the plural.
 */
export const createProgress = (
  wording: { readonly what: string; readonly unit: string },
  output: ProgressOutput,
  monotonicMs: () => number,
): ((done: number, total: number) => void) => {
  let first: { done: number; at: number } | null = null
  let toldAt = Number.NEGATIVE_INFINITY
  let hasEnded = false
  return (done, total) => {
    const now = monotonicMs()
    if (hasEnded && done < total) first = null // begun anew
    first ??= { done, at: now }
    const isEnd = done >= total
    if (isEnd && hasEnded) return
    hasEnded = isEnd
    if (!isEnd && now - toldAt < (output.isTTY ? screenMs : lineMs)) return
    toldAt = now
    const perSecond = now > first.at && done > first.done ? ((done - first.done) / (now - first.at)) * 1000 : null
    const progress = { done, total, perSecond }
    if (!output.isTTY) output.write(`${progressLine(wording, progress)}\n`)
    else output.write(`\r\u001b[K${progressBar(wording, progress, output.columns || 80)}${isEnd ? '\n' : ''}`)
  }
}

export type Work<Result> = (tell: (done: number) => void) => Promise<Result>

/** Work whose progress is a line on a terminal, which is whole when it ends, however it does; elsewhere nothing is said. */
export const showing = async <Result>(
  wording: { readonly what: string; readonly unit: string },
  output: ProgressOutput,
  monotonicMs: () => number,
  total: number,
  work: Work<Result>,
): Promise<Result> => {
  if (!output.isTTY) return work(() => {})
  const progress = createProgress(wording, output, monotonicMs)
  let isOpen = false
  try {
    return await work((done) => {
      isOpen = done < total
      progress(done, total)
    })
  } finally {
    if (isOpen) output.write('\n')
  }
}

/** For a log: `views are built anew: 42 %, 4,200 of 10,000 facts, 310 facts/s, 19 s left`. */
export const progressLine = ({ what, unit }: { what: string; unit: string }, progress: Progress): string => {
  const { done, total } = progress
  return [`${what}: ${percent(progress)} %`, `${count(done)} of ${count(total)} ${unit}`, ...pace(unit, progress)].join(
    ', ',
  )
}

/** For a terminal of so many columns, and never as wide as it, as it would be folded; what does not fit is left out from the right. */
export const progressBar = (
  { what, unit }: { what: string; unit: string },
  progress: Progress,
  columns: number,
): string => {
  const head = `${what} `
  const numbers = [`${String(percent(progress)).padStart(4)} %`, ...pace(unit, progress)]
  while (numbers.length > 1 && head.length + narrowest + 2 + numbers.join('  ').length >= columns) numbers.pop()
  const tail = numbers.join('  ')
  const width = Math.min(widest, columns - 3 - head.length - tail.length)
  if (width < narrowest) return `${head}${tail}`.slice(0, Math.max(0, columns - 1))
  const full = Math.round((width * percent(progress)) / 100)
  return `${head}[${'#'.repeat(full)}${'.'.repeat(width - full)}]${tail}`
}

const narrowest = 8
const widest = 30

const pace = (unit: string, { done, total, perSecond }: Progress): string[] =>
  perSecond === null
    ? []
    : [
        `${count(Math.round(perSecond))} ${unit}/s`,
        ...(done < total ? [`${span(((total - done) / perSecond) * 1000)} left`] : []),
      ]

/** Rounded down, so that only what is done is 100 %. */
const percent = ({ done, total }: Progress): number => (total === 0 ? 100 : Math.floor((100 * done) / total))
const count = (value: number): string => value.toLocaleString('en')
