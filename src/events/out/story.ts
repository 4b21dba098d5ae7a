import type { Identity } from '../../access/access.ts'
import { createVisibility } from '../../api/visibility.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { ProjectName } from '../../names.ts'
import type { CdEvent } from '../cdevents/check.ts'
import { checkCdEvent } from '../cdevents/check.ts'
import { eventReceived } from '../facts.ts'
import type { Shelf } from '../shelf.ts'
import { cdEventOf } from './translate.ts'

/** One event as it goes out: a CloudEvent in structured mode that holds a CDEvent. */
export type Told = { readonly type: string; readonly body: string }

/** What the subscribers of a project are told of each fact: what a viewer of the project may see, as CDEvents. */
export const createStory = (ports: { ledger: Pick<Ledger, 'read'>; shelf: Pick<Shelf, 'get'>; serverUrl: string }) => {
  const { ledger, shelf, serverUrl } = ports
  const visibility = createVisibility(ledger)

  /** Null where a viewer of the project sees nothing of it, or its payload was erased. */
  return async (project: ProjectName, fact: RecordedFact): Promise<Told | null> => {
    if (fact.payload === null || !(await visibility.maySee(viewerOf(project), fact))) return null
    if (isFact(eventReceived, fact) && fact.payload.kind === 'cdevents') {
      const body = await shelf.get(fact.payload.received)
      const passed = body === null ? null : passedOn(body, fact.payload.place, fact.payload.type)
      if (passed) return passed
    }
    const [first] = leavesOut.test(fact.type) ? await ledger.read({ subject: fact.subject, limit: 1 }) : []
    return envelop(cdEventOf(fact, { serverUrl, first: first ?? null }))
  }
}

/** Facts that say only what is new of something, and leave out what it is. */
const leavesOut = /^(run|job|incident|deployment)\./

/** A CDEvent of another system goes out as it came in: its envelope where it had one, else one of ours around it. */
const passedOn = (body: Buffer, place: number, type: string): Told | null => {
  const content: unknown = JSON.parse(body.toString('utf8'))
  const one: unknown = Array.isArray(content) ? content[place] : content
  if (typeof one === 'object' && one !== null && 'specversion' in one) return { type, body: JSON.stringify(one) }
  const checked = checkCdEvent(one)
  return checked.kind === 'valid' ? envelop(checked.event) : null
}

const envelop = (event: CdEvent): Told => {
  const { id, source, type, timestamp } = event.context
  const about = { specversion: '1.0', id, source, type, subject: event.subject.id, time: timestamp }
  return { type, body: JSON.stringify({ ...about, datacontenttype: 'application/json', data: event }) }
}

const viewerOf = (project: ProjectName): Identity => ({
  user: 'subscriber',
  actor: 'system:events',
  roleIn: (asked) => (asked === project ? 'viewer' : null),
})
