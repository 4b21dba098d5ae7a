import { type Admission, type EnvironmentDefinition, type Target, targetLabel } from '../../deploy/index.ts'
import type { CommitId, Digest } from '../../names.ts'
import type { Problem } from '../../problem.ts'
import type { Environments } from './environments.ts'
import type { Origins } from './origins.ts'
import { actor } from './outcome.ts'
import type { PromotionParts } from './parts.ts'
import type { Progress } from './progress.ts'
import type { PromotionQueries } from './queries.ts'
import { closedNow, heldCommit, promotionNeeded } from './refusals.ts'
import { draftOf, promotionIdFor, requestOf } from './request.ts'

/** Whether something that is no promotion may be deployed now. For a commit by hand it becomes one when it may not. */
export const createAdmission = (
  parts: PromotionParts,
  queries: PromotionQueries,
  environments: Environments,
  origins: Origins,
  progress: Progress,
): Admission => {
  const { ledger, views, clock, book } = parts

  const admitCommit = async (
    definition: EnvironmentDefinition,
    asked: { target: Target; release: Digest; commit: CommitId; isKnown: boolean; cause: { blob: string } },
  ): Promise<Problem | null> => {
    const { target, release, commit, isKnown, cause } = asked
    const id = promotionIdFor(`git ${targetLabel(target)} ${cause.blob}`)
    const before = await queries.promotion(id)
    if (before?.ended?.outcome === 'granted') return null
    if (before) return heldCommit(before)
    const { seq } = await ledger.head()
    const key = { project: target.project, service: target.service }
    const at = clock.now()
    const made = (await queries.originOf(key, 'push', release))?.push ?? null
    const authors = new Set([
      ...(await origins.authorsOf({ ...key, seq, release, commit, push: made, at }, target.environment)),
    ])
    const origin = { ...key, seq, release, commit, push: made, at }
    const request = { ...requestOf(origin, definition, [...authors].sort(), 'git', at), promotion: id, isKnown }
    const draft = draftOf(request, actor)
    const now = await progress.standing(draft, definition)
    return now.kind === 'granted' ? null : heldCommit(await progress.open(request, actor))
  }

  return async ({ target, release, commit, cause }) => {
    const definition = book.find(target.environment)
    if (!definition) return null
    await views.reach()
    const isKnown = await parts.hasSucceeded(target, release)
    const opening = await environments.openingOf(definition, target.project)
    if (cause.kind === 'git') return admitCommit(definition, { target, release, commit, isKnown, cause })
    if (opening.kind !== 'open') return closedNow(opening)
    const isFree = definition.promote.from === 'push' && definition.promote.policy === 'automatic'
    return isKnown || isFree ? null : promotionNeeded(target, definition, commit)
  }
}
