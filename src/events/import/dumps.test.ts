import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ServiceName } from '../../names.ts'
import type { OutsideRecordInput } from '../records.ts'
import { addSource, openTestEvents, take } from '../testing.ts'
import { type DumpRules, readGitHubDump, readGitLabDump } from './dumps.ts'

const rules: DumpRules = { repository: 'octo/shop', deployJobs: [], releases: true, incidentLabels: ['incident'] }
const deployment = (id: number, sha: string) => ({
  ...{ id, sha, environment: 'production', task: 'deploy', created_at: '2026-06-01T09:00:00Z' },
  statuses_url: `https://api.github.com/repos/octo/shop/deployments/${id}/statuses`,
})
const status = (id: number, state: string, minute: number) => ({
  ...{ id: id * 100 + minute, state, created_at: `2026-06-01T09:${String(minute).padStart(2, '0')}:00Z` },
  deployment_url: `https://api.github.com/repos/octo/shop/deployments/${id}`,
})
const deployed = (id: number, sha: string, outcome: 'succeeded' | 'failed', minute: number): OutsideRecordInput => ({
  ...{ type: 'deployment', id: `octo/shop/deployments/${id}/${outcome}`, repository: 'octo/shop', outcome },
  ...{ environment: 'production', revision: sha, startedAt: '2026-06-01T09:00:00Z', unit: 'deploy', kind: 'planned' },
  finishedAt: `2026-06-01T09:${String(minute).padStart(2, '0')}:00Z`,
})
const run = (id: number) => ({
  ...{ id, name: 'CI', head_sha: 'a1', status: 'completed', conclusion: 'success', run_attempt: 1 },
  ...{ run_started_at: '2026-06-01T08:00:00Z', updated_at: '2026-06-01T08:05:00Z', pull_requests: [{ id: 1 }] },
})
const ran = (id: number): OutsideRecordInput => ({
  ...{ type: 'run', id: `octo/shop/runs/${id}/1`, repository: 'octo/shop', commit: 'a1', workflow: 'CI' },
  ...{ outcome: 'succeeded', isRerun: false, startedAt: '2026-06-01T08:00:00Z', finishedAt: '2026-06-01T08:05:00Z' },
})
const issue = (number: number) => ({
  ...{ number, title: 'Down } { ] [', labels: [{ name: 'incident' }], created_at: '2026-06-01T10:00:00Z' },
  closed_at: null,
})
const opened = (number: number): OutsideRecordInput => ({
  ...{ type: 'incident', id: `octo/shop#${number}`, repository: 'octo/shop', title: 'Down } { ] [' },
  ...{ state: 'opened', at: '2026-06-01T10:00:00Z' },
})

const filesOf = (texts: readonly string[]) =>
  texts.map((text, place) => ({ name: `${place}.json`, content: [Buffer.from(text)] }))
const read = async (...texts: string[]): Promise<OutsideRecordInput[]> => {
  using history = await readGitHubDump(filesOf(texts), rules)
  const records = [...history.records()]
  assert.equal(history.total, records.length)
  return records
}
const json = JSON.stringify

test('statuses find their deployments before or after them, in their own file or in another', async () => {
  const deployments = [deployment(1, 'a1'), deployment(2, 'b2'), deployment(4, 'd4')]
  const statuses = [
    status(1, 'in_progress', 1),
    status(1, 'success', 2),
    status(2, 'failure', 3),
    status(3, 'success', 4),
    status(1, 'inactive', 5),
    status(4, 'error', 6),
  ]
  const expected = [deployed(1, 'a1', 'succeeded', 2), deployed(2, 'b2', 'failed', 3), deployed(4, 'd4', 'failed', 6)]
  assert.deepEqual(await read(json(deployments), json(statuses)), expected)
  assert.deepEqual(await read(json(statuses), json(deployments)), expected)
  assert.deepEqual(await read(json([...statuses, ...deployments])), expected)
  assert.deepEqual(await read(json([deployment(1, 'old')]), json(statuses), json(deployments)), expected)
})

test('lists, lists of lists, pages, pages in a list and lines make the same records, in the order in which they stand', async () => {
  const items = [run(1), run(2), issue(3)]
  const expected = [ran(1), ran(2), opened(3)]
  const page = (...some: unknown[]) => ({ total_count: 3, workflow_runs: some })
  for (const text of [
    json(items),
    json(items.map((item) => [item])),
    items.map((item) => json([item])).join(''),
    items.map((item) => json(item)).join('\n'),
    json(page(...items)),
    items.map((item) => json(page(item))).join('\n'),
    json(items.map((item) => page(item))),
  ])
    assert.deepEqual(await read(text), expected, text)
  assert.deepEqual(await read(json({ message: 'Not Found', documentation_url: 'https://docs.github.com' })), [])
})

test('of files of which one is broken nothing is told, wherever it is broken', async () => {
  await assert.rejects(read(json([issue(1)]), `${json([issue(2)])}\n[{"number": 3`), {
    detail: 'the file ends within a value; nothing was imported',
    where: { file: '1.json', line: 2, column: 14 },
  })
  await assert.rejects(readGitLabDump(filesOf(['[{]']), rules), { where: { file: '0.json', line: 1, column: 3 } })
})

test('a dump that is imported a second time adds nothing', async () => {
  await using events = await openTestEvents()
  await addSource(events, 'github', { service: ServiceName.parse('shop') })
  const texts = [json([status(1, 'success', 2)]), json([deployment(1, 'a1'), run(1), issue(3)])]
  assert.equal(await take(events, await read(...texts), 'github'), 3)
  assert.equal(await take(events, await read(...texts.toReversed()), 'github'), 0)
})
