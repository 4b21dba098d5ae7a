import type { Figures } from './dora/figures.ts'

/** Whose figures: labels of every sample. */
export type Measured = {
  readonly project: string
  readonly service: string
  readonly environment: string
  readonly figures: Figures
}

type Metric = readonly [name: string, help: string, of: (figures: Figures) => number | null]

const seconds = (ms: number | null): number | null => (ms === null ? null : ms / 1000)

const metrics: readonly Metric[] = [
  ['deployments', 'Deployments in the window.', ({ deployments }) => deployments.n],
  ['deployments_per_day', 'Deployments a day.', ({ deployments }) => deployments.perDay],
  ['lead_time_seconds_median', 'Change lead time, median.', ({ leadTime }) => seconds(leadTime.median)],
  ['lead_time_seconds_p90', 'Change lead time, 90th percentile.', ({ leadTime }) => seconds(leadTime.p90)],
  ['lead_time_commits', 'Commits that have a lead time.', ({ leadTime }) => leadTime.n],
  ['change_fail_ratio', 'Failed deployments of those judged.', ({ changeFailRate }) => changeFailRate.value],
  ['failed_deployments', 'Deployments that failed.', ({ changeFailRate }) => changeFailRate.failed],
  ['suspected_deployments', 'Failed ones that only the time speaks against.', (all) => all.changeFailRate.suspected],
  ['pending_deployments', 'Deployments not judged yet.', ({ changeFailRate }) => changeFailRate.pending],
  ['recovery_seconds_median', 'Failed deployment recovery time, median.', ({ recovery }) => seconds(recovery.median)],
  ['recovery_seconds_p90', 'The same, 90th percentile.', ({ recovery }) => seconds(recovery.p90)],
  ['open_failures', 'Failed deployments that are not restored.', ({ recovery }) => recovery.open],
  ['rework_ratio', 'Unplanned deployments that mend a failure, of all.', ({ rework }) => rework.value],
]

/**
 * Figures in Prometheus' text format (0.0.4), as gauges over the window that `window` names. What has no data has no sample: a gap in a
 * chart, not a 0.
 */
export const inPrometheusText = (measured: readonly Measured[], window: string): string =>
  metrics
    .map(([name, help, of]) => {
      const full = `headway_dora_${name}`
      const samples = measured.flatMap(({ project, service, environment, figures }) => {
        const value = of(figures)
        if (value === null) return []
        const labels = Object.entries({ project, service, environment, window })
        return [`${full}{${labels.map(([label, text]) => `${label}="${escaped(text)}"`).join(',')}} ${value}\n`]
      })
      return `# HELP ${full} ${help}\n# TYPE ${full} gauge\n${samples.join('')}`
    })
    .join('')

const escaped = (text: string): string => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')
