import type { Kysely } from 'kysely'
import { broughtReleases } from '../brought.ts'
import type { Span } from '../dora/calendar.ts'
import { answerDora, lanesOf, type Scope } from '../dora/question.ts'
import { countOpen, openBetween } from '../flow/progress.ts'
import { batchesIn, batchOf } from '../flow/question.ts'
import { rhythmOf } from '../flow/rhythm.ts'
import type { DoraTables } from '../tables.ts'
import { type BusFactor, dependenceOf } from '../toil/bus-factor.ts'

export const measureNames = [
  ...(['automatic-deployments', 'machine-rollbacks', 'batch-commits', 'batch-lines', 'in-progress'] as const),
  ...(['lead-time', 'traced-deployments', 'services-with-slo', 'reviewers', 'bus-factor', 'postmortems'] as const),
  'closed-actions',
] as const
export type MeasureName = (typeof measureNames)[number]
export const measureUnits = ['share', 'commits', 'lines', 'changes', 'ms', 'people', 'count'] as const

/** One figure of how a team works, of things and never of a person. */
export type Measure = {
  readonly name: MeasureName
  readonly unit: (typeof measureUnits)[number]
  /** Null: no data, and `why` says of what. */
  readonly value: number | null
  /** Of how many values it is made. */
  readonly n: number
  /** The same of the span of the same length before; null: no data, or not of a span. */
  readonly before: number | null
  readonly why: string | null
}
export type Measures = Readonly<Record<'automation' | 'lean' | 'measurement' | 'sharing', readonly Measure[]>>

type Db = Kysely<DoraTables>
type Figure = { readonly value: number | null; readonly n: number }
type OfSpan = Readonly<
  Record<Exclude<MeasureName, 'services-with-slo' | 'bus-factor' | 'postmortems' | 'closed-actions'>, Figure>
>

/** What can be measured of CALMS; `depends` are the bus factors of the project's repositories. */
export const measuresOf = async (
  db: Db,
  scope: Scope,
  span: Span,
  depends: readonly BusFactor[],
  now: number,
): Promise<Measures> => {
  const lanes = await lanesOf(db, scope)
  const earlier = { from: Math.max(0, 2 * span.from - span.until), until: span.from }
  const is = await figuresIn(db, scope, lanes, span, now)
  const was = await figuresIn(db, scope, lanes, earlier, now)
  const measure = (name: keyof OfSpan, unit: Measure['unit'], missing: string): Measure => ({
    ...{ name, unit, ...is[name], before: was[name].value },
    why: is[name].value === null ? missing : null,
  })
  const factors = depends.flatMap(({ factor }) => (factor === null ? [] : [factor]))
  return {
    automation: [
      measure('automatic-deployments', 'share', 'nothing was deployed of which it is known'),
      measure('machine-rollbacks', 'share', 'nothing was taken back'),
    ],
    lean: [
      measure('batch-commits', 'commits', 'no deployment has brought commits that are known'),
      measure('batch-lines', 'lines', 'no deployment has brought lines that are known'),
      measure('in-progress', 'changes', 'nothing is known of changes'),
      measure('lead-time', 'ms', 'no commit that went live has a lead time'),
    ],
    measurement: [
      measure('traced-deployments', 'share', 'nothing was deployed'),
      neverMeasured('services-with-slo', 'share', 'objectives of services are not kept here yet'),
    ],
    sharing: [
      measure('reviewers', 'people', 'nobody has looked at the change of somebody else'),
      {
        ...{ name: 'bus-factor', unit: 'people', value: factors.length === 0 ? null : Math.min(...factors) },
        ...{ n: factors.length, before: null, why: factors.length === 0 ? 'no repository has a release yet' : null },
      },
      neverMeasured('postmortems', 'count', 'postmortems are not written here yet'),
      neverMeasured('closed-actions', 'share', 'postmortems are not written here yet'),
    ],
  }
}

const neverMeasured = (name: MeasureName, unit: Measure['unit'], why: string): Measure => ({
  ...{ name, unit, why, value: null, n: 0, before: null },
})

const figuresIn = async (db: Db, scope: Scope, lanes: readonly number[], span: Span, now: number): Promise<OfSpan> => {
  const { automatic, rollbacks } = await rhythmOf(db, lanes, span, 'UTC')
  const undone = rollbacks.machine + rollbacks.hand
  const batch = batchOf(await batchesIn(db, lanes, span), span)
  const { leadTime } = (await answerDora(db, { ...scope, span, bucket: 'year', zone: 'UTC' }, now)).total
  const at = Math.min(span.until, now)
  const [open = 0] = countOpen(await openBetween(db, scope.project, { from: at, until: at }), [at])
  return {
    'automatic-deployments': { value: automatic.value, n: automatic.known },
    'machine-rollbacks': { value: undone === 0 ? null : rollbacks.machine / undone, n: undone },
    'batch-commits': { value: batch.commits.median, n: batch.commits.n },
    'batch-lines': { value: batch.lines.median, n: batch.lines.n },
    'in-progress': { value: open, n: open },
    'lead-time': { value: leadTime.median, n: leadTime.n },
    'traced-deployments': await tracedIn(db, lanes, span),
    reviewers: await reviewersIn(db, scope.project, span),
  }
}

/** The share of deployments that lead back to the commits that they were made of: through their release, or as they were told. */
const tracedIn = async (db: Db, lanes: readonly number[], { from, until }: Span): Promise<Figure> => {
  if (lanes.length === 0) return { value: null, n: 0 }
  const rows = await broughtReleases(db)
    .select(['commits', 'again', 'merges', 'unknown', 'negative', 'first', 'learn_releases.commit_id as made'])
    .where('learn_deployments.lane', 'in', [...lanes])
    .where('counted', '=', 1)
    .where('live_at', '>=', from)
    .where('live_at', '<', until)
    .execute()
  const traced = rows.filter(
    ({ made, ...told }) => made !== null || Object.values(told).some((count) => typeof count === 'number' && count > 0),
  )
  return { value: rows.length === 0 ? null : traced.length / rows.length, n: rows.length }
}

/** The fewest people who have done more than half of the reviews of what was opened in the span; how many reviews there were. */
const reviewersIn = async (db: Db, project: string | null, { from, until }: Span): Promise<Figure> => {
  let rows = db
    .selectFrom('learn_flow_reviews as r')
    .innerJoin('learn_flow_changes as c', 'c.id', 'r.change_id')
    .select(({ fn }) => fn.countAll<number | string>().as('n'))
    .where('c.opened_at', '>=', from)
    .where('c.opened_at', '<', until)
    .groupBy('r.reviewer')
  if (project !== null) rows = rows.where('c.project', '=', project)
  const { factor, commits } = dependenceOf((await rows.execute()).map(({ n }) => Number(n)))
  return { value: factor, n: commits }
}
