import type { Readable } from 'node:stream'
import type { LateRoutes } from './api/late.ts'
import type { Grounds, Stages } from './stages.ts'

/** The whole API: by which words of a path each part of it is found, and from where it comes when somebody asks for it. */
export const routesOf = (
  stages: Stages,
  grounds: Grounds & { readonly hostNames: readonly string[] },
  backup: (actor: string) => Readable,
): readonly LateRoutes[] => [
  {
    words: ['me', 'users', 'members', 'tokens', 'settings', 'master-key'],
    load: async () => (await import('./access/routes.ts')).accessRoutes(stages.access),
  },
  {
    words: ['me', 'users', 'session', 'sessions', 'sign-in-links'],
    load: async () =>
      (await import('./access/sessions/routes.ts')).sessionRoutes(
        stages.access.sessions,
        grounds.clock,
        grounds.hostNames,
      ),
  },
  {
    words: ['passkeys', 'passkey-offers', 'sign-in-challenges'],
    load: async () =>
      (await import('./access/passkeys/routes.ts')).passkeyRoutes(stages.access.passkeys, grounds.hostNames),
  },
  {
    words: ['projects', 'pushes', 'repositories'],
    load: async () => (await import('./code/routes.ts')).codeRoutes(stages.code),
  },
  {
    words: ['changes', 'reverts', 'queue', 'merge-queues', 'change-rules'],
    load: async () => (await import('./code/changes/routes.ts')).changeRoutes(stages.code.changes),
  },
  { words: ['runs'], load: async () => (await import('./build/routes.ts')).buildRoutes(stages.build) },
  {
    words: ['actions'],
    load: async () => (await import('./build/actions/routes.ts')).actionRoutes(stages.build.actions),
  },
  {
    words: ['artifacts', 'caches', 'identity-keys'],
    load: async () => (await import('./build/results/routes.ts')).resultsRoutes(stages.build.results),
  },
  {
    words: ['runners', 'runner'],
    load: async () => (await import('./build/runners/routes.ts')).runnerRoutes(stages.build.runners),
  },
  {
    words: [
      'dispatches',
      'workflows',
      'releases',
      'approvals',
      'events',
      'pipeline-environments',
      'broken-mains',
      'main',
    ],
    load: async () => (await import('./build/request-routes.ts')).requestRoutes(stages.build),
  },
  { words: ['tests'], load: async () => (await import('./test/routes.ts')).testRoutes(stages.tests) },
  {
    words: ['releases', 'explain'],
    load: async () => (await import('./package/routes.ts')).packageRoutes(stages.releases),
  },
  {
    words: ['why', 'evidence'],
    load: async () => (await import('./release/routes.ts')).releaseRoutes(stages.release),
  },
  {
    words: ['services', 'deployments', 'instances'],
    load: async () => (await import('./deploy/routes.ts')).deployRoutes(stages.deploy, stages.learn.leadTimes),
  },
  { words: ['glance'], load: async () => (await import('./deploy/glance-routes.ts')).glanceRoutes(stages.deploy) },
  {
    words: ['environments'],
    load: async () => (await import('./deploy/environment-routes.ts')).environmentRoutes(stages.deploy),
  },
  { words: ['rollouts'], load: async () => (await import('./deploy/rollout-routes.ts')).rolloutRoutes(stages.deploy) },
  {
    words: ['migrations'],
    load: async () => (await import('./deploy/migrations/routes.ts')).migrationRoutes(stages.deploy.migrations),
  },
  {
    words: ['previews', 'preview', 'preview-rules'],
    load: async () => (await import('./deploy/previews/routes.ts')).previewRoutes(stages.previews),
  },
  {
    words: ['environments', 'promotions'],
    load: async () => (await import('./release/promotion/routes.ts')).promotionRoutes(stages.promotion),
  },
  {
    words: ['databases', 'database', 'database-backups', 'exits'],
    load: async () => (await import('./operate/routes.ts')).operateRoutes(stages.operate),
  },
  {
    words: ['traffic', 'logs'],
    load: async () => (await import('./monitor/routes.ts')).monitorRoutes(stages.monitor),
  },
  {
    words: ['alerts'],
    load: async () => (await import('./monitor/alerts/routes.ts')).alertRoutes(stages.monitor.alerts),
  },
  { words: ['insights'], load: async () => (await import('./learn/routes.ts')).learnRoutes(stages.learn) },
  {
    words: ['toil', 'toil-capacity', 'bus-factor'],
    load: async () => (await import('./learn/toil/routes.ts')).toilRoutes(stages.learn),
  },
  { words: ['csv'], load: async () => (await import('./learn/csv-routes.ts')).csvRoutes(stages.learn) },
  { words: ['calms'], load: async () => (await import('./learn/calms/routes.ts')).calmsRoutes(stages.learn) },
  {
    words: ['digest', 'digest-schedule'],
    load: async () => (await import('./learn/digest/routes.ts')).digestRoutes(stages.learn),
  },
  { words: ['surveys'], load: async () => (await import('./learn/survey/routes.ts')).surveyRoutes(stages.learn) },
  { words: ['flow'], load: async () => (await import('./learn/flow/routes.ts')).flowRoutes(stages.learn) },
  { words: ['metrics'], load: async () => (await import('./learn/routes.ts')).metricsRoutes(stages.learn) },
  {
    words: ['incidents'],
    load: async () => (await import('./learn/incidents/routes.ts')).incidentRoutes(stages.learn),
  },
  {
    words: ['hooks', 'events', 'event-sources', 'event-subscriptions'],
    load: async () => (await import('./events/routes.ts')).eventDoorRoutes(stages.events),
  },
  { words: ['ledger'], load: async () => (await import('./api/ledger-routes.ts')).ledgerRoutes(grounds) },
  { words: ['backup'], load: async () => (await import('./api/backup-route.ts')).backupRoutes(backup) },
]
