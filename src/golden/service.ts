import type { ServiceName } from '../names.ts'
import type { AlertRule } from './alerts.ts'
import type { EdgeKey } from './edge.ts'
import type { PreviewPlan } from './preview.ts'
import type { MigrationPlan, ReleaseRules } from './release.ts'

/** What `headway.yaml` says, with every default filled in. The schema that makes it is beside this file. */
export type ServiceDefinition = {
  readonly name: ServiceName
  readonly language: LanguageName
  /** The port that the service would take by itself; what it gets is in PORT. */
  readonly port: number
  readonly database: 'postgres' | null
  readonly replicas: number
  readonly owner: string | null
  readonly health: { readonly path: string; readonly readyTimeoutMs: number }
  readonly env: Readonly<Record<string, string>>
  /** Names of secrets and variables that it is given. */
  readonly secrets: readonly string[]
  readonly hosts: readonly string[]
  readonly resources: { readonly memoryBytes: number | null; readonly cpus: number | null }
  /** Shell lines that stand instead of what the language would do. */
  readonly commands: {
    readonly lint: string | null
    readonly test: string | null
    readonly build: string | null
    readonly start: string | null
  }
  /** What is run once per release and environment before its first instance starts; null: nothing. */
  readonly migrate: MigrationPlan | null
  /** Where its test, coverage and load reports are written, as patterns from its folder; none: where the usual tools write them. */
  readonly tests: readonly string[]
  /** What the reports of a push must show before it is packaged; null: nothing. */
  readonly quality: QualityRules | null
  /** What is watched while it runs, and what is done then. */
  readonly alerts: readonly AlertRule[]
  /** How a change of it can be looked at before it is merged; null: it is in no preview. */
  readonly preview: PreviewPlan | null
  /** How it is released; null: as the environment has it. */
  readonly release: ReleaseRules | null
  /** What the edge does for it, as it is written; null: it only reaches it. */
  readonly edge: EdgeKey | null
}

/** What a release keeps of it: all but what was asked for before it became one. */
export type ReleasedDefinition = Omit<ServiceDefinition, 'tests' | 'quality'>

/** A quality gate; null: that rule is not asked for. */
export type QualityRules = {
  readonly coverage: {
    /** Of the lines, in per cent. */
    readonly minimumPercent: number | null
    /** By how many percentage points it may be below the default branch's. */
    readonly largestDropPercent: number | null
  }
  /** The most that the 95th percentile of a load test's requests may be. */
  readonly p95Ms: number | null
  readonly refuse: readonly QualityRefusal[]
}
/** A test that fails although it last passed on the default branch; one that passes and fails for the same code. */
export type QualityRefusal = 'newly-failing' | 'newly-flaky'

export type LanguageName = 'node' | 'python' | 'go' | 'static'

/**
 * One language, as data where possible: what Headway does for it and nothing else. Commands are shell lines for the
 * generated workflow; they run in the service's folder with the toolchain's `bin` first on the PATH.
 */
export type Language = {
  readonly name: LanguageName
  /** How `headway init` recognises it: the first language with a file of these. */
  readonly detect: readonly string[]
  /** Lock files in order of preference; the first that exists keys the cache of dependencies. */
  readonly lockFiles: readonly string[]
  /** What the dependencies are installed into, relative to the folder; cached by lock file and runtime version. */
  readonly dependencies: readonly string[]
  /** The files whose text `plan` may ask for; whoever calls it has read them before. */
  readonly reads: readonly string[]
  /** What to do with a folder; throws a `Problem` when the folder lacks something that its owner must add. */
  plan(folder: FolderFiles, service: ServiceDefinition): LanguagePlan
}

/** What a language needs to know of a service's folder: the files and folders at its top, and the text of the few that matter. */
export type FolderFiles = { readonly names: readonly string[]; read(name: string): string | null }

export type LanguagePlan = {
  /** The programs that must be on the host (`node`, `python3`, `go`) and the range of versions asked for. */
  readonly toolchain: { readonly program: string; readonly range: string | null } | null
  readonly install: readonly string[]
  /** The same without what only tests need; equal to `install` where a language has no such split. */
  readonly installForProduction: readonly string[]
  readonly lint: readonly string[]
  readonly test: readonly string[]
  readonly build: readonly string[]
  readonly start: readonly [string, ...string[]]
  /** Environment of install, lint, test and build: `PYTHONPATH`, `GOCACHE`. Values may use `$PWD` for the folder. */
  readonly env: Readonly<Record<string, string>>
  /** Environment of the tests alone, by which they write a report besides what they print. */
  readonly testEnv: Readonly<Record<string, string>>
  /** Environment of the running service: `NODE_ENV`. Paths are relative to the folder. */
  readonly startEnv: Readonly<Record<string, string>>
  /** Files and folders that go into the package; null for all. */
  readonly include: readonly string[] | null
  /** Left out of the package: names (at any depth), paths from the folder (`docs/drafts`), or endings (`*.go`). */
  readonly exclude: readonly string[]
  /** Files that Headway adds to the package: path to text. */
  readonly extras: Readonly<Record<string, string>>
}
