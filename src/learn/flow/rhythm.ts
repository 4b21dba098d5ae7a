import type { Kysely } from 'kysely'
import { clockOf, type Span } from '../dora/calendar.ts'
import type { DoraTables } from '../tables.ts'

const hourMs = 3_600_000

/** When deployments go live, and how much of it is done by hand. */
export type Rhythm = {
  readonly n: number
  /** By the weekday (Monday first), then the hour of the time zone. */
  readonly byHour: readonly (readonly number[])[]
  /** Those that nobody had to do anything for; `value` is their share of those that it is known of. */
  readonly automatic: { readonly value: number | null; readonly automatic: number; readonly known: number }
  /** What was taken back, by who has decided it. */
  readonly rollbacks: { readonly machine: number; readonly hand: number; readonly unknown: number }
}

/** What the deployments of a span come to. `zone` is the time zone of the walls that show the hours. */
export const rhythmOf = async (
  db: Kysely<DoraTables>,
  lanes: readonly number[],
  { from, until }: Span,
  zone: string,
): Promise<Rhythm> => {
  const grid = Array.from({ length: 7 }, () => Array.from({ length: 24 }, () => 0))
  const sums = { n: 0, automatic: 0, known: 0, machine: 0, hand: 0, undone: 0 }
  const { offsetAt } = clockOf(zone)
  if (lanes.length > 0) {
    const rows = await db
      .selectFrom('learn_deployments')
      .select(['live_at', 'automatic', 'undone_by_machine', 'state', 'kind'])
      .where('lane', 'in', [...lanes])
      .where('counted', '=', 1)
      .where('live_at', '>=', from)
      .where('live_at', '<', until)
      .execute()
    for (const { live_at, automatic, undone_by_machine, state, kind } of rows) {
      const at = live_at ?? 0
      const hours = Math.floor((at + offsetAt(at)) / hourMs)
      // 1970 began on a Thursday.
      const day = grid[(Math.floor(hours / 24) + 3) % 7]
      if (day) day[hours % 24] = (day[hours % 24] ?? 0) + 1
      sums.n += 1
      if (automatic !== null) sums.known += 1
      if (automatic === 1) sums.automatic += 1
      if (state !== 'rolled-back' && kind !== 'rollback') continue
      sums.undone += 1
      if (undone_by_machine === 1) sums.machine += 1
      if (undone_by_machine === 0) sums.hand += 1
    }
  }
  const { n, automatic, known, machine, hand, undone } = sums
  return {
    n,
    byHour: grid,
    automatic: { value: known === 0 ? null : automatic / known, automatic, known },
    rollbacks: { machine, hand, unknown: undone - machine - hand },
  }
}
