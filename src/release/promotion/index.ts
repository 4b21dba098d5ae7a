import { changeMerged, refUpdated } from '../../code/facts.ts'
import { deploymentFinished, serviceRemoved } from '../../deploy/facts.ts'
import { targetLabel } from '../../deploy/index.ts'
import { createLooker } from '../../looker.ts'
import type { Digest, EnvironmentName, ProjectName, ServiceKey } from '../../names.ts'
import { releaseCreated } from '../../package/facts.ts'
import { describeError } from '../../problem.ts'
import type { Stage } from '../../stage.ts'
import { createAdmission } from './admission.ts'
import { createApprovals } from './approvals.ts'
import { createEnvironments } from './environments.ts'
import { promotionFacts } from './facts.ts'
import { createOrigins } from './origins.ts'
import { actor } from './outcome.ts'
import type { PromotionParts } from './parts.ts'
import { createProgress } from './progress.ts'
import { type Promotion, personOf } from './promotion.ts'
import { createPromotionQueries } from './queries.ts'
import { alreadyThere } from './refusals.ts'
import { type Requested, requestOf } from './request.ts'
import type { PromotionTables } from './tables.ts'
import { promotionView } from './view.ts'

/** After these there may be something new to promote, or less in the way. */
const awakening: readonly string[] = [
  ...promotionFacts.map(({ type }) => type),
  ...[releaseCreated, deploymentFinished, serviceRemoved, refUpdated, changeMerged].map(({ type }) => type),
]
/** The longest time without looking at the clock, which somebody may set. */
const longestSleepMs = 60_000

/**
 * Decides what may go where and when: what came out of a push or succeeded in one environment is asked for in the next, and goes there as
 * soon as the environment's policy, its calendar and the people whom it asks allow it.
 */
export const createPromotion = (parts: PromotionParts) => {
  const { ledger, views, clock, book } = parts
  const queries = createPromotionQueries(parts.store.tables<PromotionTables>())
  const look = (): Promise<void> => looker.look()
  const environments = createEnvironments(parts, queries, look)
  const origins = createOrigins(parts, queries)
  const progress = createProgress(parts, queries, environments, look)
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
      for (const origin of await queries.candidates(definition.promote.from, definition.name)) {
        const authors = await origins.authorsOf(origin, definition.name)
        const request = requestOf(origin, definition, authors, definition.promote.from, clock.now())
        if (await bringsNothing(request)) await progress.pass(request)
        else await progress.open(request, actor)
      }
    await views.reach()
    for (const promotion of await queries.open()) await progress.advance(promotion)
    await views.reach()
    wakeAt(await queries.open())
  }
  /**
   * Whether a release that succeeded in one environment runs in the next already, as where an environment was put between the two: it
   * would take the place of itself, step by step.
   */
  const bringsNothing = async ({ from, release, ...target }: Requested): Promise<boolean> =>
    from !== 'push' && (await parts.current(target))?.release === release
  const looker = createLooker(work, report, clock, closing.signal)

  const wakeAt = (open: readonly Promotion[]): void => {
    alarm.abort()
    alarm = new AbortController()
    const times = open.flatMap(({ held }) => (held === null || held.until === null ? [] : [held.until]))
    if (times.length === 0) return
    const ms = Math.min(longestSleepMs, Math.max(0, Math.min(...times) - clock.now()))
    clock.sleep(ms, AbortSignal.any([closing.signal, alarm.signal])).then(
      () => void look(),
      () => undefined,
    )
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
        if (facts.length > 0) void look()
      }
      const stopListening = ledger.onAppend(
        () => void wake().catch((error: unknown) => looker.again(describeError(error))),
        awakening,
      )
      const stopReading = book.onChange(() => void look())
      stopFollowing = () => {
        stopListening()
        stopReading()
      }
      await look()
    },
    stop: async (): Promise<void> => {
      stopFollowing()
      closing.abort()
      await looker.idle()
    },
    /** Resolves when everything that can be decided now was decided. */
    look,

    /** Why files of the environments repository as they are now do not count; none while they do. */
    broken: () => parts.refusals(),
    environments: environments.states,

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
      const definition = environments.mustFind(to)
      const origin = await origins.originFor(key, definition, release)
      const target = { ...key, environment: to }
      const known = (await queries.open(key.project)).find(
        (one) => targetLabel(one.target) === targetLabel(target) && one.release === origin.release,
      )
      if (known) {
        await look()
        return progress.mustExist(key.project, known.id)
      }
      if ((await parts.current(target))?.release === origin.release) throw alreadyThere(target, origin.commit)
      const { seq } = await ledger.head()
      const asker = personOf(by)
      const authors = new Set([...(await origins.authorsOf(origin, to)), ...(asker === null ? [] : [asker])])
      const request = requestOf(
        { ...origin, seq },
        definition,
        [...authors].sort(),
        definition.promote.from,
        clock.now(),
      )
      return progress.open({ ...request, since: origin.at }, by)
    },

    ...createApprovals(parts, environments, progress, look),
    freeze: environments.freeze,
    unfreeze: environments.unfreeze,
    admit: createAdmission(parts, queries, environments, origins, progress),
  } satisfies Stage & Record<string, unknown>
}
export type PromotionStage = ReturnType<typeof createPromotion>
