import { join } from 'node:path'
import { eventually } from '../testing.ts'
import { openTestPreviews } from './testing.ts'

// A change from its opening to its merge, with a second version in between; its preview migrates and is seeded. Goes on where it was killed. Run
// by crash.test.ts.
const [directory = ''] = process.argv.slice(2)
const migrate = { run: 'echo migrated', timeoutMs: 60_000, repeatable: true }
const seed = { kind: 'seed' as const, run: 'echo seeded >> ../../../seeded', timeoutMs: 60_000 }
const service = { migrate, preview: { fill: seed } }
const world = await openTestPreviews({
  directory,
  images: join(directory, 'images'),
  releases: { 'shop v1': service, 'shop v2': service },
})
await world.start()
await world.views.reach()

const key = world.keyOf(1)
const state = () => world.stateOf(1).catch(() => null)
if ((await state()) === null) await world.open(1)
for (const version of [1, 2]) {
  const before = await state()
  if (before?.change !== 'open') break
  if (before.version < version) await world.push(1, version)
  else if (before.version === version && before.test?.version !== version) await world.pass(key, version)
  await eventually(async () => {
    const now = await state()
    if (now?.status === 'packaging' && now.begun?.version === version) await world.pack(key, [`shop v${version}`])
    return now !== null && now.status === 'ready' && (now.ready?.version ?? 0) >= version
  })
}
if ((await state())?.change === 'open') await world.end(1, 'merged')
await world.until(1, 'removed')
await world.close()
