import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerFlow } from '../learn/flow/question.ts'
import type { DoraTables } from '../learn/tables.ts'
import { doraView } from '../learn/views.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { definitions } from '../server.ts'
import { flowLines, rhythmLines, stageRows } from './flow-view.ts'

const dayMs = 86_400_000

test('where nothing happened the lines say that, and not how long nothing took', async () => {
  await using opened = await openTestLedger({ definitions, views: [doraView] })
  const scope = { project: 'default', services: [], environment: 'production' }
  const span = { from: 60 * dayMs, until: 90 * dayMs }
  const question = { ...scope, span, bucket: 'week', zone: 'UTC' } as const
  const answer = await answerFlow(opened.store.tables<DoraTables>(), question, span.until)
  assert.deepEqual(flowLines(answer), [
    'no change went live  none in the 30 days before',
    'flow efficiency no data  no data before',
    'no bottleneck: nothing went live',
    'batch (median of a deployment): commits: no data, lines: no data',
    'in progress: 0 open, 0 merged and not live',
    'deployments: 0, fully automatic no data; rollbacks: 0 by machine, 0 by hand',
  ])
  assert.deepEqual([stageRows(answer), rhythmLines(answer)], [[], []])
})
