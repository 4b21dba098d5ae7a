import { z } from 'zod'
import type { Told } from '../records.ts'
import { timeOr } from '../times.ts'
import type { Reading } from './reading.ts'

const Event = z.object({
  involvedObject: z.object({ kind: z.string(), namespace: z.string().default(''), name: z.string() }),
  severity: z.string().nullish(),
  timestamp: z.string(),
  reason: z.string(),
  metadata: z.record(z.string(), z.string()).nullish(),
})
/** Reasons with which the controllers of Flux say that something was brought out, or was not. */
const succeeded = new Set(['ReconciliationSucceeded', 'InstallSucceeded', 'UpgradeSucceeded', 'RollbackSucceeded'])
const failed = new Set([
  'ReconciliationFailed',
  'HealthCheckFailed',
  'InstallFailed',
  'UpgradeFailed',
  'RollbackFailed',
])

/** An event of Flux's notification controller, as its providers `generic` and `generic-hmac` post it. */
export const readFlux: Reading = ({ content }): Told => {
  const { involvedObject: object, timestamp, reason, metadata } = Event.parse(content)
  const unit = `${object.namespace}/${object.name}`
  const told = { type: `${object.kind.toLowerCase()}.${reason}`, about: unit, at: timeOr(timestamp) }
  const outcome = succeeded.has(reason) ? 'succeeded' : failed.has(reason) ? 'failed' : null
  if (outcome === null || !/^(Kustomization|HelmRelease)$/.test(object.kind)) return { ...told, records: [] }
  const [, revision] = Object.entries(metadata ?? {}).find(([name]) => /(^|\/)revision$/.test(name)) ?? []
  // `main@sha1:<commit>` names a commit; a chart or an image keeps its name.
  const commit =
    revision === undefined ? undefined : (/@sha(?:1|256):([0-9a-f]{40,64})$/.exec(revision)?.[1] ?? revision)
  return {
    ...told,
    records: [
      {
        // A reconciliation that changes nothing says so again under the same revision: that is the same deployment.
        ...{ type: 'deployment', id: `${object.kind}/${unit}/${commit ?? timestamp}/${outcome}`.slice(0, 220), unit },
        ...{ finishedAt: timestamp, outcome, automatic: true, environment: object.namespace },
        kind: reason.startsWith('Rollback') ? 'rollback' : 'planned',
        ...(commit ? { revision: commit } : {}),
      },
    ],
  }
}
