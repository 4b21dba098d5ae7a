import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { RunSource } from '../build/index.ts'
import { makeTestPlace } from '../build/testing.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { type CommitId, defaultProject, RepositoryName } from '../names.ts'
import { testClock } from '../testing.ts'
import { testFacts } from './facts.ts'
import { createTest, type GateQuestion, type TestStage, testView } from './index.ts'
import type { CaseFilter } from './queries.ts'

const repository = RepositoryName.parse('shop')
const main = 'refs/heads/main'
const noRules = 'name: shop\nlanguage: node\n'

type Case = readonly [name: string, outcome: 'passed' | 'failed' | 'skipped', seconds?: number]

const junit = (cases: readonly Case[]): string =>
  `<testsuite name="cart">${cases
    .map(([name, outcome, seconds = 0.01]) => {
      const inside = outcome === 'failed' ? '<failure message="no"/>' : outcome === 'skipped' ? '<skipped/>' : ''
      return `<testcase name="${name}" time="${seconds}">${inside}</testcase>`
    })
    .join('')}</testsuite>`

/** A stage on a real ledger and repository, and jobs whose reports it is given. */
const openStage = async () => {
  const place = makeTestPlace()
  const opened = await openTestLedger({ definitions: testFacts, views: [testView(place.home)] })
  const clock = testClock()
  const problems: string[] = []
  const stage: TestStage = createTest({
    ...{ ...opened, clock, home: place.home, repositoryPath: () => place.bare },
    mayLower: async (actor) => actor === 'user:olga',
    report: (message) => void problems.push(message),
  })
  let runs = 0
  const next = (): string => {
    runs += 1
    return `run-${runs}`
  }
  /** A run of one job that left these files. */
  const report = async (
    commit: CommitId,
    files: Readonly<Record<string, string>>,
    { ref = main, run = next(), attempt = 1, jobName = 'test' } = {},
  ) => {
    const source: RunSource = {
      ...{ run, push: 'push-1', project: defaultProject, repository, ref, commit, attempt, number: 1, before: null },
      event: { id: null, name: 'push', baseRef: null, headRef: null, payload: {}, inputs: {} },
      ...{
        workflowName: 'ci',
        workflowFile: null,
        head: null,
        defaultBranch: 'main',
        isRefProtected: true,
        isTrusted: true,
      },
      ...{ actor: 'user:alice', triggeringActor: 'user:alice' },
    }
    const reports = Object.entries(files).map(([path, text]) => ({
      path,
      format: path.endsWith('.info') ? ('lcov' as const) : ('junit' as const),
      text,
    }))
    const received = await stage.receive({ source, job: 'test', jobName }, reports)
    if (received.facts.length > 0) await opened.ledger.append(received.facts)
    return { run, received }
  }
  const judge = (commit: CommitId, run: string, about: Partial<GateQuestion> = {}) =>
    stage.evaluate({
      ...{ push: 'push-1', event: null, project: defaultProject, repository, ref: main, commit, runs: [run] },
      ...{ actor: 'user:alice', base: null },
      ...about,
    })
  const states = async (run: string, state: CaseFilter = 'all') =>
    (await stage.queries.ofRun(defaultProject, run, { state, limit: 100 }))?.cases.map(
      (one) => `${one.name} ${one.state}${one.isFlaky ? ' flaky' : ''}${one.isNewlyFlaky ? ' (new)' : ''}`,
    )
  return {
    ...{ place, opened, stage, clock, problems, report, judge, states },
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]()
      rmSync(place.root, { recursive: true, force: true })
    },
  }
}

test('a case is newly failing, failing, fixed or flaky beside what the default branch showed before', async () => {
  await using open = await openStage()
  const { place, report, states, stage } = open
  const first = place.commit({ 'headway.yaml': noRules }, main)
  await report(first, {
    'junit.xml': junit([
      ['a', 'passed'],
      ['b', 'failed'],
      ['c', 'passed'],
      ['d', 'passed'],
    ]),
  })
  const branch = place.commit({ 'a.js': '1' }, 'refs/heads/try')
  const { run } = await report(
    branch,
    {
      'junit.xml': junit([
        ['a', 'failed'],
        ['b', 'failed'],
        ['c', 'skipped'],
        ['d', 'passed'],
        ['e', 'failed'],
      ]),
    },
    { ref: 'refs/heads/try' },
  )
  assert.deepEqual(await states(run), ['a newly-failing', 'e newly-failing', 'b failing', 'd passing', 'c skipped'])
  // The same code once more: what ends otherwise is flaky, and on this branch it is new.
  const again = await report(
    branch,
    {
      'junit.xml': junit([
        ['a', 'passed'],
        ['b', 'passed'],
        ['c', 'passed'],
        ['d', 'passed'],
        ['e', 'failed'],
      ]),
    },
    { ref: 'refs/heads/try' },
  )
  assert.deepEqual(await states(again.run), [
    'e newly-failing',
    'b fixed flaky (new)',
    'a passing flaky (new)',
    'c passing',
    'd passing',
  ])
  assert.deepEqual(await states(again.run, 'fixed'), ['b fixed flaky (new)'])
  // What a branch shows does not change what is expected of main.
  const onMain = await report(place.commit({ 'b.js': '1' }, main), {
    'junit.xml': junit([
      ['a', 'passed'],
      ['b', 'failed'],
    ]),
  })
  assert.deepEqual(await states(onMain.run), ['b failing', 'a passing'])
  const { cases } = await stage.queries.ofRepository(defaultProject, repository, { state: 'flaky', limit: 10 })
  assert.deepEqual(
    cases.map(({ name }) => name),
    ['b', 'a'],
  )
})

test('jobs of a matrix have histories of their own', async () => {
  await using open = await openStage()
  const commit = open.place.commit({ 'headway.yaml': noRules }, main)
  await open.report(commit, { 'junit.xml': junit([['a', 'passed']]) }, { jobName: 'test (20)' })
  const { run } = await open.report(commit, { 'junit.xml': junit([['a', 'failed']]) }, { jobName: 'test (22)' })
  assert.deepEqual(await open.states(run), ['a newly-failing'])
})

test('what stands in the commit is no report of a run, and failures are annotated where they are', async () => {
  await using open = await openStage()
  const example = junit([['example', 'failed']])
  const commit = open.place.commit({ 'test/fixtures/junit.xml': example, 'src/cart.js': 'x' }, main)
  const own =
    '<testsuite name="s"><testcase name="adds" file="src/cart.js" line="3"><failure message="no">at src/cart.js:7:1</failure></testcase></testsuite>'
  const nothing = await open.report(commit, { 'test/fixtures/junit.xml': example })
  assert.deepEqual(nothing.received, { facts: [], annotations: [] })
  const { received } = await open.report(commit, { 'test/fixtures/junit.xml': example, 'junit.xml': own })
  assert.deepEqual(received.annotations, [
    {
      ...{ level: 'failure', message: 'no', title: 'src/cart.js › s › adds', file: 'src/cart.js', line: 7 },
      ...{ endLine: null, column: null, endColumn: null, step: 'tests' },
    },
  ])
  assert.deepEqual(
    received.facts.map(({ type, subject }) => [type, subject]),
    [['tests.reported', 'run:run-2']],
  )
})

test('a history is as long as its window, tells durations, and is the same when it is built anew', async () => {
  await using open = await openStage()
  const { place, report, stage, opened } = open
  for (let at = 1; at <= 33; at += 1) {
    const commit = place.commit({ 'n.txt': String(at) }, main)
    const old: Case[] = at === 1 ? [['once', 'passed']] : []
    await report(commit, { 'junit.xml': junit([['slow', 'passed', at > 15 ? 2 : 1], ['quick', 'passed'], ...old]) })
  }
  const all = await stage.queries.ofRepository(defaultProject, repository, { state: 'slowest', limit: 10 })
  assert.deepEqual(
    [all.cases.map(({ name, durationMs }) => `${name} ${durationMs}`), all.trend.length, all.matching],
    [['slow 2000', 'quick 10'], 30, 2],
  )
  const history = await stage.queries.history(defaultProject, repository, all.cases[0]?.case ?? '')
  assert.deepEqual(
    [history?.history.length, history?.history[0]?.run, history?.durations],
    [30, 'run-33', { newerMs: 2000, olderMs: 1000 }],
  )
  const before = await opened.views.digest()
  await opened.views.rebuild()
  assert.equal(await opened.views.digest(), before)
})

test('a change does not lower the bar that it has to pass, unless its author may; it may raise it, and add services', async () => {
  await using open = await openStage()
  const { place, report, judge } = open
  const asking = (coverage: number): string => `${noRules}quality: { coverage: ${coverage} }\n`
  const lcov = (hits: number): string =>
    `SF:a.js\n${Array.from({ length: 10 }, (_, line) => `DA:${line + 1},${line < hits ? 1 : 0}`).join('\n')}\nend_of_record\n`
  const base = place.commit({ 'headway.yaml': asking(80) }, main)
  const about = { push: null, event: 'event-1', ref: 'refs/pull/1/merge', base }
  const judged = async (files: Record<string, string | null>, hits: number, actor = 'user:alice') => {
    const commit = place.commit(files, 'refs/heads/topic')
    const left = { 'lcov.info': lcov(hits), 'moved/lcov.info': lcov(hits) }
    const { run } = await report(commit, left, { ref: about.ref })
    const failure = await judge(commit, run, { ...about, actor, event: `event-${run}` })
    return failure && /at least \d+ %/.exec(failure.detail)?.[0]
  }
  assert.deepEqual(
    [
      await judged({ 'headway.yaml': asking(50) }, 6),
      await judged({ 'headway.yaml': noRules }, 6),
      await judged({ 'headway.yaml': asking(90) }, 8),
      await judged({ 'headway.yaml': asking(50) }, 8),
      await judged({ 'headway.yaml': asking(50) }, 6, 'user:olga'),
      await judged({ 'headway.yaml': null, 'moved/headway.yaml': noRules }, 6),
      await judged({ 'moved/headway.yaml': null, 'other/headway.yaml': noRules.replace('shop', 'other') }, 6),
    ],
    ['at least 80 %', 'at least 80 %', 'at least 90 %', null, null, 'at least 80 %', null],
  )
})

test('a gate that is not met says why and what to do, once for the same reports', async () => {
  await using open = await openStage()
  const { place, report, judge, stage, opened } = open
  const rules = 'quality: { coverage: { minimum: 50, drop: 0 }, refuse: [newly-failing, newly-flaky] }\n'
  const lcov = (hits: number): string =>
    `SF:a.js\n${Array.from({ length: 10 }, (_, line) => `DA:${line + 1},${line < hits ? 1 : 0}`).join('\n')}\nend_of_record\n`
  const first = place.commit({ 'headway.yaml': noRules + rules }, main)
  const good = await report(first, { 'junit.xml': junit([['a', 'passed']]), 'lcov.info': lcov(8) })
  assert.equal(await judge(first, good.run), null)

  const branch = place.commit({ 'a.js': '1' }, 'refs/heads/try')
  const worse = await report(
    branch,
    { 'junit.xml': junit([['a', 'failed']]), 'lcov.info': lcov(6) },
    { ref: 'refs/heads/try' },
  )
  const about = { ref: 'refs/heads/try', push: 'push-2' }
  const refused = await judge(branch, worse.run, about)
  assert.deepEqual(refused, {
    ...{ job: 'quality gate', step: null, command: null, exitCode: null, where: null },
    detail:
      'coverage is 60 %, on the default branch 80 %, and must not be lower; next: cover the lines that this change adds, or raise quality.coverage.drop in headway.yaml',
    lastLines: ['cart › a fails and passed on the default branch; next: mend it: headway tests --failed shows why'],
  })
  const { seq } = await opened.ledger.head()
  assert.deepEqual(await judge(branch, worse.run, about), refused)
  assert.equal((await opened.ledger.head()).seq, seq, 'the verdict was not recorded twice')
  const shown = await stage.queries.ofRun(defaultProject, worse.run, { state: 'failed', limit: 10 })
  assert.deepEqual([shown?.quality?.isMet, shown?.quality?.services[0]?.checks.length], [false, 4])

  // Run again with the same code, it passes: now it is flaky, and that is refused as well.
  const again = await report(
    branch,
    { 'junit.xml': junit([['a', 'passed']]), 'lcov.info': lcov(9) },
    { ref: 'refs/heads/try', run: worse.run, attempt: 2 },
  )
  assert.match(
    (await judge(branch, again.run, about))?.detail ?? '',
    /^cart › a passes and fails for the same code; next/,
  )
})

test('what cannot be judged does not pass, and says why', async () => {
  await using open = await openStage()
  const commit = open.place.commit({ 'headway.yaml': noRules }, main)
  rmSync(open.place.bare, { recursive: true })
  assert.match(
    (await open.judge(commit, 'run-1'))?.detail ?? '',
    /^the quality gate could not be judged: reading what was tested: git /,
  )
})

test('each service of a repository is judged by the reports in its folder', async () => {
  await using open = await openStage()
  const gate = (name: string): string => `name: ${name}\nlanguage: node\nquality: { coverage: 80 }\n`
  const commit = open.place.commit({ 'api/headway.yaml': gate('api'), 'web/headway.yaml': gate('web') }, main)
  const lcov = 'SF:a.js\nDA:1,1\nend_of_record\n'
  const { run } = await open.report(commit, { 'api/coverage/lcov.info': lcov })
  assert.match(
    (await open.judge(commit, run))?.detail ?? '',
    /^web: no report told of coverage; next: let the tests write/,
  )
})

test('results that no history needs any more are removed after a month', async () => {
  await using open = await openStage()
  const { place, report, stage, clock, problems } = open
  for (let at = 1; at <= 31; at += 1)
    await report(place.commit({ 'n.txt': String(at) }, main), { 'junit.xml': junit([['a', 'passed', at]]) })
  const kept = () => readdirSync(join(place.home.blobs, 'tests')).length
  assert.equal(kept(), 31)
  clock.set(Date.now() + 31 * 24 * 60 * 60_000)
  await stage.start()
  await stage.stop()
  assert.deepEqual([kept(), problems], [30, []])
})
