import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import {
  buildFacts,
  jobFinished,
  jobStarted,
  pushVerified,
  runQueued,
  workflowEventConcluded,
} from '../../build/facts.ts'
import { fact } from '../../ledger/fact.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { CommitId, defaultProject, RepositoryName } from '../../names.ts'
import { migrate } from '../../store/migrations.ts'
import { onEveryStore } from '../../store/testing.ts'
import { testClock } from '../../testing.ts'
import { codeFacts, refUpdated } from '../facts.ts'
import { codeView } from '../views.ts'
import type { Change } from './change.ts'
import {
  changeCommented,
  changeDescribed,
  changeOpened,
  changeQueued,
  changeSubject,
  changeTestRequested,
  mergeRequested,
  proposalAnnounced,
  proposalAnswered,
  rulesSet,
} from './facts.ts'
import { createChangeQueries } from './queries.ts'
import { defaultRules } from './rules.ts'
import { changesView } from './view.ts'

const repository = RepositoryName.parse('shop')
const key = { project: defaultProject, repository }
const commitOf = (text: string): CommitId => CommitId.parse(createHash('sha1').update(text).digest('hex'))
const by = (subject: string, actor = 'user:ada') => ({ subject, actor })
const ofChange = (number: number) => by(changeSubject({ ...key, number }))

const opened = (number: number, branch: string) =>
  fact(changeOpened, {
    ...ofChange(number),
    payload: {
      ...{ ...key, number, branch, target: 'main', head: commitOf(branch), base: commitOf('main') },
      ...{ user: 'ada', pusher: 'user:ada', author: 'ada', reverts: null },
    },
  })
const queued = (number: number) => [
  fact(mergeRequested, { ...ofChange(number), payload: { ...key, number, version: 1, user: 'ada', mends: false } }),
  fact(changeQueued, { ...ofChange(number), payload: { ...key, number, version: 1 } }),
]
const commented = (number: number, comment: string, body: string, line: number | null) =>
  fact(changeCommented, {
    ...ofChange(number),
    payload: {
      ...{ ...key, number, comment, user: 'bob', version: 1, body },
      place: line === null ? null : { file: 'a.js', line, side: 'new' },
    },
  })
const tested = (number: number, event: string) => [
  fact(changeTestRequested, {
    ...ofChange(number),
    payload: {
      ...{ ...key, number, version: 1, event, base: commitOf('main'), candidate: commitOf('merged') },
      ...{ method: 'merge', purpose: 'change', changesChecks: false },
    },
  }),
  fact(runQueued, {
    ...by('run:run-1', 'system:build'),
    payload: {
      ...{ ...key, run: 'run-1', push: null, event, eventName: 'pull_request', ref: 'refs/pull/1/merge' },
      ...{ commit: commitOf('merged'), workflow: 'ci.yml', name: 'ci', number: 1, concurrency: null, isTrusted: true },
    },
  }),
  fact(jobStarted, { ...by('run:run-1', 'system:build'), payload: { run: 'run-1', job: 'test', name: 'unit' } }),
  fact(jobFinished, {
    ...by('run:run-1', 'system:build'),
    payload: { run: 'run-1', job: 'test', conclusion: 'success', outputs: {}, steps: [] },
  }),
  fact(workflowEventConcluded, {
    ...by(`event:${event}`, 'system:build'),
    payload: { ...key, event, commit: commitOf('merged'), conclusion: 'success', runs: [], failure: null },
  }),
]
const pushed = (push: string, branch: string, options: string[]) => {
  const [ref, after] = [`refs/heads/${branch}`, commitOf(branch)]
  return [
    fact(proposalAnnounced, { ...by('repository:shop'), payload: { ...key, updates: [{ ref, after }], options } }),
    fact(refUpdated, {
      ...by('repository:shop'),
      payload: { ...key, push, ref, before: null, after, options, discovered: false },
    }),
  ]
}
const verified = (push: string, cause: number, conclusion: 'success' | 'failure') =>
  fact(pushVerified, {
    ...by(`push:${push}`, 'system:build'),
    causes: [cause],
    payload: { ...key, push, ref: 'refs/heads/main', commit: commitOf(push), conclusion, runs: [], failure: null },
  })

const told = ({ number, status, title, queuedSeq, test: one }: Change): string =>
  [number, status, title, queuedSeq, one?.conclusion, one?.checks.map(({ name, status }) => `${name} ${status}`)]
    .filter((word) => word !== null && word !== undefined)
    .join(' ')

onEveryStore('changes', (fresh) => {
  test('are told the same, and a rebuild holds the same', async () => {
    await using place = await fresh()
    const { store } = place
    const clock = testClock()
    await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: [...codeFacts, ...buildFacts], clock })
    const views = await openViews({ store, ledger, views: [codeView, changesView] })
    await using _ = { [Symbol.asyncDispose]: () => views.stop() }
    await ledger.append([
      ...['Try', 'again', 'third'].map((branch, index) => opened(index + 1, branch)),
      fact(changeDescribed, { ...ofChange(1), payload: { ...key, number: 1, title: 'Ünï\0 😀', body: '' } }),
      commented(1, 'comment-1', 'so\0so', 3_000_000_000),
      commented(1, 'comment-2', 'well', null),
      ...queued(2),
      ...tested(1, 'event-1'),
      ...queued(1),
      ...pushed('push-1', 'Try', ['change', 'title=A\0B']),
      ...pushed('push-2', 'again', ['change']),
      ...pushed('push-3', 'main', []),
      fact(proposalAnswered, {
        ...by('push:push-2', 'system:code'),
        payload: { ...key, push: 'push-2', ref: 'refs/heads/again', number: 2, why: null },
      }),
      fact(rulesSet, {
        ...by('project:main'),
        payload: { project: key.project, repository: null, rules: { ...defaultRules, approvals: 3 } },
      }),
      fact(rulesSet, { ...by('repository:shop'), payload: { ...key, rules: { ...defaultRules, approvals: 1 } } }),
      verified('push-3', 9, 'failure'),
      verified('push-1', 8, 'success'),
    ])
    const queries = createChangeQueries(store)
    const ask = async () => {
      await views.reach()
      return {
        newest: (await queries.changes({ project: key.project, limit: 2 })).map(told),
        open: (await queries.open()).map(told),
        openOn: (await queries.openOn(key, 'Try')).map(({ number }) => number),
        openOnOther: (await queries.openOn(key, 'try')).map(({ number }) => number),
        queue: (await queries.queue(key, 'main')).map(({ number }) => number),
        lastNumber: await queries.lastNumber(key),
        comments: await queries.comments({ ...key, number: 1 }),
        wishes: await queries.wishes(),
        approvals: (await queries.rules(key)).approvals,
        approvalsElsewhere: (await queries.rules({ ...key, repository: RepositoryName.parse('blog') })).approvals,
        checked: await queries.haveBeenChecked(key, 'main'),
        isRed: await queries.isRed(key, 'main'),
        branches: [...(await queries.branches(key)).keys()].sort(),
        main: await queries.branch(key, 'main'),
      }
    }
    const at = clock.now()
    const comment = { user: 'bob', version: 1, at }
    const expected = {
      newest: ['3 open', '2 open 8'],
      open: ['1 open Ünï\0 😀 15 success ci queued,unit finished', '2 open 8', '3 open'],
      openOn: [1],
      openOnOther: [],
      queue: [2, 1],
      lastNumber: 3,
      comments: [
        {
          ...{ ...comment, comment: 'comment-1', body: 'so\uFFFDso', seq: 5 },
          place: { file: 'a.js', line: 3_000_000_000, side: 'new' },
        },
        { ...comment, comment: 'comment-2', body: 'well', place: null, seq: 6 },
      ],
      wishes: [{ ...key, push: 'push-1', branch: 'Try', actor: 'user:ada', options: ['change', 'title=A\0B'] }],
      approvals: 1,
      approvalsElsewhere: 3,
      checked: true,
      isRed: true,
      branches: ['Try', 'again', 'main'],
      main: { object: commitOf('main'), actor: 'user:ada', push: 'push-3' },
    }
    assert.deepEqual(await ask(), expected)
    const digest = await views.digest()
    await views.rebuild()
    assert.deepEqual(await ask(), expected)
    assert.equal(await views.digest(), digest)
  })
})
