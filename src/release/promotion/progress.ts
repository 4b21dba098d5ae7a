import type { EnvironmentDefinition } from '../../deploy/index.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { type ProjectName, shortCommit } from '../../names.ts'
import type { Environments } from './environments.ts'
import { promotionGranted, promotionRequested, promotionSubject } from './facts.ts'
import { actor, closed, factsFor } from './outcome.ts'
import type { PromotionParts } from './parts.ts'
import { type Promotion, type Standing, standingOf } from './promotion.ts'
import type { PromotionQueries } from './queries.ts'
import { promotionNotFound } from './refusals.ts'
import { draftOf, type Requested } from './request.ts'

/** A promotion from the wish to its end: what it is recorded as, where it stands, and what becomes of it. */
export const createProgress = (
  parts: PromotionParts,
  queries: PromotionQueries,
  environments: Environments,
  look: () => Promise<void>,
) => {
  const { ledger, views, clock, book } = parts

  const standing = async (promotion: Promotion, definition: EnvironmentDefinition): Promise<Standing> => {
    const { target, release } = promotion
    const lacking: string[] = []
    for (const environment of promotion.from === 'git' ? [] : definition.requires)
      if (!(await parts.hasSucceeded({ ...target, environment }, release))) lacking.push(environment)
    const opening = await environments.openingOf(definition, target.project)
    return standingOf(promotion, { definition, opening, lacking, now: clock.now() })
  }

  /** Records the wish together with what becomes of it at once; nothing when it was recorded before. */
  const open = async (payload: Requested, by: string): Promise<Promotion> => {
    const subject = promotionSubject(payload.promotion)
    const draft = draftOf(payload, by)
    const definition = book.find(payload.environment)
    const first = fact(promotionRequested, {
      subject,
      actor: by,
      causes: [payload.origin],
      payload: { ...payload, authors: [...payload.authors] },
    })
    const next = definition ? factsFor(draft, await standing(draft, definition)) : []
    await ledger.append([first, ...next], { expect: { subject, seq: 0 } })
    await views.reach()
    if (next.some(({ type }) => type === promotionGranted.type)) settled(draft)
    return (await queries.promotion(payload.promotion)) ?? draft
  }

  /** Records a wish that is no longer one, as its release runs there: it is not looked at again, whatever runs there later. */
  const pass = async (payload: Requested): Promise<void> => {
    const subject = promotionSubject(payload.promotion)
    const causes = [payload.origin]
    const asked = fact(promotionRequested, {
      subject,
      actor,
      causes,
      payload: { ...payload, authors: [...payload.authors] },
    })
    const there = `${shortCommit(payload.commit)} runs there already`
    await ledger.append([asked, closed(draftOf(payload, actor), 'superseded', there)], { expect: { subject, seq: 0 } })
  }

  /** One look at an open promotion; what is recorded is recorded only if nobody else did something to it meanwhile. */
  const advance = async (promotion: Promotion): Promise<void> => {
    const facts = await nextFacts(promotion)
    if (facts.length === 0) return
    const subject = promotionSubject(promotion.id)
    const outcome = await ledger.append(facts, { expect: { subject, seq: promotion.seq } })
    if (outcome.kind === 'outdated') return void look()
    if (facts.some(({ type }) => type === promotionGranted.type)) settled(promotion)
  }

  /** What a commit by hand asks for is carried out by deploy itself. */
  const settled = ({ from, target }: Promotion): void => {
    if (from === 'git') parts.settle(target)
  }

  const nextFacts = async (promotion: Promotion): Promise<NewFact[]> => {
    const { target, origin, from, release } = promotion
    const definition = book.find(target.environment)
    if (!definition) return [closed(promotion, 'withdrawn', `there is no environment ${target.environment} any more`)]
    const later = await queries.granted(target)
    if (later && later.origin > origin && from !== 'git')
      return [closed(promotion, 'superseded', `${shortCommit(later.commit)} went there, which is newer`)]
    const source = book.environments().find(({ name }) => name === from)
    const back = source ? await queries.lastReturn({ ...target, environment: source.name }) : null
    if (back && back.seq > origin && back.release !== release)
      return [closed(promotion, 'withdrawn', `${from} went back to ${shortCommit(back.commit)}`)]
    return factsFor(promotion, await standing(promotion, definition))
  }

  const mustExist = async (project: ProjectName, id: string): Promise<Promotion> => {
    await views.reach()
    const found = await queries.promotion(id)
    if (found?.target.project === project) return found
    throw promotionNotFound(project, id)
  }

  return { open, pass, standing, advance, mustExist }
}
export type Progress = ReturnType<typeof createProgress>
