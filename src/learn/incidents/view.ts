import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Tx } from '../dora/lane.ts'
import { memoryOf } from '../dora/memory.ts'
import { newRipple, reattribute, settle } from '../dora/settle.ts'
import { incidentChanged, laneOf } from '../dora/telling.ts'
import {
  attributionWindowSet,
  incidentAcknowledged,
  incidentAttributed,
  incidentDismissed,
  incidentMitigated,
  incidentOpened,
  incidentReopened,
  incidentResolved,
} from '../facts.ts'
import type { IncidentRow } from '../tables.ts'

/** Applies a fact about an incident, or says that it is none. */
export const applyIncident = async (tx: Tx, fact: RecordedFact): Promise<boolean> => {
  if (isFact(incidentOpened, fact)) await open(tx, fact.seq, fact.payload)
  else if (isFact(incidentAcknowledged, fact)) await set(tx, fact.payload, { acknowledged_at: fact.payload.at })
  else if (isFact(incidentMitigated, fact)) await set(tx, fact.payload, { mitigated_at: fact.payload.at })
  else if (isFact(incidentResolved, fact)) await set(tx, fact.payload, { resolved_at: fact.payload.at })
  else if (isFact(incidentReopened, fact)) await set(tx, fact.payload, { resolved_at: null, mitigated_at: null })
  else if (isFact(incidentDismissed, fact)) await set(tx, fact.payload, { dismissed: 1 })
  else if (isFact(incidentAttributed, fact)) await set(tx, fact.payload, { attributed: fact.payload.deployment ?? '' })
  else if (isFact(attributionWindowSet, fact)) await setWindow(tx, fact.payload)
  else return false
  return true
}

type Opened = ReturnType<typeof incidentOpened.payload.parse>

/** What comes twice under one name is the same incident. */
const open = async (tx: Tx, seq: number, told: Opened): Promise<void> => {
  const { incident, project, service, environment, causedBy } = told
  const known = await tx.selectFrom('learn_incidents').select('seq').where('incident', '=', incident).executeTakeFirst()
  if (known) return
  const lane = service !== null && environment !== null ? await laneOf(tx, { project, service, environment }) : null
  const row: IncidentRow = {
    ...{ incident, seq, project, lane, service, environment, title: told.title, source: told.source, key: told.key },
    began_at: told.impactStartedAt ?? told.detectedAt,
    detected_at: told.detectedAt,
    ...{ acknowledged_at: null, mitigated_at: null, resolved_at: null, dismissed: 0 },
    caused_by: causedBy?.deployment ?? null,
    ...{ attributed: null, deployment: null, how: null },
  }
  await tx.insertInto('learn_incidents').values(row).execute()
  const { absent, incidents } = memoryOf(tx)
  if (row.caused_by !== null) absent.named.found(row.caused_by)
  if (lane !== null) incidents.delete(lane)
  await incidentChanged(tx, incident)
}

const set = async (tx: Tx, { incident }: { incident: string }, values: Partial<IncidentRow>): Promise<void> => {
  if (values.attributed) memoryOf(tx).absent.named.found(values.attributed)
  await tx.updateTable('learn_incidents').set(values).where('incident', '=', incident).execute()
  await incidentChanged(tx, incident)
}

/** What was suspected before is suspected anew; this alone looks at all incidents of a project. */
const setWindow = async (tx: Tx, told: { project: string; windowMs: number }): Promise<void> => {
  const values = { project: told.project, window_ms: told.windowMs }
  memoryOf(tx).windows.delete(told.project)
  memoryOf(tx).incidents.clear()
  await tx
    .insertInto('learn_windows')
    .values(values)
    .onConflict((conflict) => conflict.column('project').doUpdateSet({ window_ms: values.window_ms }))
    .execute()
  const rows = await tx
    .selectFrom('learn_incidents')
    .select('incident')
    .where('project', '=', told.project)
    .orderBy('seq')
    .execute()
  const ripple = newRipple()
  for (const { incident } of rows) await reattribute(tx, ripple, incident)
  await settle(tx, ripple)
}
