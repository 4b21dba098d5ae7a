import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { ProjectName, RepositoryName } from '../names.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import type { ActionShelf } from './actions/shelf.ts'
import type { JobSettings, JudgeQuality, ReadReports } from './conductor.ts'
import type { DependencyCache } from './dependencies.ts'
import type { RunDetails } from './details.ts'
import type { RepositoryPath } from './git.ts'
import type { RunSource } from './jobs/contexts.ts'
import type { JobUser } from './jobs/processes.ts'
import type { LogLine } from './logs.ts'
import type { Broken, Main } from './mains.ts'
import type { EnvironmentSummary, RunQuery, RunSummary } from './queries.ts'
import type { Requests } from './requests.ts'
import type { LazyResults } from './results/index.ts'
import type { ResultsLimits } from './results/uploads.ts'
import type { RunGlance } from './run-glance.ts'
import type { RunPage, RunPageQuery } from './run-pages.ts'
import type { LeaseRules } from './runners/lease.ts'
import type { Pool } from './runners/pool.ts'
import type { Cancelling } from './running.ts'
import type { JobLimits } from './sandbox/limits.ts'
import type { Isolation } from './sandbox/sandbox.ts'
import type { Toolchain } from './toolchain.ts'

export type BuildParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly home: Home
  readonly repositoryPath: RepositoryPath
  readonly settings: JobSettings
  /** Where the API and Git are reached; asked when a job starts, as the port may not be known before. */
  readonly serverUrl: () => string
  /** Says what went wrong with Headway itself while nobody was waiting for an answer. */
  readonly report: (message: string) => void
  /** Seals the keys of jobs' tokens and identities. */
  readonly seal: Seal
  /** The certificate that this server has made for itself, in PEM; jobs trust it. */
  readonly certificate?: string | null
  /** By what address others verify who a job is; default: the server's. */
  readonly publicUrl?: string
  /** How much jobs may leave, and for how long. */
  readonly resultsLimits?: Partial<ResultsLimits>
  /** Jobs at the same time; default: as many as the machine has cores. */
  readonly parallelJobs?: number
  /** How long runners on other machines keep a job unheard; see `LeaseRules`. */
  readonly leaseRules?: LeaseRules
  /** Labels of this machine's own runner, besides those that it always has and those that an administrator gave it. */
  readonly localLabels?: readonly string[]
  /** Whether somebody, as recorded (`user:alice`, `token:alice/ci`), is an administrator of the instance. */
  readonly isAdministrator: (actor: string) => Promise<boolean>
  /** Whether who caused a run may read another project than its own; default: nobody may. */
  readonly mayRead?: (actor: string, project: ProjectName) => Promise<boolean>
  /** How jobs are kept apart; default: the best that works here. */
  readonly isolation?: Isolation | null
  /** The PostgreSQL of this machine, for services of jobs where there is no Docker Engine. */
  readonly findPostgres?: () => Promise<{ readonly directory: string; readonly major: number }>
  /** What one job may take; default: a share of the machine. */
  readonly jobLimits?: JobLimits | null
  /** What reads the reports of jobs, and what judges a push by them; absent: nothing does. */
  readonly readReports?: ReadReports
  readonly judgeQuality?: JudgeQuality
  /** The one job that a run is limited to, with those that it needs; default: none is. */
  readonly onlyJob?: (source: RunSource) => string | null
  /** Default: a user for each job that runs at the same time; see `jobUsers`. */
  readonly userFor?: (slot: number) => JobUser | null
}

export type Build = Stage & {
  /** Asks a run to end; `unknown` when there is none, `finished` when it has ended already. */
  cancel(project: ProjectName, run: string, actor: string): Promise<Cancelling>
  /** Runs a run that has ended once more, all of it or what did not succeed; resolves to the attempt that this is. */
  rerun(project: ProjectName, run: string, jobs: 'all' | 'failed', actor: string): Promise<Rerunning>
  runs(project: ProjectName, query: RunQuery): Promise<RunSummary[]>
  /** What a push or an event (`push:<id>`, `event:<id>`) waits for where nothing of it goes on before somebody acts; else null. */
  heldUp(origin: string): Promise<readonly string[] | null>
  /** Some of the runs, and where the newer and the older ones begin. */
  runPage(project: ProjectName, query: RunPageQuery): Promise<RunPage>
  /** All of them in a few numbers; `since` in milliseconds since 1970. */
  runGlance(project: ProjectName, since: number): Promise<RunGlance>
  run(project: ProjectName, run: string, attempt?: number): Promise<RunDetails | null>
  /** A job's log, masked; with `follow` on until the job has ended. The newest attempt's when none is named. */
  followLog(
    run: string,
    job: string,
    options?: { follow?: boolean; attempt?: number; signal?: AbortSignal },
  ): AsyncIterable<LogLine>
  /** What a job wrote into GITHUB_STEP_SUMMARY; empty where it wrote nothing. */
  summary(run: string, job: string, attempt?: number): Promise<string>
  /** A run whenever something of it has changed, until it has ended; nothing where there is none. */
  follow(project: ProjectName, run: string, signal: AbortSignal): AsyncIterable<RunDetails>
  /** The runs of an event as they are queued, then why others were not, until it is concluded; nothing where there is none. */
  followEvent(project: ProjectName, event: string, signal: AbortSignal): AsyncIterable<EventLine>
  environments(project: ProjectName): Promise<EnvironmentSummary[]>
  /** How the default branch of a repository stands. */
  main(project: ProjectName, repository: RepositoryName): Promise<Main>
  /** The default branches of a project that are red. */
  brokenMains(project: ProjectName): Promise<Broken[]>
  readonly requests: Requests
  readonly toolchain: Toolchain
  readonly dependencies: DependencyCache
  /** Artifacts, caches, tokens and identities of jobs. */
  readonly results: LazyResults
  /** The actions that do not come with Headway. */
  readonly actions: ActionShelf
  /** What runs jobs, here and on other machines. */
  readonly runners: Pool
  /** Ends what is told to those who follow a run, an event or a log, and the exchanges with runners: the server is about to stop. */
  hangUp(): void
}

/** A run that an event started, or why something was left out. */
export type EventLine = { readonly run: string } | { readonly note: string }

export type Rerunning =
  | { readonly kind: 'queued'; readonly attempt: number }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unfinished' }
