import { isFact, type RecordedFact } from '../ledger/fact.ts'
import { Concurrency, jobFinished, jobWaiting, runFinished, runQueued, runRerunRequested } from './facts.ts'
import type { Tx } from './tables.ts'

/** How many may wait where the group queues all that come. */
export const longestQueue = 100

/**
 * Concurrency groups as the facts tell them, so that a restart finds each where it was: one holds the group, the newest waits (or all
 * do, with `queue: max`), and what it replaces is superseded. A run or job leaves the group when it is finished, and the one that has
 * waited longest takes its place.
 */
export const applyToClaims = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(runQueued, fact)) {
    const { run, project, repository, concurrency } = fact.payload
    if (concurrency) await claim(tx, { run, job: '', project, repository, seq: fact.seq }, concurrency)
  } else if (isFact(runRerunRequested, fact)) {
    const { run } = fact.payload
    const known = await tx
      .selectFrom('build_runs')
      .select(['project', 'repository', 'concurrency'])
      .where('run', '=', run)
      .executeTakeFirst()
    if (!known?.concurrency) return
    const { project, repository } = known
    const concurrency = Concurrency.parse(JSON.parse(known.concurrency))
    await claim(tx, { run, job: '', project, repository, seq: fact.seq }, concurrency)
  } else if (isFact(jobWaiting, fact) && fact.payload.wait.kind === 'concurrency') {
    const { run, job, wait } = fact.payload
    const known = await tx
      .selectFrom('build_runs')
      .select(['project', 'repository'])
      .where('run', '=', run)
      .executeTakeFirst()
    if (known) await claim(tx, { run, job, ...known, seq: fact.seq }, wait)
  } else if (isFact(jobFinished, fact)) {
    await leave(tx, fact.payload.run, fact.payload.job)
  } else if (isFact(runFinished, fact)) {
    const claims = await tx.selectFrom('build_claims').select('job').where('run', '=', fact.payload.run).execute()
    for (const { job } of claims) await leave(tx, fact.payload.run, job)
  }
}

type Claimant = {
  readonly run: string
  readonly job: string
  readonly project: string
  readonly repository: string
  readonly seq: number
}

const claim = async (tx: Tx, claimant: Claimant, { group, cancelInProgress, queue }: Concurrency): Promise<void> => {
  const { run, project, repository } = claimant
  const group_key = group.toLowerCase()
  const others = await tx
    .selectFrom('build_claims')
    .selectAll()
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('group_key', '=', group_key)
    .where('state', '!=', 'superseded')
    .orderBy('seq')
    .execute()
  const holder = others.find(({ state }) => state === 'holding')
  const waiting = others.filter(({ state }) => state === 'waiting')
  const kept = queue === 'max' ? longestQueue - 1 : 0
  for (const other of waiting.slice(0, Math.max(0, waiting.length - kept)))
    await tx
      .updateTable('build_claims')
      .set({ state: 'superseded', rival: run })
      .where('run', '=', other.run)
      .where('job', '=', other.job)
      .where('group_key', '=', group_key)
      .execute()
  if (holder && cancelInProgress)
    await tx
      .updateTable('build_claims')
      .set({ cancel_wanted: 1, rival: run })
      .where('run', '=', holder.run)
      .where('job', '=', holder.job)
      .where('group_key', '=', group_key)
      .execute()
  const state = holder ? ('waiting' as const) : ('holding' as const)
  await tx
    .insertInto('build_claims')
    .values({ ...claimant, group_key, state, cancel_wanted: 0, rival: holder?.run ?? null })
    .onConflict((conflict) => conflict.columns(['run', 'job', 'group_key']).doNothing())
    .execute()
}

/** Lets go of all groups that a run or a job was in. */
const leave = async (tx: Tx, run: string, job: string): Promise<void> => {
  const left = await tx
    .deleteFrom('build_claims')
    .where('run', '=', run)
    .where('job', '=', job)
    .returningAll()
    .execute()
  for (const { project, repository, group_key, state } of left) {
    if (state !== 'holding') continue
    const next = await tx
      .selectFrom('build_claims')
      .select(['run', 'job'])
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('group_key', '=', group_key)
      .where('state', '=', 'waiting')
      .orderBy('seq')
      .limit(1)
      .executeTakeFirst()
    if (!next) continue
    await tx
      .updateTable('build_claims')
      .set({ state: 'holding', rival: null })
      .where('run', '=', next.run)
      .where('job', '=', next.job)
      .where('group_key', '=', group_key)
      .execute()
  }
}
