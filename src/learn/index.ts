import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import { lazily } from '../lazily.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { defaultEnvironment, type ProjectName } from '../names.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import type { CalmsAnswer } from './calms/question.ts'
import type { GitPorts } from './carry.ts'
import type { Digests } from './digest/digests.ts'
import type { Span } from './dora/calendar.ts'
import { answerDora, type DoraQuestion, lanesOf, type Scope } from './dora/question.ts'
import { digestScheduled, learnFacts } from './facts.ts'
import type { FlowQuestion } from './flow/question.ts'
import { createFollower } from './follow.ts'
import { createIncidentOrders } from './incidents/orders.ts'
import { createQueries } from './queries.ts'
import type { DoraTables } from './tables.ts'
import { doraView } from './views.ts'

export type LearnOptions = GitPorts & {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  /** Below it the weekly digests lie: `digests/<project>/<Monday>.md`. */
  readonly home: Pick<Home, 'root'>
  /** Where people reach the web: what links in surveys begin with. */
  readonly publicUrl: string
  /** Told of what went wrong and will be tried again. */
  onError(message: string): void
}

/** The stage that learns: what deliveries come to in figures, incidents, and where the time goes. */
export const createLearn = (options: LearnOptions) => {
  const { store, views, clock } = options
  const follower = createFollower(options)
  const queries = createQueries(options)
  const openSurveys = lazily(async () => (await import('./survey/surveys.ts')).createSurveys(options))
  /** How many people each repository that has releases depends on, over the last year. */
  const busFactors = async (project: ProjectName) => {
    const { busFactorsOf } = await import('./toil/bus-factor.ts')
    await views.reach()
    const repositories = await store
      .tables<DoraTables>()
      .selectFrom('learn_releases')
      .select('repository')
      .distinct()
      .where('project', '=', project)
      .orderBy('repository')
      .execute()
    const since = clock.now() - 365 * 86_400_000
    const names = repositories.map(({ repository }) => repository)
    return busFactorsOf(project, names, since, options)
  }
  let digests: Digests | null = null
  const openDigests = lazily(async (): Promise<Digests> => {
    const [{ createDigests }, { composeWith }] = await Promise.all([
      import('./digest/digests.ts'),
      import('./digest/compose.ts'),
    ])
    digests = createDigests({ ...options, compose: composeWith(learn) })
    return digests
  })
  const learn = {
    name: 'learn',
    facts: learnFacts,
    views: [doraView],
    /** DORA's five metrics, as new as the ledger. */
    dora: async (question: DoraQuestion) => {
      await views.reach()
      return answerDora(store.tables<DoraTables>(), question, clock.now())
    },
    /** Where the time of changes goes, as new as the ledger. */
    flow: async (question: FlowQuestion) => {
      const { answerFlow } = await import('./flow/question.ts')
      await views.reach()
      return answerFlow(store.tables<DoraTables>(), question, clock.now())
    },
    /** The changes behind it, newest first, up to `limit`. */
    delivered: async (scope: Scope, span: Span, limit: number) => {
      const { deliveredIn } = await import('./flow/ways.ts')
      await views.reach()
      const db = store.tables<DoraTables>()
      return (await deliveredIn(db, await lanesOf(db, scope), span)).slice(0, limit)
    },
    /** Work by hand that a machine could do. */
    toil: async (project: ProjectName, span: Span) => {
      const { answerToil } = await import('./toil/question.ts')
      await views.reach()
      return answerToil(store.tables<DoraTables>(), project, span)
    },
    toilOrders: async () => (await import('./toil/orders.ts')).createToilOrders(options),
    busFactors,
    /** Asking people by links. */
    surveys: openSurveys,
    /** What people said of how they work together. */
    culture: async (project: ProjectName) => {
      const { cultureOf } = await import('./calms/question.ts')
      return cultureOf(await (await openSurveys()).list(project))
    },
    /** How a team works: what it says itself, and what can be measured of things. */
    calms: async (scope: Scope & { readonly project: ProjectName }, span: Span): Promise<CalmsAnswer> => {
      const [{ measuresOf }, { cultureOf }] = await Promise.all([
        import('./calms/measures.ts'),
        import('./calms/question.ts'),
      ])
      const culture = cultureOf(await (await openSurveys()).list(scope.project))
      const depends = await busFactors(scope.project)
      const measures = await measuresOf(store.tables<DoraTables>(), scope, span, depends, clock.now())
      return { scope, span, culture, ...measures }
    },
    /** The figures of each service in production over the last 30 days, in Prometheus' text format. */
    prometheus: async (): Promise<string> => {
      await views.reach()
      const db = store.tables<DoraTables>()
      const lanes = await db
        .selectFrom('learn_lanes')
        .selectAll()
        .where('environment', '=', defaultEnvironment)
        .orderBy('project')
        .orderBy('service')
        .execute()
      const until = clock.now() + 1
      const span = { from: Math.max(0, until - 30 * 86_400_000), until }
      const measured = []
      for (const { project, service, environment } of lanes) {
        const scope = { project, services: [service], environment }
        const { total } = await answerDora(db, { ...scope, span, bucket: 'year', zone: 'UTC' }, clock.now())
        measured.push({ project, service, environment, figures: total })
      }
      return (await import('./metrics.ts')).inPrometheusText(measured, '30d')
    },
    ...queries,
    orders: createIncidentOrders(options),
    /** What became of an incident of a project, in the order in which it was so. */
    incidentStory: async (project: ProjectName, incident: string) => {
      const { storyOf } = await import('./incidents/story.ts')
      return queries.versioned(project, await storyOf(options.ledger, incident))
    },
    now: () => clock.now(),
    /** Resolves when what the ledger holds now was dealt with. */
    settled: follower.settled,
    /** What a span came to, as Markdown. */
    digest: async (project: ProjectName, span: Span, zone: string): Promise<string> =>
      (await import('./digest/compose.ts')).composeWith(learn)(project, span, zone),
    /** Digests that are written by themselves. */
    digests: openDigests,
    start: async (): Promise<void> => {
      follower.start()
      const [wanted] = await options.ledger.read({ types: [digestScheduled.type], limit: 1 })
      if (wanted) (await openDigests()).start()
    },
    stop: async (): Promise<void> => {
      await digests?.stop()
      await follower.stop()
    },
  } satisfies Stage & Record<string, unknown>
  return learn
}
export type Learn = ReturnType<typeof createLearn>
