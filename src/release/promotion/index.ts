import { createHash } from 'node:crypto'
import type { Identity } from '../../access/access.ts'
import type { Clock } from '../../clock.ts'
import { changeMerged, refUpdated } from '../../code/facts.ts'
import { deploymentFinished, deploymentRequested, serviceRemoved } from '../../deploy/facts.ts'
import {
  type Admission,
  deploymentIdFor,
  deploymentSubject,
  type EnvironmentDefinition,
  type EnvironmentView,
  noEnvironment,
  type Target,
  targetLabel,
} from '../../deploy/index.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { createLooker } from '../../looker.ts'
import {
  type CommitId,
  type Digest,
  type EnvironmentName,
  type ProjectName,
  type ServiceKey,
  shortCommit,
} from '../../names.ts'
import { releaseCreated } from '../../package/facts.ts'
import { describeError, Problem } from '../../problem.ts'
import type { Stage } from '../../stage.ts'
import type { Store } from '../../store/store.ts'
import {
  approvalRefused,
  environmentFrozen,
  environmentUnfrozen,
  freezeSubject,
  promotionApproved,
  promotionClosed,
  promotionFacts,
  promotionGranted,
  promotionHeld,
  promotionRequested,
  promotionSubject,
} from './facts.ts'
import { judgeApproval, type Promotion, personOf, type Standing, standingOf } from './promotion.ts'
import { createPromotionQueries, type OriginRow, type PromotionTables, promotionView } from './view.ts'
import { type Opening, type OrderedFreeze, openingAt } from './windows.ts'

/** What runs in an environment. */
export type Running = { readonly release: Digest; readonly commit: CommitId; readonly push: string | null }

export type PromotionParts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly clock: Clock
  readonly book: EnvironmentView
  current(target: Target): Promise<Running | null>
  hasSucceeded(target: Target, release: Digest): Promise<boolean>
  /** Has deploy look again at what Git asks for there. */
  settle(target: Target): void
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

const actor = 'system:release'
/** After these there may be something new to promote, or less in the way. */
const awakening: readonly string[] = [
  ...promotionFacts.map(({ type }) => type),
  ...[releaseCreated, deploymentFinished, serviceRemoved, refUpdated, changeMerged].map(({ type }) => type),
]
/** The longest time without looking at the clock, which somebody may set. */
const longestSleepMs = 60_000

/** A standing of an environment, as people see it. */
export type EnvironmentState = EnvironmentDefinition & {
  readonly opening: Opening
  readonly freezeOrder: OrderedFreeze | null
}

/**
 * Decides what may go where and when: what came out of a push or succeeded in one environment is asked for in the next, and goes there as
 * soon as the environment's policy, its calendar and the people whom it asks allow it.
 */
export const createPromotion = (parts: PromotionParts) => {
  const { ledger, views, clock, book } = parts
  const queries = createPromotionQueries(parts.store.tables<PromotionTables>())
  const closing = new AbortController()
  let alarm = new AbortController()
  let seen = 0
  let stopFollowing = (): void => undefined

  const report = (message: string): void => {
    if (!closing.signal.aborted) parts.onError?.(`promoting: ${message}`)
  }

  /** Everything that can be asked for is asked for; everything that may go goes; the rest is looked at again when its time comes. */
  const work = async (): Promise<void> => {
    await views.reach()
    for (const definition of book.environments())
      for (const origin of await queries.candidates(definition.promote.from, definition.name))
        await open(
          requestOf(origin, definition, await authorsOf(origin, definition.name), definition.promote.from, clock.now()),
          actor,
        )
    await views.reach()
    for (const promotion of await queries.open()) await advance(promotion)
    await views.reach()
    wakeAt(await queries.open())
  }
  const looker = createLooker(work, report, clock, closing.signal)

  const wakeAt = (open: readonly Promotion[]): void => {
    alarm.abort()
    alarm = new AbortController()
    const times = open.flatMap(({ held }) => (held === null || held.until === null ? [] : [held.until]))
    if (times.length === 0) return
    const ms = Math.min(longestSleepMs, Math.max(0, Math.min(...times) - clock.now()))
    clock.sleep(ms, AbortSignal.any([closing.signal, alarm.signal])).then(
      () => void looker.look(),
      () => undefined,
    )
  }

  const openingOf = async (definition: EnvironmentDefinition, project: ProjectName): Promise<Opening> =>
    openingAt(definition, await queries.freeze(project, definition.name), clock.now())

  const standing = async (promotion: Promotion, definition: EnvironmentDefinition): Promise<Standing> => {
    const { target, release } = promotion
    const lacking: string[] = []
    for (const environment of promotion.from === 'git' ? [] : definition.requires)
      if (!(await parts.hasSucceeded({ ...target, environment }, release))) lacking.push(environment)
    const opening = await openingOf(definition, target.project)
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

  /** One look at an open promotion; what is recorded is recorded only if nobody else did something to it meanwhile. */
  const advance = async (promotion: Promotion): Promise<void> => {
    const facts = await nextFacts(promotion)
    if (facts.length === 0) return
    const subject = promotionSubject(promotion.id)
    const outcome = await ledger.append(facts, { expect: { subject, seq: promotion.seq } })
    if (outcome.kind === 'outdated') return void looker.look()
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

  /** Who has a part in what would be new there. */
  const authorsOf = async (
    { push, release, ...origin }: OriginRow,
    environment: EnvironmentName,
  ): Promise<string[]> => {
    const key = { project: origin.project, service: origin.service }
    const made = push ?? (await queries.originOf(key, 'push', release))?.push ?? null
    if (made === null) return []
    const running = await parts.current({ ...key, environment })
    const before = running?.push ?? (running && (await queries.originOf(key, 'push', running.release))?.push) ?? null
    return queries.people(made, before === made ? null : before)
  }

  const mustFind = (environment: EnvironmentName): EnvironmentDefinition => {
    const found = book.find(environment)
    if (!found) throw noEnvironment(environment, book)
    return found
  }

  const mustExist = async (project: ProjectName, id: string): Promise<Promotion> => {
    await views.reach()
    const found = await queries.promotion(id)
    if (found?.target.project === project) return found
    throw new Problem({
      kind: 'promotion-not-found',
      status: 404,
      detail: `there is no promotion ${id} in ${project}`,
      next: 'headway promotions lists them',
    })
  }

  /** What a person means by a release: the one that runs where it comes from, or one that has succeeded there. */
  const originFor = async (
    key: ServiceKey,
    { promote }: EnvironmentDefinition,
    word: string | null,
  ): Promise<OriginRow> => {
    const found = word === null ? await queries.newest(key, promote.from) : await queries.named(key, promote.from, word)
    if (found) return found
    const where = promote.from === 'push' ? 'was made' : `has succeeded in ${promote.from}`
    throw new Problem({
      kind: 'nothing-to-promote',
      status: 409,
      detail: `no release of ${key.project}/${key.service}${word === null ? '' : ` that begins with ${word}`} ${where}`,
      next:
        promote.from === 'push'
          ? 'git push headway main'
          : `headway deployments ${key.service} shows how it fares there`,
    })
  }

  return {
    name: 'promotion',
    facts: promotionFacts,
    views: [promotionView],
    queries,

    start: async (): Promise<void> => {
      seen = (await ledger.head()).seq
      const wake = async (): Promise<void> => {
        const facts = await ledger.read({ after: seen, types: awakening, limit: 1000 })
        seen = facts.at(-1)?.seq ?? seen
        if (facts.length > 0) void looker.look()
      }
      const stopListening = ledger.onAppend(
        () => void wake().catch((error: unknown) => looker.again(describeError(error))),
      )
      const stopReading = book.onChange(() => void looker.look())
      stopFollowing = () => {
        stopListening()
        stopReading()
      }
      await looker.look()
    },
    stop: async (): Promise<void> => {
      stopFollowing()
      closing.abort()
      await looker.idle()
    },
    /** Resolves when everything that can be decided now was decided. */
    look: () => looker.look(),

    /** Why the environment files as they are now do not count; null while they do. */
    broken: () => book.broken(),
    /** The environments of a project in order of promotion, and whether something may be deployed there now. */
    environments: async (project: ProjectName): Promise<EnvironmentState[]> => {
      await views.reach()
      return Promise.all(
        book.environments().map(async (definition) => ({
          ...definition,
          opening: await openingOf(definition, project),
          freezeOrder: await queries.freeze(project, definition.name),
        })),
      )
    },

    list: async (
      project: ProjectName,
      query: { service?: ServiceKey['service'] | undefined; limit: number },
    ): Promise<Promotion[]> => {
      await views.reach()
      return queries.history(project, query.service, query.limit)
    },

    /** Releases that are on their way somewhere. */
    inUse: async (): Promise<Digest[]> => {
      await views.reach()
      return (await queries.open()).map(({ release }) => release)
    },

    /** Asks for a release in an environment; it goes as soon as its policy lets it. Asked again, it is the same promotion. */
    promote: async (
      key: ServiceKey,
      { to, release, by }: { to: EnvironmentName; release: string | null; by: string },
    ): Promise<Promotion> => {
      await views.reach()
      const definition = mustFind(to)
      const origin = await originFor(key, definition, release)
      const target = { ...key, environment: to }
      const known = (await queries.open(key.project)).find(
        (one) => targetLabel(one.target) === targetLabel(target) && one.release === origin.release,
      )
      if (known) {
        await looker.look()
        return mustExist(key.project, known.id)
      }
      if ((await parts.current(target))?.release === origin.release)
        throw new Problem({
          kind: 'already-there',
          status: 409,
          detail: `${shortCommit(origin.commit)} runs in ${to} already`,
          next: `headway deploy ${key.service} --environment ${to} deploys it again`,
        })
      const { seq } = await ledger.head()
      const asker = personOf(by)
      const authors = new Set([...(await authorsOf(origin, to)), ...(asker === null ? [] : [asker])])
      const request = requestOf(
        { ...origin, seq },
        definition,
        [...authors].sort(),
        definition.promote.from,
        clock.now(),
      )
      return open({ ...request, since: origin.at }, by)
    },

    /** The approval of somebody; one that may not be given is recorded as well, and refused with a Problem. */
    approve: async (project: ProjectName, id: string, identity: Identity): Promise<Promotion> => {
      for (;;) {
        const promotion = await mustExist(project, id)
        const definition = mustFind(promotion.target.environment)
        const user = identity.limits || identity.runner !== undefined ? null : personOf(identity.actor)
        const approver = { user, actor: identity.actor, role: identity.roleIn(project) }
        const decision = judgeApproval(promotion, definition, approver, clock.now())
        const about = { subject: promotionSubject(id), actor: identity.actor }
        const named = { promotion: id, ...promotion.target, user: user ?? identity.actor }
        const recorded =
          decision.kind === 'approved'
            ? fact(promotionApproved, { ...about, payload: { ...named, role: decision.role } })
            : fact(approvalRefused, { ...about, payload: { ...named, why: decision.why, detail: decision.detail } })
        const outcome = await ledger.append([recorded], { expect: { subject: about.subject, seq: promotion.seq } })
        if (outcome.kind === 'outdated') continue
        if (decision.kind === 'refused') throw approvalProblem(promotion, decision)
        await looker.look()
        return mustExist(project, id)
      }
    },

    /** Takes it out of the way for good; a newer release opens a new one. */
    reject: async (project: ProjectName, id: string, reason: string, by: string): Promise<Promotion> => {
      for (;;) {
        const promotion = await mustExist(project, id)
        if (promotion.ended) throw endedAlready(promotion)
        const facts = [closed(promotion, 'rejected', `${personOf(by) ?? by}: ${reason}`, by)]
        const outcome = await ledger.append(facts, { expect: { subject: promotionSubject(id), seq: promotion.seq } })
        if (outcome.kind === 'appended') return mustExist(project, id)
      }
    },

    /** Nothing new is deployed there until `until` (milliseconds since 1970; null: until it is lifted). */
    freeze: async (
      project: ProjectName,
      environment: EnvironmentName,
      order: { reason: string; until: number | null },
      by: string,
    ): Promise<void> => {
      mustFind(environment)
      if (order.until !== null && order.until <= clock.now())
        throw new Problem({
          kind: 'freeze-over',
          status: 422,
          detail: `that freeze would have ended at ${new Date(order.until).toISOString()}`,
          next: 'give a time to come, or none: headway unfreeze lifts it then',
        })
      const payload = { project, environment, ...order }
      await ledger.append([
        fact(environmentFrozen, { subject: freezeSubject(project, environment), actor: by, payload }),
      ])
      await looker.look()
    },
    unfreeze: async (project: ProjectName, environment: EnvironmentName, reason: string, by: string): Promise<void> => {
      mustFind(environment)
      await views.reach()
      if ((await queries.freeze(project, environment)) === null)
        throw new Problem({
          kind: 'not-frozen',
          status: 409,
          detail: `nobody has frozen ${environment}`,
          next: `headway environments shows what is planned; a freeze of its environment.yaml is lifted there`,
        })
      const payload = { project, environment, reason }
      await ledger.append([
        fact(environmentUnfrozen, { subject: freezeSubject(project, environment), actor: by, payload }),
      ])
      await looker.look()
    },

    /** Whether something that is no promotion may be deployed now. For a commit by hand it becomes one when it may not. */
    admit: (async ({ target, release, commit, cause }) => {
      const definition = book.find(target.environment)
      if (!definition) return null
      await views.reach()
      const isKnown = await parts.hasSucceeded(target, release)
      const opening = await openingOf(definition, target.project)
      if (cause.kind === 'git') return admitCommit(definition, { target, release, commit, isKnown, cause })
      if (opening.kind !== 'open') return closedNow(opening)
      const isFree = definition.promote.from === 'push' && definition.promote.policy === 'automatic'
      return isKnown || isFree ? null : promotionNeeded(target, definition, commit)
    }) satisfies Admission,
  } satisfies Stage & Record<string, unknown>

  async function admitCommit(
    definition: EnvironmentDefinition,
    asked: { target: Target; release: Digest; commit: CommitId; isKnown: boolean; cause: { blob: string } },
  ): Promise<Problem | null> {
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
      ...(await authorsOf({ ...key, seq, release, commit, push: made, at }, target.environment)),
    ])
    const origin = { ...key, seq, release, commit, push: made, at }
    const request = { ...requestOf(origin, definition, [...authors].sort(), 'git', at), promotion: id, isKnown }
    const draft = draftOf(request, actor)
    const now = await standing(draft, definition)
    return now.kind === 'granted' ? null : heldCommit(await open(request, actor))
  }
}
export type PromotionStage = ReturnType<typeof createPromotion>

type Requested = Omit<ReturnType<typeof promotionRequested.payload.parse>, 'authors'> & {
  readonly authors: readonly string[]
}

const promotionIdFor = (what: string): string =>
  `promotion-${createHash('sha256').update(what).digest('hex').slice(0, 17)}`

/** Named by what it goes back to, so that it is asked for once however often it is looked at. */
const requestOf = (
  { seq, project, service, release, commit, push, at }: OriginRow,
  { name }: EnvironmentDefinition,
  authors: readonly string[],
  from: string,
  askedAt: number,
): Requested => ({
  askedAt,
  promotion: promotionIdFor(`${from} ${seq} ${project}/${service}/${name}`),
  ...{
    project,
    service,
    environment: name,
    release,
    commit,
    from,
    origin: seq,
    since: at,
    push,
    authors,
    isKnown: false,
  },
})

const draftOf = ({ promotion, project, service, environment, ...asked }: Requested, by: string): Promotion => ({
  ...asked,
  id: promotion,
  target: { project, service, environment },
  requestedBy: by,
  requestedSeq: 0,
  seq: 0,
  approvals: [],
  held: null,
  ended: null,
})

/** What a standing means, as facts to record; nothing when it was said before. */
const factsFor = (promotion: Promotion, standing: Standing): NewFact[] => {
  const { id, target, held } = promotion
  const about = { subject: promotionSubject(id), actor }
  if (standing.kind === 'expired') return [closed(promotion, 'expired', standing.detail)]
  if (standing.kind === 'granted') return grant(promotion)
  const { why, detail, until } = standing
  if (held && held.why === why && held.detail === detail && held.until === until) return []
  return [fact(promotionHeld, { ...about, payload: { promotion: id, ...target, why, detail, until } })]
}

/** The permission and the intent of the deployment are one append: a crash leaves both or none. */
const grant = ({ id, target, release, commit, from, origin, push }: Promotion): NewFact[] => {
  const deployment =
    from === 'git'
      ? null
      : deploymentIdFor(from === 'push' ? `release ${origin} ${target.environment}` : `promotion ${id}`)
  const granted = fact(promotionGranted, {
    ...{ subject: promotionSubject(id), actor },
    payload: { promotion: id, ...target, release, deployment },
  })
  if (deployment === null) return [granted]
  const reason = from === 'push' ? ('push' as const) : ('promotion' as const)
  const payload = { deployment, ...target, release, commit, reason, push }
  return [
    granted,
    fact(deploymentRequested, { subject: deploymentSubject(deployment), actor, causes: [origin], payload }),
  ]
}

const closed = (
  { id, target }: Promotion,
  outcome: 'rejected' | 'expired' | 'superseded' | 'withdrawn',
  detail: string,
  by: string = actor,
): NewFact =>
  fact(promotionClosed, {
    subject: promotionSubject(id),
    actor: by,
    payload: { promotion: id, ...target, outcome, detail },
  })

const approvalProblem = ({ id, target }: Promotion, { why, detail }: { why: string; detail: string }): Problem =>
  new Problem({
    kind: `approval-refused-${why}`,
    status: why === 'author' || why === 'role' || why === 'no-person' ? 403 : 409,
    detail: `${id} into ${target.environment} is not approved: ${detail}`,
    next:
      why === 'expired' || why === 'ended'
        ? `headway promote ${target.service} --to ${target.environment} asks for it again`
        : `headway promotions shows who else may approve`,
  })

const endedAlready = ({ id, ended }: Promotion): Problem =>
  new Problem({
    kind: 'promotion-ended',
    status: 409,
    detail: `${id} was ${ended?.outcome} already`,
    next: 'headway promotions lists the open ones',
  })

const closedNow = (opening: Exclude<Opening, { kind: 'open' }>): Problem =>
  new Problem({
    kind: opening.kind === 'freeze' ? 'environment-frozen' : 'outside-window',
    status: 409,
    detail: opening.detail,
    next: 'headway rollback goes back at any time; headway environments shows when it opens',
  })

const promotionNeeded = (
  { service, environment }: Target,
  { promote }: EnvironmentDefinition,
  commit: CommitId,
): Problem =>
  new Problem({
    kind: 'promotion-needed',
    status: 409,
    detail: `${environment} takes releases from ${promote.from}${promote.policy === 'automatic' ? '' : ` by ${promote.policy}`}, and ${shortCommit(commit)} has not been there`,
    next: `headway promote ${service} --to ${environment} --release ${shortCommit(commit)}`,
  })

const heldCommit = ({ id, target, held, ended }: Promotion): Problem =>
  new Problem({
    kind: 'promotion-held',
    status: 409,
    detail: `the commit to ${targetLabel(target)} is not carried out: ${held?.detail ?? ended?.detail ?? 'it waits'}`,
    next: `headway promotions ${target.service} shows ${id}`,
  })
