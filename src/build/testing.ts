import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { z } from 'zod'
import { systemClock } from '../clock.ts'
import { codeFacts, refUpdated } from '../code/facts.ts'
import { type Home, homeAt, isRoot, prepareHome } from '../home.ts'
import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import { testIds } from '../testing.ts'
import {
  buildFacts,
  jobFinished,
  pushVerified,
  runFinished,
  workflowEventConcluded,
  workflowEventRaised,
} from './facts.ts'
import { type Build, type BuildParts, createBuild } from './index.ts'
import { resultsMigrations, resultsView } from './results/views.ts'
import { runnersView } from './runners/views.ts'
import { buildView } from './views.ts'

/** A build stage on a real ledger, a real repository and real processes, in temporary directories. */
export type TestBuild = AsyncDisposable & {
  readonly build: Build
  readonly home: Home
  /** Commits these files (path to text; null removes) to a branch and records the push. */
  push(files: Readonly<Record<string, string | null>>, options?: { ref?: string; message?: string }): Promise<Pushed>
  facts(): Promise<RecordedFact[]>
  record(...facts: NewFact[]): Promise<void>
  /** Waits until something is found among the facts. */
  until<Found>(find: (facts: readonly RecordedFact[]) => Found | undefined): Promise<Found>
  /** Records an event about a commit, from Alice, and waits for its end. */
  raise(name: string, commit: CommitId, about?: Partial<Raised>): Promise<Concluded>
  concluded(event: string): Promise<Concluded>
  /** Stops the stage and starts another on the same ledger and directories. */
  restart(): Promise<void>
  /** Waits until the push has been verified. */
  verified(pushed: Pushed): Promise<Verified>
  /** The log of a job of the push's first run, without times. */
  log(pushed: Pushed, job: string): Promise<string[]>
  problems: string[]
}
export type Pushed = { readonly push: string; readonly commit: CommitId; readonly seq: number }
type Raised = z.infer<typeof workflowEventRaised.payload>
export type Concluded = z.infer<typeof workflowEventConcluded.payload>
export type Verified = ReturnType<typeof pushVerified.payload.parse>

const repository = RepositoryName.parse('shop')

/** A home, a bare repository in it, and a clone to commit in, below a temporary directory that other users can pass. */
export const makeTestPlace = () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-build-'))
  chmodSync(root, 0o711)
  const home = homeAt(join(root, 'home'), {})
  prepareHome(home)
  const bare = join(home.repositories, defaultProject, `${repository}.git`)
  const git = (...args: string[]): string =>
    execFileSync('git', args, { env: gitEnvironment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  const work = join(root, 'work')
  git('init', '-q', '--bare', '-b', 'main', bare)
  git('init', '-q', '-b', 'main', work)
  return {
    root,
    home,
    bare,
    /** Commits these files (path to text; null removes) and pushes them to a ref. */
    commit: (files: Readonly<Record<string, string | null>>, ref: string, message = 'change'): CommitId => {
      for (const [path, text] of Object.entries(files)) {
        if (text === null) rmSync(join(work, path))
        else {
          mkdirSync(dirname(join(work, path)), { recursive: true })
          writeFileSync(join(work, path), text)
        }
      }
      git('-C', work, 'add', '-A')
      git('-C', work, 'commit', '-q', '--allow-empty', '-m', message)
      git('-C', work, 'push', '-q', '--force', bare, `HEAD:${ref}`)
      return CommitId.parse(git('-C', work, 'rev-parse', 'HEAD').trim())
    },
  }
}

/** The fact of a push by Alice. */
export const pushOf = (push: string, ref: string, commit: CommitId) =>
  fact(refUpdated, {
    subject: `push:${push}`,
    actor: 'user:alice',
    payload: {
      push,
      project: defaultProject,
      repository,
      ref,
      before: null,
      after: commit,
      options: [],
      discovered: false,
    },
  })

export const openTestBuild = async (overrides: Partial<BuildParts> = {}): Promise<TestBuild> => {
  const place = makeTestPlace()
  const { home } = place
  const definitions = [...codeFacts, ...buildFacts]
  const opened = await openTestLedger({
    definitions,
    views: [buildView, resultsView, runnersView],
    migrations: resultsMigrations,
    clock: systemClock,
  })
  const { ledger } = opened
  const problems: string[] = []
  const report = (message: string): void => void problems.push(message)
  const parts = { ...testParts(opened, home, place.bare), report, ...overrides }
  let build = createBuild(parts)
  await build.start()
  let pushes = 0
  let events = 0

  const until: TestBuild['until'] = (find) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        ledger.read({}).then((facts) => {
          const found = find(facts)
          if (found === undefined) return
          stop()
          resolve(found)
        }, reject)
      }
      const stop = ledger.onAppend(look)
      look()
    })
  const concluded = (event: string): Promise<Concluded> =>
    until((facts) => {
      const found = facts.find((one) => isFact(workflowEventConcluded, one) && one.payload.event === event)
      return found && isFact(workflowEventConcluded, found) ? found.payload : undefined
    })

  const verifiedOf = async ({ seq }: Pushed): Promise<Verified | null> => {
    const facts = await ledger.read({ after: seq, types: [pushVerified.type] })
    const found = facts.map((one) => (isFact(pushVerified, one) && one.causes.includes(seq) ? one.payload : null))
    return found.find((one) => one !== null) ?? null
  }
  return {
    get build() {
      return build
    },
    home,
    problems,
    push: async (files, { ref = 'refs/heads/main', message = 'change' } = {}) => {
      const commit = place.commit(files, ref, message)
      pushes += 1
      const push = `push-${pushes}`
      const outcome = await ledger.append([pushOf(push, ref, commit)])
      if (outcome.kind !== 'appended') throw new Error('the push was not recorded')
      return { push, commit, seq: outcome.facts[0]?.seq ?? 0 }
    },
    facts: () => ledger.read({}),
    record: async (...facts) => {
      await ledger.append(facts)
    },
    until,
    concluded,
    raise: async (name, commit, about = {}) => {
      events += 1
      const event = `raised-${events}`
      const payload = { ...noEvent, project: defaultProject, repository, name, commit, ...about, event }
      await ledger.append([fact(workflowEventRaised, { subject: `event:${event}`, actor: 'user:alice', payload })])
      return concluded(event)
    },
    restart: async () => {
      await build.stop()
      build = createBuild(parts)
      await build.start()
    },
    verified: (pushed) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          verifiedOf(pushed).then((verified) => {
            if (verified === null) return
            stop()
            resolve(verified)
          }, reject)
        }
        const stop = ledger.onAppend(look)
        look()
      }),
    log: async (pushed, job) => {
      const verified = await verifiedOf(pushed)
      const lines: string[] = []
      for await (const { text } of build.followLog(verified?.runs[0] ?? '', job)) lines.push(text)
      return lines
    },
    [Symbol.asyncDispose]: async () => {
      await build.stop()
      await opened[Symbol.asyncDispose]()
      rmSync(place.root, { recursive: true, force: true })
    },
  }
}

const noEvent = {
  action: null,
  ref: 'refs/heads/main',
  baseRef: null,
  headRef: null,
  changedSince: null,
  workflow: null,
  inputs: {},
  payload: {},
  isTrusted: true,
}

/** What a build stage needs besides a ledger, for tests: no secrets, identifiers in order. */
export const testParts = (
  { ledger, store, views }: Pick<BuildParts, 'ledger' | 'store' | 'views'>,
  home: Home,
  bare: string,
): BuildParts => ({
  ledger,
  store,
  views,
  home,
  clock: systemClock,
  ids: testIds(),
  repositoryPath: () => bare,
  settings: { secrets: async () => ({}), variables: async () => ({}) },
  serverUrl: () => 'http://127.0.0.1:4600',
  localLabels: ['x'],
  seal: { seal: (_name, plain) => plain, open: (_name, sealed) => sealed },
  isAdministrator: async () => true,
  isolation: isRoot() ? 'unprivileged user' : 'none',
  report: (message) => console.error(message),
})

/** The facts of jobs and runs that a test compares, without what varies. */
export const conclusionsOf = (facts: readonly RecordedFact[]): Record<string, string> =>
  Object.fromEntries(
    facts.flatMap((one): [string, string][] => {
      if (isFact(jobFinished, one)) return [[one.payload.job, one.payload.conclusion]]
      if (isFact(runFinished, one)) return [['run', one.payload.conclusion]]
      return []
    }),
  )

const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'Alice',
  GIT_AUTHOR_EMAIL: 'alice@example.org',
  GIT_COMMITTER_NAME: 'Alice',
  GIT_COMMITTER_EMAIL: 'alice@example.org',
}
