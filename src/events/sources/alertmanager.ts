import { z } from 'zod'
import { ServiceName } from '../../names.ts'
import type { OutsideRecordInput, Told } from '../records.ts'
import { timeIn, timeOr } from '../times.ts'
import { type Reading, titled } from './reading.ts'

const Labels = z.record(z.string(), z.string())
const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: Labels,
  annotations: Labels.default({}),
  startsAt: z.string(),
  endsAt: z.string().nullish(),
  fingerprint: z.string(),
})
const Notification = z.object({
  version: z.literal('4'),
  groupKey: z.string(),
  status: z.string(),
  receiver: z.string().nullish(),
  alerts: z.array(Alert).max(1_000),
})

/** A webhook of Prometheus Alertmanager (version 4 of its data): each alert is an incident from when it fires until it is resolved. */
export const readAlertmanager: Reading = ({ content }): Told => {
  const { status, receiver, alerts } = Notification.parse(content)
  const [first] = alerts
  return {
    type: `alerts.${status}`,
    about: receiver ?? null,
    at: timeOr(first?.startsAt),
    records: alerts.flatMap(recordsOf),
  }
}

const recordsOf = ({ status, labels, annotations, startsAt, endsAt, fingerprint }: z.infer<typeof Alert>) => {
  const service = ServiceName.safeParse(labels.service ?? labels.app ?? labels.job).data
  const environment = labels.environment ?? labels.env
  const about = {
    ...{
      type: 'incident' as const,
      id: `${fingerprint}/${timeIn(startsAt) ?? startsAt}`,
      unit: labels.alertname ?? '-',
    },
    title: titled(annotations.summary ?? labels.alertname),
    ...(service ? { service } : {}),
    ...(environment ? { environment } : {}),
  }
  const opened: OutsideRecordInput = { ...about, state: 'opened', at: startsAt }
  return status === 'resolved' && endsAt ? [opened, { ...about, state: 'resolved' as const, at: endsAt }] : [opened]
}
