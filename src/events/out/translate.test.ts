import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RecordedFact } from '../../ledger/fact.ts'
import { checkCdEvent } from '../cdevents/check.ts'
import { cdEventOf } from './translate.ts'

const serverUrl = 'https://headway.test'
const digest = `sha256:${'1'.repeat(64)}`
const commit = 'c'.repeat(40)
const about = { project: 'default', repository: 'shop' }
const target = { deployment: 'deployment-1', project: 'default', service: 'shop', environment: 'production' }
const factOf = (type: string, payload: unknown, over: Partial<RecordedFact> = {}): RecordedFact => ({
  ...{
    seq: 7,
    at: Date.UTC(2026, 5, 1),
    type,
    version: 1,
    subject: 'thing:1',
    actor: 'user:ada',
    causes: [3],
    payload,
  },
  ...over,
})
const queued = factOf('run.queued', { run: 'run-1', ...about, name: 'CI', push: 'push-1', event: null })
const incident = factOf('incident.opened', { incident: 'inc-1', ...target, title: 'Down', causedBy: null })
const requested = factOf('deployment.requested', { ...target, reason: 'rollback' })

/** Facts that CDEvents has a word for: the fact, the first about the same thing, and the word with its subject. */
const words: [RecordedFact, RecordedFact | null, string, string][] = [
  [factOf('repository.created', about), null, 'repository.created', 'shop'],
  [
    factOf('ref.updated', { ...about, ref: 'refs/heads/a/b', before: null, after: commit }),
    null,
    'branch.created',
    'a/b',
  ],
  [factOf('ref.updated', { ...about, ref: 'refs/heads/a', before: commit, after: null }), null, 'branch.deleted', 'a'],
  [factOf('change.opened', { ...about, number: 4 }), null, 'change.created', 'shop/4'],
  [factOf('change.updated', { ...about, number: 4 }), null, 'change.updated', 'shop/4'],
  [factOf('change.approved', { ...about, number: 4 }), null, 'change.reviewed', 'shop/4'],
  [factOf('change.merged', { ...about, number: 4 }), null, 'change.merged', 'shop/4'],
  [factOf('change.abandoned', { ...about, number: 4 }), null, 'change.abandoned', 'shop/4'],
  [queued, queued, 'pipelinerun.queued', 'run-1'],
  [factOf('run.started', { run: 'run-1', isolation: 'none' }), queued, 'pipelinerun.started', 'run-1'],
  [factOf('run.finished', { run: 'run-1', conclusion: 'failure' }), queued, 'pipelinerun.finished', 'run-1'],
  [factOf('job.started', { run: 'run-1', job: 'test', name: 'test (20)' }), queued, 'taskrun.started', 'run-1/test'],
  [
    factOf('job.finished', { run: 'run-1', job: 'test', conclusion: 'success' }),
    queued,
    'taskrun.finished',
    'run-1/test',
  ],
  [
    factOf('tests.reported', { run: 'run-1', job: 'test', jobName: 'test', totals: { failed: 1 } }),
    null,
    'testsuiterun.finished',
    'run-1/test',
  ],
  [
    factOf('release.created', { ...about, service: 'shop', digest, commit }),
    null,
    'artifact.packaged',
    `pkg:oci/shop@${encodeURIComponent(digest)}`,
  ],
  [
    factOf('deployment.finished', { ...target, release: digest, outcome: 'succeeded' }),
    null,
    'service.deployed',
    'shop',
  ],
  [
    factOf('deployment.finished', { ...target, release: digest, outcome: 'succeeded' }),
    requested,
    'service.rolledback',
    'shop',
  ],
  [
    factOf('deployment.finished', { ...target, release: digest, outcome: 'rolled-back' }),
    null,
    'service.rolledback',
    'shop',
  ],
  [factOf('service.removed', { project: 'default', service: 'shop' }), null, 'service.removed', 'shop'],
  [factOf('environment.defined', { environment: 'staging', text: '' }), null, 'environment.modified', 'staging'],
  [factOf('environment.removed', { environment: 'staging' }), null, 'environment.deleted', 'staging'],
  [incident, incident, 'incident.detected', 'inc-1'],
  [factOf('incident.resolved', { incident: 'inc-1', at: 1 }), incident, 'incident.resolved', 'inc-1'],
  [
    factOf('delivery.deployed', { ...target, key: 'k:1', outcome: 'succeeded', kind: 'planned', revision: null }),
    null,
    'service.deployed',
    'shop',
  ],
  [factOf('delivery.change', { ...about, key: 'k:1', state: 'closed' }), null, 'change.abandoned', 'k:1'],
  [
    factOf('delivery.run', { ...about, key: 'k:1', workflow: 'CI', outcome: 'cancelled' }),
    null,
    'pipelinerun.finished',
    'k:1',
  ],
]

test('facts that CDEvents has a word for are that word, valid by its schema, with the fact itself in customData', () => {
  for (const [fact, first, kind, subject] of words) {
    const event = cdEventOf(fact, { serverUrl, first })
    assert.deepEqual(
      checkCdEvent(event),
      { kind: 'valid', event },
      `${fact.type}: ${JSON.stringify(checkCdEvent(event))}`,
    )
    assert.ok(event.context.type.startsWith(`dev.cdevents.${kind}.`), `${fact.type} is ${event.context.type}`)
    assert.equal(event.subject.id, subject)
    assert.deepEqual(event.customData, { headway: fact })
  }
})

test('every other fact is a valid custom event, also one of which a field is of another kind than usual', () => {
  const others = [
    factOf('promotion.approval-refused', { ...target, user: 'ada' }),
    factOf('workflow-event.raised', { event: 'event-1', project: 'default', payload: {} }),
    factOf('ref.updated', { ...about, ref: 'refs/tags/v1', before: null, after: commit }),
    factOf('deployment.finished', { ...target, release: digest, outcome: 'failed' }),
    factOf('incident.opened', {
      incident: 'inc-2',
      project: 'default',
      service: null,
      environment: null,
      title: 'Down',
    }),
    factOf('delivery.deployed', { ...target, key: 'k:1', outcome: 'failed' }),
    factOf('change.merged', { ...about, number: 'four' }),
    factOf('run.finished', {}, { causes: [] }),
  ]
  for (const fact of others) {
    const event = cdEventOf(fact, { serverUrl, first: null })
    assert.deepEqual(checkCdEvent(event), { kind: 'valid', event }, fact.type)
    assert.match(event.context.type, /^dev\.cdeventsx\.headway-[a-zA-Z]+\.[a-zA-Z]+\.0\.1\.0$/)
  }
})

test('what caused a fact, and the push, run or deployment that it is part of, are its links and its chain', () => {
  const { context } = cdEventOf(factOf('run.finished', { run: 'run-1', conclusion: 'success' }), {
    serverUrl,
    first: queued,
  })
  assert.deepEqual(context, {
    ...{ specversion: '0.5.1', id: 'fact-7', source: `${serverUrl}/projects/default` },
    ...{ type: 'dev.cdevents.pipelinerun.finished.0.3.0', timestamp: '2026-06-01T00:00:00.000Z', chainId: 'push-1' },
    links: [{ linkType: 'PATH', from: { contextId: 'fact-3' } }],
  })
})
