import assert from 'node:assert/strict'
import {
  type Conclusion,
  jobFinished,
  jobStarted,
  pushVerified,
  runFinished,
  runQueued,
  runStarted,
  workflowEventConcluded,
  workflowEventRaised,
} from '../../build/facts.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { CommitId, defaultProject, RepositoryName } from '../../names.ts'
import { identityNamed } from '../server-testing.ts'
import { gitIn, openTestCode, type TestCode, type WorkingCopy } from '../testing.ts'
import { changeMerged, changeTestRequested } from './facts.ts'
import type { ChangeDetails } from './index.ts'

export type Raised = ReturnType<typeof workflowEventRaised.payload.parse>

/**
 * Stands for the build stage: each event of a change that is raised runs a workflow `ci` with one job `test`, which ends as `judge`
 * says; null: it goes on until it is concluded by hand.
 */
export const standForBuild = (ledger: Ledger, judge: (raised: Raised) => Promise<Conclusion | null>) => {
  const raised: Raised[] = []
  let seen = 0
  let working: Promise<void> = Promise.resolve()

  const conclude = async (one: Raised, conclusion: Conclusion): Promise<void> => {
    const run = `run-${one.event}`
    const about = { subject: `run:${run}`, actor: 'system:build' }
    const failure = null
    const job = { run, job: 'test', conclusion, outputs: {}, steps: [] }
    await ledger.append([
      fact(jobFinished, { ...about, payload: jobFinished.payload.parse(job) }),
      fact(runFinished, { ...about, payload: { run, conclusion, failure } }),
      fact(workflowEventConcluded, {
        subject: `event:${one.event}`,
        actor: 'system:build',
        payload: {
          ...{ event: one.event, project: one.project, repository: one.repository, commit: one.commit },
          ...{ conclusion, failure, runs: [{ run, workflow: 'ci.yml', name: 'ci', conclusion }] },
        },
      }),
    ])
  }

  const begin = async (one: Raised): Promise<void> => {
    raised.push(one)
    if (one.action === 'closed') return
    const run = `run-${one.event}`
    const about = { subject: `run:${run}`, actor: 'system:build' }
    const { event, project, repository, ref, commit } = one
    const queued = { run, push: null, event, eventName: 'pull_request', project, repository, ref, commit }
    const rest = { workflow: 'ci.yml', name: 'ci', number: 1, concurrency: null, isTrusted: one.isTrusted }
    await ledger.append([
      fact(runQueued, { ...about, payload: { ...queued, ...rest } }),
      fact(runStarted, { ...about, payload: { run, isolation: 'none' } }),
      fact(jobStarted, { ...about, payload: { run, job: 'test', name: 'unit tests' } }),
    ])
    const conclusion = await judge(one)
    if (conclusion !== null) await conclude(one, conclusion)
  }

  /** Goes on with what an earlier life has left. */
  const look = async (): Promise<void> => {
    const facts = await ledger.read({ after: seen, types: [workflowEventRaised.type] })
    seen = facts.at(-1)?.seq ?? seen
    for (const one of facts) {
      if (!isFact(workflowEventRaised, one)) continue
      const known = await ledger.read({ subject: one.subject, types: [workflowEventConcluded.type] })
      if (known.length === 0) await begin(one.payload)
    }
  }
  const awaken = (): void => {
    working = working.then(look)
    working.catch(() => {}) // the server has ended
  }
  const stop = ledger.onAppend(awaken)
  awaken()
  return { raised, conclude, stop }
}

/**
 * The code stage with a stand-in for the build, whose tests go on for ever where there is a file `wait.txt`; a left and a right do not go
 * together.
 */
export const startChanges = async () => {
  const server = await openTestCode()
  const build = standForBuild(server.ledger, async ({ project, repository, commit }) => {
    const has = async (path: string) => (await server.code.readFile(project, repository, commit, path)) !== null
    if (await has('wait.txt')) return null
    if (await has('.github/workflows/none.yml')) return 'skipped'
    return (await has('left.txt')) && (await has('right.txt')) ? 'failure' : 'success'
  })
  const untestedThatLanded = async (): Promise<CommitId[]> => {
    const facts = await server.ledger.read({ types: [changeMerged.type, changeTestRequested.type] })
    const candidates = new Set(
      facts.flatMap((one) => (isFact(changeTestRequested, one) ? [one.payload.candidate] : [])),
    )
    return facts.flatMap((one) =>
      isFact(changeMerged, one) && one.payload.method !== 'push' && !candidates.has(one.payload.after)
        ? [one.payload.after]
        : [],
    )
  }
  return {
    server,
    build,
    /** Nothing that was not tested has landed, the views are what a rebuild makes of the ledger, and nothing went wrong. */
    end: async (): Promise<void> => {
      assert.deepEqual(await untestedThatLanded(), [])
      build.stop()
      const digest = await server.views.digest()
      await server.views.rebuild()
      assert.equal(await server.views.digest(), digest, 'the views are what a rebuild makes of the ledger')
      await server[Symbol.asyncDispose]()
      assert.deepEqual(server.problems, [])
    },
  }
}
export type TestChanges = Awaited<ReturnType<typeof startChanges>>

/** Resolves with what `find` finds, which is asked after every append. */
export const eventually = async <Found>(ledger: Ledger, find: () => Promise<Found | null>): Promise<Found> => {
  let wake = Promise.withResolvers<void>()
  const stop = ledger.onAppend(() => wake.resolve())
  try {
    for (;;) {
      wake = Promise.withResolvers()
      const found = await find()
      if (found !== null) return found
      await wake.promise
    }
  } finally {
    stop()
  }
}

/** A repository with a pushed `main`, and what a test says and asks about its changes. */
export const openShop = async (server: TestCode, name: string) => {
  const key = { project: defaultProject, repository: RepositoryName.parse(name) }
  const copy = await server.copy()
  await copy.must('remote', 'add', 'headway', server.url(`${name}.git`))
  const base = CommitId.parse(await copy.commit({ 'app.txt': 'one\ntwo\nthree\nfour\nfive\n' }))
  await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main')
  const { changes } = server.code
  const change = (number: number) => ({ ...key, number })

  return {
    key,
    copy,
    base,
    changes,
    change,
    show: (number: number): Promise<ChangeDetails> => changes.show(change(number)),
    /** Commits on a new branch from `main` as it was at first, and proposes it as this user. */
    propose: async (branch: string, files: Readonly<Record<string, string>>, user = 'developer'): Promise<string> => {
      await copy.must('checkout', '--quiet', '-b', branch, base)
      const head = await copy.commit(files)
      await push(server, copy, name, branch, user, '-o', 'change')
      return head
    },
    push: (refspec: string, user = 'developer', ...options: string[]) =>
      push(server, copy, name, refspec, user, ...options),
    merge: (number: number, user = 'developer') =>
      changes.merge(change(number), { head: null, mends: false }, identityNamed(user)),
    /** The change once it is so. */
    until: (number: number, is: (details: ChangeDetails) => boolean): Promise<ChangeDetails> =>
      eventually(server.ledger, async () => {
        const details = await changes.show(change(number)).catch(() => null)
        return details && is(details) ? details : null
      }),
    tip: async (branch = 'main'): Promise<string> =>
      (await gitIn(server.root, ['ls-remote', server.url(`${name}.git`), `refs/heads/${branch}`])).stdout.slice(0, 40),
    /** What a file holds at a commit of the repository. */
    file: async (commit: string, path: string): Promise<string | null> =>
      (await server.code.readFile(key.project, key.repository, CommitId.parse(commit), path))?.toString('utf8') ?? null,
  }
}
export type Shop = Awaited<ReturnType<typeof openShop>>

const push = async (
  server: TestCode,
  copy: WorkingCopy,
  name: string,
  refspec: string,
  user: string,
  ...options: string[]
): Promise<string> => {
  const outcome = await copy.git('push', '-o', 'async', ...options, server.url(`${name}.git`, user), refspec)
  if (outcome.code !== 0) throw new Error(outcome.stderr)
  return outcome.stderr
}

/** What the build stage says once it has verified a push of `main` or of a branch. */
export const verified = (shop: Shop, push: string, commit: string, conclusion: Conclusion = 'skipped') =>
  fact(pushVerified, {
    subject: `push:${push}`,
    actor: 'system:build',
    payload: {
      ...{ push, ...shop.key, ref: 'refs/heads/main', commit: CommitId.parse(commit) },
      ...{ conclusion, runs: [], failure: null },
    },
  })
