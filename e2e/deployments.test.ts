import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { deployFor } from '../bench/main.ts'
import { changed, exampleFiles } from './support/example.ts'
import { startLoad } from './support/load.ts'
import { startPlatform } from './support/platform.ts'

test('ten deployments in a row under 200 requests a second fail no request', async () => {
  const platform = await startPlatform()
  try {
    const outcome = await deployFor(platform, 300_000, 200, 10)
    assert.equal(outcome.deployments, 10)
    assert.deepEqual(outcome.failures, [])
    assert.ok(outcome.answered > 200, `only ${outcome.answered} requests were answered`)
  } finally {
    await platform.destroy()
  }
})

test('traffic goes on while the control plane, the agent and the edge are killed and come back', async () => {
  const platform = await startPlatform()
  const files = exampleFiles('node', 'shop', 2)
  const repository = await platform.repository('shop', files)
  assert.match((await repository.push()).output, /live at/)
  const load = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
  try {
    await platform.crash()
    const whileDead = await platform.get('shop.localhost')
    assert.equal(whileDead.status, 200)
    await platform.restart()
    await repository.commit('After the crash', changed(files, 'src/page.js', /Hello/, 'Hello after the crash'))
    assert.match((await repository.push()).output, /live at/)
    assert.match((await platform.get('shop.localhost')).body, /after the crash/)
    const outcome = await load.stop()
    assert.deepEqual(outcome.failures, [])
  } finally {
    await load.stop()
    await platform.destroy()
    rmSync(repository.directory, { recursive: true, force: true })
  }
})
