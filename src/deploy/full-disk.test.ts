import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { defineRelease } from '../golden/release.ts'
import type { ServiceDefinition } from '../golden/service.ts'
import { verifyLedger } from '../ledger/verify.ts'
import { operateFacts } from '../operate/facts.ts'
import { Problem } from '../problem.ts'
import { digestOf, diskRuntime, eventually, openTestDeploy, scriptedJudge, weightsOf } from './testing.ts'

/** Tries again soon. */
const clock = {
  ...systemClock,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(Math.min(ms, 50), signal),
}

/** Asks again after a question that came while the disk was full, as people would. */
const patiently = async <Answer>(ask: () => Promise<Answer>): Promise<Answer> => {
  for (;;)
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Problem && error.kind === 'disk-full')) throw error
      await clock.sleep(50)
    }
}

/** Deploy with its ledger, repository and migrations on a small disk of their own; what runs is elsewhere. Null without the right to mount. */
const begin = async (releases: Readonly<Record<string, Partial<ServiceDefinition>>>) => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'headway-elsewhere-'))
  const directory = join(elsewhere, 'disk')
  mkdirSync(directory)
  const clean = (): void => {
    spawnSync('umount', ['--lazy', directory])
    rmSync(elsewhere, { recursive: true, force: true })
  }
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m,mode=0711', 'tmpfs', directory]).status !== 0) {
    clean()
    return null
  }
  const runtime = diskRuntime(elsewhere)
  const judge = scriptedJudge(elsewhere)
  const images = join(elsewhere, 'images')
  for (const words of Object.keys(releases)) mkdirSync(join(images, digestOf(words)), { recursive: true })
  const world = await openTestDeploy({
    ...{ directory, releases, images, runtime, clock, judging: judge.judging, facts: operateFacts },
  })
  await world.deploy.start()
  const filler = join(directory, 'filler')
  return {
    ...world,
    runtime,
    judge,
    live: async (words: string) => {
      const id = await world.release(words)
      return patiently(() => world.deploy.finished(id))
    },
    fill: (): void => {
      const file = openSync(filler, 'w')
      try {
        for (const size of [65_536, 512]) {
          try {
            for (;;) writeSync(file, Buffer.alloc(size, 1))
          } catch {
            // not so much any more
          }
        }
      } finally {
        closeSync(file)
      }
    },
    free: (): void => rmSync(filler),
    [Symbol.asyncDispose]: async () => {
      await world.close()
      clean()
    },
  }
}

const canary: Partial<ServiceDefinition> = {
  release: defineRelease({
    ...{ strategy: 'canary', steps: [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100], watch: 0 },
    freshBaseline: false,
  }),
}

for (const verdict of ['pass', 'fail'] as const)
  test(`a disk that becomes full during a rollout: a ${verdict} changes the weights no further than the facts say, and it goes on when there is room`, async (context) => {
    await using world = await begin({ 'shop v1': {}, 'shop v2': canary, 'shop v3': {} })
    if (!world) return context.diagnostic('needs the right to mount a file system: as root only')
    await world.live('shop v1')
    world.judge.says(digestOf('shop v2'), 'inconclusive')
    const id = await world.release('shop v2')
    await eventually(() => weightsOf(world.runtime).at(-1) === 'v1:90 v2:10')
    world.fill()
    world.judge.says(digestOf('shop v2'), verdict)
    // Undone is undone at once, with nothing that can be written down; the commit of the file of before has to wait.
    if (verdict === 'fail') {
      await eventually(() => weightsOf(world.runtime).at(-1) === 'v1:100')
      await eventually(() => world.errors.some((line) => /full|space/.test(line)))
    }
    world.free()
    const { finished } = await patiently(() => world.deploy.finished(id))
    assert.equal(finished?.outcome, verdict === 'pass' ? 'succeeded' : 'rolled-back')
    const steps = verdict === 'pass' ? ['v1:50 v2:50', 'v2:100'] : ['v1:100']
    assert.deepEqual(weightsOf(world.runtime), ['v1:100', 'v1:90 v2:10', ...steps])
    assert.equal((await verifyLedger(world.store)).kind, 'whole')
    assert.equal((await world.live('shop v3')).finished?.outcome, 'succeeded')
  })

test('a migration that fills the disk fails with the reason, what runs stays, and what it wrote aside is gone', async (context) => {
  const migrate = (run: string) => ({ migrate: { run, timeoutMs: 60_000, repeatable: true } })
  await using world = await begin({
    'shop v1': {},
    'shop v2': migrate('head -c 100000000 /dev/zero > "$TMPDIR/large"'),
    'shop v3': migrate('echo small > "$TMPDIR/small"'),
  })
  if (!world) return context.diagnostic('needs the right to mount a file system: as root only')
  const first = await world.live('shop v1')
  const before = world.runtime.world()
  const { finished } = await world.live('shop v2')
  assert.equal(finished?.outcome, 'failed')
  assert.match(
    finished?.detail ?? '',
    /^the migration of shop [0-9a-f]{7} ended with exit code 1: the disk of .*migrating was full in production; what runs stays as it was$/,
  )
  assert.deepEqual(world.runtime.world(), before)
  assert.deepEqual(Object.keys(before.instances), first.instances)
  assert.equal((await verifyLedger(world.store)).kind, 'whole')
  assert.equal((await world.live('shop v3')).finished?.outcome, 'succeeded')
})
