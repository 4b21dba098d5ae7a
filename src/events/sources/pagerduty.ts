import { z } from 'zod'
import type { IncidentRecord, Told } from '../records.ts'
import { timeOr } from '../times.ts'
import { type Reading, titled } from './reading.ts'

const Webhook = z.object({
  event: z.object({
    id: z.string(),
    event_type: z.string(),
    occurred_at: z.string(),
    data: z.object({
      id: z.string(),
      type: z.string().nullish(),
      title: z.string().nullish(),
      created_at: z.string().nullish(),
      service: z.object({ id: z.string(), summary: z.string().nullish() }).nullish(),
    }),
  }),
})
const states = new Map<string, IncidentRecord['state']>([
  ['incident.triggered', 'opened'],
  ['incident.acknowledged', 'acknowledged'],
  ['incident.resolved', 'resolved'],
  ['incident.reopened', 'reopened'],
])

/** A V3 webhook of PagerDuty. */
export const readPagerDuty: Reading = ({ content }): Told => {
  const { event } = Webhook.parse(content)
  const { data, event_type: type, occurred_at: at } = event
  const state = states.get(type)
  const told = { type, about: data.id, at: timeOr(at) }
  if (!state) return { ...told, records: [] }
  const about = { type: 'incident' as const, id: data.id, title: titled(data.title) }
  const unit = data.service ? { unit: data.service.summary ?? data.service.id } : {}
  const opened =
    state === 'opened'
      ? []
      : data.created_at
        ? [{ ...about, ...unit, state: 'opened' as const, at: data.created_at }]
        : []
  return { ...told, records: [...opened, { ...about, ...unit, state, at }] }
}
