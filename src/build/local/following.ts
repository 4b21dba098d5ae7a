import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { defaultProject } from '../../names.ts'
import type { Build } from '../build.ts'
import { jobStarted, runFinished, runQueued, workflowEventConcluded } from '../facts.ts'
import type { LocalOrder, LocalSignals } from './engine.ts'

export type Following = {
  /** All facts of the event and its runs, once it has concluded. Rejects when `stop` aborts. */
  readonly concluded: Promise<readonly RecordedFact[]>
  stop(): Promise<void>
}

type Followed = {
  readonly build: Build
  readonly ledger: Ledger
  /** The newest fact before the event, whose own facts may be there already. */
  readonly after: number
  readonly event: string
  readonly actor: string
  readonly order: LocalOrder
  readonly signals: LocalSignals
}

/** Reads the facts of an event as they are recorded, tells the logs of its jobs, and cancels its runs when that is asked for. */
export const followEvent = ({ build, ledger, after, event, actor, order, signals }: Followed): Following => {
  const facts: RecordedFact[] = []
  const runs = new Map<string, 'open' | 'cancelled' | 'over'>()
  const logs: Promise<void>[] = []
  const stopped = new AbortController()
  const { promise: concluded, resolve, reject } = Promise.withResolvers<readonly RecordedFact[]>()
  concluded.catch(() => undefined) // whoever waits hears of it
  let seen = after
  let reading: Promise<void> = Promise.resolve()

  const tellLog = async (run: string, job: string, name: string): Promise<void> => {
    for await (const { text } of build.followLog(run, job, { follow: true, signal: stopped.signal }))
      order.onLine?.(name, text)
  }
  const take = (one: RecordedFact): void => {
    if (isFact(runQueued, one) && one.payload.event === event) runs.set(one.payload.run, 'open')
    const run = one.subject.replace(/^run:/, '')
    if (!runs.has(run) && one.subject !== `event:${event}`) return
    facts.push(one)
    if (isFact(runFinished, one)) runs.set(run, 'over')
    if (isFact(jobStarted, one) && order.onLine) logs.push(tellLog(run, one.payload.job, one.payload.name))
    if (isFact(workflowEventConcluded, one)) resolve(facts)
  }
  const cancelRuns = async (): Promise<void> => {
    for (const [run, state] of runs) {
      if (state !== 'open') continue
      runs.set(run, 'cancelled')
      await build.cancel(defaultProject, run, actor)
    }
  }
  const readOn = (): void => {
    reading = reading
      .then(async () => {
        for (const one of await ledger.read({ after: seen })) {
          seen = one.seq
          take(one)
        }
        if (signals.cancel?.aborted) await cancelRuns()
      })
      .catch(reject)
  }
  const onStop = (): void => reject(signals.stop?.reason)
  const stopFollowing = ledger.onAppend(readOn)
  signals.cancel?.addEventListener('abort', readOn, { once: true })
  signals.stop?.addEventListener('abort', onStop, { once: true })
  if (signals.stop?.aborted) onStop()
  readOn()
  return {
    concluded,
    stop: async () => {
      stopFollowing()
      signals.cancel?.removeEventListener('abort', readOn)
      signals.stop?.removeEventListener('abort', onStop)
      await reading
      if (signals.stop?.aborted) stopped.abort()
      await Promise.allSettled(logs) // a log ends with its job
      stopped.abort()
    },
  }
}
