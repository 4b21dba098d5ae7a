import { jobApprovalDecided, pushVerified, runQueued, runRerunRequested, runStarted } from '../build/facts.ts'
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
} from '../code/facts.ts'
import {
  deploymentFinished,
  deploymentRequested,
  rolloutAborted,
  rolloutPaused,
  rolloutPromoted,
  rolloutResumed,
  rolloutShifted,
  rolloutStepStarted,
} from '../deploy/facts.ts'
import { lazily } from '../lazily.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { alertFired } from '../monitor/facts.ts'
import { releaseCreated } from '../package/facts.ts'
import { promotionApproved, promotionGranted, promotionHeld } from '../release/facts.ts'
import { deploymentByKey, written } from './dora/book.ts'
import { writeChanges } from './dora/cells.ts'
import type { Tx } from './dora/lane.ts'
import { memoryOf } from './dora/memory.ts'
import { prepareBatch } from './dora/prepare.ts'
import { tellCarried, tellDeployment, tellMore, tellSquash } from './dora/telling.ts'
import {
  deliveryCarried,
  deliveryChange,
  deliveryCorrected,
  deliveryDeployed,
  deliveryMeasured,
  deliveryRun,
  toilCapacitySet,
  toilLogged,
  toilRemoved,
} from './facts.ts'
import { bringReleased, letGo } from './flow/bringing.ts'
import { applyIncident } from './incidents/view.ts'
import { createDoraTables, type DeploymentRow, type DoraTables, dropDoraTables } from './tables.ts'

/** Every deployment, incident and commit that the ledger tells of, and the cells that questions are answered from. */
export const doraView: View<DoraTables> = {
  name: 'learn-dora',
  version: 9,
  create: createDoraTables,
  drop: dropDoraTables,
  apply: async (tx, fact) => {
    if (flowTypes.has(fact.type)) await (await flow()).tellFlow(tx, fact)
    if (toilTypes.has(fact.type)) await (await toil()).tellToil(tx, fact)
    if (isFact(refUpdated, fact)) return tellPush(tx, fact.payload)
    if (isFact(releaseCreated, fact)) return tellRelease(tx, fact.payload)
    if (isFact(deploymentRequested, fact)) return tellRequested(tx, fact)
    if (isFact(deliveryDeployed, fact)) return tellDeployed(tx, fact)
    if (isFact(deliveryCarried, fact)) {
      const { deployment, commits, lines } = fact.payload
      return tellCarried(tx, fact.seq, deployment, { commits, lines })
    }
    if (isFact(deliveryCorrected, fact)) {
      const { deployment, isFailure, isRework } = fact.payload
      const said = { said_failure: asNumber(isFailure), said_rework: asNumber(isRework) }
      return tellCarried(tx, fact.seq, deployment, { said })
    }
    if (isFact(deliveryChange, fact)) {
      const { state, repository, mergedAs, commits } = fact.payload
      if (state === 'merged' && mergedAs !== null) await tellSquash(tx, repository, mergedAs, commits)
      return
    }
    if (await applyIncident(tx, fact)) return
    await tellRollout(tx, fact)
  },
  prepare: prepareBatch,
  finish: async (tx) => {
    await written(tx)
    await writeChanges(tx, memoryOf(tx).cells)
  },
}

/** What tells how far a change has come; who reads it is loaded when there is some. */
const flowTypes: ReadonlySet<string> = new Set(
  [
    ...[changeOpened, changeCommented, changeApproved, mergeWithdrawn, changeQueued, changeMerged, changeAbandoned],
    ...[changeReopened, refUpdated, runQueued, runStarted, pushVerified, releaseCreated, promotionHeld],
    ...[promotionGranted, deliveryChange, deliveryRun, deliveryMeasured],
  ].map(({ type }) => type),
)

/** What people do by hand, and what calls them. */
const toilTypes: ReadonlySet<string> = new Set(
  [
    ...[toilLogged, toilRemoved, toilCapacitySet, deploymentRequested, rolloutPromoted, rolloutAborted],
    ...[rolloutPaused, rolloutResumed, runRerunRequested, jobApprovalDecided, promotionApproved, alertFired],
  ].map(({ type }) => type),
)

const flow = lazily(() => import('./flow/telling.ts'))
const toil = lazily(() => import('./toil/telling.ts'))

const asNumber = (value: boolean | null): number | null => (value === null ? null : Number(value))

type Recorded<Definition extends { payload: { parse(value: unknown): unknown } }> = RecordedFact<
  string,
  ReturnType<Definition['payload']['parse']>
>

/** `git push -o hotfix`: what it leads to is unplanned. */
const tellPush = async (tx: Tx, { push, options }: Recorded<typeof refUpdated>['payload']): Promise<void> => {
  if (!options.includes('hotfix')) return
  await tx
    .insertInto('learn_hotfixes')
    .values({ push })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

const tellRelease = async (tx: Tx, told: Recorded<typeof releaseCreated>['payload']): Promise<void> => {
  const { project, service, digest, repository, commit, path } = told
  await tx
    .insertInto('learn_releases')
    .values({ project, service, digest, repository, commit_id: commit, path })
    .onConflict((conflict) => conflict.columns(['project', 'service', 'digest']).doNothing())
    .execute()
}

const tellRequested = async (tx: Tx, fact: Recorded<typeof deploymentRequested>): Promise<void> => {
  const { deployment, reason, release, push } = fact.payload
  // The preview of a change is nobody's environment: nothing is delivered there.
  if (reason === 'preview') return
  const isHotfix =
    push !== null &&
    (await tx.selectFrom('learn_hotfixes').select('push').where('push', '=', push).executeTakeFirst()) !== undefined
  await tellDeployment(tx, fact.seq, deployment, fact.payload, {
    state: 'under-way',
    kind: reason === 'rollback' ? 'rollback' : isHotfix ? 'hotfix' : 'planned',
    revision: release,
    started_at: fact.at,
    automatic: isByHand(reason, fact.actor) ? 0 : 1,
    ...(reason === 'rollback' ? { undone_by_machine: isByHand(reason, fact.actor) ? 0 : 1 } : {}),
    ...(await letGo(tx, deployment)),
  })
}

const isByHand = (reason: string, actor: string): boolean =>
  (reason === 'manual' || reason === 'rollback') && !actor.startsWith('system:')

const tellDeployed = async (tx: Tx, { seq, payload }: Recorded<typeof deliveryDeployed>): Promise<void> => {
  const { key, kind, outcome, finishedAt, automatic, commits, lines } = payload
  const isLive = outcome === 'succeeded'
  const told = {
    source: payload.source,
    state: outcome,
    kind,
    rolls_back: payload.rollsBack,
    revision: payload.revision,
    started_at: payload.startedAt,
    live_at: isLive ? finishedAt : null,
    automatic: asNumber(automatic),
    undone_by_machine: kind === 'rollback' ? asNumber(automatic) : null,
    lines,
  }
  await tellDeployment(tx, seq, key, payload, told, isLive ? commits : [])
  if (isLive) await bringReleased(tx, key)
}

/** How Headway's own rollouts go: production traffic begins with the first step that has a weight, and is all at the shift. */
const tellRollout = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(rolloutStepStarted, fact)) {
    if (fact.payload.weightPercent === 0) return
    return more(tx, fact.payload.deployment, ({ live_at }) => (live_at === null ? { live_at: fact.at } : {}))
  }
  if (isFact(rolloutShifted, fact)) {
    const { deployment } = fact.payload
    await more(tx, deployment, () => ({ live_at: fact.at, state: 'live' }))
    return bringReleased(tx, deployment)
  }
  if (isFact(deploymentFinished, fact)) {
    const { deployment, outcome } = fact.payload
    await more(tx, deployment, ({ live_at, undone_by_machine }) => {
      if (outcome === 'succeeded') return { state: 'succeeded', live_at: live_at ?? fact.at, watched_at: fact.at }
      if (outcome !== 'rolled-back') return { state: outcome }
      if (live_at === null) return { state: 'failed' }
      // What nobody has aborted was taken back by the judge.
      return { state: 'rolled-back', reverted_at: fact.at, undone_by_machine: undone_by_machine ?? 1 }
    })
    return bringReleased(tx, deployment)
  }
  for (const order of [rolloutPromoted, rolloutAborted, rolloutPaused])
    if (isFact(order, fact) && !fact.actor.startsWith('system:'))
      return more(tx, fact.payload.deployment, () => ({
        automatic: 0,
        ...(order === rolloutAborted ? { undone_by_machine: 0 } : {}),
      }))
}

type Told = Parameters<typeof tellMore>[2]
const more = async (tx: Tx, deployment: string, tell: (row: DeploymentRow) => Told): Promise<void> => {
  const row = await deploymentByKey(tx, deployment)
  const told = row ? tell(row) : {}
  if (row && Object.keys(told).length > 0) await tellMore(tx, row, told)
}
