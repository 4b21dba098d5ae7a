import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import type { Clock } from '../clock.ts'

export type SuccessorOptions = {
  /** Resolves when the agent that started this edge is gone. */
  readonly agentGone: Promise<void>
  readonly home: string
  readonly agentSocket: string
  readonly startAgent: () => Promise<unknown>
  readonly clock: Clock
  readonly say: (line: string) => void
  readonly signal: AbortSignal
  readonly timing?: SuccessorTiming
}
export type SuccessorTiming = { readonly lookMs: number; readonly backOffMs: number; readonly starts: number }
const usualTiming: SuccessorTiming = { lookMs: 500, backOffMs: 1_000, starts: 10 }

/**
 * Sees to it that the machine has an agent, from the moment when this edge's own is gone: whenever none answers, one is started with
 * the listening socket; at most `starts` times in a row, ever more slowly. Resolves to `home-gone` when there is nothing left to
 * serve for, or to `stopped` when the signal says that this edge is no longer the one to do it.
 */
export const watchOverAgent = async (options: SuccessorOptions): Promise<'home-gone' | 'stopped'> => {
  const { agentGone, home, agentSocket, startAgent, clock, say, signal } = options
  const { lookMs, backOffMs, starts } = options.timing ?? usualTiming
  await Promise.race([agentGone, aborted(signal)])
  let inRow = 0
  while (!signal.aborted) {
    if (await answers(agentSocket)) inRow = 0
    else if (!existsSync(home)) return 'home-gone'
    else if (inRow < starts) {
      inRow += 1
      say(`edge: no agent answers on ${agentSocket}; starting one (${inRow} of at most ${starts} times)`)
      await startAgent().catch((error: unknown) => say(`edge: the agent could not be started: ${String(error)}`))
      if (await answersWithin(agentSocket, inRow * backOffMs, options)) continue
      if (inRow === starts) say('edge: no agent could be started; routing goes on by the last table')
    }
    await clock.sleep(lookMs, signal).catch(() => {})
  }
  return 'stopped'
}

const answersWithin = async (path: string, withinMs: number, { clock, signal }: SuccessorOptions): Promise<boolean> => {
  const until = clock.monotonicMs() + withinMs
  while (!signal.aborted) {
    if (await answers(path)) return true
    if (clock.monotonicMs() > until) return false
    await clock.sleep(50, signal).catch(() => {})
  }
  return false
}

/** Whether somebody listens; nothing is asked, so that a busy agent counts as one that is there. */
const answers = (path: string): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
    socket.once('error', () => done(false))
  })

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
