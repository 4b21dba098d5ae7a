import type { Transaction } from 'kysely'
import { changeMerged, changeOpened, changeUpdated, refUpdated } from '../../code/facts.ts'
import { deploymentFinished, deploymentRequested, serviceRemoved } from '../../deploy/facts.ts'
import type { Target } from '../../deploy/index.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import { releaseCreated } from '../../package/facts.ts'
import { environmentFrozen, environmentUnfrozen, promotionRequested, promotionSubject } from './facts.ts'
import { fold, personOf } from './promotion.ts'
import { createPromotionTables, dropPromotionTables, type PromotionTables, parsePromotion } from './tables.ts'

type Tx = Transaction<PromotionTables>

export const promotionView: View<PromotionTables> = {
  name: 'promotion',
  version: 2,
  create: createPromotionTables,
  drop: dropPromotionTables,
  apply: async (tx, recorded) => {
    if (recorded.subject.startsWith(promotionSubject(''))) await applyToPromotion(tx, recorded)
    else if (isFact(releaseCreated, recorded)) {
      const { project, service, digest, commit, push } = recorded.payload
      await addOrigin(tx, recorded, { project, service, source: 'push', release: digest, commit_id: commit, push })
    } else if (isFact(deploymentRequested, recorded)) await noteDeployment(tx, recorded, recorded.payload)
    else if (isFact(deploymentFinished, recorded)) await noteEnd(tx, recorded, recorded.payload)
    else if (isFact(serviceRemoved, recorded)) await forget(tx, recorded.payload)
    else if (isFact(environmentFrozen, recorded)) {
      const { project, environment, reason, until } = recorded.payload
      const freeze = JSON.stringify({ reason, until, by: personOf(recorded.actor) ?? recorded.actor })
      await tx
        .insertInto('release_freezes')
        .values({ project, environment, freeze })
        .onConflict((clash) => clash.columns(['project', 'environment']).doUpdateSet({ freeze }))
        .execute()
    } else if (isFact(environmentUnfrozen, recorded)) {
      const { project, environment } = recorded.payload
      await tx
        .deleteFrom('release_freezes')
        .where('project', '=', project)
        .where('environment', '=', environment)
        .execute()
    } else await applyToPeople(tx, recorded)
  },
}

const applyToPromotion = async (tx: Tx, recorded: RecordedFact): Promise<void> => {
  const id = recorded.subject.slice(promotionSubject('').length)
  const row = await tx.selectFrom('release_promotions').select('state').where('promotion', '=', id).executeTakeFirst()
  const after = fold(row ? parsePromotion(row.state) : null, recorded)
  if (!after) return
  const columns = { outcome: after.ended?.outcome ?? null, state: JSON.stringify(after) }
  if (row) {
    await tx.updateTable('release_promotions').set(columns).where('promotion', '=', id).execute()
    return
  }
  const { target, origin } = after
  await tx
    .insertInto('release_promotions')
    .values({ promotion: id, ...target, origin, ...columns })
    .execute()
  if (isFact(promotionRequested, recorded) && after.from !== 'git') await advance(tx, target, origin)
}

const advance = async (tx: Tx, { project, service, environment }: Target, origin: number): Promise<void> => {
  await tx
    .insertInto('release_progress')
    .values({ project, service, environment, origin })
    .onConflict((clash) =>
      clash
        .columns(['project', 'service', 'environment'])
        .doUpdateSet({ origin })
        .where('release_progress.origin', '<', origin),
    )
    .execute()
}

type Origin = Omit<PromotionTables['release_origins'], 'seq' | 'at' | 'is_return'>

const addOrigin = async (tx: Tx, { seq, at }: RecordedFact, origin: Origin, isReturn = false): Promise<void> => {
  await tx
    .insertInto('release_origins')
    .values({ seq, at, ...origin, is_return: isReturn ? 1 : 0 })
    .onConflict((clash) => clash.doNothing())
    .execute()
}

/** Deployments from before there were promotions tell how far their target has come, too. */
const noteDeployment = async (
  tx: Tx,
  { causes }: RecordedFact,
  { deployment, project, service, environment, reason, push }: ReturnType<typeof deploymentRequested.payload.parse>,
): Promise<void> => {
  const [origin] = causes
  if (reason === 'push' && origin !== undefined) await advance(tx, { project, service, environment }, origin)
  await tx
    .insertInto('release_deployments')
    .values({ deployment, reason, push })
    .onConflict((clash) => clash.doNothing())
    .execute()
}

const noteEnd = async (
  tx: Tx,
  recorded: RecordedFact,
  {
    deployment,
    project,
    service,
    environment,
    release,
    commit,
    outcome,
  }: ReturnType<typeof deploymentFinished.payload.parse>,
): Promise<void> => {
  const begun = await tx
    .deleteFrom('release_deployments')
    .where('deployment', '=', deployment)
    .returning(['reason', 'push'])
    .executeTakeFirst()
  if (outcome !== 'succeeded' || !begun || begun.reason === 'configuration' || begun.reason === 'preview') return
  const origin = { project, service, source: environment, release, commit_id: commit, push: begun.push }
  await addOrigin(tx, recorded, origin, begun.reason === 'rollback')
}

/** How far an environment had come is kept while the service stands elsewhere: what it was taken out of must not get it again by itself. */
const forget = async (
  tx: Tx,
  { project, service, environment, isGone }: ReturnType<typeof serviceRemoved.payload.parse>,
): Promise<void> => {
  const origins = tx.deleteFrom('release_origins').where('project', '=', project).where('service', '=', service)
  await (isGone || environment === null ? origins : origins.where('source', '=', environment)).execute()
  if (!isGone) return
  await tx.deleteFrom('release_progress').where('project', '=', project).where('service', '=', service).execute()
}

const applyToPeople = async (tx: Tx, recorded: RecordedFact): Promise<void> => {
  if (isFact(refUpdated, recorded)) {
    const { push, ref, project, repository, after } = recorded.payload
    if (!ref.startsWith('refs/heads/')) return
    const row = { push, ref, seq: recorded.seq, project, repository, object: after }
    await tx
      .insertInto('release_pushes')
      .values({ ...row, user_name: personOf(recorded.actor) })
      .onConflict((clash) => clash.doNothing())
      .execute()
  } else if (isFact(changeOpened, recorded) || isFact(changeUpdated, recorded)) {
    const { project, repository, number, user } = recorded.payload
    const author = isFact(changeOpened, recorded) ? recorded.payload.author : null
    for (const user_name of new Set([user, author]))
      if (user_name !== null)
        await tx
          .insertInto('release_change_people')
          .values({ project, repository, number, user_name, merged_as: null })
          .onConflict((clash) => clash.doNothing())
          .execute()
  } else if (isFact(changeMerged, recorded)) {
    const { project, repository, number, after } = recorded.payload
    await tx
      .updateTable('release_change_people')
      .set({ merged_as: after })
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('number', '=', number)
      .execute()
  }
}
