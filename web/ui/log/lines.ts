import { Refusal, refusalOf } from '../../api/refusal.ts'

export type LogLine = {
  readonly at: number
  readonly text: string
  readonly instance?: string
  readonly stream?: string
}

const tellEveryMs = 120
const mostLines = 1_500_000 // 20 px each: browsers know no higher page

/**
 * A log as it comes, outside of React: a hundred megabytes are a million lines, of which a few dozen are drawn. Whoever listens is told a
 * few times a second; `lines` become more in that moment only, so that what is drawn for another reason draws what it drew before.
 */
export class LogLines {
  readonly lines: LogLine[] = []
  state: 'loading' | 'ended' | 'failed' = 'loading'
  error: unknown = null
  version = 0
  #coming: LogLine[] = []
  #listeners = new Set<() => void>()
  #telling: ReturnType<typeof setTimeout> | null = null

  listen = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  current = (): number => this.version

  #changed(isNow = false): void {
    const tell = (): void => {
      this.#telling = null
      for (const line of this.#coming) this.lines.push(line)
      this.#coming = []
      this.version += 1
      for (const listener of this.#listeners) listener()
    }
    if (isNow) tell()
    else this.#telling ??= setTimeout(tell, tellEveryMs)
  }

  /** Reads NDJSON from the API until it ends or the signal aborts. */
  async read(url: string, signal: AbortSignal): Promise<void> {
    try {
      const response = await fetch(url, { signal }).catch((cause: unknown) => {
        throw signal.aborted
          ? cause
          : new Refusal({ kind: 'unreachable', status: 0, detail: '', next: null }, { cause })
      })
      if (!response.ok || !response.body) throw refusalOf(response.status, await response.text())
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        const pieces = (rest + value).split('\n')
        rest = pieces.pop() ?? ''
        for (const piece of pieces)
          if (piece !== '' && this.lines.length + this.#coming.length < mostLines) this.#coming.push(JSON.parse(piece))
        this.#changed()
      }
      this.state = 'ended'
    } catch (error) {
      if (signal.aborted) return
      this.state = 'failed'
      this.error = error
    }
    this.#changed(true)
  }
}
