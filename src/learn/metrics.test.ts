import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { emptyTally } from './dora/cells.ts'
import { figuresOf } from './dora/figures.ts'
import { inPrometheusText } from './metrics.ts'

const dayMs = 86_400_000

test('figures are gauges by service, and what has no data has no sample', () => {
  const { counts } = emptyTally()
  const distributions = { leads: { median: 90_000, p90: 120_000, n: 3 }, recoveries: { median: null, p90: null, n: 0 } }
  const figures = figuresOf(
    { counts: { ...counts, deployments: 4, failed: 1, open: 1 } },
    distributions,
    { from: 0, until: 2 * dayMs },
    3 * dayMs,
  )
  const lines = inPrometheusText([{ project: 'p', service: 'a"b', environment: 'production', figures }], '30d')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const of = '{project="p",service="a\\"b",environment="production",window="30d"}'
  assert.deepEqual(lines, [
    `headway_dora_deployments${of} 4`,
    `headway_dora_deployments_per_day${of} 2`,
    `headway_dora_lead_time_seconds_median${of} 90`,
    `headway_dora_lead_time_seconds_p90${of} 120`,
    `headway_dora_lead_time_commits${of} 3`,
    `headway_dora_change_fail_ratio${of} 0.25`,
    `headway_dora_failed_deployments${of} 1`,
    `headway_dora_suspected_deployments${of} 0`,
    `headway_dora_pending_deployments${of} 0`,
    `headway_dora_open_failures${of} 1`,
    `headway_dora_rework_ratio${of} 0`,
  ])
})

test('each metric and each label that the Grafana dashboard asks for is there', () => {
  const { counts } = emptyTally()
  const some = { median: 1, p90: 1, n: 1 }
  const figures = figuresOf(
    { counts: { ...counts, deployments: 4, failed: 1 } },
    { leads: some, recoveries: some },
    { from: 0, until: 2 * dayMs },
    3 * dayMs,
  )
  const text = inPrometheusText([{ project: 'p', service: 's', environment: 'production', figures }], '30d')
  const samples = [...text.matchAll(/^(\w+)\{(.*)\} /gm)].map(([, name, labels = '']) => ({
    name,
    labels: [...labels.matchAll(/(\w+)="/g)].map(([, label]) => label),
  }))
  const dashboard = readFileSync(new URL('../../docs/grafana-insights.json', import.meta.url), 'utf8')
  const asked = [...dashboard.matchAll(/(headway_\w+)(?:\{([^}]*)\}|, (\w+)\))?/g)]
  assert.ok(asked.length >= 9)
  for (const [what, name, matchers = '', label] of asked) {
    const labels = [...matchers.matchAll(/(\w+)\s*[=!]/g)].map(([, found]) => found)
    const sample = samples.find((one) => one.name === name)
    assert.ok(sample, `${what}: no such metric`)
    for (const one of label === undefined ? labels : [label])
      assert.ok(sample.labels.includes(one), `${what}: no ${one}`)
  }
  for (const [, legend = ''] of dashboard.matchAll(/"legendFormat": "([^"]*)"/g))
    for (const [, label] of legend.matchAll(/\{\{(\w+)\}\}/g))
      assert.ok(
        samples.every(({ labels }) => labels.includes(label)),
        `${legend}: no ${label}`,
      )
})
