import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Failure, mainBroken, pushVerified, runQueued, runStarted } from '../build/facts.ts'
import { fact } from '../ledger/fact.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import type { StoryLine } from './stories.ts'
import { gitIn, openTestCode } from './testing.ts'

const about = { subject: 'x', actor: 'system:test' }
const ofPush = { event: null, eventName: 'push', number: 1, concurrency: null, isTrusted: true }
const failure: Failure = {
  ...{ job: 'a', step: 'Test', command: 'make', exitCode: 2, detail: 'Test: it ended with exit code 2' },
  ...{ lastLines: ['no'], where: null },
}

test('whoever did not stay hears the story of a push from its beginning to its end', async () => {
  await using server = await openTestCode()
  const copy = await server.copy()
  const pushed = await gitIn(copy.directory, ['push', '-o', 'async', server.url('shop.git'), 'main'])
  assert.equal(pushed.code, 0, pushed.stderr)
  const commit = CommitId.parse(await copy.must('rev-parse', 'HEAD'))
  const query = { commit: commit.slice(0, 7), limit: 1 }
  const [found] = await server.code.pushes(defaultProject, query)
  assert.ok(found)
  assert.deepEqual(
    { ...found, at: 0, push: '' },
    { push: '', at: 0, repository: 'shop', ref: 'refs/heads/main', commit, actor: found.actor },
  )
  assert.deepEqual(await server.code.pushes(defaultProject, { commit: 'dead', limit: 1 }), [])
  const { push } = found
  const source = { push, project: defaultProject, repository: RepositoryName.parse('shop'), ref: found.ref, commit }
  await server.ledger.append([
    fact(runQueued, { ...about, payload: { run: 'run-1', ...source, ...ofPush, workflow: null, name: 'shop' } }),
    fact(runStarted, { ...about, payload: { run: 'run-1', isolation: 'user' } }),
  ])
  const story = await server.code.story(defaultProject, push, new AbortController().signal)
  assert.ok(story)
  const lines: StoryLine[] = []
  for await (const line of story) {
    lines.push(line)
    if (lines.length > 1) continue
    const whom = { pusher: 'user:ada', author: { name: 'Ada', email: 'ada@example.com' }, owners: ['team-shop'] }
    const since = { runs: ['run-1'], failure, brokenSince: Date.UTC(2026, 0, 1), wasBroken: true }
    await server.ledger.append([
      fact(mainBroken, { ...about, payload: { ...source, ...whom, ...since } }),
      fact(pushVerified, { ...about, payload: { ...source, conclusion: 'failure', runs: ['run-1'], failure } }),
    ])
  }
  assert.deepEqual(lines, [
    { text: '  · pipeline shop                     run-1' },
    { text: '  ✗ main is still red                 since 2026-01-01 00:00 UTC' },
    { text: '      told: Ada <ada@example.com> (author), team-shop (owner)' },
    { text: `      next: push what mends it, or headway revert ${commit.slice(0, 7)}` },
    { text: 'not deployed: the step "Test" failed' },
    { text: '      $ make   exit code 2' },
    { text: '      | no' },
    { text: '      more: headway runs run-1' },
    { end: 'failed' },
  ])
  assert.equal(await server.code.story(defaultProject, 'push-0', new AbortController().signal), null)
})
