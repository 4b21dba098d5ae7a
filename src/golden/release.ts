import { z } from 'zod'
import { ServiceName } from '../names.ts'
import { defineMetrics, MetricRule, MetricsKey } from './metrics.ts'
import { milliseconds, percent, time } from './units.ts'

/** How a new version takes the place of the old one. */
export const Strategy = z.enum(['rolling', 'canary', 'blue-green', 'shadow'])
export type Strategy = z.infer<typeof Strategy>

/** What stands above any comparison with the old version. Rates are shares from 0 to 1. */
export const Threshold = z.discriminatedUnion('metric', [
  z.strictObject({ metric: z.literal('error-rate'), below: z.number().positive().max(1) }),
  z.strictObject({
    metric: z.literal('latency'),
    quantile: z.number().gt(0).lt(1),
    belowMs: z.number().positive(),
  }),
])
export type Threshold = z.infer<typeof Threshold>

const longestMs = 30 * 86_400_000

/** The new version takes this share of requests for at least and at most so long. */
export const ReleaseStep = z.strictObject({
  weightPercent: z.number().min(0).max(100),
  minMs: z.number().min(0).max(longestMs),
  maxMs: z.number().min(0).max(longestMs),
})
export type ReleaseStep = z.infer<typeof ReleaseStep>

const risingWeights = 'expected weights that rise and end at 100, such as [10, 50, 100]'
const isRising = (weights: readonly number[]): boolean =>
  weights.at(-1) === 100 && weights.every((weight, index) => index === 0 || weight > (weights[index - 1] ?? 0))
const minAboveMax = 'expected a min that is not above max'

/** What `release:` in a headway.yaml says, with every default filled in. It is part of the desired state. */
export const ReleaseRules = z.strictObject({
  /** Null: as the environment has it. */
  strategy: Strategy.nullable(),
  /** Of a canary, and of what follows a shadow. */
  steps: z
    .array(ReleaseStep)
    .min(1)
    .max(20)
    .refine((steps) => isRising(steps.map(({ weightPercent }) => weightPercent)), risingWeights)
    .refine((steps) => steps.every(({ minMs, maxMs }) => minMs <= maxMs), minAboveMax),
  /** The share of requests that a shadow gets a copy of, for how long, and of which methods. */
  mirror: z.strictObject({
    sharePercent: z.number().gt(0).max(100),
    methods: z.array(z.string()).min(1),
    minMs: z.number().min(0).max(longestMs),
    maxMs: z.number().min(0).max(longestMs),
  }),
  /**
   * What a step comes to whose time ends without requests to judge by. Null: it goes on where nobody used the service, and is held
   * where people did and one version got nothing of it.
   */
  noData: z.enum(['hold', 'promote', 'abort']).nullable(),
  /** By which part an error rate may be above the old version's: 0.1 for a tenth. */
  tolerance: z.number().min(0).max(100),
  latency: z.boolean(),
  thresholds: z.array(Threshold).max(20),
  /** The team's own metrics by which it is judged. */
  metrics: z.array(MetricRule).max(10).exactOptional(),
  /** After it has all traffic: for how long it is watched, beside which share of the old version. Null: by strategy. */
  watch: z
    .strictObject({ timeMs: z.number().min(0).max(longestMs), holdbackPercent: z.number().min(0).max(50) })
    .nullable(),
  /** Compare latency with a fresh instance of the old version, started together with the new ones. */
  freshBaseline: z.boolean(),
  affinity: z.strictObject({ cookie: z.string(), seconds: z.number().int().min(1) }).nullable(),
  override: z.strictObject({ in: z.enum(['header', 'query']), name: z.string(), value: z.string() }).nullable(),
  /** Services that are promoted and undone together with this one when the same push releases them. */
  with: z.array(ServiceName).max(20),
  /** What becomes of a newer release while this one is on its way. */
  newer: z.enum(['supersede', 'queue']),
})
export type ReleaseRules = z.infer<typeof ReleaseRules>

/** A shell line that brings a database to what the release expects. */
export const MigrationPlan = z.strictObject({
  run: z.string().min(1),
  timeoutMs: z.number().positive().max(longestMs),
  /** Whether it may be run again when it was interrupted and may have run in part. */
  repeatable: z.boolean().default(true),
})
export type MigrationPlan = Readonly<z.infer<typeof MigrationPlan>>

const expectedThreshold = 'expected a line such as "error rate below 2 %" or "p95 below 300ms"'
const thresholdLine = /^(?:error rate below ([0-9.]+) ?%|p([0-9]{2}(?:\.[0-9]+)?) below ([0-9.]+(?:ms|s)))$/
const headerName = /^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/
const expectedName = 'expected a name of letters, digits and dashes'
const stepsNeedACanary = 'steps are those of a canary or of what follows a shadow: take them out, or the other strategy'
const value = z.string().min(1).max(200).optional().describe('Default: canary.')
const expectedMigration = 'expected a command such as npm run migrate, or { run: npm run migrate, timeout: 10m }'
const command = z.string({ error: expectedMigration }).trim().min(1, expectedMigration).max(2000)
const expectedMethods = 'expected methods such as GET or POST'

export const affinityKey = z.union(
  [
    z.boolean(),
    z.strictObject({ cookie: z.string().regex(headerName, expectedName).optional(), time: time.optional() }),
  ],
  { error: 'expected true, or { cookie: shop-version, time: 1h }' },
)
export const overrideKey = z.union(
  [
    z.strictObject({ header: z.string().regex(headerName, expectedName), value }),
    z.strictObject({ query: z.string().regex(headerName, expectedName), value }),
  ],
  { error: 'expected { header: x-version, value: canary } or { query: version, value: canary }' },
)

/** `release:` as it is written. */
const ReleaseKeys = z.strictObject({
  strategy: Strategy.optional().describe(
    'rolling, canary, blue-green or shadow. Default: a canary where there are steps, else what the environment says.',
  ),
  steps: z
    .array(
      z.union(
        [
          percent(0, 100),
          z
            .strictObject({ weight: percent(0, 100), min: time.optional(), max: time.optional() })
            .refine(({ min, max }) => milliseconds(min ?? 0) <= milliseconds(max ?? '30d'), minAboveMax),
        ],
        { error: 'expected a weight such as 10, or { weight: 10, min: 1m, max: 10m }' },
      ),
    )
    .min(1, risingWeights)
    .max(20)
    .refine((steps) => isRising(steps.map((step) => (typeof step === 'number' ? step : step.weight))), risingWeights)
    .optional()
    .describe(
      'The weights of a canary in per cent, rising to 100. Default 10, 50, 100; each for 1m at least, 10m at most.',
    ),
  mirror: z
    .strictObject({
      share: percent(0.1, 100).optional().describe('Of the requests, in per cent. Default 100.'),
      methods: z
        .array(z.string({ error: expectedMethods }).regex(/^[A-Z]{3,20}$/, expectedMethods))
        .min(1)
        .optional()
        .describe('Default GET, HEAD and OPTIONS: what changes nothing.'),
      min: time.optional(),
      max: time.optional(),
    })
    .refine(({ min, max }) => milliseconds(min ?? 0) <= milliseconds(max ?? '30d'), minAboveMax)
    .optional()
    .describe('What a shadow gets copies of.'),
  noData: z
    .enum(['hold', 'promote', 'abort'])
    .optional()
    .describe(
      'What a step comes to that ends without requests to judge by. Default: it goes on where nobody used the service, else hold.',
    ),
  tolerance: z
    .number()
    .min(0)
    .max(100)
    .optional()
    .describe('By which part the error rate may be higher than before: 0.1 for a tenth. Default 0.'),
  latency: z.boolean().optional().describe('Whether slower answers count against a canary. Default true.'),
  thresholds: z
    .array(z.string({ error: expectedThreshold }).regex(thresholdLine, expectedThreshold))
    .max(20)
    .optional()
    .describe('What must hold whatever the old version does: error rate below 2 %, p95 below 300ms.'),
  metrics: MetricsKey.optional().describe('Metrics of your own that a canary is judged by, beside errors and latency.'),
  watch: z
    .union([time, z.strictObject({ time: time.optional(), holdback: percent(0, 50).optional() })], {
      error: 'expected a time such as 10m, or { time: 10m, holdback: 1 }',
    })
    .optional()
    .describe('For how long it is watched with all traffic, the old version kept warm. Default 10m, rolling 0.'),
  freshBaseline: z
    .boolean()
    .optional()
    .describe(
      'Compare latency with a fresh instance of the old version, as whatever was just started is slower. Default true.',
    ),
  affinity: affinityKey
    .optional()
    .describe('Whether a client stays with the version that it met, by a cookie. Default false.'),
  override: overrideKey.optional().describe('Requests with this header or query parameter go to the new version.'),
  with: z
    .array(ServiceName)
    .max(20)
    .optional()
    .describe('Services of the same push that are promoted and undone together with this one.'),
  migrate: z
    .union(
      [
        command,
        z.strictObject({
          run: command.describe('A shell line, run in the folder of the service with its environment.'),
          timeout: time.optional().describe('It is stopped and has failed after this. Default 10m.'),
          repeatable: z
            .boolean()
            .optional()
            .describe('Whether it may be run again when it was interrupted. Default true, as migration tools allow.'),
        }),
      ],
      { error: expectedMigration },
    )
    .optional()
    .describe('Run once per release and environment before its first instance starts: npx prisma migrate deploy.'),
  newer: z
    .enum(['supersede', 'queue'])
    .optional()
    .describe('What a newer release does while this one is on its way: take its place (default), or wait for its end.'),
})
export const ReleaseKey = ReleaseKeys.refine(
  // Else a release that somebody wants judged step by step would go out unjudged.
  ({ strategy, steps }) => steps === undefined || (strategy !== 'rolling' && strategy !== 'blue-green'),
  { path: ['steps'], error: stepsNeedACanary },
)
export type ReleaseKey = z.infer<typeof ReleaseKey>

const leastMs = 60_000
const mostMs = 600_000

/** The rules that the key stands for. */
export const defineRelease = (key: ReleaseKey): ReleaseRules => ({
  strategy: key.strategy ?? (key.steps ? 'canary' : null),
  steps: (key.steps ?? [10, 50, 100]).map((step) => {
    const { weight, ...times } = typeof step === 'number' ? { weight: step } : step
    return { weightPercent: weight, ...between(times) }
  }),
  mirror: {
    sharePercent: key.mirror?.share ?? 100,
    methods: key.mirror?.methods ?? ['GET', 'HEAD', 'OPTIONS'],
    ...between(key.mirror ?? {}),
  },
  noData: key.noData ?? null,
  tolerance: key.tolerance ?? 0,
  latency: key.latency ?? true,
  thresholds: (key.thresholds ?? []).map(thresholdOf),
  ...(key.metrics?.length ? { metrics: defineMetrics(key.metrics) } : {}),
  watch: key.watch === undefined ? null : watchOf(key.watch),
  freshBaseline: key.freshBaseline ?? true,
  affinity: affinityOf(key.affinity ?? false),
  override: key.override === undefined ? null : overrideOf(key.override),
  with: key.with ?? [],
  newer: key.newer ?? 'supersede',
})

/** Null: nothing is run. */
export const defineMigration = (migrate: ReleaseKey['migrate']): MigrationPlan | null => {
  if (migrate === undefined) return null
  const { run, timeout = mostMs / 1000, repeatable = true } = typeof migrate === 'string' ? { run: migrate } : migrate
  return { run, timeoutMs: milliseconds(timeout), repeatable }
}

const between = ({ min, max }: { min?: string | number | undefined; max?: string | number | undefined }) => {
  const minMs = min === undefined ? Math.min(leastMs, milliseconds(max ?? mostMs / 1000)) : milliseconds(min)
  return { minMs, maxMs: max === undefined ? Math.max(mostMs, minMs) : milliseconds(max) }
}

const watchOf = (watch: NonNullable<ReleaseKey['watch']>): ReleaseRules['watch'] => {
  const { time: watched = mostMs / 1000, holdback = 0 } = typeof watch === 'object' ? watch : { time: watch }
  return { timeMs: milliseconds(watched), holdbackPercent: holdback }
}

export const affinityOf = (affinity: z.infer<typeof affinityKey>): ReleaseRules['affinity'] => {
  if (affinity === false) return null
  const { cookie = 'headway-version', time: kept = 3600 } = affinity === true ? {} : affinity
  return { cookie, seconds: Math.max(1, Math.round(milliseconds(kept) / 1000)) }
}

export const overrideOf = (override: z.infer<typeof overrideKey>): NonNullable<ReleaseRules['override']> =>
  'header' in override
    ? { in: 'header', name: override.header, value: override.value ?? 'canary' }
    : { in: 'query', name: override.query, value: override.value ?? 'canary' }

const thresholdOf = (line: string): Threshold => {
  const [, share, percentile, most] = thresholdLine.exec(line) ?? []
  return share === undefined
    ? { metric: 'latency', quantile: Number(percentile) / 100, belowMs: milliseconds(most ?? 0) }
    : { metric: 'error-rate', below: Number(share) / 100 }
}

/** What a service that says nothing of its releases is released by. */
export const defaultRules: ReleaseRules = defineRelease({})
