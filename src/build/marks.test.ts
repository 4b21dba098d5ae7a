import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killsInARow, lifeEnvironment, marksToKillAt, patienceMs, sideBySide } from '../kills.testing.ts'
import { makeTestPlace } from './testing.ts'

const files = {
  '.github/workflows/ci.yml': `
name: CI
on: push
concurrency: ci
jobs:
  call: { uses: ./.github/workflows/called.yml }
  flaky: { concurrency: inner, runs-on: x, steps: [{ run: 'test \${{ github.run_attempt }} = 2' }] }
  deploy: { needs: call, environment: production, runs-on: x, steps: [{ run: 'true' }] }
`,
  '.github/workflows/called.yml': 'on: workflow_call\njobs: { inside: { runs-on: x, steps: [{ run: "true" }] } }\n',
  '.github/workflows/after.yml': `
name: After
on: { workflow_run: { workflows: [CI], types: [completed] } }
jobs: { told: { runs-on: x, steps: [{ run: 'echo \${{ github.event.workflow_run.conclusion }}' }] } }
`,
}

type Fact = { readonly type: string; readonly payload: Readonly<Record<string, unknown>> }
type Ended = { readonly signal: string | null; readonly exitCode: number | null; readonly output: string }

/** One life of the process, killed at one of its appends or not. */
const live = (root: string, commit: string, killAt = ''): Promise<Ended> =>
  new Promise((resolve) => {
    const program = fileURLToPath(new URL('marks.testing.ts', import.meta.url))
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root, commit, killAt], {
      env: { ...lifeEnvironment(), HOME: root },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.once('close', (exitCode, signal) => resolve({ signal, exitCode, output }))
  })

/** What must be the same however often the process was killed: each end once, in each attempt. */
const endsOf = (facts: readonly Fact[]): Record<string, number> => {
  const ends: Record<string, number> = {}
  for (const { type, payload } of facts) {
    const isEnd = /(finished|verified|concluded|broken|mended|queued|requested|decided|raised)$/.test(type)
    const what = [type, payload.job ?? payload.name, payload.conclusion].filter((word) => word !== undefined).join(' ')
    if (isEnd) ends[what] = (ends[what] ?? 0) + 1
  }
  return ends
}

const wanted = {
  'run.queued CI': 1,
  'run.queued After': 2,
  'job.finished call.inside success': 2,
  'job.finished call success': 2,
  'job.finished flaky failure': 1,
  'job.finished flaky success': 1,
  'job.finished deploy success': 2,
  'job.finished told success': 2,
  'job.approval-decided deploy': 1,
  'run.finished failure': 1,
  'run.finished success': 3,
  'run.rerun-requested': 1,
  'push.verified failure': 1,
  'push.verified success': 1,
  'main.broken': 1,
  'main.mended': 1,
  'workflow-event.raised workflow_run': 2,
  'workflow-event.concluded success': 2,
}

test('killed at any of its appends, a run with an approval and a second attempt ends as if nothing had been', {
  timeout: patienceMs,
}, async () => {
  const calm = makeTestPlace()
  const undisturbed = await live(calm.root, calm.commit(files, 'refs/heads/main'))
  rmSync(calm.root, { recursive: true, force: true })
  const { appends, facts } = JSON.parse(undisturbed.output)
  assert.deepEqual(endsOf(facts), wanted)
  const marks = Array.from({ length: appends }, (_, at) => [`${at + 1}:before`, `${at + 1}:after`]).flat()
  const faults: string[] = []
  const suffer = async (mark: string): Promise<void> => {
    const place = makeTestPlace()
    const commit = place.commit(files, 'refs/heads/main')
    const first = await live(place.root, commit, mark)
    if (killsInARow > 1) await live(place.root, commit, `2:${mark.replace(/^\d+:/, '')}`)
    const last = await live(place.root, commit)
    rmSync(place.root, { recursive: true, force: true })
    try {
      assert.equal(
        first.signal ?? first.exitCode,
        Number(mark.split(':')[0]) > appends - 3 ? (first.signal ?? 0) : 'SIGKILL',
      )
      assert.equal(last.exitCode, 0)
      assert.deepEqual(endsOf(JSON.parse(last.output).facts), wanted)
    } catch (error) {
      faults.push(`${mark}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  await sideBySide(marksToKillAt(marks), suffer, 3)
  assert.deepEqual(faults, [])
})
