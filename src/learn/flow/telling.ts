import type { z } from 'zod'
import { pushVerified, runQueued, runStarted } from '../../build/facts.ts'
import {
  changeAbandoned,
  changeApproved,
  changeCommented,
  changeMerged,
  changeOpened,
  changeQueued,
  changeReopened,
  mergeWithdrawn,
  refUpdated,
} from '../../code/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { releaseCreated } from '../../package/facts.ts'
import { promotionGranted, promotionHeld } from '../../release/facts.ts'
import { changeDeployment, deploymentByKey } from '../dora/book.ts'
import type { Tx } from '../dora/lane.ts'
import { memoryOf } from '../dora/memory.ts'
import { deliveryChange, deliveryMeasured, deliveryRun } from '../facts.ts'
import { findBrought } from './bringing.ts'
import type { ChangeRow, CheckRow } from './tables.ts'

/** Applies one fact to what is known of the ways of changes; nothing for kinds that do not bear on them. */
export const tellFlow = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(refUpdated, fact)) return tellPushed(tx, fact.at, fact.payload)
  if (isFact(runQueued, fact)) return tellRun(tx, fact.payload)
  if (isFact(runStarted, fact)) return tellStarted(tx, fact.at, fact.payload.run)
  if (isFact(pushVerified, fact)) return tellVerified(tx, fact.at, fact.payload)
  if (isFact(releaseCreated, fact)) return tellMade(tx, fact.seq, fact.at, fact.payload)
  if (isFact(promotionHeld, fact)) return tellHeld(tx, fact.at, fact.payload)
  if (isFact(promotionGranted, fact)) return tellGranted(tx, fact.at, fact.payload)
  if (isFact(deliveryRun, fact)) return tellRunElsewhere(tx, fact.payload)
  if (isFact(deliveryMeasured, fact)) return tellMeasured(tx, fact.payload)
  if (isFact(deliveryChange, fact)) return tellElsewhere(tx, fact.seq, fact.payload)
  if (isFact(changeOpened, fact)) return tellOpened(tx, fact.seq, fact.at, fact.payload)
  await tellProgress(tx, fact)
}

type Payload<Definition extends { payload: z.ZodType }> = z.output<Definition['payload']>
type Key = { readonly project: string; readonly repository: string; readonly number: number }
const keyOf = ({ project, repository, number }: Key): string => `headway:${project}/${repository}/${number}`

const unknownYet: Omit<ChangeRow, 'id' | 'key' | 'project' | 'repository' | 'kind'> = {
  ...{ number: null, state: 'open', author: null, committed_at: null, opened_at: null, reviewed_at: null },
  ...{ approved_at: null, queued_at: null, merged_at: null, closed_at: null, merged_as: null, commits: null },
  lines: null,
}

const byKey = (tx: Tx, key: string): Promise<ChangeRow | undefined> =>
  tx.selectFrom('learn_flow_changes').selectAll().where('key', '=', key).executeTakeFirst()

const byCommit = (tx: Tx, project: string, repository: string, commit: string): Promise<ChangeRow | undefined> =>
  tx
    .selectFrom('learn_flow_changes')
    .selectAll()
    .where('project', '=', project)
    .where('merged_as', '=', commit)
    .where('repository', '=', repository)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()

type Own = Pick<ChangeRow, 'id' | 'project'>

const noteMerged = (tx: Tx, project: string, commit: string): void =>
  memoryOf(tx).absent.changes.found(`${project} ${commit}`)

const change = async (tx: Tx, { id, project }: Own, values: Partial<ChangeRow>): Promise<void> => {
  if (values.merged_as) noteMerged(tx, project, values.merged_as)
  if (Object.keys(values).length > 0)
    await tx.updateTable('learn_flow_changes').set(values).where('id', '=', id).execute()
}

const tellOpened = async (tx: Tx, seq: number, at: number, told: Payload<typeof changeOpened>): Promise<void> => {
  const { project, repository, number, author } = told
  const about = { id: seq, key: keyOf(told), project, repository, kind: 'change' as const, number, author }
  await tx
    .insertInto('learn_flow_changes')
    .values({ ...unknownYet, ...about, opened_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** What becomes of a change of Headway's own after it was opened. */
const tellProgress = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const { at } = fact
  if (isFact(changeCommented, fact) || isFact(changeApproved, fact)) {
    const isApproval = isFact(changeApproved, fact)
    const { user } = fact.payload
    const row = await byKey(tx, keyOf(fact.payload))
    if (row?.state !== 'open' || !(isApproval || isOthers(row, user))) return
    await change(tx, row, { reviewed_at: row.reviewed_at ?? at, ...(isApproval ? { approved_at: at } : {}) })
    if (!isOthers(row, user)) return
    await tx
      .insertInto('learn_flow_reviews')
      .values({ change_id: row.id, reviewer: user })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return
  }
  if (isFact(changeQueued, fact)) return progress(tx, fact.payload, () => ({ queued_at: at }))
  if (isFact(mergeWithdrawn, fact)) return progress(tx, fact.payload, () => ({ queued_at: null }))
  if (isFact(changeAbandoned, fact)) return progress(tx, fact.payload, () => ({ state: 'closed', closed_at: at }))
  if (isFact(changeReopened, fact)) return progress(tx, fact.payload, () => ({ state: 'open', closed_at: null }))
  if (isFact(changeMerged, fact)) {
    const { project, repository, after } = fact.payload
    // A push of the same commit was this change, as is known now.
    await tx
      .deleteFrom('learn_flow_changes')
      .where('project', '=', project)
      .where('merged_as', '=', after)
      .where('repository', '=', repository)
      .where('kind', '=', 'push')
      .execute()
    await progress(tx, fact.payload, () => ({ state: 'merged', merged_at: at, closed_at: null, merged_as: after }))
  }
}

const progress = async (tx: Tx, of: Key, tell: (row: ChangeRow) => Partial<ChangeRow>): Promise<void> => {
  const row = await byKey(tx, keyOf(of))
  if (row) await change(tx, row, tell(row))
}

const isOthers = ({ author }: ChangeRow, user: string): boolean => author !== null && author !== user

/** Of what was pushed only what a service can be made of is somebody's change: see `tellMade`. */
const tellPushed = async (tx: Tx, at: number, told: Payload<typeof refUpdated>): Promise<void> => {
  if (told.after === null || !told.ref.startsWith('refs/heads/')) return
  const { project, repository } = told
  await check(tx, { project, repository, commit_id: told.after }, ({ pushed_at }) => ({ pushed_at: pushed_at ?? at }))
}

const tellRun = async (tx: Tx, told: Payload<typeof runQueued>): Promise<void> => {
  // The checks of a proposal are part of its review.
  if (told.push === null) return
  const { run, project, repository, commit } = told
  await tx
    .insertInto('learn_flow_runs')
    .values({ run, project, repository, commit_id: commit })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

const tellStarted = async (tx: Tx, at: number, run: string): Promise<void> => {
  const row = await tx.selectFrom('learn_flow_runs').selectAll().where('run', '=', run).executeTakeFirst()
  if (row) await check(tx, row, ({ started_at }) => ({ started_at: started_at ?? at }))
}

const tellVerified = async (tx: Tx, at: number, told: Payload<typeof pushVerified>): Promise<void> => {
  const { project, repository, commit, conclusion } = told
  if (conclusion !== 'success') return
  await check(tx, { project, repository, commit_id: commit }, ({ verified_at }) => ({ verified_at: verified_at ?? at }))
}

const tellRunElsewhere = async (tx: Tx, told: Payload<typeof deliveryRun>): Promise<void> => {
  const { project, repository, commit, startedAt, finishedAt, outcome } = told
  await check(tx, { project, repository, commit_id: commit }, ({ started_at, verified_at }) => ({
    started_at: earlier(started_at, startedAt),
    // A commit is checked when the last of its pipelines has succeeded.
    verified_at: outcome === 'succeeded' ? Math.max(verified_at ?? 0, finishedAt) : verified_at,
  }))
}

const earlier = (one: number | null, two: number | null): number | null =>
  one === null ? two : two === null ? one : Math.min(one, two)
const later = (one: number | null, two: number): number => Math.max(one ?? two, two)

const check = async (
  tx: Tx,
  { project, repository, commit_id }: Pick<CheckRow, 'project' | 'repository' | 'commit_id'>,
  tell: (row: CheckRow) => Partial<CheckRow>,
): Promise<void> => {
  const key = { project, repository, commit_id }
  const known = await tx
    .selectFrom('learn_flow_checks')
    .selectAll()
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('commit_id', '=', commit_id)
    .executeTakeFirst()
  const row = known ?? { ...key, pushed_at: null, started_at: null, verified_at: null }
  const told = { ...row, ...tell(row) }
  const { pushed_at, started_at, verified_at } = told
  await tx
    .insertInto('learn_flow_checks')
    .values(told)
    .onConflict((conflict) =>
      conflict.columns(['project', 'repository', 'commit_id']).doUpdateSet({ pushed_at, started_at, verified_at }),
    )
    .execute()
}

/** A commit can be deployed; where it was not proposed, its push is the change. */
const tellMade = async (tx: Tx, seq: number, at: number, told: Payload<typeof releaseCreated>): Promise<void> => {
  const { project, service, repository, commit } = told
  await tx
    .insertInto('learn_flow_made')
    .values({ project, service, repository, commit_id: commit, made_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  if (await byCommit(tx, project, repository, commit)) return
  const checked = await tx
    .selectFrom('learn_flow_checks')
    .select('pushed_at')
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('commit_id', '=', commit)
    .executeTakeFirst()
  const about = { id: seq, key: `headway:push/${project}/${repository}/${commit}`, project, repository }
  noteMerged(tx, project, commit)
  const row = { ...unknownYet, ...about, kind: 'push' as const, state: 'merged' as const, merged_as: commit }
  await tx
    .insertInto('learn_flow_changes')
    .values({ ...row, merged_at: checked?.pushed_at ?? at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

const tellMeasured = async (tx: Tx, told: Payload<typeof deliveryMeasured>): Promise<void> => {
  const { project, repository, commit, committedAt, commits, lines } = told
  const row = await byCommit(tx, project, repository, commit)
  if (row) await change(tx, row, { committed_at: committedAt, commits, lines })
}

/** Approval is what it waits for once nothing else is missing; what comes after that is no waiting for people. */
const tellHeld = async (tx: Tx, at: number, { promotion, why }: Payload<typeof promotionHeld>): Promise<void> => {
  const known = await promotionBy(tx, promotion)
  if (why === 'approval') return putPromotion(tx, { ...known, held_at: known.held_at ?? at })
  if (known.held_at !== null) await putPromotion(tx, { ...known, granted_at: known.granted_at ?? at })
}

const tellGranted = async (
  tx: Tx,
  at: number,
  { promotion, deployment }: Payload<typeof promotionGranted>,
): Promise<void> => {
  const known = await promotionBy(tx, promotion)
  if (known.held_at === null) return
  const granted = { ...known, granted_at: known.granted_at ?? at, deployment }
  await putPromotion(tx, granted)
  const { held_at, granted_at } = granted
  const row = deployment === null ? undefined : await deploymentByKey(tx, deployment)
  if (row) await changeDeployment(tx, row.id, { held_at, granted_at })
}

const promotionBy = async (tx: Tx, promotion: string) =>
  (await tx.selectFrom('learn_flow_promotions').selectAll().where('promotion', '=', promotion).executeTakeFirst()) ?? {
    ...{ promotion, held_at: null, granted_at: null, deployment: null },
  }

const putPromotion = async (tx: Tx, row: Awaited<ReturnType<typeof promotionBy>>): Promise<void> => {
  const { promotion, ...values } = row
  await tx
    .insertInto('learn_flow_promotions')
    .values(row)
    .onConflict((conflict) => conflict.column('promotion').doUpdateSet(values))
    .execute()
}

/** What another system tells of a pull or merge request, in whatever order it comes. */
const tellElsewhere = async (tx: Tx, seq: number, told: Payload<typeof deliveryChange>): Promise<void> => {
  if (told.source === 'headway') return
  const { key, project, repository, state, at, mergedAs, lines } = told
  const known = await byKey(tx, key)
  const row: ChangeRow = known ?? { ...unknownYet, id: seq, key, project, repository, kind: 'change' }
  const own = told.commits.filter(({ isMerge }) => !isMerge)
  const first = own.reduce<number | null>((min, { committedAt }) => earlier(min, committedAt), null)
  const moved = { ...row, ...momentsElsewhere(row, state, at) }
  const next: ChangeRow = {
    ...moved,
    state: moved.merged_at !== null ? 'merged' : moved.closed_at !== null ? 'closed' : 'open',
    committed_at: earlier(row.committed_at, first),
    commits: own.length > 0 ? own.length : row.commits,
    lines: lines ?? row.lines,
    merged_as: mergedAs ?? row.merged_as,
  }
  const { id: _, ...values } = next
  if (known) await change(tx, known, values)
  else {
    if (next.merged_as !== null) noteMerged(tx, project, next.merged_as)
    await tx.insertInto('learn_flow_changes').values(next).execute()
  }
  if (next.merged_as !== null) await findBrought(tx, { ...next, merged_as: next.merged_as })
}

const momentsElsewhere = (
  row: ChangeRow,
  state: Payload<typeof deliveryChange>['state'],
  at: number,
): Partial<ChangeRow> => {
  switch (state) {
    case 'opened':
      // Again, and later than it was closed: it was opened again.
      return {
        opened_at: earlier(row.opened_at, at),
        closed_at: row.closed_at !== null && at > row.closed_at ? null : row.closed_at,
      }
    case 'reviewed':
      return { reviewed_at: earlier(row.reviewed_at, at) }
    case 'approved':
      return { reviewed_at: earlier(row.reviewed_at, at), approved_at: later(row.approved_at, at) }
    case 'merged':
      return { merged_at: earlier(row.merged_at, at) }
    case 'closed':
      return { closed_at: later(row.closed_at, at) }
  }
}
