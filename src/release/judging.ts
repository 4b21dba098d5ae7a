import type { Clock } from '../clock.ts'
import type { Judging } from '../deploy/judging.ts'
import type { EdgeSamples } from '../edge/protocol.ts'
import { Problem } from '../problem.ts'
import type { Begun, Book, Judging as Kept } from './book.ts'
import { advance, type Cursor, type Reading, type Restarts, startAt } from './cursor.ts'
import { batchOf, type EvidenceDocument, rowOf } from './document.ts'
import { begin, type JudgeState, take, tells, verdict } from './judge/judge.ts'
import { emptyBatch } from './judge/sample.ts'
import type { Reader } from './own/reader.ts'
import type { Shelf } from './shelf.ts'

export type JudgingPorts = {
  readonly book: Book
  readonly shelf: Shelf
  readonly clock: Clock
  /** What every edge has counted since its epoch began. */
  samples(): Promise<readonly EdgeSamples[]>
  /** How often each instance was started again. */
  instances(): Promise<readonly Restarts[]>
  /** What instances show of a team's own metrics. */
  readonly own: Pick<Reader, 'take' | 'forget'>
}

/** A judging that goes on, as far as it is known in memory; all of it follows from what the book keeps. */
type Open = Pick<Begun, 'pair' | 'begunAt'> & { cursor: Cursor | null; state: JudgeState }

/** What the edges and the runtime say, the same for every rollout. */
type Counted = Omit<Reading, 'elapsedMs' | 'own'>

/** After this time one batch a second is enough: a judging of a day stays small. */
const eagerMs = 600_000
const patientEveryMs = 1_000

export const createJudging = ({ book, shelf, clock, samples, instances, own }: JudgingPorts): Judging => {
  const open = new Map<string, Open>()
  const queues = new Map<string, Promise<unknown>>()
  let asking: Promise<Counted | null> | null = null

  /** One thing at a time for each rollout. */
  const inTurn = <Result>(rollout: string, work: () => Promise<Result>): Promise<Result> => {
    const running = (queues.get(rollout) ?? Promise.resolve()).then(work, work)
    const settled = running.catch(() => undefined)
    queues.set(rollout, settled)
    void settled.then(() => queues.get(rollout) === settled && queues.delete(rollout))
    return running
  }

  /** What the world counts now; null when it does not say. Rollouts that look at the same time share the answer. */
  const read = (): Promise<Counted | null> => {
    asking ??= Promise.all([samples(), instances()])
      .then(([counted, running]) =>
        counted.length === 0 ? null : { at: clock.now(), samples: counted, instances: running },
      )
      .catch(() => null)
      .finally(() => {
        asking = null
      })
    return asking
  }

  const opened = async (rollout: string): Promise<Open> => {
    const known = open.get(rollout)
    if (known) return known
    const kept = await book.read(rollout)
    if (!kept) throw neverBegun(rollout)
    const { pair, begunAt, cursor } = kept
    const fresh = { pair, begunAt, cursor, state: stateOf(kept) }
    open.set(rollout, fresh)
    return fresh
  }

  const look = async (rollout: string): Promise<JudgeState> => {
    const one = await opened(rollout)
    const { state, cursor, pair } = one
    const now = clock.now()
    const since = now - (state.at ?? one.begunAt)
    // A fail stays one, and nobody who acts on it waits for the edges.
    if (state.failed !== null || (now - one.begunAt > eagerMs && since >= 0 && since < patientEveryMs)) return state
    const reading = await read()
    // Two batches are never of the same instant, also when the clock is set back.
    const at = Math.max(reading?.at ?? clock.now(), (state.at ?? 0) + 1)
    const shown = reading && cursor && pair.own ? own.take(rollout, pair.own) : null
    const whole = reading && { ...reading, own: shown, elapsedMs: Math.max(0, since) }
    const counted = whole && cursor ? advance(cursor, whole, pair) : null
    const after = counted?.cursor ?? (whole ? startAt(whole, pair) : cursor)
    const batch = counted ? { at, baseline: counted.baseline, canary: counted.canary } : emptyBatch(at, !reading)
    // What tells nothing but the time is not written down, so that a quiet service costs nothing.
    const isTelling = tells(state, batch)
    if (isTelling || !isSame(cursor, after))
      await book.keep(rollout, after, isTelling ? { number: state.batches + 1, batch: rowOf(batch) } : null, at)
    one.cursor = after
    one.state = take(state, batch)
    return one.state
  }

  return {
    begin: (rollout, plan, { service, baseline, canary, own: metrics }) =>
      inTurn(rollout, async () => {
        if (open.has(rollout) || (await book.read(rollout))) return
        const pair = { service, baseline, canary, ...(metrics ? { own: metrics } : {}) }
        const reading = await read()
        const begun = { plan: { ...plan, compared: baseline !== null }, pair, begunAt: clock.now() }
        await book.begin(rollout, begun, reading && startAt({ ...reading, elapsedMs: 0 }, pair))
      }),
    look: (rollout) =>
      inTurn(rollout, async () => {
        try {
          return verdict(await look(rollout))
        } catch (error) {
          open.delete(rollout) // whether the batch was written is for the book to say
          throw error
        }
      }),
    conclude: (rollout) =>
      inTurn(rollout, async () => {
        const kept = await book.read(rollout)
        if (!kept) throw neverBegun(rollout)
        // It is folded again from the book should it go on; most do not.
        open.delete(rollout)
        own.forget(rollout)
        return { evidence: await shelf.put(documentOf(rollout, kept)) }
      }),
  }
}

const stateOf = ({ plan, batches }: Kept): JudgeState =>
  batches.reduce((state, row) => take(state, batchOf(row)), begin(plan))

const documentOf = (rollout: string, { plan, pair, begunAt, batches }: Kept): EvidenceDocument => ({
  ...{ format: 1, rollout, service: pair.service, baseline: pair.baseline, canary: pair.canary, begunAt, plan },
  batches: [...batches],
})

const isSame = (one: Cursor | null, other: Cursor | null): boolean => JSON.stringify(one) === JSON.stringify(other)

const neverBegun = (rollout: string): Problem =>
  new Problem({
    kind: 'judging-not-begun',
    status: 409,
    detail: `nothing is being judged under the name ${rollout}`,
    next: 'headway rollout history shows what was; a deployment of the release begins anew',
  })
