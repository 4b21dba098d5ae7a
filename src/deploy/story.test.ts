import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { defineRelease } from '../golden/release.ts'
import { commitOf, digestOf, openTestDeploy } from './testing.ts'

test('a deployment is told in words, its migration in its place', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-story-'))
  const migrate = { run: 'echo', timeoutMs: 60_000, repeatable: true }
  const images = join(directory, 'images')
  mkdirSync(join(images, digestOf('shop v1')), { recursive: true })
  const world = await openTestDeploy({ directory, images, releases: { 'shop v1': { migrate, replicas: 2 } } })
  try {
    const deployment = await world.deploy.start().then(() => world.release('shop v1'))
    const { desired } = await world.deploy.finished(deployment)
    const told = (await world.deploy.story(deployment)).map(({ text }) => text.replace(/in [0-9.]+ m?s$/, 'in 1 s'))
    assert.deepEqual(told, [
      `${commitOf('shop v1').slice(0, 7)} is asked for in production by system:release (push)`,
      `stands in headway/environments as ${desired?.slice(0, 7)}`,
      'its migration begins',
      'its migration is done, in 1 s',
      'starts 2 instances, the first of this service',
      'has 100 % of the traffic',
      'has all traffic',
      'succeeded',
    ])
    assert.deepEqual(await world.deploy.story('deployment-unknown'), [])
  } finally {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

test('what is watched beside a hold-back is not said to have all traffic', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-story-'))
  const release = defineRelease({ strategy: 'blue-green', watch: { time: '50ms', holdback: 10 } })
  const world = await openTestDeploy({ directory, releases: { 'shop v1': {}, 'shop v2': { release } } })
  try {
    await world.deploy.start()
    await world.deploy.finished(await world.release('shop v1'))
    const { id } = await world.deploy.finished(await world.release('shop v2'))
    const told = (await world.deploy.story(id)).map(({ text }) => text)
    assert.deepEqual(told.slice(2, 5), [
      'blue-green through 100 %, 2 instances',
      'has 90 % of the traffic; a hold-back of 10 % stays with the old version',
      'has all traffic but the hold-back',
    ])
  } finally {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
