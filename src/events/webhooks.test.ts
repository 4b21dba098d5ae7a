import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import * as bodies from './sources/bodies.testing.ts'
import type { SourceKind } from './sources/reading.ts'
import { hex, signed } from './sources/signed.testing.ts'
import { addSource, openTestEvents, type TestEvents } from './testing.ts'

const shop = ServiceName.parse('shop')
const at = (text: string): number => Date.parse(text)

const send = (
  opened: TestEvents,
  kind: Exclude<SourceKind, 'cdevents'>,
  content: unknown,
  headers: Record<string, string> = {},
) => {
  const body = JSON.stringify(content)
  const all = { 'content-type': 'application/json', ...signed[kind](body, opened.clock.now()), ...headers }
  return opened.events.deliver(defaultProject, kind, { headers: new Headers(all), body: Buffer.from(body) })
}
const event = (name: string) => ({ 'x-github-event': name, 'x-github-delivery': `delivery-${name}` })

const made = /^(delivery|incident|commits)\./
/** What every fact of a delivery has, and what only changes with the bytes, is left out. */
const plain = (told: { type: string; payload: unknown }[]) =>
  told.map(({ type, payload }) => {
    const { received: _, project: __, source: ___, ...own } = Object(payload)
    return { type, ...own }
  })

const key = (source: string, id: string): string => `default/${source}:${id}`
const lane = { service: 'shop', environment: 'production' }
const undone = { commits: [], lines: null, rollsBack: null }
const commit = (id: string, committedAt: string, over: object = {}) => ({
  ...{ repository: 'octo/shop', commit: id, committedAt: at(committedAt), isMerge: false, reverts: null, ...over },
})
const { before, first, second } = bodies

test('GitHub: pushes, pull requests, workflow runs, deployments, releases and issues become what they are', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'github', { service: shop, releases: true })
  const { push, pullRequest, workflowRun, deployment, deploymentStatus, release, issues } = bodies.github
  await send(opened, 'github', push, event('push'))
  await send(opened, 'github', pullRequest, event('pull_request'))
  await send(opened, 'github', workflowRun, event('workflow_run'))
  assert.equal((await send(opened, 'github', deployment, event('deployment'))).facts, 0)
  await send(opened, 'github', deploymentStatus, event('deployment_status'))
  await send(opened, 'github', release, event('release'))
  await send(opened, 'github', issues, event('issues'))
  const commits = [commit(first, '2026-06-01T08:00:00Z'), commit(second, '2026-06-01T08:30:00Z', { reverts: first })]
  const incident = key('github', 'octo/shop#15')
  assert.deepEqual(plain(await opened.told(made)), [
    {
      ...{
        type: 'commits.pushed',
        key: key('github', `octo/shop/pushes/${before}..${second}`),
        repository: 'octo/shop',
      },
      ...{ ref: 'refs/heads/main', before, after: second, commits },
    },
    {
      ...{ type: 'delivery.change', key: key('github', 'octo/shop#12'), repository: 'octo/shop', state: 'merged' },
      ...{ at: at('2026-06-01T08:30:00Z'), commits: [commits[0]], mergedAs: second, lines: 34 },
    },
    {
      ...{ type: 'delivery.run', key: key('github', 'octo/shop/runs/77/2'), repository: 'octo/shop', commit: second },
      ...{ workflow: 'CI', startedAt: at('2026-06-01T08:40:00Z'), finishedAt: at('2026-06-01T08:45:00Z') },
      ...{ outcome: 'failed', isRerun: true },
    },
    {
      ...{ type: 'delivery.deployed', key: key('github', 'octo/shop/deployments/42/succeeded'), ...lane, ...undone },
      ...{ startedAt: at('2026-06-01T09:00:00Z'), finishedAt: at('2026-06-01T09:05:00Z'), outcome: 'succeeded' },
      ...{ revision: second, kind: 'planned', automatic: null },
    },
    {
      ...{ type: 'delivery.deployed', key: key('github', 'octo/shop/releases/6'), ...lane, ...undone, startedAt: null },
      ...{
        finishedAt: at('2026-06-01T09:30:00Z'),
        outcome: 'succeeded',
        revision: 'v1.2.0',
        kind: 'planned',
        automatic: null,
      },
    },
    {
      ...{ type: 'incident.opened', incident, key: incident, ...lane, environment: null, title: 'Checkout is down' },
      ...{ impactStartedAt: null, detectedAt: at('2026-06-01T10:00:00Z'), causedBy: null },
    },
    { type: 'incident.resolved', incident, at: at('2026-06-01T10:40:00Z') },
  ])
})

test('GitLab: pushes, merge requests, pipelines, deployments, jobs and issues become what they are', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'gitlab', { service: shop, environment: EnvironmentName.parse('production') })
  const { push, mergeRequest, pipeline, deployment, job, issue } = bodies.gitlab
  for (const body of [push, mergeRequest, pipeline, deployment, issue]) await send(opened, 'gitlab', body)
  assert.equal((await send(opened, 'gitlab', job)).facts, 0)
  const commits = [commit(first, '2026-06-01T08:00:00Z'), commit(second, '2026-06-01T08:30:00Z', { isMerge: true })]
  const incident = key('gitlab', 'octo/shop#23')
  assert.deepEqual(plain(await opened.told(made)), [
    {
      ...{
        type: 'commits.pushed',
        key: key('gitlab', `octo/shop/pushes/${before}..${second}`),
        repository: 'octo/shop',
      },
      ...{ ref: 'refs/heads/main', before, after: second, commits },
    },
    {
      ...{ type: 'delivery.change', key: key('gitlab', 'octo/shop#12'), repository: 'octo/shop', state: 'merged' },
      ...{ at: at('2026-06-01T08:30:00Z'), commits: [], mergedAs: second, lines: null },
    },
    {
      ...{
        type: 'delivery.run',
        key: key('gitlab', 'octo/shop/pipelines/31'),
        repository: 'octo/shop',
        commit: second,
      },
      ...{ workflow: 'Build main', startedAt: at('2026-06-01T08:31:00Z'), finishedAt: at('2026-06-01T08:36:00Z') },
      ...{ outcome: 'succeeded', isRerun: false },
    },
    {
      ...{ type: 'delivery.deployed', key: key('gitlab', 'octo/shop/deployments/15/succeeded'), ...lane, ...undone },
      ...{ startedAt: null, finishedAt: at('2026-06-01T09:05:00Z'), outcome: 'succeeded', revision: second },
      ...{ kind: 'planned', automatic: null },
    },
    {
      ...{ type: 'incident.opened', incident, key: incident, ...lane, title: 'Checkout is down' },
      ...{ impactStartedAt: null, detectedAt: at('2026-06-01T10:00:00Z'), causedBy: null },
    },
    { type: 'incident.resolved', incident, at: at('2026-06-01T10:40:00Z') },
  ])
})

test('Jenkins, Argo CD and Flux: what deploys is a deployment of the service that its mapping names', async () => {
  await using opened = await openTestEvents()
  const mappings = [{ match: '*shop', service: shop }]
  await addSource(opened, 'jenkins', { mappings, deployJobs: ['deploy-*'] })
  await addSource(opened, 'argocd', { mappings })
  await addSource(opened, 'flux', { mappings })
  await send(opened, 'jenkins', bodies.jenkins)
  await send(opened, 'argocd', bodies.argocd)
  await send(opened, 'flux', bodies.flux)
  const again = { ...bodies.flux, timestamp: '2026-06-01T09:15:00Z' }
  assert.equal((await send(opened, 'flux', again)).facts, 0, 'the same revision again is the same deployment')
  const finishedAt = at('2026-06-01T09:05:00Z')
  const succeeded = { ...lane, ...undone, finishedAt, outcome: 'succeeded', revision: second, kind: 'planned' }
  const startedAt = at('2026-06-01T09:04:00Z')
  assert.deepEqual(plain(await opened.told(made)), [
    {
      ...{ type: 'delivery.run', key: key('jenkins', 'deploy-shop/18'), repository: 'octo/shop', commit: second },
      ...{ workflow: 'deploy-shop', startedAt, finishedAt, outcome: 'succeeded', isRerun: false },
    },
    { type: 'delivery.deployed', key: key('jenkins', 'deploy-shop/18'), ...succeeded, startedAt, automatic: null },
    {
      type: 'delivery.deployed',
      key: key('argocd', 'shop/2026-06-01T09:04:00Z'),
      ...succeeded,
      startedAt,
      automatic: true,
    },
    {
      ...{ type: 'delivery.deployed', key: key('flux', `Kustomization/production/shop/${second}/succeeded`) },
      ...{ ...succeeded, startedAt: null, automatic: true },
    },
  ])
})

test('Alertmanager and PagerDuty: what is wrong is an incident, from its beginning to its end, also out of order', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'alertmanager')
  await addSource(opened, 'pagerduty', { mappings: [{ match: 'Shop*', service: shop }] })
  await send(opened, 'alertmanager', bodies.alertmanager)
  await send(opened, 'pagerduty', bodies.pagerduty('resolved', '2026-06-01T10:30:00Z'))
  await send(opened, 'pagerduty', bodies.pagerduty('triggered', '2026-06-01T10:00:00Z'))
  await send(opened, 'pagerduty', bodies.pagerduty('acknowledged', '2026-06-01T10:05:00Z'))
  const startsAt = at('2026-06-01T10:00:00.123Z')
  const alert = key('alertmanager', `1a2b3c4d5e6f7a8b/${startsAt}`)
  const page = key('pagerduty', 'PGR0VU2')
  const opening = { impactStartedAt: null, causedBy: null }
  assert.deepEqual(plain(await opened.told(made)), [
    {
      type: 'incident.opened',
      incident: alert,
      key: alert,
      ...lane,
      title: 'Many requests fail',
      ...opening,
      detectedAt: startsAt,
    },
    { type: 'incident.resolved', incident: alert, at: at('2026-06-01T10:30:00Z') },
    {
      ...{ type: 'incident.opened', incident: page, key: page, service: 'shop', environment: null, ...opening },
      ...{ title: 'Checkout is down', detectedAt: at('2026-06-01T10:00:00Z') },
    },
    { type: 'incident.resolved', incident: page, at: at('2026-06-01T10:30:00Z') },
    { type: 'incident.acknowledged', incident: page, at: at('2026-06-01T10:05:00Z') },
  ])
})

test('records of our own words say everything themselves; times in the future are of now, and how far ahead they were is kept', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'plain')
  const deployment = {
    ...{ type: 'deployment', id: 'release-7', service: 'shop', environment: 'Production (EU)', outcome: 'succeeded' },
    ...{ finishedAt: '2026-06-02T12:00:00+01:00', revision: 'v7', automatic: true, kind: 'hotfix' },
    commits: [{ commit: 'abc', at: '2026-06-01T09:00:00Z', repository: 'octo/shop' }],
  }
  assert.deepEqual(await send(opened, 'plain', deployment), { outcome: 'recorded', events: 1, facts: 1, unplaced: [] })
  const now = opened.clock.now()
  assert.deepEqual(plain(await opened.told(made)), [
    {
      ...{ type: 'delivery.deployed', key: key('plain', 'release-7'), service: 'shop', environment: 'production-eu' },
      ...{ startedAt: null, finishedAt: now, outcome: 'succeeded', revision: 'v7', kind: 'hotfix', lines: null },
      ...{ rollsBack: null, automatic: true, commits: [commit('abc', '2026-06-01T09:00:00Z')] },
    },
  ])
})

test('a wrong signature, a missing one, a replay, an old one and one for another source end in no fact', async () => {
  await using opened = await openTestEvents()
  const kinds = Object.keys(signed) as (keyof typeof signed)[]
  for (const kind of kinds) await addSource(opened, kind, { service: shop })
  const body = JSON.stringify({ object_kind: 'push' })
  for (const kind of kinds)
    for (const headers of [
      {},
      { ...signed[kind](`${body} `, opened.clock.now()), 'x-gitlab-token': 'wrong', authorization: 'Bearer wrong' },
      { 'x-hub-signature-256': `sha1=${hex(body)}`, 'x-signature': hex(body), 'x-pagerduty-signature': hex(body) },
      { 'x-gitlab-token': '', authorization: 'Basic', 'webhook-signature': 'v1,' },
    ])
      await assert.rejects(
        opened.events.deliver(defaultProject, kind, { headers: new Headers(headers), body: Buffer.from(body) }),
        (error) => error instanceof Problem && error.status === 401,
        kind,
      )
  const old = signed.plain(body, opened.clock.now() - 6 * 60_000)
  await assert.rejects(
    opened.events.deliver(defaultProject, 'plain', { headers: new Headers(old), body: Buffer.from(body) }),
    (error) => error instanceof Problem && error.kind === 'replayed',
  )
  assert.deepEqual(await opened.told(/^(delivery|incident|commits|event\.)/), [])

  assert.equal((await send(opened, 'github', bodies.github.deploymentStatus, event('deployment_status'))).facts, 1)
  const replayed = { 'x-github-event': 'deployment_status', 'x-github-delivery': 'another' }
  assert.deepEqual(await send(opened, 'github', bodies.github.deploymentStatus, replayed), {
    ...{ outcome: 'duplicate', events: 0, facts: 0, unplaced: [] },
  })
  const disguised = { 'x-github-event': 'issues', 'x-github-delivery': 'a third' }
  await assert.rejects(send(opened, 'github', bodies.github.deploymentStatus, disguised), /issue/)
  assert.equal((await opened.told(/^(delivery|event\.)/)).length, 2)
})

test('what no mapping places makes no fact, and is shown as unplaced beside what was received as it came', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'github')
  const receipt = await send(opened, 'github', bodies.github.deploymentStatus, event('deployment_status'))
  assert.deepEqual(receipt.unplaced, [
    'octo/shop/deployments/42/succeeded: no mapping of github names its service by "deploy" or "octo/shop" or "production"',
  ])
  assert.equal(receipt.facts, 0)
  const [row] = await opened.events.received(defaultProject)
  assert.equal(row?.type, 'deployment_status.success')
  const { received } = Object((await opened.told(/^event\.received/))[0]?.payload)
  const kept = await opened.events.body(defaultProject, received)
  assert.equal(kept?.toString('utf8'), JSON.stringify(bodies.github.deploymentStatus))
})

test('a secret that is made for whoever may sign as a standard webhook is what the libraries of these take', async () => {
  await using opened = await openTestEvents()
  const wish = { service: null, environment: null, mappings: [], deployJobs: [], incidentLabels: [], releases: false }
  const add = (kind: SourceKind) => opened.events.setSource(defaultProject, kind, { kind, ...wish }, null, 'user:ada')
  for (const kind of ['plain', 'cdevents'] as const) {
    const { secret } = await add(kind)
    assert.match(secret ?? '', /^whsec_[A-Za-z0-9+/]{43}=$/)
    assert.equal((await add(kind)).secret, null, 'it keeps the one that it has')
  }
  // Part of an address there.
  assert.match((await add('jenkins')).secret ?? '', /^[\w-]{43}$/)
})

test('what a deployment brought is known by the pushes between it and the one before, also when they come late', async () => {
  await using opened = await openTestEvents()
  await addSource(opened, 'github', { service: shop })
  const status = (id: number, sha: string, created: string) => ({
    ...bodies.github.deploymentStatus,
    deployment: { ...bodies.github.deploymentStatus.deployment, id, sha },
    deployment_status: { state: 'success', created_at: created },
  })
  await send(opened, 'github', status(1, before, '2026-05-31T09:00:00Z'), event('deployment_status'))
  await send(opened, 'github', status(2, second, '2026-06-01T09:00:00Z'), event('deployment_status'))
  const part = (from: string, to: string, committed: string) => ({
    ...{ ...bodies.github.push, before: from, after: to },
    commits: [{ id: to, message: 'One', timestamp: committed }],
  })
  await send(opened, 'github', part(first, second, '2026-06-01T08:30:00Z'), event('push'))
  assert.deepEqual(await opened.told(/carried/), [])
  await send(opened, 'github', part(before, first, '2026-06-01T08:00:00Z'), event('push'))
  const third = 'd'.repeat(40)
  await send(opened, 'github', part(second, third, '2026-06-01T10:00:00Z'), event('push'))
  await send(opened, 'github', status(3, third, '2026-06-01T11:00:00Z'), event('deployment_status'))
  assert.deepEqual(plain(await opened.told(/carried/)), [
    {
      ...{ type: 'delivery.carried', deployment: key('github', 'octo/shop/deployments/2/succeeded'), lines: null },
      commits: [commit(first, '2026-06-01T08:00:00Z'), commit(second, '2026-06-01T08:30:00Z')],
    },
  ])
  const deployed = plain(await opened.told(/deployed/))
  assert.deepEqual(
    deployed.map(({ commits }) => commits),
    [[], [], [commit(third, '2026-06-01T10:00:00Z')]],
  )
})
