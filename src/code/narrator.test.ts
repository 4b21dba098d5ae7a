import assert from 'node:assert/strict'
import { test } from 'node:test'
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
