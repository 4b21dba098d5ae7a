import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { buildFacts, jobFinished, pushVerified } from '../build/facts.ts'
import { createBuild } from '../build/index.ts'
import { resultsView } from '../build/results/views.ts'
import { runnersView } from '../build/runners/views.ts'
import { makeTestPlace, pushOf, testParts } from '../build/testing.ts'
import { buildView } from '../build/views.ts'
import { systemClock } from '../clock.ts'
import { codeFacts } from '../code/facts.ts'
import { isFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { defaultProject } from '../names.ts'
import { testFacts, testsReported } from './facts.ts'
import { createTest, testView } from './index.ts'

/** A build and a test stage, wired as the server wires them. */
const openPipeline = async () => {
  const place = makeTestPlace()
  const opened = await openTestLedger({
    definitions: [...codeFacts, ...buildFacts, ...testFacts],
    views: [buildView, resultsView, runnersView, testView(place.home)],
    clock: systemClock,
  })
  const parts = testParts(opened, place.home, place.bare)
  const tests = createTest({ ...parts, mayLower: async () => false })
  const build = createBuild({ ...parts, readReports: tests.receive, judgeQuality: tests.evaluate })
  await build.start()
  let pushes = 0
  return {
    tests,
    facts: () => opened.ledger.read({}),
    /** Pushes these files and resolves to the verdict. */
    push: async (files: Readonly<Record<string, string>>) => {
      pushes += 1
      const push = `push-${pushes}`
      const commit = place.commit(files, 'refs/heads/main')
      const { promise, resolve, reject } = Promise.withResolvers<ReturnType<typeof pushVerified.payload.parse>>()
      const look = async (): Promise<void> => {
        const facts = await opened.ledger.read({ subject: `push:${push}`, types: [pushVerified.type] })
        for (const one of facts) if (isFact(pushVerified, one)) resolve(one.payload)
      }
      const stop = opened.ledger.onAppend(() => void look().catch(reject))
      await opened.ledger.append([pushOf(push, 'refs/heads/main', commit)])
      return promise.finally(stop)
    },
    [Symbol.asyncDispose]: async () => {
      await build.stop()
      await opened[Symbol.asyncDispose]()
      rmSync(place.root, { recursive: true, force: true })
    },
  }
}

const service = 'name: shop\nlanguage: node\n'
const packageFile = JSON.stringify({ name: 'shop', scripts: { start: 'node server.js', test: 'node --test' } })
const testFile = (expected: number): string =>
  `const { test } = require('node:test')
const assert = require('node:assert')
test('adds', () => {
  assert.equal(1 + 1, ${expected})
})
`

test('a plain Node.js service reports its tests by itself, and a failure is annotated where it is', async () => {
  await using pipeline = await openPipeline()
  const good = await pipeline.push({
    'headway.yaml': service,
    'package.json': packageFile,
    'cart.test.js': testFile(2),
  })
  const bad = await pipeline.push({ 'cart.test.js': testFile(3) })
  assert.deepEqual([good.conclusion, bad.conclusion], ['success', 'failure'])
  const facts = await pipeline.facts()
  assert.deepEqual(
    facts.flatMap((one) => (isFact(testsReported, one) ? [one.payload.totals.passed, one.payload.totals.failed] : [])),
    [1, 0, 0, 1],
  )
  const annotations = facts.flatMap((one) => (isFact(jobFinished, one) ? (one.payload.annotations ?? []) : []))
  assert.deepEqual(
    annotations.filter(({ step }) => step === 'tests').map(({ file, line, title }) => [file, line, title]),
    [['cart.test.js', 4, 'cart.test.js › adds']],
  )
  const shown = await pipeline.tests.queries.ofRun(defaultProject, bad.runs[0] ?? '', { state: 'failed', limit: 10 })
  assert.deepEqual(
    shown?.cases.map(({ name, state, durationMs }) => [name, state, durationMs !== null]),
    [['adds', 'newly-failing', true]],
  )
})

test('a gate that is not met fails the push although its runs succeeded, with what to do', async () => {
  await using pipeline = await openPipeline()
  const workflow = `on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: |
          mkdir out
          cp lcov.txt out/coverage.lcov
`
  const lcov = 'SF:a.js\nDA:1,1\nDA:2,0\nend_of_record\n'
  const files = {
    'headway.yaml': `${service}tests: out/*.lcov\nquality: { coverage: 60 }\n`,
    'package.json': packageFile,
    '.github/workflows/ci.yml': workflow,
    'lcov.txt': lcov,
  }
  const refused = await pipeline.push(files)
  assert.deepEqual(
    [refused.conclusion, refused.failure?.job, refused.failure?.detail],
    [
      'failure',
      'quality gate',
      '50 % of the lines are covered, and at least 60 % must be; next: cover 1 more of the 2 lines, or lower quality.coverage in headway.yaml',
    ],
  )
  const passed = await pipeline.push({ 'lcov.txt': `${lcov}SF:b.js\nDA:1,1\nend_of_record\n` })
  assert.deepEqual([passed.conclusion, passed.failure], ['success', null])
})
