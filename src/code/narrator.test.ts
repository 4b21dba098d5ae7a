import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobFinished, runQueued } from '../build/facts.ts'
import { fact, type RecordedFact } from '../ledger/fact.ts'
import { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { TestClock } from '../testing.ts'
import { createNarrator } from './narrator.ts'
import type { RecordedUpdate } from './recorder.ts'

const update: RecordedUpdate = {
  seq: 1,
  at: 0,
  type: 'ref.updated',
  version: 1,
  subject: 'repository:default/shop',
  actor: 'user:ada',
  causes: [],
  payload: {
    push: 'push-1',
    project: ProjectName.parse('default'),
    repository: RepositoryName.parse('shop'),
    ref: 'refs/heads/main',
    before: null,
    after: CommitId.parse('a'.repeat(40)),
    options: [],
    discovered: false,
  },
}

test('a push that goes on without a word is told once what is in its way', async () => {
  const clock = new TestClock()
  const said: string[] = []
  const answers = [null, 'the disk is full', 'the disk is full']
  const narrate = createNarrator({
    ledger: { read: async () => [], onAppend: () => () => {} },
    clock,
    environments: () => [{ environment: 'production', from: 'push', isAutomatic: true }],
    committedAt: async () => null,
    changeOf: async () => null,
    hasPreviews: async () => false,
    changeUrl: () => '',
    obstacle: async () => answers.shift() ?? null,
    heldUp: async () => null,
  })
  const stopping = new AbortController()
  const told = narrate([update], (line) => said.push(line), stopping.signal)
  while (clock.sleeping === 0) await new Promise(setImmediate)
  await clock.advance(2000)
  assert.deepEqual(said, [])
  await clock.advance(10_000)
  assert.deepEqual(said, ['the disk is full'])
  stopping.abort()
  await told
  assert.equal(clock.sleeping, 0)
})

/** What a push hears while all that is left of it waits, and how that ends; `until` it has slept so long. */
const tellHeld = async (options: string[], toTheEnd: boolean, sleptMs: number, facts: readonly RecordedFact[] = []) => {
  const clock = new TestClock()
  const said: string[] = []
  const answers = [null, ['a waits'], null, ['a waits'], ['a waits', 'b waits']]
  const narrate = createNarrator({
    ledger: { read: async ({ after = 0 }) => facts.filter(({ seq }) => seq > after), onAppend: () => () => {} },
    clock,
    environments: () => [{ environment: 'production', from: 'push', isAutomatic: true }],
    committedAt: async () => null,
    changeOf: async () => null,
    hasPreviews: async () => false,
    changeUrl: () => '',
    obstacle: async () => null,
    heldUp: async (origin) =>
      origin === 'push:push-1' && answers.length > 0 ? (answers.shift() ?? null) : ['a waits', 'b waits'],
  })
  const stopping = new AbortController()
  const pushed = { ...update, payload: { ...update.payload, options } }
  const told = narrate([pushed], (line) => said.push(line), stopping.signal, { toTheEnd })
  while (clock.sleeping === 0) await new Promise(setImmediate)
  for (let slept = 0; slept < sleptMs; slept += 1500) await clock.advance(1500)
  const heard = [...said]
  stopping.abort()
  return { heard, end: await told, asleep: clock.sleeping }
}

test('a push that only waits for people any more says so and lets go, once that has been so for a while', async () => {
  assert.deepEqual((await tellHeld([], false, 7500)).heard, [])
  assert.deepEqual(await tellHeld([], false, 9000), {
    heard: [
      'not over, but nothing of it goes on before somebody acts:',
      '      a waits',
      '      b waits',
      '      next: headway watch push-1',
    ],
    end: 'unknown',
    asleep: 0,
  })
})

test('whoever asked to hear the end, or waits for an environment by name, is not let go', async () => {
  assert.deepEqual((await tellHeld([], true, 30_000)).heard, [])
  assert.deepEqual((await tellHeld(['wait=production'], false, 30_000)).heard, [])
})

test('what has failed by then is told to whoever is let go', async () => {
  const { push, project, repository, ref } = update.payload
  const place = { push, event: null, project, repository, ref, commit: CommitId.parse('a'.repeat(40)) }
  const about = { eventName: 'push', workflow: null, name: 'ci', number: 1, concurrency: null, isTrusted: true }
  const failed = { job: 'old', conclusion: 'failure' as const, outputs: {}, steps: [] }
  const why = {
    job: 'old',
    step: 'Test',
    command: 'npm test',
    exitCode: 1,
    detail: '',
    lastLines: ['red'],
    where: null,
  }
  const facts = [
    fact(runQueued, { subject: 'run:run-1', actor: 'system:build', payload: { run: 'run-1', ...place, ...about } }),
    fact(jobFinished, {
      ...{ subject: 'run:run-1', actor: 'system:build' },
      payload: { run: 'run-1', ...failed, failure: why },
    }),
  ].map((one, at): RecordedFact => ({ ...one, seq: 2 + at, at: 0 }))
  assert.deepEqual((await tellHeld([], false, 9000, facts)).heard.slice(0, 5), [
    '  ✗ old',
    'not deployed: the step "Test" failed',
    '      $ npm test   exit code 1',
    '      | red',
    'not over, but nothing of it goes on before somebody acts:',
  ])
})
