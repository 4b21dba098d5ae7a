import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isFact } from '../ledger/fact.ts'
import { defaultProject } from '../names.ts'
import { jobStarted } from './facts.ts'
import { openTestBuild, type TestBuild } from './testing.ts'

const protection = { needsApproval: true, allowsOwnApproval: true, refs: null }
const protect = (build: TestBuild, environment: string, allowsOwnApproval: boolean) =>
  build.build.requests.protectEnvironment(
    defaultProject,
    environment,
    { ...protection, allowsOwnApproval },
    'user:root',
  )
const ci = (text: string) => ({ '.github/workflows/ci.yml': text })

/** What it says once so much holds it up. */
const heldUp = async (build: TestBuild, push: string, count: number): Promise<readonly string[]> => {
  for (;;) {
    const held = await build.build.heldUp(`push:${push}`)
    if (held?.length === count) return held
    await new Promise(setImmediate)
  }
}

test('a push is held up once all that is left of it waits for somebody, and says for whom', async () => {
  await using build = await openTestBuild()
  await protect(build, 'production', false)
  await protect(build, 'staging', true)
  const gate = join(build.home.root, 'gate')
  const { push } = await build.push(
    ci(`
on: push
jobs:
  runs: { runs-on: x, steps: [{ run: "while ! test -e ${gate}; do sleep 0.02; done" }] }
  one: { name: Deploy, environment: Production, runs-on: x, steps: [{ run: "true" }] }
  two: { environment: staging, runs-on: x, steps: [{ run: "true" }] }
  gpu: { runs-on: [x, gpu], steps: [{ run: "true" }] }
`),
  )
  await build.until((facts) => facts.find((one) => isFact(jobStarted, one)))
  assert.equal(await build.build.heldUp(`push:${push}`), null)
  writeFileSync(gate, '')
  const [stuck, ...others] = await heldUp(build, push, 3)
  assert.match(stuck ?? '', /^gpu waits: no runner with labels \[x, gpu\]; runners: local \[/)
  assert.deepEqual(others.toSorted(), [
    'Deploy waits for an operator of default other than alice to approve production',
    'two waits for an operator of default to approve staging',
  ])
  const answer = { isApproved: true, comment: null }
  await build.build.requests.decideApproval(
    defaultProject,
    'run-1',
    { ...answer, environment: 'production' },
    'user:bob',
  )
  assert.deepEqual(await heldUp(build, push, 2), [stuck, 'two waits for an operator of default to approve staging'])
  await build.build.cancel(defaultProject, 'run-1', 'user:alice')
  assert.equal(await build.build.heldUp('push:unknown'), null)
})

test('what waits in a concurrency group behind something that is held up is held up, too', async () => {
  await using build = await openTestBuild()
  await protect(build, 'production', true)
  const workflow = (group: string, jobs: string) => ci(`on: push\n${group}\njobs: {${jobs}}\n`)
  const deploy = 'deploy: { environment: production, concurrency: site, runs-on: x, steps: [{ run: "true" }] }'
  const waits = 'deploy waits for an operator of default to approve production'
  const first = await build.push(workflow('concurrency: whole', deploy))
  assert.deepEqual(await heldUp(build, first.push, 1), [waits])
  const second = await build.push(workflow('name: second', deploy))
  assert.deepEqual(await heldUp(build, second.push, 1), [
    `deploy waits for run-1 in the concurrency group site: ${waits}`,
  ])
  const third = await build.push(workflow('name: third\nconcurrency: WHOLE', deploy))
  assert.deepEqual(await heldUp(build, third.push, 1), [
    `third waits for run-1 in the concurrency group whole: ${waits}`,
  ])
  for (const run of ['run-3', 'run-2', 'run-1']) await build.build.cancel(defaultProject, run, 'user:alice')
})
