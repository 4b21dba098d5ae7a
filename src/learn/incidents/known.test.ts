import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deploymentRequested } from '../../deploy/facts.ts'
import { fact } from '../../ledger/fact.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, RepositoryName, ServiceName } from '../../names.ts'
import { releaseCreated } from '../../package/facts.ts'
import { run } from '../../processes/run.ts'
import { definitions } from '../../server.ts'
import { TestClock, testIds } from '../../testing.ts'
import { deliveryDeployed, incidentOpened } from '../facts.ts'
import { createLearn } from '../index.ts'
import { doraView } from '../views.ts'

const project = ProjectName.parse('default')
const service = ServiceName.parse('shop')
const environment = EnvironmentName.parse('production')
const commit = CommitId.parse('a'.repeat(40))
const release = Digest.parse(`sha256:${'b'.repeat(64)}`)
const actor = 'user:ada'
const start = Date.UTC(2026, 0, 5)

test('opens no incident of a service that nobody knows; known are those that were deployed, here or elsewhere, and those with incidents from elsewhere', async () => {
  const clock = new TestClock(start)
  await using opened = await openTestLedger({ definitions, views: [doraView], clock })
  const { ledger } = opened
  const learn = createLearn({
    ...opened,
    ...{ clock, ids: testIds(), run, repositoryPath: () => '', publicUrl: '', home: { root: opened.directory } },
    onError: (message) => assert.fail(message),
  })
  const elsewhere = { project, service: ServiceName.parse('stock'), environment: EnvironmentName.parse('staging') }
  const paged = { project, service: ServiceName.parse('mail'), environment }
  const facts = [
    fact(deploymentRequested, {
      ...{ subject: 'deployment:d1', actor },
      payload: { deployment: 'd1', project, service, environment, release, commit, reason: 'push', push: null },
    }),
    fact(releaseCreated, {
      ...{ subject: 'service:default/new', actor },
      payload: {
        ...{
          push: 'p1',
          project,
          service: ServiceName.parse('new'),
          repository: RepositoryName.parse('new'),
          path: '.',
        },
        ...{ commit, digest: release, sizeBytes: 1 },
      },
    }),
    fact(deliveryDeployed, {
      ...{ subject: 'delivery:elsewhere:7', actor },
      payload: {
        ...{ key: 'elsewhere:7', source: 'elsewhere', unit: null, repository: 'octo/stock', ...elsewhere },
        ...{ kind: 'planned', startedAt: null, finishedAt: start, outcome: 'succeeded', revision: 'v7' },
        ...{ commits: [], lines: null, rollsBack: null, automatic: null, received: null },
      },
    }),
    fact(incidentOpened, {
      ...{ subject: 'incident:i1', actor },
      payload: {
        ...{
          incident: 'i1',
          ...paged,
          title: 'no mail',
          impactStartedAt: null,
          detectedAt: start,
          source: 'pagerduty',
        },
        ...{ causedBy: null, key: 'pager:1', received: null },
      },
    }),
  ]
  await ledger.append(facts)
  const open = (place: { service: string | null; environment: string | null }) =>
    learn.orders
      .open(
        {
          ...{ project, title: 'slow', impactStartedAt: null, detectedAt: null, causedBy: null },
          service: place.service === null ? null : ServiceName.parse(place.service),
          environment: place.environment === null ? null : EnvironmentName.parse(place.environment),
        },
        'user:ada',
      )
      .then(
        () => 'open',
        ({ kind, detail, where, next }) => [kind, detail, where.path, next],
      )
  const production: string = environment
  for (const place of [
    { service: null, environment: null },
    { service, environment: production },
    { service, environment: null },
    { service: 'stock', environment: 'staging' },
    { service: 'mail', environment: production },
    { service: 'new', environment: 'anywhere' },
  ])
    assert.equal(await open(place), 'open', JSON.stringify(place))

  const told = (await ledger.head()).seq
  const next = `known are mail, new, ${service}, stock; one that is deployed elsewhere, once its deployments are told of; or leave out the service`
  for (const [place, expected] of [
    [
      { service: 'stokc', environment: production },
      ['service-not-found', `project ${project} knows no service stokc; did you mean stock?`, 'service', next],
    ],
    [
      { service: 'checkout', environment: null },
      ['service-not-found', `project ${project} knows no service checkout`, 'service', next],
    ],
    [
      { service: 'stock', environment: 'stagign' },
      [
        'environment-not-found',
        'stock was never in stagign; did you mean staging?',
        'environment',
        'it is known in staging',
      ],
    ],
  ] as const)
    assert.deepEqual(await open(place), expected)
  assert.equal((await ledger.head()).seq, told)
  assert.deepEqual(
    (await learn.lanes(project)).map((one) => one.service),
    ['mail', service, 'stock'],
  )
})
