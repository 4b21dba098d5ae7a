import { defaultProject, ServiceName } from '../names.ts'
import { deploymentOfRelease, digestOf, eventually, openTestDeploy } from './testing.ts'

// A story that goes on where it was killed: two versions, one that never becomes healthy, and the way back. Run by crash.test.ts.
const [directory = '', elsewhere] = process.argv.slice(2)
const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const file = 'main:production/default/shop.yaml'

const world = await openTestDeploy({
  directory,
  ...(elsewhere ? { remote: { url: `file://${elsewhere}`, token: null } } : {}),
  releases: { 'shop v1': {}, 'shop v2': {}, 'shop v3': {} },
  behaviours: new Map([[digestOf('shop v3'), 'never-healthy']]),
})
await world.deploy.start()

const wished = async (words: string): Promise<boolean> =>
  (await world.git('show', file).catch(() => '')).includes(digestOf(words))

for (const words of ['shop v1', 'shop v2', 'shop v3']) {
  await world.views.reach()
  const rows = await world.deploy.queries.releasesOf(shop.project, shop.service)
  const known = rows.find((row) => row.release === digestOf(words))
  const { finished } = await world.deploy.finished(
    known ? await asked(deploymentOfRelease(known.seq)) : await world.release(words),
  )
  const expected = words === 'shop v3' ? 'failed' : 'succeeded'
  if (finished?.outcome !== expected) throw new Error(`${words} ${finished?.outcome}: ${finished?.detail}`)
}
const history = await world.deploy.queries.history({ ...shop, limit: 100 })
const earlier = history.find(({ deployment }) => deployment.reason === 'rollback')
if (!earlier) await eventually(() => wished('shop v2'))
const back = earlier?.deployment.id ?? (await world.deploy.rollback(shop, { actor: 'user:ada' }))
const ended = await world.deploy.finished(back)
await eventually(() => wished('shop v1'))
await eventually(async () => {
  const { instances, routes } = world.runtime.world()
  const routed = routes.flatMap(({ pools }) => pools.flatMap((pool) => pool.instances))
  const same = (ids: readonly string[]) => JSON.stringify([...ids].sort()) === JSON.stringify(ended.instances)
  return same(Object.keys(instances)) && same(routed)
})
await world.close()

async function asked(deployment: string): Promise<string> {
  await eventually(async () => (await world.deploy.queries.deployment(deployment)) !== null)
  return deployment
}
