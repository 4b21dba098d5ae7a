import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { defineRelease, type ReleaseKey } from '../golden/release.ts'
import { defaultProject, ServiceName } from '../names.ts'
import { deploymentOfRelease, digestOf, eventually, openTestDeploy, weightsOf } from './testing.ts'

// A story that goes on where it was killed: a first version, one that takes its place by the strategy named, and one that is undone.
// With a third word the process kills itself whenever weights have changed, once for each change. Run by crash.test.ts.
const [directory = '', scene = '', kills] = process.argv.slice(2)
const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const blog = { project: defaultProject, service: ServiceName.parse('blog') }

// A step without requests is held: on a busy machine the story takes longer than one that goes on by itself.
const patient: ReleaseKey = { noData: 'hold', watch: 0 }
const canary: ReleaseKey = {
  ...patient,
  strategy: 'canary',
  steps: [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100],
}
const short: ReleaseKey = { ...canary, steps: [{ weight: 50, min: 0 }, 100] }
const keys: Readonly<Record<string, ReleaseKey>> = {
  canary,
  'blue-green': { strategy: 'blue-green', watch: '200ms' },
  shadow: { ...patient, strategy: 'shadow', steps: [100], mirror: { min: 0 } },
  rolling: { strategy: 'rolling' },
  watched: { ...short, watch: { time: '200ms', holdback: 10 } },
  'taken back': short,
  lockstep: short,
}
/** The third version of these is undone in its watch. */
const watches: Readonly<Record<string, ReleaseKey>> = {
  'blue-green': { ...keys['blue-green'], watch: '1h' },
  watched: { ...keys.watched, watch: { time: '1h', holdback: 10 } },
}
const replicas = scene === 'rolling' ? 8 : 2
const services = scene === 'lockstep' ? [shop, blog] : [shop]
const release = (service: string, key: ReleaseKey) => {
  const rules = defineRelease(key)
  const partners = services.map((one) => one.service).filter((one) => one !== service)
  return { replicas, release: { ...rules, with: partners } }
}
const key = keys[scene] ?? {}
const world = await openTestDeploy({
  directory,
  releases: Object.fromEntries(
    services.flatMap(({ service }) => [
      [`${service} v1`, { replicas }],
      [`${service} v2`, release(service, key)],
      [`${service} v3`, release(service, watches[scene] ?? key)],
    ]),
  ),
  behaviours: new Map(scene === 'rolling' ? [[digestOf('shop v3'), 'never-healthy']] : []),
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

const ended = async (version: string): Promise<void> => {
  await world.views.reach()
  const begun = services.map(async ({ project, service }) => {
    const words = `${service} ${version}`
    const row = (await world.deploy.queries.releasesOf(project, service)).find(
      ({ release }) => release === digestOf(words),
    )
    const known = row && deploymentOfRelease(row.seq)
    if (!known) return world.release(words, `push-${version}`)
    await eventually(async () => (await world.deploy.queries.deployment(known)) !== null)
    return known
  })
  await Promise.all((await Promise.all(begun)).map((one) => world.deploy.finished(one)))
}

const isTold = (words: string): boolean => world.judge.script().says[digestOf(words)] !== undefined
/** Whether each third version has traffic or copies of it; where it is to be undone in its watch: nearly all. */
const isUsed = (): boolean => services.every(({ service }) => isUsedOf(digestOf(`${service} v3`)))
const isUsedOf = (third: string): boolean =>
  world.runtime
    .world()
    .routes.some(
      ({ pools, mirror }) =>
        mirror?.version === third ||
        pools.some(({ version, weight }) => version === third && weight > (scene === 'watched' ? 80 : 0)),
    )

const undoneByTheJudge = async (): Promise<void> => {
  const blamed = scene === 'lockstep' ? 'blog v3' : 'shop v3'
  const third = ended('v3')
  if (scene === 'watched' && !isTold(blamed)) world.judge.says(digestOf(blamed), 'pass')
  const isFailing = () => world.judge.script().says[digestOf(blamed)]?.verdict === 'fail'
  if (scene !== 'rolling') {
    await eventually(() => isUsed() || isFailing())
    world.judge.says(digestOf(blamed), 'fail')
  }
  await third
}

const takenBackByHand = async (): Promise<void> => {
  const history = await world.deploy.queries.history({ ...shop, limit: 100 })
  const earlier = history.find(({ deployment }) => deployment.reason === 'rollback')
  const back = earlier?.deployment.id ?? (await world.deploy.rollback(shop, { actor: 'user:ada' }))
  await world.deploy.finished(back)
}

for (const { service } of services) world.judge.says(digestOf(`${service} v2`), 'pass')
await world.deploy.start()
await ended('v1')
await ended('v2')
const last = scene === 'taken back' ? 'v1' : 'v2'
await (scene === 'taken back' ? takenBackByHand() : undoneByTheJudge())
for (const { service } of services)
  await eventually(async () =>
    (await world.git('show', `main:production/default/${service}.yaml`).catch(() => '')).includes(
      digestOf(`${service} ${last}`),
    ),
  )
await world.close()
