import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { exampleFiles } from './support/example.ts'
import { type Platform, startPlatform } from './support/platform.ts'
import { runsOf } from './support/runs.ts'

describe('test results', () => {
  let platform: Platform
  before(async () => {
    platform = await startPlatform()
  })
  after(() => platform.destroy())

  test('are told by the push, listed with what is new, and hold a push that makes a test flicker', async () => {
    const yaml = 'name: shop\nlanguage: node\nquality: { refuse: [newly-flaky] }\n'
    // Fails in the first attempt at a commit, and passes in the second.
    const flickering = `import assert from 'node:assert'
import { test } from 'node:test'
test('flickers', () => assert.ok(Number(process.env.GITHUB_RUN_ATTEMPT) > 1, 'not this time'))
`
    const repository = await platform.repository('shop', { ...exampleFiles('node', 'shop', 1), 'headway.yaml': yaml })
    const shown = async (...words: string[]): Promise<string> => {
      const { code, stdout, stderr } = await platform.headway('tests', ...words, '--repository', 'shop')
      assert.equal(code, 0, stderr)
      return stdout
    }
    try {
      const good = await repository.push()
      assert.match(good.output, /✓ tests +\S+ m?s +\d+ passed/, good.output)
      assert.match(good.output, /✓ quality gate +no test passes and fails for the same code/, good.output)
      assert.match(good.output, /live at/)

      const commit = await repository.commit('A test that flickers', { 'test/flickers.test.js': flickering })
      const failed = await repository.push()
      assert.match(failed.output, /✗ tests .* 1 failed/, failed.output)
      assert.match(failed.output, /flickers \(test\/flickers\.test\.js:3\): not this time/, failed.output)
      assert.match(await shown('--failed'), /newly-failing .* test\/flickers\.test\.js:3 .*flickers/)

      const [run] = await runsOf(platform, 'shop', commit)
      assert.ok(run)
      assert.equal((await platform.headway('rerun', run.run, '--failed')).code, 0)
      await platform.headway('watch', run.run)
      const deadline = performance.now() + 30_000
      while (!(await shown(run.run)).includes('quality gate'))
        assert.ok(performance.now() < deadline, await shown(run.run))
      const told = await shown(run.run)
      assert.match(told, /quality gate not met/)
      assert.match(told, /✗ .*flickers .* passes and fails for the same code/)
      assert.match(await shown('--flaky'), /fixed flaky|passing flaky/)
      const [flaky] = JSON.parse(await shown('--flaky', '--json')).cases
      assert.match(await shown('--case', flaky.case), /passed and failed for the same code, 1 times/)
    } finally {
      rmSync(repository.directory, { recursive: true, force: true })
    }
  })
})
