import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fact } from '../ledger/fact.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import { migrate } from '../store/migrations.ts'
import { onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { qualityEvaluated, testFacts, testsReported } from './facts.ts'
import { createQueries, type TestCase } from './queries.ts'
import { type CaseResult, totalsOf } from './results.ts'
import { createShelf, type Shelf } from './shelf.ts'
import { caseId, createTestView, type TestTables } from './views.ts'

const repository = RepositoryName.parse('shop')
const commitOf = (text: string): CommitId => CommitId.parse(createHash('sha1').update(text).digest('hex'))
const about = { project: defaultProject, repository, ref: 'refs/heads/main', commit: commitOf('one') }

const caseOf = (name: string, more: Partial<CaseResult> = {}): CaseResult => ({
  ...{ suite: 'cart', name, file: null, line: null, outcome: 'passed', durationMs: 20, isFlaky: false },
  ...{ message: null, detail: null, ...more },
})
const reported = async (shelf: Shelf, run: string, tree: string, jobName: string, cases: CaseResult[]) =>
  fact(testsReported, {
    subject: `run:${run}`,
    actor: 'system:test',
    payload: {
      ...{ ...about, run, job: 'test', jobName, attempt: 1, tree, isDefaultBranch: true, failed: [] },
      results: await shelf.put({
        reports: [{ path: 'a.xml', format: 'junit', cases, coverage: null, p95Ms: null }],
        notes: [],
      }),
      ...{ totals: totalsOf(cases), coverage: { covered: 4, total: 5 }, p95Ms: 0.5, notes: ['one'] },
    },
  })
const told = ({ name, jobName, state, isFlaky, isNewlyFlaky, durationMs, line }: TestCase): string =>
  [name, jobName, state, isFlaky && 'flaky', isNewlyFlaky && 'new', durationMs, line].filter(Boolean).join(' ')

onEveryStore('test results', (fresh) => {
  test('are told the same, and a rebuild holds the same', async () => {
    await using opened = await fresh()
    await using directory = temporaryDirectory()
    const shelf = createShelf({ blobs: directory.path })
    const { store } = opened
    const clock = testClock()
    await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: testFacts, clock })
    await using views = stopping(await openViews({ store, ledger, views: [createTestView(shelf)] }))
    const message = `${'x'.repeat(299)}😀`
    await ledger.append([
      await reported(shelf, 'run-1', 'tree-1', 'unit', [
        caseOf('b'),
        caseOf('a', { outcome: 'failed', message }),
        caseOf('c', { isFlaky: true }),
      ]),
      await reported(shelf, 'run-1', 'tree-1', 'other', [
        caseOf('z', { file: 'z.js', line: 3_000_000_000 }),
        caseOf('b'),
      ]),
      await reported(shelf, 'run-2', 'tree-1', 'unit', [
        caseOf('c', { outcome: 'skipped', durationMs: null }),
        caseOf('a', { durationMs: 0.125 }),
        caseOf('b', { outcome: 'failed' }),
        caseOf('d'),
      ]),
      fact(qualityEvaluated, {
        ...{ subject: 'push:push-1', actor: 'system:test' },
        payload: {
          ...{ ...about, push: 'push-1', event: null, runs: ['run-2'], reports: [3], isMet: false },
          services: [{ service: 'shop', path: '', checks: [] }],
        },
      }),
    ])
    const { ofRun, ofRepository, history } = createQueries({ db: store.tables<TestTables>(), views, shelf })
    const all = { state: 'all', limit: 100 } as const
    const ask = async () => {
      const run = await ofRun(defaultProject, 'run-2', all)
      const slowest = await ofRepository(defaultProject, repository, { ...all, state: 'slowest' })
      const flaky = await ofRepository(defaultProject, repository, { ...all, state: 'flaky' })
      const id = caseId({ project: defaultProject, repository, jobName: 'unit' }, caseOf('a'))
      const past = await history(defaultProject, repository, id)
      return {
        run: run?.cases.map(told),
        isMet: run?.quality?.isMet,
        trend: slowest.trend.map((one) => [one.run, one.jobName, one.at, one.totals.total, one.coverage, one.p95Ms]),
        slowest: slowest.cases.map(told),
        flaky: flaky.cases.map(told),
        history: past?.history.map((one) => [one.run, one.outcome, one.durationMs, one.message]),
        place: [past?.line, past?.flakyCommits, past?.durations.newerMs],
      }
    }
    const at = clock.now()
    const expected = {
      run: [
        'b unit newly-failing flaky new 20',
        'a unit fixed flaky new 0.125',
        'd unit passing 20',
        'c unit skipped flaky new',
      ],
      isMet: false,
      trend: [
        ['run-2', 'unit', at, 4, 80, 0.5],
        ['run-1', 'other', at, 2, 80, 0.5],
        ['run-1', 'unit', at, 3, 80, 0.5],
      ],
      slowest: [
        'b other passing 20',
        'b unit newly-failing flaky new 20',
        'd unit passing 20',
        'z other passing 20 3000000000',
        'a unit fixed flaky new 0.125',
        'c unit skipped flaky new',
      ],
      flaky: ['b unit newly-failing flaky new 20', 'a unit fixed flaky new 0.125', 'c unit skipped flaky new'],
      history: [
        ['run-2', 'passed', 0.125, null],
        ['run-1', 'failed', 20, `${'x'.repeat(299)}\uFFFD`],
      ],
      place: [null, 1, 0.125],
    }
    assert.deepEqual(await ask(), expected)
    const digest = await views.digest()
    await views.rebuild()
    assert.deepEqual(await ask(), expected)
    assert.equal(await views.digest(), digest)
  })
})

const temporaryDirectory = () => {
  const path = mkdtempSync(join(tmpdir(), 'headway-shelf-'))
  return { path, [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }) }
}
const stopping = <Kept extends { stop(): Promise<void> }>(kept: Kept) => ({
  ...kept,
  [Symbol.asyncDispose]: () => kept.stop(),
})
