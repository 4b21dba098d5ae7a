import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewFact } from '../ledger/fact.ts'
import { fact } from '../ledger/fact.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import { type Conclusion, type Failure, jobFinished, runQueued } from './facts.ts'
import { failureFor } from './failure.ts'
import { decide, evolve, maximumRunStarts, maximumStarts, type RunInput, type RunState } from './run.ts'

const queued = fact(runQueued, {
  subject: 'run:r',
  actor: 'system:build',
  payload: {
    run: 'r',
    push: 'p',
    event: null,
    eventName: 'push',
    number: 1,
    concurrency: null,
    isTrusted: true,
    project: defaultProject,
    repository: RepositoryName.parse('shop'),
    ref: 'refs/heads/main',
    commit: CommitId.parse('a'.repeat(40)),
    workflow: null,
    name: 'shop',
  },
})
const after = (state: RunState | undefined, facts: readonly NewFact[]): RunState | undefined =>
  facts.reduce<RunState | undefined>((before, one) => evolve(before, { ...one, seq: 1, at: 0 }), state)
const given = (...inputs: RunInput[]): RunState => {
  let state = after(undefined, [queued])
  for (const input of inputs) if (state) state = after(state, decide(state, input))
  assert.ok(state)
  return state
}
const begin: RunInput = { kind: 'begin', isolation: 'unprivileged user' }
const ended = (job: string, conclusion: Conclusion, failure: Failure | null = null): RunInput => ({
  kind: 'job-ended',
  result: { job, conclusion, outputs: {}, steps: [], failure },
})
const settled: RunInput = { kind: 'settled', refusal: null }
const reason: Failure = { job: 'a', step: 's', command: 'c', exitCode: 1, detail: 'd', lastLines: [], where: null }
const payloads = (facts: readonly NewFact[]) => facts.map(({ type, payload }) => [type, payload])

test('a run that was queued before there were events is one of a push', () => {
  const { event, eventName, number, concurrency, isTrusted, ...old } = queued.payload
  const lifted = runQueued.payload.parse(runQueued.upcasts[1]?.(old))
  assert.deepEqual(lifted, { ...old, event, eventName, number: 0, concurrency, isTrusted })
})

test('a run concludes as the worst of its jobs, with the reason of the first that failed', () => {
  const conclude = (...jobs: RunInput[]) => payloads(decide(given(begin, ...jobs), settled))
  assert.deepEqual(conclude(ended('a', 'success'), ended('b', 'skipped')), [
    ['run.finished', { run: 'r', conclusion: 'success', failure: null }],
  ])
  assert.deepEqual(conclude(ended('a', 'cancelled'), ended('b', 'failure', reason)), [
    ['run.finished', { run: 'r', conclusion: 'failure', failure: reason }],
  ])
  assert.deepEqual(conclude(ended('a', 'success'), ended('b', 'cancelled')), [
    ['run.finished', { run: 'r', conclusion: 'cancelled', failure: null }],
  ])
  assert.deepEqual(conclude(ended('a', 'skipped')), [
    ['run.finished', { run: 'r', conclusion: 'skipped', failure: null }],
  ])
})

test('a job whose result is known is neither started nor finished again', () => {
  const state = given(begin, { kind: 'job-begins', job: 'a', name: 'a' }, ended('a', 'success'))
  assert.deepEqual(decide(state, { kind: 'job-begins', job: 'a', name: 'a' }), [])
  assert.deepEqual(decide(state, ended('a', 'failure')), [])
})

test('a job that was interrupted too often has failed', () => {
  const starts = Array.from({ length: maximumStarts }, (): RunInput => ({ kind: 'job-begins', job: 'a', name: 'A' }))
  const [last] = decide(given(begin, ...starts), { kind: 'job-begins', job: 'a', name: 'A' })
  assert.equal(last?.type, jobFinished.type)
  assert.equal(jobFinished.payload.parse(last?.payload).conclusion, 'failure')
})

test('a run that was interrupted too often has failed', () => {
  const [last] = decide(given(...Array.from({ length: maximumRunStarts }, () => begin)), begin)
  assert.equal(last?.type, 'run.finished')
})

test('what a job waits for is recorded once in an attempt', () => {
  const wait = { kind: 'approval', environment: 'production' } as const
  const input: RunInput = { kind: 'job-waits', job: 'a', name: 'A', wait }
  const [first] = decide(given(begin), input)
  assert.deepEqual(first?.payload, { run: 'r', job: 'a', name: 'A', wait })
  assert.deepEqual(decide(given(begin, input), input), [])
  assert.equal(
    decide(given(begin, input, settled, { kind: 'rerun', actor: 'user:bob', jobs: 'all' }, begin), input).length,
    1,
  )
})

test('another attempt starts anew, or takes over what the one before left', () => {
  const over = given(begin, ended('a', 'success'), ended('b', 'failure', reason), settled)
  const rerun = (jobs: 'all' | 'failed'): RunInput => ({ kind: 'rerun', actor: 'user:bob', jobs })
  assert.deepEqual(payloads(decide(over, rerun('failed'))), [
    ['run.rerun-requested', { run: 'r', attempt: 2, jobs: 'failed' }],
  ])
  const failed = after(over, decide(over, rerun('failed')))
  assert.ok(failed)
  assert.deepEqual([failed.status, failed.attempt, failed.rerunBy, failed.jobs.size], ['queued', 2, 'user:bob', 0])
  const kept = decide(failed, { kind: 'job-kept', job: 'a' })
  assert.equal(jobFinished.payload.parse(kept[0]?.payload).keptFrom, 1)
  const third = after(after(failed, kept), decide(given(begin), settled))
  const again = third && after(third, decide(third, rerun('failed')))
  assert.equal(again?.earlier?.get('a')?.attempt, 1)
  assert.equal(after(over, decide(over, rerun('all')))?.earlier, null)
  assert.deepEqual(decide(given(begin), rerun('all')), [])
})

test('nothing happens to a run that is over, and a cancellation is asked for once', () => {
  const over = given(begin, settled)
  const inputs: RunInput[] = [begin, ended('a', 'success'), settled, { kind: 'cancel', actor: 'user:alice' }]
  assert.deepEqual(
    inputs.map((input) => decide(over, input)),
    [[], [], [], []],
  )
  const cancelling = given(begin, { kind: 'cancel', actor: 'user:alice' })
  assert.deepEqual(decide(cancelling, { kind: 'cancel', actor: 'user:bob' }), [])
  assert.deepEqual(payloads(decide(cancelling, settled)), [
    ['run.finished', { run: 'r', conclusion: 'cancelled', failure: failureFor('alice cancelled it') }],
  ])
})
