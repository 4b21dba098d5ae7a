import { z } from 'zod'

/** Parsing is one act; a summary is some kilobytes. */
const longestText = 1024 * 1024

const Values = z.looseObject({ 'p(95)': z.number().optional() })
const Metric = Values.extend({ values: Values.optional() })
const Summary = z.object({ metrics: z.record(z.string(), z.unknown()) })

/** What takes long in a load test, in the order in which it is looked for. */
const durations = ['http_req_duration', 'grpc_req_duration', 'iteration_duration']

/**
 * The 95th percentile of the requests' durations (ms) in the summary that k6 writes, in both forms: `--summary-export`, and the data
 * of `handleSummary()` (https://grafana.com/docs/k6/latest/results-output/end-of-test/).
 */
export const readK6 = (text: string): { readonly p95Ms: number | null; readonly fault: string | null } => {
  if (text.length > longestText) return { p95Ms: null, fault: 'it is larger than 1 MiB' }
  const summary = Summary.safeParse(jsonOf(text))
  if (!summary.success) return { p95Ms: null, fault: 'it is no summary of k6' }
  for (const name of durations) {
    const metric = Metric.safeParse(summary.data.metrics[name]).data
    const p95Ms = metric?.values?.['p(95)'] ?? metric?.['p(95)']
    if (p95Ms !== undefined) return { p95Ms, fault: null }
  }
  return { p95Ms: null, fault: `none of ${durations.join(', ')} has a 95th percentile` }
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
