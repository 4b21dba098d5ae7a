import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { answer, api } from './api/client.ts'
import type { Live } from './api/live.ts'
import { projects, whoAmI } from './api/queries.ts'
import type { Session } from './api/session.ts'
import { Crashed, NoSuchPage } from './shell/errors.tsx'
import { rememberedProject } from './shell/project.ts'
import { Shell } from './shell/shell.tsx'

export type Context = { readonly queries: QueryClient; readonly live: Live; readonly session: Session }

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const number = (value: unknown): number | undefined => {
  const parsed = Number(value)
  return value !== undefined && value !== '' && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : undefined
}
/** What stands there is to be told as it is, also where it looks like a number or a list. */
const asWritten = (value: unknown): string | undefined =>
  value === undefined || value === '' ? undefined : typeof value === 'string' ? value : JSON.stringify(value)
/** Only what is set stands in an address. */
const set = <Search extends object>(
  search: Search,
): Partial<{ [Key in keyof Search]: Exclude<Search[Key], undefined> }> =>
  Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as never

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  errorComponent: Crashed,
  notFoundComponent: NoSuchPage,
})

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search) => set({ to: text(search.to) }),
  component: lazyRouteComponent(() => import('./pages/sign-in/page.tsx'), 'SignInPage'),
})

/** For who has a link, signed in or not: nothing else of the web is asked for there. */
const survey = createRoute({
  getParentRoute: () => root,
  path: '/survey',
  component: lazyRouteComponent(() => import('./pages/survey/page.tsx'), 'SurveyPage'),
})

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ context: { queries }, location }) => {
    // Who is not signed in sees nothing else first; a server that does not answer leaves the page where it is.
    const isOut = await queries.ensureQueryData(whoAmI()).then(
      () => false,
      (error: { status?: number }) => error.status === 401,
    )
    if (isOut) throw redirect({ to: '/sign-in', search: { to: location.href } })
  },
})

const home = createRoute({
  getParentRoute: () => shell,
  path: '/',
  beforeLoad: async ({ context: { queries } }) => {
    const known = await queries.ensureQueryData({ ...projects(), queryFn: () => answer(api.code.projects.$get()) })
    const remembered = rememberedProject()
    const project = remembered !== null && known.includes(remembered) ? remembered : (known[0] ?? 'default')
    throw redirect({ to: '/projects/$project', params: { project }, replace: true })
  },
})

const project = createRoute({ getParentRoute: () => shell, path: '/projects/$project', component: Outlet })

const loop = createRoute({
  getParentRoute: () => project,
  path: '/',
  component: lazyRouteComponent(() => import('./pages/loop/page.tsx'), 'LoopPage'),
})
const services = createRoute({
  getParentRoute: () => project,
  path: '/services',
  validateSearch: (search) =>
    set({ filter: text(search.filter), before: text(search.before), after: text(search.after) }),
  component: lazyRouteComponent(() => import('./pages/services/page.tsx'), 'ServicesPage'),
})
const service = createRoute({
  getParentRoute: () => project,
  path: '/services/$service',
  validateSearch: (search) =>
    set({
      tab: text(search.tab),
      environment: text(search.environment),
      range: text(search.range),
      search: text(search.search),
      instance: text(search.instance),
      from: number(search.from),
      until: number(search.until),
    }),
  component: lazyRouteComponent(() => import('./pages/service/page.tsx'), 'ServicePage'),
})
const rollouts = createRoute({
  getParentRoute: () => project,
  path: '/rollouts',
  component: lazyRouteComponent(() => import('./pages/rollouts/page.tsx'), 'RolloutsPage'),
})
const rollout = createRoute({
  getParentRoute: () => project,
  path: '/rollouts/$rollout',
  validateSearch: (search) => set({ at: number(search.at) }),
  component: lazyRouteComponent(() => import('./pages/rollout/page.tsx'), 'RolloutPage'),
})
const runs = createRoute({
  getParentRoute: () => project,
  path: '/runs',
  validateSearch: (search) =>
    set({
      tab: text(search.tab),
      repository: text(search.repository),
      cases: text(search.cases),
      filter: text(search.filter),
      state: text(search.state),
      before: text(search.before),
      after: text(search.after),
    }),
  component: lazyRouteComponent(() => import('./pages/runs/page.tsx'), 'RunsPage'),
})
const run = createRoute({
  getParentRoute: () => project,
  path: '/runs/$run',
  validateSearch: (search) =>
    set({
      job: text(search.job),
      attempt: number(search.attempt),
      line: number(search.line),
      search: text(search.search),
    }),
  component: lazyRouteComponent(() => import('./pages/run/page.tsx'), 'RunPage'),
})
const changes = createRoute({
  getParentRoute: () => project,
  path: '/changes',
  validateSearch: (search) => set({ filter: text(search.filter), tab: text(search.tab) }),
  component: lazyRouteComponent(() => import('./pages/changes/page.tsx'), 'ChangesPage'),
})
const change = createRoute({
  getParentRoute: () => project,
  path: '/changes/$repository/$number',
  validateSearch: (search) => set({ view: text(search.view), tab: text(search.tab), version: number(search.version) }),
  component: lazyRouteComponent(() => import('./pages/change/page.tsx'), 'ChangePage'),
})
const previews = createRoute({
  getParentRoute: () => project,
  path: '/previews',
  component: lazyRouteComponent(() => import('./pages/previews/page.tsx'), 'PreviewsPage'),
})
const insights = createRoute({
  getParentRoute: () => project,
  path: '/insights',
  validateSearch: (search) =>
    set({
      tab: text(search.tab),
      service: text(search.service),
      environment: text(search.environment),
      period: asWritten(search.period),
      from: asWritten(search.from),
      to: asWritten(search.to),
      zone: asWritten(search.zone),
      bucket: asWritten(search.bucket),
      behind: text(search.behind),
      at: number(search.at),
    }),
  component: lazyRouteComponent(() => import('./pages/insights/page.tsx'), 'InsightsPage'),
})
const deployment = createRoute({
  getParentRoute: () => project,
  path: '/insights/deployment',
  validateSearch: (search) => ({ name: text(search.name) ?? '' }),
  component: lazyRouteComponent(() => import('./pages/deployment/page.tsx'), 'DeploymentPage'),
})
const incidents = createRoute({
  getParentRoute: () => project,
  path: '/incidents',
  validateSearch: (search) => set({ tab: text(search.tab) }),
  component: lazyRouteComponent(() => import('./pages/incidents/page.tsx'), 'IncidentsPage'),
})
const incident = createRoute({
  getParentRoute: () => project,
  path: '/incidents/$incident',
  component: lazyRouteComponent(() => import('./pages/incident/page.tsx'), 'IncidentPage'),
})
const ledger = createRoute({
  getParentRoute: () => shell,
  path: '/ledger',
  validateSearch: (search) =>
    set({
      types: text(search.types),
      subject: text(search.subject),
      after: number(search.after),
      fact: number(search.fact),
    }),
  component: lazyRouteComponent(() => import('./pages/ledger/page.tsx'), 'LedgerPage'),
})
const settings = createRoute({
  getParentRoute: () => shell,
  path: '/settings',
  validateSearch: (search) => set({ tab: text(search.tab) }),
  component: lazyRouteComponent(() => import('./pages/settings/page.tsx'), 'SettingsPage'),
})

const tree = root.addChildren([
  signIn,
  survey,
  shell.addChildren([
    home,
    project.addChildren([
      ...[loop, services, service, rollouts, rollout, runs, run, changes, change],
      ...[insights, deployment, incidents, incident, previews],
    ]),
    ledger,
    settings,
  ]),
])

export const createAppRouter = (context: Context) =>
  createRouter({
    routeTree: tree,
    context,
    defaultPreload: 'intent',
    defaultErrorComponent: Crashed,
    defaultNotFoundComponent: NoSuchPage,
    scrollRestoration: true,
  })

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>
  }
}
