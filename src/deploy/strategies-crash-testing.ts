import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { defineRelease, type ReleaseKey } from '../golden/release.ts'
import { defaultProject, ServiceName } from '../names.ts'
import { deploymentOfRelease, digestOf, eventually, openTestDeploy, weightsOf } from './testing.ts'

// A story that goes on where it was killed: a first version, one that takes its place by the strategy named, and one that is undone.
// With a third word the process kills itself whenever weights have changed, once for each change. Run by crash.test.ts.
const [directory = '', strategy = '', kills] = process.argv.slice(2)
const shop = { project: defaultProject, service: ServiceName.parse('shop') }

const keys: Readonly<Record<string, ReleaseKey>> = {
  canary: { strategy: 'canary', steps: [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100], watch: 0 },
  'blue-green': { strategy: 'blue-green', watch: '200ms' },
  shadow: { strategy: 'shadow', steps: [100], mirror: { min: 0 }, watch: 0 },
  rolling: { strategy: 'rolling' },
}
const replicas = strategy === 'rolling' ? 8 : 2
const key = keys[strategy] ?? {}
const world = await openTestDeploy({
  directory,
  releases: {
    'shop v1': { replicas },
    'shop v2': { replicas, release: defineRelease(key) },
    'shop v3': { replicas, release: defineRelease(strategy === 'blue-green' ? { ...key, watch: '1h' } : key) },
  },
  behaviours: new Map(strategy === 'rolling' ? [[digestOf('shop v3'), 'never-healthy']] : []),
})
const { route } = world.runtime
world.runtime.route = async (table) => {
  await route(table)
  if (kills === undefined) return
  try {
    closeSync(openSync(join(kills, `${weightsOf(world.runtime).length}`), 'wx'))
  } catch {
    return // at this one it was killed already
  }
  process.kill(process.pid, 'SIGKILL')
}

const ended = async (words: string) => {
  await world.views.reach()
  const rows = await world.deploy.queries.releasesOf(shop.project, shop.service)
  const row = rows.find(({ release }) => release === digestOf(words))
  const known = row && deploymentOfRelease(row.seq)
  if (!known) return world.deploy.finished(await world.release(words))
  await eventually(async () => (await world.deploy.queries.deployment(known)) !== null)
  return world.deploy.finished(known)
}

world.judge.says(digestOf('shop v2'), 'pass')
await world.deploy.start()
await ended('shop v1')
await ended('shop v2')
const third = ended('shop v3')
const isUsed = () =>
  world.runtime
    .world()
    .routes.some(
      ({ pools, mirror }) =>
        mirror?.version === digestOf('shop v3') ||
        pools.some(({ version, weight }) => version === digestOf('shop v3') && weight > 0),
    )
if (strategy !== 'rolling') {
  const isTold = () => world.judge.script().says[digestOf('shop v3')] !== undefined
  await eventually(() => isUsed() || isTold())
  world.judge.says(digestOf('shop v3'), 'fail')
}
await third
const isSetBack = async () =>
  (await world.git('show', 'main:production/default/shop.yaml').catch(() => '')).includes(digestOf('shop v2'))
await eventually(isSetBack)
await world.close()
