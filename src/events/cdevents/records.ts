import { z } from 'zod'
import { ServiceName } from '../../names.ts'
import type { Envelope } from '../cloudevents.ts'
import { OutsideRecord, type OutsideRecordInput, type Told } from '../records.ts'
import { titled } from '../sources/reading.ts'
import { timeOr } from '../times.ts'
import type { CdEvent } from './check.ts'

const Reference = z.object({ id: z.string() })
const Content = z.object({
  environment: Reference.optional(),
  service: Reference.optional(),
  repository: Reference.optional(),
  artifactId: z.string().optional(),
  pipelineName: z.string().optional(),
  description: z.string().optional(),
  outcome: z.string().optional(),
})
/** What CDEvents has no field for may stand under `headway` in customData, named as in our own records. */
const Extras = z.object({ headway: z.record(z.string(), z.unknown()) })

const changeStates = new Map<string, 'opened' | 'reviewed' | 'merged' | 'closed'>([
  ['change.created', 'opened'],
  ['change.reviewed', 'reviewed'],
  ['change.merged', 'merged'],
  ['change.abandoned', 'closed'],
])
const incidentStates = new Map<string, 'opened' | 'resolved'>([
  ['incident.detected', 'opened'],
  ['incident.reported', 'opened'],
  ['incident.resolved', 'resolved'],
])
const outcomes = new Map<string, 'succeeded' | 'failed' | 'cancelled'>([
  ['success', 'succeeded'],
  ['failure', 'failed'],
  ['error', 'failed'],
  ['cancel', 'cancelled'],
])

/** What an event says that is measured; every other one is kept as it came, and says nothing more. */
export const readCloudEvent = ({ type, time, event }: Envelope): Told => {
  if (event === null) return { type, about: null, at: timeOr(time), records: [] }
  const record = recordOf(event)
  return { type, about: event.subject.id, at: timeOr(time), records: record ? [record] : [] }
}

const recordOf = (event: CdEvent): OutsideRecordInput | null => {
  const known = knownOf(event)
  if (known === null) return null
  const extras = Extras.safeParse(event.customData).data?.headway ?? {}
  const extended = OutsideRecord.safeParse({ ...known, ...extras, type: known.type, id: known.id })
  return extended.success ? extended.data : known
}

type Known = Exclude<OutsideRecordInput, { type: 'push' | 'carried' }>
const knownOf = ({ context, subject }: CdEvent): Known | null => {
  const [, , noun = '', verb = ''] = context.type.split('.')
  const kind = `${noun}.${verb}`
  const content = Content.parse(subject.content)
  const at = context.timestamp
  const id = `${context.source}/${context.id}`.slice(-220)
  const repository = (content.repository?.id ?? subject.source ?? context.source).slice(-200) || 'unknown'
  const environment = content.environment === undefined ? {} : { environment: content.environment.id }

  if (kind === 'service.deployed' || kind === 'service.upgraded' || kind === 'service.rolledback')
    return {
      ...{
        type: 'deployment',
        id,
        finishedAt: at,
        outcome: 'succeeded',
        unit: subject.id.slice(0, 200),
        ...environment,
      },
      ...served(subject.id),
      kind: kind === 'service.rolledback' ? 'rollback' : 'planned',
      ...(content.artifactId ? { revision: content.artifactId.slice(0, 200) } : {}),
    }
  const incident = incidentStates.get(kind)
  if (incident)
    return {
      ...{ type: 'incident', id: subject.id.slice(0, 220), state: incident, at, ...environment },
      title: titled(content.description ?? subject.id),
      ...(content.service ? { ...served(content.service.id), unit: content.service.id.slice(0, 200) } : {}),
    }
  const change = changeStates.get(kind)
  if (change) return { type: 'change', id: subject.id.slice(0, 220), repository, state: change, at }
  const outcome = outcomes.get(content.outcome ?? '')
  if (kind === 'pipelinerun.finished' && outcome)
    return {
      ...{ type: 'run', id: subject.id.slice(0, 220), repository, finishedAt: at, outcome },
      workflow: (content.pipelineName ?? subject.id).slice(0, 200),
    }
  return null
}

/** A service that is named as one of ours may be. */
const served = (name: string): { service?: ServiceName } => {
  const service = ServiceName.safeParse(name).data
  return service ? { service } : {}
}
