import { join } from 'node:path'
import { atLeast } from './access/access.ts'
import { createAccess } from './access/index.ts'
import { createBuild, type Isolation, type JobLimits, networkVariables, type ResultsLimits } from './build/index.ts'
import type { Clock, Ids } from './clock.ts'
import { createCode, type Stop } from './code/index.ts'
import {
  createDeploy,
  type EnvironmentDefinition,
  platformProject,
  remoteIn,
  usualEnvironments,
} from './deploy/index.ts'
import { createPreviews } from './deploy/previews/index.ts'
import { createEvents } from './events/index.ts'
import type { Home } from './home.ts'
import { createLearn } from './learn/index.ts'
import type { Ledger, Views } from './ledger/ledger.ts'
import type { Log } from './log.ts'
import { createMonitor } from './monitor/index.ts'
import { EnvironmentName, type ProjectName } from './names.ts'
import { createOperate } from './operate/index.ts'
import { createPackage } from './package/index.ts'
import { run } from './processes/run.ts'
import { createUsers } from './processes/users.ts'
import { createRelease } from './release/index.ts'
import { createPromotion } from './release/promotion/index.ts'
import type { Runtime } from './runtimes/runtime.ts'
import type { Stage } from './stage.ts'
import type { Store } from './store/store.ts'
import { createTest } from './test/index.ts'
import { createWatched } from './watched.ts'

/** What stands beneath the stages. */
export type Grounds = {
  readonly home: Home
  readonly store: Store
  readonly ledger: Ledger
  readonly views: Views
  readonly runtime: Runtime
  readonly clock: Clock
  readonly ids: Ids
  readonly log: Log
  /** The names by which it was said to be called. */
  readonly hostNames?: readonly string[]
  /** Where the API and Git are reached. */
  readonly serverUrl: string
  /** The certificate that it has made for itself, in PEM; null: it has another one, or none. */
  readonly certificate: string | null
  readonly edgePort: number
  /** The environments that a new home begins with, in order of promotion, separated by commas. */
  readonly firstEnvironments?: string | undefined
  /** How the pipeline's jobs are kept apart; the best that works here where nothing is said. */
  readonly isolation?: Isolation | null
  /** What one job may take; a share of the machine where nothing is said. */
  readonly jobLimits?: JobLimits | null
}

/** All stages, wired by hand: each gets what it needs of the others as functions. */
export const createStages = (grounds: Grounds) => {
  const { home, runtime, log } = grounds
  const userFor = createUsers(home)
  const report = (message: string): void => log.problem(message)
  const access = createAccess(grounds)
  const repositoryPath = (project: string, repository: string): string =>
    join(home.repositories, project, `${repository}.git`)

  const code = createCode({
    ...grounds,
    environments: () => {
      const [first, ...others] = deploy.environments()
      return [stopOf(first), ...others.map(stopOf)]
    },
    ownProject: platformProject,
    ownReader: {
      examine: (key, updates, variables) => deploy.pushed.examine(key, updates, variables),
      asked: (key, update) => deploy.pushed.asked(key, update),
    },
    limits: gitLimits(),
    serverUrl: () => grounds.serverUrl,
    roleOf: access.users.roleOf,
    cancelRun: (project, run) => build.cancel(project, run, 'system:code'),
    heldUp: (origin) => build.heldUp(origin),
    hasPreviews: async (project) => (await previews.rules(project)).isEnabled,
    report,
  })

  const tests = createTest({
    ...grounds,
    repositoryPath,
    mayLower: async (actor, project) => atLeast(await access.roleOf(actor, project), 'operator'),
    report,
  })

  const build = createBuild({
    ...grounds,
    repositoryPath,
    settings: {
      secrets: ({ project }, names, environment) =>
        access.settings.resolveKind('secret', ofProject(project, environment), names),
      variables: ({ project }, names, environment) =>
        access.settings.resolveKind('variable', ofProject(project, environment), names),
      isProtected: code.isProtected,
    },
    serverUrl: () => grounds.serverUrl,
    readReports: tests.receive,
    judgeQuality: tests.evaluate,
    mayRead: async (actor, project) => (await access.roleOf(actor, project)) !== null,
    findPostgres: async () => (await import('./operate/binaries.ts')).findBinaries(home),
    isAdministrator: async (actor) => (await access.roleOf(actor)) === 'administrator',
    seal: access.seal,
    ...publicUrl(),
    resultsLimits: resultsLimits(),
    report,
  })

  const operate = createOperate({
    ...grounds,
    seal: access.seal,
    postgresUrl: process.env.HEADWAY_POSTGRES_URL ?? null,
    onError: report,
  })

  const releases = createPackage({
    ...grounds,
    run,
    repositoryPath,
    findTool: async (program, range) => {
      const { describeMissing } = await import('./build/index.ts')
      const found = await build.toolchain.find(program, range, userFor('package'))
      return found.kind === 'found'
        ? { kind: 'found', directory: found.tool.directory, version: found.tool.version }
        : { kind: 'missing', detail: describeMissing(program, range, found) }
    },
    installations: build.dependencies,
    userFor,
    network: networkVariables(),
    inUse: async () => [...(await deploy.inUse()), ...(await promotion.inUse())],
    report: (error) => log.problem('packaging', error),
  })

  const release = createRelease({ ...grounds, onError: report })

  const deploy = createDeploy({
    ...grounds,
    judging: release.judging,
    seal: access.seal,
    runtime,
    releases,
    settings: access.settings,
    databases: operate.databases,
    userFor,
    urlOf: (host) => `http://${host}:${grounds.edgePort}/`,
    admit: (asked) => promotion.admit(asked),
    remote: remoteIn(process.env),
    firstEnvironments: grounds.firstEnvironments ?? usualEnvironments,
    onError: report,
  })

  const watched = createWatched({ deploy, releases })
  const monitor = createMonitor({
    ...grounds,
    settings: access.settings,
    userFor,
    ...watched,
    onError: report,
  })

  const previews = createPreviews({
    ...grounds,
    releases,
    roleOf: access.users.roleOf,
    deployment: deploy.queries.deployment,
    urlOf: deploy.urlOf,
    takeDown: deploy.takeDown,
    discardDatabase: operate.discardDatabase,
    collect: releases.collect,
    onError: report,
  })

  const promotion = createPromotion({ ...deploy, ...grounds, onError: report })

  const learn = createLearn({
    publicUrl: grounds.serverUrl,
    ...grounds,
    ...publicUrl(),
    run,
    repositoryPath,
    onError: report,
  })
  const events = createEvents({ ...grounds, seal: access.seal, report })

  return {
    access,
    /** People and programs by their tokens, jobs and runners on other machines by theirs. */
    authentication: {
      identify: async (token: string) =>
        (await access.identify(token)) ??
        (await build.results.identify(token)) ??
        build.runners.registry.identify(token),
    },
    code,
    tests,
    build,
    releases,
    release,
    deploy,
    previews,
    promotion,
    operate,
    monitor,
    learn,
    events,
    /** In the order in which they are started; stopped the other way round. */
    all: [
      access,
      code,
      tests,
      build,
      releases,
      release,
      deploy,
      promotion,
      operate,
      previews,
      monitor,
      learn,
      events,
    ] satisfies readonly Stage[],
  }
}
export type Stages = ReturnType<typeof createStages>

const stopOf = ({ name, promote, requires }: EnvironmentDefinition): Stop => ({
  environment: name,
  from: promote.from,
  isAutomatic: promote.policy === 'automatic' && requires.length === 0,
})

/** An environment of a workflow may have a name that nothing else has; then it has no settings of its own. */
const ofProject = (project: ProjectName, environment: string | null = null) => ({
  project,
  service: null,
  environment: EnvironmentName.safeParse(environment).data ?? null,
})

const gitLimits = (): { maxPackBytes?: number } => {
  const maxPackBytes = wholeNumber('HEADWAY_MAX_PACK_BYTES')
  return maxPackBytes === null ? {} : { maxPackBytes }
}

const publicUrl = (): { publicUrl?: string } =>
  process.env.HEADWAY_PUBLIC_URL ? { publicUrl: process.env.HEADWAY_PUBLIC_URL } : {}

const resultsLimits = (): Partial<ResultsLimits> => ({
  ...limit('artifactBytesPerProject', 'HEADWAY_ARTIFACT_BYTES_PER_PROJECT'),
  ...limit('artifactBytes', 'HEADWAY_ARTIFACT_BYTES'),
  ...limit('artifactDays', 'HEADWAY_ARTIFACT_DAYS'),
  ...limit('cacheBytesPerProject', 'HEADWAY_CACHE_BYTES_PER_PROJECT'),
  ...limit('cacheBytes', 'HEADWAY_CACHE_BYTES'),
  ...limit('cacheDays', 'HEADWAY_CACHE_DAYS'),
})

const limit = (name: keyof ResultsLimits, variable: string): Partial<ResultsLimits> => {
  const value = wholeNumber(variable)
  return value === null ? {} : { [name]: value }
}

const wholeNumber = (variable: string): number | null => {
  const value = Number(process.env[variable])
  return Number.isSafeInteger(value) && value > 0 ? value : null
}
