import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defaultProject, ServiceName } from '../../names.ts'
import type { OutsideRecordInput } from '../records.ts'
import * as bodies from '../sources/bodies.testing.ts'
import { addSource, openTestEvents, secret, type TestEvents, take } from '../testing.ts'
import { readGitHubDump, readGitLabDump } from './dumps.ts'
import { gitHistory } from './git.ts'

const shop = ServiceName.parse('shop')

/** A repository with merges, a revert, tags with and without an object of their own, and one that is no release. */
const makeRepository = (directory: string): void => {
  let seconds = Date.UTC(2026, 0, 1) / 1000
  const git = (...args: string[]): void => {
    seconds += 977
    const date = `${seconds} +0330`
    execFileSync(
      'git',
      ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.test', '-c', 'commit.gpgsign=false', ...args],
      {
        cwd: directory,
        env: { ...process.env, GIT_AUTHOR_DATE: date, GIT_COMMITTER_DATE: date, GIT_CONFIG_GLOBAL: '/dev/null' },
        stdio: 'pipe',
      },
    )
  }
  git('init', '--quiet', '--initial-branch=main')
  const commit = (message: string): void => git('commit', '--quiet', '--allow-empty', '-m', message)
  commit('First')
  git('tag', 'v0.1.0')
  for (let round = 2; round <= 8; round += 1) {
    git('checkout', '--quiet', '-b', `topic-${round}`)
    for (let one = 0; one < round; one += 1) commit(`Topic ${round}.${one}`)
    git('checkout', '--quiet', 'main')
    commit(`Straight ${round}`)
    git('merge', '--quiet', '--no-ff', '-m', `Merge topic ${round}`, `topic-${round}`)
    if (round === 4) commit(`Revert "Straight"\n\nThis reverts commit ${'a1'.repeat(20)}.`)
    if (round % 2 === 0) git('tag', '-a', `v0.${round}.0`, '-m', `Release ${round}`)
    else git('tag', `v0.${round}.0`)
    git('tag', `nightly-${round}`)
  }
}

test('a Git history gives the lead times that a shell pipeline of git log and sort computes, and a second time nothing', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-history-'))
  try {
    makeRepository(directory)
    await using opened = await openTestEvents()
    await addSource(opened, 'plain', { service: shop })
    using history = await gitHistory({ directory, repository: 'octo/shop', tags: 'v*', environment: 'production' })
    assert.equal(history.total, 8)
    assert.equal(await take(opened, history.records(), 'plain'), 8)
    assert.equal(await take(opened, history.records(), 'plain'), 0)

    const deployed = (await opened.told(/^delivery\.deployed/)).map(({ payload }) => Object(payload))
    const leads = deployed
      .flatMap(({ finishedAt, commits }) =>
        commits.flatMap(({ committedAt, isMerge }: { committedAt: number; isMerge: boolean }) =>
          isMerge ? [] : [(finishedAt - committedAt) / 1000],
        ),
      )
      .sort((one: number, other: number) => one - other)
    const byShell = execFileSync(
      'sh',
      [
        '-c',
        `previous=
        for tag in $(git for-each-ref --sort=creatordate --format='%(refname:short)' 'refs/tags/v*'); do
          at=$(git for-each-ref --format='%(creatordate:unix)' "refs/tags/$tag")
          if [ -n "$previous" ]; then
            git log --no-merges --format=%ct "$previous..$tag" | while read -r committed; do echo $((at - committed)); done
          fi
          previous=$tag
        done | sort -n`,
      ],
      { cwd: directory, encoding: 'utf8' },
    )
    assert.deepEqual(leads, byShell.trim().split('\n').map(Number))
    assert.ok(leads.length > 40)
    assert.equal(deployed.flatMap(({ commits }) => commits).filter(({ reverts }) => reverts !== null).length, 1)
    assert.equal(deployed[0].commits.length, 0, 'nobody knows what ran before the first')
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('a deployment with more commits than one request or one fact can hold is told in parts, and none is lost', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'plain', { service: shop })
  const commits = Array.from({ length: 9_001 }, (_, place) => ({ commit: `c${place}`, at: 1_767_000_000_000 + place }))
  const record: OutsideRecordInput = {
    ...{
      type: 'deployment',
      id: 'big',
      repository: 'octo/shop',
      finishedAt: 1_768_000_000_000,
      outcome: 'succeeded',
      commits,
    },
  }
  await take(opened, [record], 'plain')
  const facts = (await opened.told(/^delivery\./)).map(({ type, payload }) => ({ type, ...Object(payload) }))
  assert.deepEqual([...new Set(facts.map(({ type }) => type))], ['delivery.deployed', 'delivery.carried'])
  const told = facts.flatMap((fact) => fact.commits)
  assert.deepEqual(
    told.map(({ commit }) => commit),
    commits.map(({ commit }) => commit),
  )
  assert.ok(told.every(({ repository }) => repository === 'octo/shop'))
  assert.equal(await take(opened, [record], 'plain'), 0)
})

const jsonFile = (content: unknown) => ({ name: 'dump.json', content: [Buffer.from(JSON.stringify(content))] })

/** The facts without the digest of what they were made from. */
const madeOf = async (opened: TestEvents) =>
  (await opened.told(/^(delivery|incident)\./)).map(({ type, payload }) => {
    const { received: _, ...own } = Object(payload)
    return { type, ...own }
  })

test("GitHub's API answers make the facts that its webhooks made, under the same keys: whichever comes first, the other adds nothing", async () => {
  const { pullRequest, workflowRun, deploymentStatus, issues } = bodies.github
  const { deployment, deployment_status: status } = deploymentStatus
  const dump = [
    [pullRequest.pull_request],
    [workflowRun.workflow_run],
    [{ ...deployment, statuses_url: 'https://api.github.com/repos/octo/shop/deployments/42/statuses' }],
    [{ ...status, deployment_url: 'https://api.github.com/repos/octo/shop/deployments/42' }],
    [issues.issue],
  ]
  const rules = { repository: 'octo/shop', deployJobs: [], releases: false, incidentLabels: ['incident'] }
  const live = [
    [
      'pull_request',
      {
        ...pullRequest,
        action: 'opened',
        pull_request: { ...pullRequest.pull_request, merged_at: null, closed_at: null },
      },
    ],
    ['pull_request', pullRequest],
    ['workflow_run', workflowRun],
    ['deployment_status', deploymentStatus],
    ['issues', issues],
  ] as const
  const { createHmac } = await import('node:crypto')
  const tell = async (opened: TestEvents): Promise<void> => {
    for (const [event, content] of live) {
      const body = Buffer.from(JSON.stringify(content))
      const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
      const headers = new Headers({ 'x-github-event': event, 'x-hub-signature-256': signature })
      await opened.events.deliver(defaultProject, 'github', { headers, body })
    }
  }
  await using first = await openTestEvents()
  await addSource(first, 'github', { service: shop })
  await tell(first)
  await using second = await openTestEvents()
  await addSource(second, 'github', { service: shop })
  using history = await readGitHubDump([jsonFile(dump)], rules)
  assert.equal(history.total, 6)
  await take(second, history.records(), 'github')
  const [byWebhooks, byDump] = [await madeOf(first), await madeOf(second)]
  assert.equal(byWebhooks.length, 6)
  assert.deepEqual(byDump, byWebhooks)
  await tell(second)
  assert.deepEqual(await madeOf(second), byDump)
})

test("GitLab's API answers make changes, runs, deployments and incidents", async () => {
  const rules = { repository: 'octo/shop', deployJobs: [], releases: false, incidentLabels: ['incident'] }
  const sha = bodies.second
  using history = await readGitLabDump(
    [
      jsonFile([
        {
          iid: 12,
          title: 'Count',
          state: 'merged',
          created_at: '2026-06-01T07:00:00.000Z',
          merged_at: '2026-06-01T08:30:00.000Z',
          closed_at: null,
          sha,
          merge_commit_sha: null,
          squash_commit_sha: sha,
        },
        {
          id: 31,
          iid: 3,
          status: 'failed',
          source: 'push',
          ref: 'main',
          sha,
          created_at: '2026-06-01T08:31:00.000Z',
          updated_at: '2026-06-01T08:36:00.000Z',
        },
        {
          id: 15,
          iid: 2,
          ref: 'main',
          sha,
          status: 'success',
          created_at: '2026-06-01T09:00:00.000Z',
          updated_at: '2026-06-01T09:05:00.000Z',
          environment: { id: 1, name: 'production' },
          deployable: { started_at: '2026-06-01T09:01:00.000Z', finished_at: '2026-06-01T09:04:00.000Z' },
        },
        {
          id: 16,
          iid: 3,
          ref: 'main',
          sha,
          status: 'running',
          created_at: '2026-06-01T09:00:00.000Z',
          updated_at: '2026-06-01T09:05:00.000Z',
          environment: { id: 1, name: 'production' },
          deployable: null,
        },
        {
          id: 301,
          iid: 23,
          title: 'Down',
          issue_type: 'incident',
          labels: [],
          created_at: '2026-06-01T10:00:00.000Z',
          closed_at: null,
        },
        {
          id: 302,
          iid: 24,
          title: 'A wish',
          issue_type: 'issue',
          labels: [],
          created_at: '2026-06-01T10:00:00.000Z',
          closed_at: null,
        },
      ]),
    ],
    rules,
  )
  assert.equal(history.total, 5)
  assert.deepEqual(
    [...history.records()],
    [
      { type: 'change', id: '12', repository: 'octo/shop', head: sha, state: 'opened', at: '2026-06-01T07:00:00.000Z' },
      {
        type: 'change',
        id: '12',
        repository: 'octo/shop',
        head: sha,
        state: 'merged',
        at: '2026-06-01T08:30:00.000Z',
        merged: sha,
      },
      {
        ...{
          type: 'run',
          id: 'octo/shop/pipelines/31',
          repository: 'octo/shop',
          commit: sha,
          workflow: 'main',
          outcome: 'failed',
        },
        ...{ startedAt: '2026-06-01T08:31:00.000Z', finishedAt: '2026-06-01T08:36:00.000Z' },
      },
      {
        ...{
          type: 'deployment',
          id: 'octo/shop/deployments/15/succeeded',
          repository: 'octo/shop',
          environment: 'production',
        },
        ...{
          startedAt: '2026-06-01T09:01:00.000Z',
          finishedAt: '2026-06-01T09:04:00.000Z',
          outcome: 'succeeded',
          revision: sha,
        },
      },
      {
        type: 'incident',
        id: 'octo/shop#23',
        repository: 'octo/shop',
        title: 'Down',
        state: 'opened',
        at: '2026-06-01T10:00:00.000Z',
      },
    ],
  )
})
