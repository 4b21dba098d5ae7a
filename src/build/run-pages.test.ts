import assert from 'node:assert/strict'
import { test } from 'node:test'
import { codeFacts } from '../code/facts.ts'
import { fact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { CommitId, defaultProject, ProjectName, RepositoryName } from '../names.ts'
import { testClock } from '../testing.ts'
import { buildFacts, type Conclusion, runFinished, runQueued, runStarted } from './facts.ts'
import { glanceAtRuns } from './run-glance.ts'
import { pageOfRuns, type RunPageQuery } from './run-pages.ts'
import { buildView } from './views.ts'

/** Seven runs of a project, a second apart; each waits one second and takes as many as its number, but the last two have not ended. */
const openRuns = async () => {
  const clock = testClock(0)
  const opened = await openTestLedger({ definitions: [...codeFacts, ...buildFacts], views: [buildView], clock })
  const { ledger, views, store } = opened
  const queue = async (number: number, project: ProjectName, title: string): Promise<void> => {
    const run = `run-${number}`
    const by = { subject: `run:${run}`, actor: 'system:build' }
    const payload = {
      ...{ run, push: `push-${number}`, event: null, eventName: 'push', project, workflow: null, name: 'ci', number },
      ...{ repository: RepositoryName.parse(number % 2 === 0 ? 'shop' : 'blog'), ref: 'refs/heads/main', title },
      ...{ commit: CommitId.parse(`${number}`.repeat(40)), concurrency: null, isTrusted: true },
    }
    await ledger.append([fact(runQueued, { ...by, payload })])
    await clock.advance(1_000)
    if (number > 6) return
    await ledger.append([fact(runStarted, { ...by, payload: { run, isolation: 'none' } })])
    await clock.advance(number * 1_000)
    const conclusion: Conclusion = number === 2 ? 'failure' : 'success'
    if (number <= 5) await ledger.append([fact(runFinished, { ...by, payload: { run, conclusion, failure: null } })])
  }
  for (const number of [1, 2, 3, 4, 5, 6, 7]) await queue(number, defaultProject, `Change ${number} of 100%`)
  await queue(8, ProjectName.parse('other'), 'Elsewhere')
  await views.reach()
  const page = async (query: Partial<RunPageQuery>) => {
    const { runs, newer, older } = await pageOfRuns(store, defaultProject, { limit: 3, ...query })
    return [runs.map(({ run }) => Number(run.slice(4))), newer, older] as const
  }
  return { ...opened, page }
}

test('runs are turned over page by page, both ways, and each page says where the next ones begin', async () => {
  await using opened = await openRuns()
  const { page } = opened
  assert.deepEqual(await page({}), [[7, 6, 5], null, 'run-5'])
  assert.deepEqual(await page({ before: 'run-5' }), [[4, 3, 2], 'run-4', 'run-2'])
  assert.deepEqual(await page({ before: 'run-2' }), [[1], 'run-1', null])
  assert.deepEqual(await page({ after: 'run-1' }), [[4, 3, 2], 'run-4', 'run-2'])
  assert.deepEqual(await page({ after: 'run-4' }), [[7, 6, 5], null, 'run-5'])
  assert.deepEqual(await page({ before: 'run-unknown' }), [[7, 6, 5], null, 'run-5'])
  assert.deepEqual(await page({ before: 'run-8' }), [[7, 6, 5], null, 'run-5']) // another project's is not known here
})

test('runs are found by state and by words, in whatever case, and marks of a pattern are only what they are', async () => {
  await using opened = await openRuns()
  const { page } = opened
  assert.deepEqual(await page({ state: 'failure' }), [[2], null, null])
  assert.deepEqual(await page({ state: 'queued' }), [[7], null, null])
  assert.deepEqual(await page({ state: 'running' }), [[6], null, null])
  assert.deepEqual(await page({ search: 'CHANGE blog' }), [[7, 5, 3], null, 'run-3'])
  assert.deepEqual(await page({ search: 'change blog', before: 'run-3' }), [[1], 'run-1', null])
  assert.deepEqual(await page({ search: '100%' }), [[7, 6, 5], null, 'run-5'])
  assert.deepEqual(await page({ search: 'c%e' }), [[], null, null])
  assert.deepEqual(await page({ search: '_hange' }), [[], null, null])
  assert.deepEqual(await page({ search: "'; drop table build_runs; --" }), [[], null, null])
})

test('runs at a glance: how many are under way, and the middle of how long those waited and took that ended since', async () => {
  await using opened = await openRuns()
  assert.deepEqual(await glanceAtRuns(opened.store, defaultProject, 0), {
    open: 2,
    isAny: true,
    waited: { medianMs: 1_000, count: 5 },
    took: { medianMs: 3_000, count: 5 },
  })
  // The third ended nine seconds after the first was queued.
  const late = await glanceAtRuns(opened.store, defaultProject, 9_000)
  assert.deepEqual(late.took, { medianMs: 4_000, count: 3 })
  assert.deepEqual(await glanceAtRuns(opened.store, ProjectName.parse('nobody'), 0), {
    ...{ open: 0, isAny: false, waited: null, took: null },
  })
})
