import { z } from 'zod'
import type { Told } from '../records.ts'
import { timeOr } from '../times.ts'
import { repositoryIn } from './jenkins.ts'
import type { Reading } from './reading.ts'

const optional = z.string().nullish()
const Notification = z.object({
  app: z.string(),
  phase: z.string(),
  startedAt: optional,
  finishedAt: optional,
  revision: optional,
  repository: optional,
  namespace: optional,
  automated: z.union([z.boolean(), z.string()]).nullish(),
})

/** Argo CD's notifications post what their template says; this is the one of docs/events.md. */
export const readArgoCd: Reading = ({ content }): Told => {
  const { app, phase, startedAt, finishedAt, revision, repository, namespace, automated } = Notification.parse(content)
  const about = { type: `operation.${phase.toLowerCase()}`, about: app, at: timeOr(finishedAt ?? startedAt) }
  const outcome = phase === 'Succeeded' ? 'succeeded' : /^(Failed|Error)$/.test(phase) ? 'failed' : null
  if (outcome === null || !finishedAt) return { ...about, records: [] }
  const named = repositoryIn(repository)
  return {
    ...about,
    records: [
      {
        ...{ type: 'deployment', id: `${app}/${startedAt ?? finishedAt}`, unit: app, startedAt: startedAt ?? null },
        ...{ finishedAt, outcome, automatic: automated === undefined ? null : String(automated) === 'true' },
        ...(revision ? { revision } : {}),
        ...(named ? { repository: named } : {}),
        ...(namespace ? { environment: namespace } : {}),
      },
    ],
  }
}
