import { z } from 'zod'

/** A series as Prometheus writes it, by name and by labels that are, or are not, some text: `payments_total{outcome="failed"}`. */
const seriesText =
  /^[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:\s*[a-zA-Z_][a-zA-Z0-9_]*\s*!?=\s*"[^"\\\n]*"\s*(?:,|(?=\})))*\s*\})?$/
const expectedSeries = 'expected a series such as payments_total or payments_total{outcome="failed"}'
const series = z.string({ error: expectedSeries }).trim().max(500).regex(seriesText, expectedSeries)

const expectedName = 'expected a name of lower-case letters, digits and dashes, such as failed-payments'
const name = z.string({ error: expectedName }).regex(/^[a-z][a-z0-9-]{0,39}$/, expectedName)
const expectedPath = 'expected a path that starts with a slash, such as /metrics'
const path = z
  .string({ error: expectedPath })
  .max(500)
  .regex(/^\/[^\s#]*$/, expectedPath)

/** A metric of a team's own by which its releases are judged, with every default filled in. */
export const MetricRule = z.discriminatedUnion('kind', [
  /** So many of so many: two counters, of which the first counts what went wrong (`bad`) or well (`good`). */
  z.strictObject({ kind: z.literal('counter'), name, path, counts: z.enum(['bad', 'good']), series, of: series }),
  /** A reading that should stay within bounds. */
  z.strictObject({
    ...{ kind: z.literal('gauge'), name, path, series },
    ...{ above: z.number().nullable(), below: z.number().nullable() },
  }),
])
export type MetricRule = z.infer<typeof MetricRule>

const expectedKind =
  'expected what went wrong of how many ({ bad: payments_failed_total, of: payments_total }, or good in the place of bad), or a gauge with its bound ({ gauge: queue_length, above: 100 })'

const Key = z
  .strictObject({
    name: name.describe('What it is called in verdicts: failed-payments.'),
    bad: series.optional().describe('A counter of what went wrong: payments_total{outcome="failed"}.'),
    good: series.optional().describe('Instead of bad: a counter of what went well.'),
    of: series.optional().describe('The counter of all, of which those are a part: payments_total.'),
    gauge: series.optional().describe('Instead of counters: a reading that should stay within bounds.'),
    above: z.number({ error: 'expected a number' }).optional().describe('A reading above it is a bad one.'),
    below: z.number({ error: 'expected a number' }).optional().describe('A reading below it is a bad one.'),
    path: path.optional().describe('Where instances show it in the text format of Prometheus. Default /metrics.'),
  })
  .refine(({ bad, good, of, gauge, above, below }) => {
    const isCounter = of !== undefined && (bad === undefined) !== (good === undefined)
    const isBounded = above !== undefined || below !== undefined
    return gauge === undefined ? isCounter && !isBounded : isBounded && (bad ?? good ?? of) === undefined
  }, expectedKind)
type Key = z.infer<typeof Key>

const distinctNames = 'expected metrics of different names'

/** `release: { metrics }` as it is written. */
export const MetricsKey = z
  .array(Key, { error: 'expected a list of metrics, each with a name' })
  .max(10)
  .refine((keys) => new Set(keys.map((one) => one.name)).size === keys.length, distinctNames)

/** The rules that the key stands for. */
export const defineMetrics = (keys: readonly Key[]): MetricRule[] => keys.map(ruleOf)

const ruleOf = ({ name, bad, good, of, gauge, above, below, path = '/metrics' }: Key): MetricRule =>
  gauge === undefined
    ? {
        kind: 'counter',
        name,
        path,
        counts: bad === undefined ? 'good' : 'bad',
        series: bad ?? good ?? '',
        of: of ?? '',
      }
    : { kind: 'gauge', name, path, series: gauge, above: above ?? null, below: below ?? null }
