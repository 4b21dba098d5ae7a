import { useEffect, useMemo, useReducer } from 'react'
import { plainOf } from './ansi.ts'
import type { LogLine, LogLines } from './lines.ts'

/** So long may a search hold the page before it lets a frame be drawn. */
const sliceMs = 24
/** The clock is looked at once for so many lines. */
const stride = 2_000

/** The lines of a log that hold a text, in whatever case, without their colours. Read on as the lines come, and never twice. */
export class LogSearch {
  /** Numbers of lines, in order. */
  readonly hits: number[] = []
  readonly #wanted: RegExp
  #read = 0

  constructor(text: string) {
    this.#wanted = new RegExp(text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i')
  }

  /** Reads on for about so long, with `now` in milliseconds; says whether it has come to the end of the lines. */
  follow(lines: readonly LogLine[], forMs: number, now: () => number): boolean {
    const until = now() + forMs
    while (this.#read < lines.length) {
      const end = Math.min(lines.length, this.#read + stride)
      for (; this.#read < end; this.#read += 1) {
        const text = lines[this.#read]?.text ?? ''
        if (this.#wanted.test(text.includes('\u001b') ? plainOf(text) : text)) this.hits.push(this.#read)
      }
      if (now() >= until) break
    }
    return this.#read >= lines.length
  }
}

const none: readonly number[] = []

/** What a search has found so far: a million lines take many slices, between which the page is drawn and answers. */
export const useHits = (log: LogLines, text: string, version: number): readonly number[] => {
  // biome-ignore lint/correctness/useExhaustiveDependencies: another log is searched anew
  const search = useMemo(() => (text === '' ? null : new LogSearch(text)), [text, log])
  const [, tell] = useReducer((told: number) => told + 1, 0)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the lines change in place; the version tells
  useEffect(() => {
    if (search === null) return
    let next: ReturnType<typeof setTimeout> | undefined
    const readOn = (): void => {
      const isDone = search.follow(log.lines, sliceMs, () => performance.now())
      tell()
      if (!isDone) next = setTimeout(readOn)
    }
    next = setTimeout(readOn)
    return () => clearTimeout(next)
  }, [search, log, version])
  return search?.hits ?? none
}
