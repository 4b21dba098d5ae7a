import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { changeMerged, refUpdated } from '../code/facts.ts'
import { deploymentFinished, deploymentRequested, rolloutShifted, rolloutStepStarted } from '../deploy/facts.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { alertFired, alertResolved } from '../monitor/facts.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, RepositoryName, ServiceName, versionName } from '../names.ts'
import { releaseCreated } from '../package/facts.ts'
import { run } from '../processes/run.ts'
import { definitions } from '../server.ts'
import { TestClock, testIds } from '../testing.ts'
import { deliveryDeployed } from './facts.ts'
import { createLearn } from './index.ts'
import { doraView } from './views.ts'

const project = ProjectName.parse('default')
const service = ServiceName.parse('shop')
const environment = EnvironmentName.parse('production')
const repository = RepositoryName.parse('code')
const target = { project, service, environment }
const minute = 60_000
const start = Date.UTC(2026, 0, 5)

/** A ledger, a repository and the stage that learns from both. */
const openWorld = async () => {
  const clock = new TestClock(start)
  const opened = await openTestLedger({ definitions, views: [doraView], clock })
  const { ledger, directory } = opened
  const path = join(directory, 'code.git')
  const git = (args: readonly string[], at = 0): string =>
    execFileSync('git', [...args], {
      cwd: directory,
      env: {
        ...{ PATH: process.env.PATH ?? '', GIT_DIR: path, GIT_CONFIG_NOSYSTEM: '1', HOME: directory },
        ...{ GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@x', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@x' },
        ...{ GIT_AUTHOR_DATE: `${(start + at) / 1000} +0000`, GIT_COMMITTER_DATE: `${(start + at) / 1000} +0000` },
      },
      encoding: 'utf8',
    }).trim()
  git(['init', '-q', '--bare'])
  const tree = git(['mktree'])
  const errors: string[] = []
  const make = () =>
    createLearn({
      ...opened,
      ...{ clock, ids: testIds(), run, repositoryPath: () => path, publicUrl: '', home: { root: directory } },
      onError: (message) => errors.push(message),
    })
  const learn = make()
  return {
    ...{ learn, make, ledger, clock, errors },
    commit: (at: number, message: string, ...parents: string[]): CommitId =>
      CommitId.parse(git(['commit-tree', tree, '-m', message, ...parents.flatMap((one) => ['-p', one])], at)),
    setHead: (commit: CommitId): string => git(['update-ref', 'HEAD', commit]),
    tell: async (at: number, ...facts: NewFact[]): Promise<void> => {
      clock.set(start + at)
      await ledger.append(facts)
    },
    [Symbol.asyncDispose]: async () => {
      await learn.stop()
      await opened[Symbol.asyncDispose]()
    },
  }
}

const digestOf = (commit: string): Digest => Digest.parse(`sha256:${commit.padEnd(64, '0').slice(0, 64)}`)
const actor = 'system:deploy'
const requested = (deployment: string, commit: CommitId): NewFact[] => [
  fact(releaseCreated, {
    ...{ subject: `service:${project}/${service}`, actor },
    payload: {
      ...{ push: 'push-1', project, service, repository, commit, path: '.' },
      ...{ digest: digestOf(commit), sizeBytes: 1 },
    },
  }),
  fact(deploymentRequested, {
    ...{ subject: `deployment:${deployment}`, actor },
    payload: { deployment, ...target, release: digestOf(commit), commit, reason: 'push', push: null },
  }),
]
const step = (deployment: string, weightPercent: number): NewFact =>
  fact(rolloutStepStarted, {
    ...{ subject: `deployment:${deployment}`, actor },
    payload: { deployment, ...target, step: 0, weightPercent },
  })
const shifted = (deployment: string): NewFact =>
  fact(rolloutShifted, {
    subject: `deployment:${deployment}`,
    actor,
    payload: { deployment, ...target, instances: [] },
  })
const finished = (deployment: string, commit: CommitId, outcome: 'succeeded' | 'rolled-back'): NewFact =>
  fact(deploymentFinished, {
    ...{ subject: `deployment:${deployment}`, actor },
    payload: {
      ...{ deployment, ...target, release: digestOf(commit), commit, outcome },
      ...{
        url: null,
        detail: outcome === 'rolled-back' ? 'it answered with errors' : null,
        evidence: null,
        next: null,
      },
    },
  })
const live = (deployment: string, commit: CommitId): NewFact[] => [
  ...requested(deployment, commit),
  ...[step(deployment, 100), shifted(deployment), finished(deployment, commit, 'succeeded')],
]
/** What a deployment of this commit brought. */
const versionOf = (commit: CommitId) => ({ service, environment, revision: digestOf(commit), commit })
const ofShop = { project, services: [service], environment }
const always = { from: 0, until: start * 2 }

test('tells what Git knows of its own deployments: what each brought that was not in production before', async () => {
  await using world = await openWorld()
  const { learn, commit, tell } = world
  const first = commit(0, 'first')
  const second = commit(10 * minute, 'second', first)
  const side = commit(12 * minute, 'side', first)
  const merge = commit(14 * minute, 'merge', second, side)
  const revert = commit(40 * minute, `Revert "second"\n\nThis reverts commit ${second}.`, merge)
  await learn.start()
  await tell(5 * minute, ...live('d1', first))
  await tell(20 * minute, ...live('d2', merge))
  await tell(50 * minute, ...live('d3', revert))
  await learn.settled()
  const answer = await learn.dora({ ...ofShop, span: always, bucket: 'year', zone: 'UTC' })
  assert.deepEqual(
    [
      answer.total.deployments.n,
      answer.total.leadTime,
      answer.total.changeFailRate.failed,
      answer.total.recovery.median,
    ],
    [
      3,
      // Leads 10 and 8 of the second deployment, 10 of the third.
      {
        ...{ median: 10 * minute, p90: 10 * minute, n: 3 },
        dropped: { first: 0, merge: 1, negative: 0, unknown: 0, again: 0 },
      },
      1,
      30 * minute,
    ],
  )
  assert.deepEqual(
    [...(await learn.leadTimes(['d1', 'd2', 'd3']))],
    [
      ['d2', 9 * minute],
      ['d3', 10 * minute],
    ],
  )
  const detail = await learn.deployment(project, 'd3')
  assert.deepEqual(
    [detail?.isRework, detail?.mends, detail?.commits.map((one) => one.commit)],
    [true, [{ deployment: 'd2', how: 'revert', version: versionOf(merge) }], [revert]],
  )
  assert.deepEqual(world.errors, [])
})

test('counts the commits of a change that was squashed, not the one that it became', async () => {
  await using world = await openWorld()
  const { learn, commit, tell } = world
  const first = commit(0, 'first')
  const early = commit(minute, 'early', first)
  const late = commit(3 * minute, 'late', early)
  const squashed = commit(9 * minute, 'squashed', first)
  await learn.start()
  await tell(0, ...live('d1', first))
  await tell(
    9 * minute,
    fact(changeMerged, {
      ...{ subject: 'change:default/code/1', actor },
      payload: {
        ...{ project, repository, number: 1, version: 1, head: late, target: 'main', before: first, after: squashed },
        ...{ method: 'squash', user: null, event: 'event-1' },
      },
    }),
  )
  await tell(10 * minute, ...live('d2', squashed))
  await learn.settled()
  const { total } = await learn.dora({ ...ofShop, span: always, bucket: 'year', zone: 'UTC' })
  assert.deepEqual([total.leadTime.median, total.leadTime.n], [8 * minute, 2])
  const [measured, ...others] = await world.ledger.read({ types: ['delivery.measured'] })
  assert.deepEqual(
    [measured?.payload, others],
    [{ project, repository, commit: squashed, committedAt: start + minute, commits: 2, lines: 0 }, []],
  )
})

test('measures what was pushed at once and released, once, and says where its time went', async () => {
  await using world = await openWorld()
  const { learn, commit, tell, ledger } = world
  const first = commit(0, 'first')
  const early = commit(2 * minute, 'early', first)
  const late = commit(4 * minute, 'late', early)
  const pushed = (push: string, before: CommitId | null, after: CommitId): NewFact =>
    fact(refUpdated, {
      ...{ subject: `push:${push}`, actor },
      payload: { push, project, repository, ref: 'refs/heads/main', before, after, options: [], discovered: false },
    })
  await learn.start()
  await tell(minute, pushed('push-0', null, first), ...live('d1', first))
  await tell(5 * minute, pushed('push-1', first, late))
  await tell(8 * minute, ...live('d2', late))
  await learn.settled()
  assert.deepEqual(
    (await ledger.read({ types: ['delivery.measured'] })).map(({ payload }) => payload),
    [{ project, repository, commit: late, committedAt: start + 2 * minute, commits: 2, lines: 0 }],
  )
  const found = await learn.delivered(ofShop, always, 50)
  assert.deepEqual(
    found.map(({ kind, way }) => [kind, way.totalMs]),
    [
      ['push', 6 * minute],
      ['push', 0],
    ],
  )
  world.setHead(late)
  assert.deepEqual(await learn.busFactors(project), [{ repository, factor: 1, authors: 1, commits: 3 }])
  assert.deepEqual(world.errors, [])
})

test('opens an incident for a release that was taken back and for an alert, each once, also over a restart', async () => {
  await using world = await openWorld()
  const { learn, make, commit, tell, ledger } = world
  const first = commit(0, 'first')
  const bad = commit(minute, 'bad', first)
  const about = { alert: 'alert-1', ...target, name: 'errors' }
  const subject = 'alert:default/shop/production'
  await tell(0, ...live('d1', first))
  await tell(10 * minute, ...requested('d2', bad), step('d2', 10))
  await tell(12 * minute, finished('d2', bad, 'rolled-back'))
  await tell(
    20 * minute,
    fact(alertFired, {
      subject,
      actor,
      payload: { ...about, when: 'error_rate > 2%', deployment: null, values: [], actions: [] },
    }),
  )
  await learn.start()
  await learn.settled()
  await tell(25 * minute, fact(alertResolved, { subject, actor, payload: { ...about, firedAt: 0, detail: 'over' } }))
  await learn.settled()
  await learn.stop()
  const again = make()
  await again.start()
  await again.settled()
  await again.stop()
  const incidents = await learn.incidents({ project })
  assert.deepEqual(
    incidents.map(({ incident, title, source, beganAt, resolvedAt, deployment, how, version }) => ({
      ...{ incident, title, source, began: beganAt - start, resolved: (resolvedAt ?? 0) - start, deployment, how },
      version,
    })),
    [
      {
        ...{ incident: 'incident-alert-1', title: 'errors: error_rate > 2%', source: 'alert', began: 20 * minute },
        ...{ resolved: 25 * minute, deployment: 'd2', how: 'suspected', version: versionOf(bad) },
      },
      {
        ...{ incident: 'incident-d2', title: 'a release of shop was taken back: it answered with errors' },
        ...{ source: 'rollback', began: 10 * minute, resolved: 12 * minute, deployment: 'd2', how: 'rollback' },
        version: versionOf(bad),
      },
    ],
  )
  assert.equal((await ledger.read({ types: ['incident.opened'] })).length, 2)
  assert.deepEqual(world.errors, [])
})

test('names a version by the commit of its release, and by what another system calls it where there is none', async () => {
  await using world = await openWorld()
  const { learn, commit, tell } = world
  const first = commit(0, 'first')
  const told = { service, environment, source: 'elsewhere', received: null, startedAt: null, kind: 'planned' as const }
  await tell(0, ...live('d1', first))
  await tell(
    minute,
    fact(deliveryDeployed, {
      ...{ subject: 'delivery:elsewhere:7', actor },
      payload: {
        ...{ ...told, key: 'elsewhere:7', project, finishedAt: start + minute, outcome: 'succeeded', revision: 'v7' },
        ...{ commits: [], lines: null, rollsBack: null, automatic: null },
      },
    }),
  )
  const all = await learn.deployments(ofShop, always)
  assert.deepEqual(
    all.map(({ deployment, revision, commit }) => ({ deployment, revision, commit })),
    [
      { deployment: 'elsewhere:7', revision: 'v7', commit: null },
      { deployment: 'd1', revision: digestOf(first), commit: first },
    ],
  )
  assert.deepEqual(all.map(versionName), ['v7', first.slice(0, 7)])
  const slow = { project, service, environment, title: 'slow', impactStartedAt: null, detectedAt: null }
  const incident = await learn.orders.open({ ...slow, causedBy: 'd1' }, 'user:ada')
  await learn.orders.attribute({ project, incident }, { deployment: 'elsewhere:7', why: 'the other one' }, 'user:ada')
  const external = { service, environment, revision: 'v7', commit: null }
  assert.deepEqual((await learn.incident(project, incident))?.version, external)
  assert.deepEqual(
    (await learn.incidentStory(project, incident)).map(({ what, version }) => [what, version]),
    [
      ['detected', versionOf(first)],
      ['attributed', external],
    ],
  )
  const stranger = ProjectName.parse('other')
  assert.deepEqual(
    (await learn.incidentStory(stranger, incident)).map(({ version }) => version),
    [null, null],
    'the deployments of a project are named to nobody else',
  )
})

test('takes what people tell of incidents and deployments, and refuses what is not theirs', async () => {
  await using world = await openWorld()
  const { learn, commit, tell } = world
  const first = commit(0, 'first')
  await tell(0, ...live('d1', first))
  world.clock.set(start + 10 * minute)
  const told = { project, service, environment, title: 'slow', impactStartedAt: null, detectedAt: null, causedBy: null }
  const incident = await learn.orders.open(told, 'user:ada')
  const about = { project, incident }
  await learn.orders.progress('acknowledge', { ...about, at: null }, 'user:ada')
  await learn.orders.progress('resolve', { ...about, at: start + 9 * minute }, 'user:ada')
  const failed = async () =>
    (await learn.deployments(ofShop, always, { behind: 'failed' })).map((one) => one.deployment)
  assert.deepEqual(await failed(), ['d1'])
  await learn.orders.attribute(about, { deployment: null, why: 'the network' }, 'user:ada')
  assert.deepEqual(await failed(), [])
  await learn.orders.correct(
    { project, deployment: 'd1' },
    { isFailure: true, isRework: null, why: 'it was' },
    'user:ada',
  )
  assert.deepEqual(await failed(), ['d1'])
  assert.deepEqual(
    (await learn.incidentStory(project, incident)).map(({ what, at, by, detail }) => [what, at - start, by, detail]),
    [
      ['resolved', 9 * minute, 'user:ada', null],
      ['detected', 10 * minute, 'user:ada', 'person'],
      ['acknowledged', 10 * minute, 'user:ada', null],
      ['attributed', 10 * minute, 'user:ada', 'the network'],
    ],
  )
  assert.equal((await learn.incident(project, incident))?.title, 'slow')
  const stranger = ProjectName.parse('other')
  const refusals = [
    () => learn.orders.dismiss(stranger, incident, 'not mine', 'user:eve'),
    () =>
      learn.orders.correct(
        { project: stranger, deployment: 'd1' },
        { isFailure: false, isRework: null, why: '' },
        'user:eve',
      ),
    () => learn.orders.attribute(about, { deployment: 'd9', why: '' }, 'user:ada'),
    () => learn.orders.progress('resolve', { ...about, at: start + 60 * minute }, 'user:ada'),
  ]
  const kinds = await Promise.all(
    refusals.map((one) =>
      one().then(
        () => 'taken',
        ({ kind }) => kind,
      ),
    ),
  )
  assert.deepEqual(kinds, ['incident-not-found', 'deployment-not-found', 'deployment-not-found', 'in-the-future'])
  assert.equal(await learn.incident(stranger, incident), null)
})
