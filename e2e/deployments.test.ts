import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { deployFor } from '../bench/main.ts'
import { footprintsOf } from '../bench/processes.ts'
import { changed, exampleFiles } from './support/example.ts'
import { type Load, startLoad } from './support/load.ts'
import { type Platform, startPlatform } from './support/platform.ts'

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

test('traffic goes on while the control plane and the agent are killed, and comes back after the edge is', async () => {
  const platform = await startPlatform()
  const files = exampleFiles('node', 'shop', 2)
  const repository = await platform.repository('shop', files)
  const pushed = async (words: string): Promise<void> => {
    await repository.commit(words, changed(files, 'src/page.js', /Hello/, `Hello ${words}`))
    assert.match((await repository.push()).output, /live at/)
    assert.match((await platform.get('shop.localhost')).body, new RegExp(words))
  }
  await pushed('at first')
  const steady = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
  let interrupted: Load | null = null
  try {
    await platform.crash()
    assert.equal((await platform.get('shop.localhost')).status, 200)
    await platform.restart()
    await pushed('after the crash of the control plane')
    const agent = pidOf(platform, 'agent')
    process.kill(agent, 'SIGKILL')
    await gone(agent)
    assert.equal((await platform.get('shop.localhost')).status, 200)
    await platform.crash()
    await platform.restart() // a control plane that finds no agent starts one, which adopts what runs
    assert.notEqual(pidOf(platform, 'agent'), agent)
    await pushed('after the death of the agent')
    const unnoticed = await steady.stop()
    assert.deepEqual(unnoticed.failures, [])
    assert.ok(unnoticed.answered > 100, `only ${unnoticed.answered} requests were answered`)

    // The connections that an edge held open die with it; those counted here are these and no others.
    interrupted = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
    await until('the load is answered', () => (interrupted?.answered() ?? 0) > 50)
    const edges = pidsOf(platform, 'edge') // one that retires may stand beside the one that accepts
    for (const edge of edges) process.kill(edge, 'SIGKILL')
    for (const edge of edges) await gone(edge)
    await until('another edge answers', async () => (await platform.get('shop.localhost')).status === 200)
    const successors = pidsOf(platform, 'edge')
    assert.ok(successors.length > 0)
    assert.deepEqual(
      successors.filter((edge) => edges.includes(edge)),
      [],
    )
    const afterTheEdge = await interrupted.stop()
    const recovered = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
    await pushed('after the death of the edge')
    const outcome = await recovered.stop()
    assert.deepEqual(outcome.failures, [])
    console.log(
      `control plane and agent killed: 0 failed of ${unnoticed.answered}; ${edges.length} edge(s) killed: ${afterTheEdge.failed} failed of ${afterTheEdge.sent}; after it: 0 failed of ${outcome.answered}`,
    )
    assert.ok(afterTheEdge.failed < 200, `${afterTheEdge.failed} requests failed around the death of the edge`)
  } finally {
    await steady.stop()
    await interrupted?.stop()
    await platform.destroy()
    rmSync(repository.directory, { recursive: true, force: true })
  }
})

const pidsOf = (platform: Platform, name: string): number[] =>
  footprintsOf(platform.home, platform.controlPlane.pid ?? 0)
    .filter((print) => print.name === name)
    .map(({ pid }) => pid)

const pidOf = (platform: Platform, name: string): number => {
  const [pid] = pidsOf(platform, name)
  if (pid === undefined) throw new Error(`there is no ${name} of ${platform.home}`)
  return pid
}

const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const end = performance.now() + 30_000
  while (!(await Promise.resolve(holds()).catch(() => false))) {
    if (performance.now() > end) assert.fail(`${what}: not within 30 s`)
    await delay(20)
  }
}

const gone = (pid: number): Promise<void> =>
  until(`process ${pid} is gone`, () => {
    try {
      return /^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
    } catch {
      return true
    }
  })
