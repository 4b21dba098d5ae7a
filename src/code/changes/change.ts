import {
  type Conclusion,
  type Failure,
  jobFinished,
  jobStarted,
  runFinished,
  runQueued,
  runStarted,
  workflowEventConcluded,
} from '../../build/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { CommitId } from '../../names.ts'
import {
  approvalDismissed,
  type ChangeKey,
  changeAbandoned,
  changeApproved,
  changeConflicted,
  changeDescribed,
  changeMerged,
  changeOpened,
  changeQueued,
  changeReopened,
  changeTestRequested,
  changeUpdated,
  landingStarted,
  mergeRequested,
  mergeWithdrawn,
} from './facts.ts'
import type { MergeMethod } from './rules.ts'

/** One state of the branch; times in milliseconds since 1970. */
export type Version = {
  readonly version: number
  readonly head: CommitId
  /** Where it has left the target. */
  readonly base: CommitId | null
  readonly user: string | null
  readonly at: number
}

/** A workflow's run, or one of its jobs. */
export type Check = {
  readonly run: string
  readonly job: string | null
  readonly name: string
  readonly status: 'queued' | 'running' | 'finished'
  readonly conclusion: Conclusion | null
  readonly startedAt: number | null
  readonly finishedAt: number | null
}

/** The newest test of a merge result. `candidate` is what the target would be moved to. */
export type Test = {
  readonly event: string
  readonly version: number
  readonly base: CommitId
  readonly candidate: CommitId
  readonly method: MergeMethod
  readonly purpose: 'change' | 'queue'
  readonly changesChecks: boolean
  readonly checks: readonly Check[]
  readonly conclusion: Conclusion | null
  readonly failure: Failure | null
  readonly notes: readonly string[]
}

export type Approval = { readonly user: string; readonly version: number; readonly at: number }

/** A change as its facts tell it. */
export type Change = ChangeKey & {
  /** The newest fact about it. */
  readonly seq: number
  readonly status: 'open' | 'merged' | 'abandoned'
  readonly branch: string
  readonly target: string
  readonly author: string
  readonly openedAt: number
  readonly updatedAt: number
  /** Null where it was erased. */
  readonly title: string | null
  readonly body: string | null
  /** The fact that holds title and body. */
  readonly describedSeq: number | null
  readonly version: number
  readonly head: CommitId
  readonly versions: readonly Version[]
  readonly approvals: readonly Approval[]
  readonly test: Test | null
  readonly conflict: {
    readonly version: number
    readonly base: CommitId
    readonly files: readonly string[]
    readonly detail: string
  } | null
  /** What its next test is announced as. */
  readonly announcement: 'opened' | 'synchronize' | 'reopened'
  readonly wish: {
    readonly user: string
    readonly actor: string
    readonly version: number
    readonly mends: boolean
    readonly at: number
  } | null
  /** Its place in the queue: the fact that put it there. */
  readonly queuedSeq: number | null
  readonly landing: { readonly base: CommitId; readonly candidate: CommitId; readonly version: number } | null
  readonly merged: {
    readonly before: CommitId | null
    readonly after: CommitId
    readonly method: MergeMethod | 'push'
    readonly user: string | null
    readonly at: number
  } | null
  /** Why it left the queue, or was abandoned. */
  readonly note: string | null
  /** A job did what would have it tested, which by itself starts nothing: none can start itself for ever. */
  readonly isOfJob: boolean
  readonly reverts: { readonly before: CommitId; readonly after: CommitId; readonly number: number | null } | null
  /** All workflow events that were raised about it, oldest first. */
  readonly events: readonly string[]
}

/** The state after one more fact about the change; undefined until it is opened. */
export const evolve = (change: Change | undefined, fact: RecordedFact): Change | undefined => {
  if (isFact(changeOpened, fact)) return opened(fact, fact.payload)
  if (!change) return undefined
  const next = { ...change, seq: fact.seq, updatedAt: fact.at }
  if (isFact(changeDescribed, fact)) {
    const { title, body } = fact.payload
    return { ...next, title, body, describedSeq: fact.seq }
  }
  if (isFact(changeUpdated, fact)) {
    const { version, head, base, user } = fact.payload
    const versions = [...change.versions, { version, head, base, user, at: fact.at }]
    const fresh = { version, head, versions, isOfJob: isJob(fact.actor), test: null, conflict: null, note: null }
    return { ...next, ...unasked, ...fresh }
  }
  if (isFact(changeApproved, fact)) {
    const { user, version } = fact.payload
    return { ...next, approvals: [...without(change, user), { user, version, at: fact.at }] }
  }
  if (isFact(approvalDismissed, fact)) return { ...next, approvals: without(change, fact.payload.user) }
  if (isFact(changeTestRequested, fact)) {
    const { event, version, base, candidate, method, purpose, changesChecks } = fact.payload
    const test = { event, version, base, candidate, method, purpose, changesChecks, ...unfinished }
    const events = [...change.events, event]
    return { ...next, test, events, conflict: null, landing: null, announcement: 'synchronize' }
  }
  if (isFact(changeConflicted, fact)) {
    const { version, base, files, detail } = fact.payload
    return { ...next, conflict: { version, base, files, detail }, test: null, landing: null }
  }
  if (isFact(mergeRequested, fact)) {
    const { user, version, mends } = fact.payload
    return { ...next, wish: { user, actor: fact.actor, version, mends, at: fact.at }, note: null }
  }
  if (isFact(mergeWithdrawn, fact)) return { ...next, ...unasked, note: fact.payload.why }
  if (isFact(changeQueued, fact)) return { ...next, queuedSeq: fact.seq }
  if (isFact(landingStarted, fact)) {
    const { base, candidate, version } = fact.payload
    return { ...next, landing: { base, candidate, version } }
  }
  if (isFact(changeMerged, fact)) {
    const { before, after, method, user, event } = fact.payload
    const merged = { before, after, method, user, at: fact.at }
    return { ...next, ...unasked, status: 'merged', merged, events: [...change.events, event], note: null }
  }
  if (isFact(changeAbandoned, fact)) {
    const { why, event } = fact.payload
    return { ...next, ...unasked, status: 'abandoned', events: [...change.events, event], note: why }
  }
  if (isFact(changeReopened, fact))
    return {
      ...next,
      ...{ status: 'open', note: null, test: null, conflict: null, announcement: 'reopened' },
      isOfJob: isJob(fact.actor),
    }
  return next
}

const unasked = { wish: null, queuedSeq: null, landing: null } as const
const unfinished = { checks: [], conclusion: null, failure: null, notes: [] } as const
const without = ({ approvals }: Change, user: string): readonly Approval[] =>
  approvals.filter((approval) => approval.user !== user)

const opened = (
  { seq, at, actor }: RecordedFact,
  {
    project,
    repository,
    number,
    branch,
    target,
    author,
    head,
    base,
    user,
    pusher,
    reverts,
  }: ReturnType<typeof changeOpened.payload.parse>,
): Change => ({
  project,
  repository,
  number,
  seq,
  status: 'open',
  branch,
  target,
  author,
  openedAt: at,
  updatedAt: at,
  title: null,
  body: null,
  describedSeq: null,
  version: 1,
  head,
  versions: [{ version: 1, head, base, user, at }],
  approvals: [],
  test: null,
  conflict: null,
  announcement: 'opened',
  ...unasked,
  merged: null,
  note: null,
  isOfJob: isJob(actor) || isJob(pusher),
  reverts,
  events: [],
})

/** The test after a fact about the event that it is waiting for, or about a run of that event. */
export const evolveTest = (test: Test, fact: RecordedFact): Test => {
  if (isFact(workflowEventConcluded, fact)) {
    const { conclusion, failure, notes = [] } = fact.payload
    return { ...test, conclusion, failure, notes }
  }
  if (isFact(runQueued, fact)) return withCheck(test, fact.payload.run, null, { name: fact.payload.name })
  if (isFact(runStarted, fact)) {
    // It may be started again: after a crash, or because somebody asked for it.
    const again = { ...test, conclusion: null, failure: null }
    const running = { status: 'running', conclusion: null, startedAt: fact.at, finishedAt: null } as const
    return withCheck(again, fact.payload.run, null, running)
  }
  if (isFact(runFinished, fact)) return withCheck(test, fact.payload.run, null, ended(fact.payload.conclusion, fact.at))
  if (isFact(jobStarted, fact)) {
    const { run, job, name } = fact.payload
    return withCheck(test, run, job, {
      name,
      status: 'running',
      conclusion: null,
      startedAt: fact.at,
      finishedAt: null,
    })
  }
  if (isFact(jobFinished, fact)) {
    const { run, job, conclusion } = fact.payload
    return withCheck(test, run, job, ended(conclusion, fact.at))
  }
  return test
}

const ended = (conclusion: Conclusion, at: number) => ({ status: 'finished', conclusion, finishedAt: at }) as const

const withCheck = (test: Test, run: string, job: string | null, change: Partial<Check>): Test => {
  const known = test.checks.find((check) => check.run === run && check.job === job)
  const check = { ...(known ?? { ...fresh, run, job, name: job ?? run }), ...change }
  const checks = known ? test.checks.map((one) => (one === known ? check : one)) : [...test.checks, check]
  return { ...test, checks }
}
const fresh = { status: 'queued', conclusion: null, startedAt: null, finishedAt: null } as const

/** Whether it was a job, with its own token. */
export const isJob = (actor: string): boolean => actor.startsWith('job:')

/** Who stands behind an actor: `token:alice/ci` is alice; null for what is no person. */
export const userOf = (actor: string): string | null => /^(?:user|token):([^/]+)/.exec(actor)?.[1] ?? null
