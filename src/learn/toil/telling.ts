import { jobApprovalDecided, runRerunRequested } from '../../build/facts.ts'
import {
  deploymentRequested,
  rolloutAborted,
  rolloutPaused,
  rolloutPromoted,
  rolloutResumed,
} from '../../deploy/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { alertFired } from '../../monitor/facts.ts'
import { promotionApproved } from '../../release/facts.ts'
import type { Tx } from '../dora/lane.ts'
import { toilCapacitySet, toilLogged, toilRemoved } from '../facts.ts'

const quarterMs = 15 * 60_000

/** What is done by hand over and over, as the ledger has it. `page`: an alert has called somebody. */
export const operations = [
  ...([
    'deploy',
    'rollback',
    'promote',
    'abort',
    'pause',
    'resume',
    'rerun',
    'approve-job',
    'approve-release',
  ] as const),
  'page',
] as const
export type Operation = (typeof operations)[number]

/** Applies one fact to what is known of toil; nothing for kinds that do not bear on it. */
export const tellToil = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(toilLogged, fact)) {
    const { toil, project, service, what, minutes, at } = fact.payload
    await tx
      .insertInto('learn_toil')
      .values({ toil, project, service, what, seconds: Math.round(minutes * 60), at })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return
  }
  if (isFact(toilRemoved, fact)) {
    const { project, toil } = fact.payload
    await tx.deleteFrom('learn_toil').where('toil', '=', toil).where('project', '=', project).execute()
    return
  }
  if (isFact(toilCapacitySet, fact)) {
    const seconds_per_week = Math.round(fact.payload.hoursPerWeek * 3_600)
    await tx
      .insertInto('learn_capacities')
      .values({ project: fact.payload.project, seconds_per_week })
      .onConflict((conflict) => conflict.column('project').doUpdateSet({ seconds_per_week }))
      .execute()
    return
  }
  const found = isFact(alertFired, fact) || isByPerson(fact.actor) ? await operationOf(tx, fact) : null
  if (found) await count(tx, fact.at, found)
}

/** Headway itself, its agents and jobs repeat nothing by hand. */
const isByPerson = (actor: string): boolean => /^(user|token):/.test(actor)

type Found = { readonly project: string; readonly operation: Operation; readonly target: string }

const operationOf = async (tx: Tx, fact: RecordedFact): Promise<Found | null> => {
  if (isFact(alertFired, fact)) return { ...placeOf(fact.payload), operation: 'page' }
  if (isFact(deploymentRequested, fact)) {
    const { reason } = fact.payload
    if (reason === 'manual') return { ...placeOf(fact.payload), operation: 'deploy' }
    return reason === 'rollback' ? { ...placeOf(fact.payload), operation: 'rollback' } : null
  }
  if (isFact(rolloutPromoted, fact)) return { ...placeOf(fact.payload), operation: 'promote' }
  if (isFact(rolloutAborted, fact)) return { ...placeOf(fact.payload), operation: 'abort' }
  if (isFact(rolloutPaused, fact)) return { ...placeOf(fact.payload), operation: 'pause' }
  if (isFact(rolloutResumed, fact)) return { ...placeOf(fact.payload), operation: 'resume' }
  if (isFact(promotionApproved, fact)) return { ...placeOf(fact.payload), operation: 'approve-release' }
  if (isFact(runRerunRequested, fact)) return ofRun(tx, fact.payload.run, 'rerun', '')
  if (isFact(jobApprovalDecided, fact))
    return ofRun(tx, fact.payload.run, 'approve-job', ` ${fact.payload.environment}`)
  return null
}

const placeOf = (of: { readonly project: string; readonly service: string; readonly environment: string }) => ({
  project: of.project,
  target: `${of.service} ${of.environment}`,
})

const ofRun = async (tx: Tx, run: string, operation: Operation, more: string): Promise<Found | null> => {
  const row = await tx.selectFrom('learn_flow_runs').selectAll().where('run', '=', run).executeTakeFirst()
  return row ? { project: row.project, operation, target: `${row.repository}${more}` } : null
}

const count = async (tx: Tx, at: number, { project, operation, target }: Found): Promise<void> => {
  const key = { project, quarter: Math.floor(at / quarterMs) * quarterMs, operation, target }
  await tx
    .insertInto('learn_operations')
    .values({ ...key, times: 1 })
    .onConflict((conflict) =>
      conflict
        .columns(['project', 'quarter', 'operation', 'target'])
        .doUpdateSet((row) => ({ times: row('learn_operations.times', '+', 1) })),
    )
    .execute()
}
