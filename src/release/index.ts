import type { Instance } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import type { Judging } from '../deploy/judging.ts'
import type { EdgeSamples } from '../edge/protocol.ts'
import type { Home } from '../home.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { describeError } from '../problem.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { createBook } from './book.ts'
import type { Restarts } from './cursor.ts'
import { createExplanations } from './explain.ts'
import { createJudging } from './judging.ts'
import { createReader } from './own/reader.ts'
import { createShelf } from './shelf.ts'

export { releaseMigrations } from './book.ts'
export type { Explanation } from './explain.ts'

export type ReleaseOptions = {
  readonly ledger: Pick<Ledger, 'read'>
  readonly store: Store
  readonly clock: Clock
  readonly home: Pick<Home, 'blobs'>
  readonly runtime: {
    samples(): Promise<readonly EdgeSamples[]>
    instances(): Promise<readonly Restarted[]>
  }
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

type Restarted = Pick<Instance, 'id' | 'owner' | 'restarts' | 'port'>

const sweepMs = 24 * 3_600_000
/** Counts are needed until the rollout is over; evidence that facts name, for as long as anybody may ask why. */
const countsKeptMs = 30 * 24 * 3_600_000
const evidenceKeptMs = 400 * 24 * 3_600_000

/** The stage that judges a release while people use it: counts of the edges in, verdicts out, and why. */
export const createRelease = ({ ledger, store, clock, home, runtime, onError }: ReleaseOptions) => {
  const book = createBook(store)
  const shelf = createShelf(home)
  const closing = new AbortController()
  let sweeping: Promise<void> = Promise.resolve()
  const own = createReader({ clock, instances: () => runtime.instances() })
  const judging: Judging = createJudging({
    ...{ book, shelf, clock, own },
    samples: () => runtime.samples(),
    instances: async () => (await runtime.instances()).map(restartsOf),
  })

  const forget = async (now = clock.now()): Promise<void> => {
    await book.forgetBefore(now - countsKeptMs)
    await shelf.forgetBefore(now - evidenceKeptMs)
  }

  const sweep = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await clock.sleep(sweepMs, closing.signal).catch(() => undefined)
      if (!closing.signal.aborted)
        await forget().catch((error: unknown) =>
          onError?.(`forgetting what releases were judged by: ${describeError(error)}`),
        )
    }
  }

  return {
    name: 'release',
    facts: [],
    views: [],
    judging,
    /** Resolves when what is being read of the teams' own metrics is there. */
    settled: own.settled,
    /** Removes what nobody needs any more; it does so by itself once a day. */
    forget,
    ...createExplanations({ ledger, book, shelf }),
    start: async (): Promise<void> => {
      sweeping = sweep()
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await own.close()
      await sweeping
    },
  } satisfies Stage & Record<string, unknown>
}
export type Release = ReturnType<typeof createRelease>

const restartsOf = ({ id, owner, restarts }: Restarted): Restarts => ({
  ...{ id, release: owner.release, restarts },
  service: `${owner.project}/${owner.service}/${owner.environment}`,
})
