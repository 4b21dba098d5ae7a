import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestBuild, type TestBuild } from '../testing.ts'

const workflow = `
on: push
jobs:
  job:
    runs-on: x
    steps:
      - uses: actions/checkout@v4
      - id: kept
        uses: headway/dependencies@v1
        with: { language: node, lockfile: package-lock.json, folders: node_modules }
      - { if: "steps.kept.outputs.cache-hit != 'true'", run: 'mkdir node_modules; cat source > node_modules/module' }
      - run: |
          cat node_modules/module
          (sleep 0.5; echo changed afterwards > node_modules/module) &
`

/** What the installed module says in a job of a push to this branch. */
const installedOn = async (build: TestBuild, branch: string, source: string): Promise<string> => {
  const files = { '.github/workflows/ci.yml': workflow.replaceAll('#{', '${{'), 'package-lock.json': '{}', source }
  const pushed = await build.push(files, { ref: `refs/heads/${branch}` })
  assert.equal((await build.verified(pushed)).conclusion, 'success')
  const lines = (await build.log(pushed, 'job')).filter((line) => /^(ours|poisoned|changed)/.test(line))
  return lines.at(-1) ?? ''
}

test('what a branch installs is not what the default branch gets for the same lock file', async () => {
  await using build = await openTestBuild()
  assert.equal(await installedOn(build, 'feature', 'poisoned\n'), 'poisoned')
  assert.equal(await installedOn(build, 'main', 'ours\n'), 'ours')
  // Kept by the default branch, as it was when no process of the job was left that could change it.
  assert.equal(await installedOn(build, 'feature', 'poisoned\n'), 'ours')
  assert.equal(await installedOn(build, 'main', 'ours, but not used\n'), 'ours')
})
