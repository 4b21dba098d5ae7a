import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import {
  incidentAcknowledged,
  incidentAttributed,
  incidentDismissed,
  incidentMitigated,
  incidentOpened,
  incidentReopened,
  incidentResolved,
  incidentSubject,
} from '../facts.ts'

const moments = [
  'impact-started',
  'detected',
  'acknowledged',
  'mitigated',
  'resolved',
  'reopened',
  'dismissed',
  'attributed',
] as const
/** Something that became of an incident. `at` is when it was so, `toldAt` when somebody said it. */
export type Moment = {
  readonly what: (typeof moments)[number]
  readonly at: number
  readonly toldAt: number
  readonly by: string
  /** What was said with it. */
  readonly detail: string | null
  /** The deployment that it is put down to since; null where that is not what it is about, or none is. */
  readonly deployment: string | null
}

const mostFacts = 1_000

/** What became of an incident, in the order in which it was so. */
export const storyOf = async (ledger: Pick<Ledger, 'read'>, incident: string): Promise<readonly Moment[]> => {
  const facts = await ledger.read({ subject: incidentSubject(incident), limit: mostFacts })
  return facts.flatMap(momentsOf).toSorted((one, other) => one.at - other.at)
}

const momentsOf = (fact: RecordedFact): readonly Moment[] => {
  const moment = (what: Moment['what'], at: number, detail: string | null = null): Moment => ({
    ...{ what, at, toldAt: fact.at, by: fact.actor, detail, deployment: null },
  })
  if (isFact(incidentOpened, fact)) {
    const { impactStartedAt, detectedAt, source, causedBy } = fact.payload
    const began = impactStartedAt === null ? [] : [moment('impact-started', impactStartedAt)]
    return [...began, { ...moment('detected', detectedAt, source), deployment: causedBy?.deployment ?? null }]
  }
  if (isFact(incidentAcknowledged, fact)) return [moment('acknowledged', fact.payload.at)]
  if (isFact(incidentMitigated, fact)) return [moment('mitigated', fact.payload.at)]
  if (isFact(incidentResolved, fact)) return [moment('resolved', fact.payload.at)]
  if (isFact(incidentReopened, fact)) return [moment('reopened', fact.payload.at)]
  if (isFact(incidentDismissed, fact)) return [moment('dismissed', fact.at, fact.payload.why)]
  if (isFact(incidentAttributed, fact))
    return [{ ...moment('attributed', fact.at, fact.payload.how), deployment: fact.payload.deployment }]
  return []
}
