import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock, Ids } from './clock.ts'

type Sleeper = { readonly dueMs: number; readonly wake: () => void }

/** A clock that stands still until a test turns it. */
export class TestClock implements Clock {
  #nowMs: number
  #monotonicMs = 0
  #sleepers: Sleeper[] = []

  /** `startMs` in milliseconds since 1970; 2026-01-01T00:00Z when left out. */
  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.#nowMs = startMs
  }

  now(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  /** How many calls of `sleep` wait to be woken. */
  get sleeping(): number {
    return this.#sleepers.length
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(abortError())
      const stop = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper)
        reject(abortError())
      }
      const wake = () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      }
      const sleeper: Sleeper = { dueMs: this.#monotonicMs + ms, wake }
      signal?.addEventListener('abort', stop, { once: true })
      this.#sleepers.push(sleeper)
    })
  }

  /** Turns both clocks forward, waking each sleeper at its own time, and lets what they woke run. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms
    await settle()
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#turnTo(Math.max(next.dueMs, this.#monotonicMs))
      this.#sleepers = this.#sleepers.filter((other) => other !== next)
      next.wake()
      await settle()
    }
    this.#turnTo(untilMs)
  }

  /** Sets the time of day, forwards or backwards, as somebody sets a machine's clock; wakes nobody. */
  set(nowMs: number): void {
    this.#nowMs = nowMs
  }

  #next(untilMs: number): Sleeper | undefined {
    return this.#sleepers.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs)[0]
  }

  #turnTo(monotonicMs: number): void {
    this.#nowMs += monotonicMs - this.#monotonicMs
    this.#monotonicMs = monotonicMs
  }
}

/** A clock that stands still until a test turns it; `startMs` in milliseconds since 1970. */
export const testClock = (startMs?: number): TestClock => new TestClock(startMs)

/** Identifiers that are the same in every run: `run-1`, `run-2`, `job-1`; counted for each prefix. */
export const testIds = (): Ids => {
  const counts = new Map<string, number>()
  return (prefix) => {
    const count = (counts.get(prefix) ?? 0) + 1
    counts.set(prefix, count)
    return `${prefix}-${count}`
  }
}

const abortError = () => new DOMException('The sleep was aborted', 'AbortError')
const settle = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Gives the work a directory of its own, which every user may pass through, and removes it afterwards. */
export const inDirectory = async <Result>(work: (directory: string) => Promise<Result>): Promise<Result> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-test-'))
  chmodSync(directory, 0o711)
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
