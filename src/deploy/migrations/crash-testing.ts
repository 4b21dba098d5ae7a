import { join } from 'node:path'
import { defaultProject, ServiceName } from '../../names.ts'
import { deploymentOfRelease, digestOf, eventually, openTestDeploy } from '../testing.ts'

// Three releases: one whose migration does its work, one whose migration does not heed that its time is over, and one that fails. Goes on
// where it was killed. Run by crash.test.ts.
const [directory = ''] = process.argv.slice(2)
const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const migrate = (run: string, timeoutMs = 60_000) => ({ migrate: { run, timeoutMs, repeatable: true } })

const world = await openTestDeploy({
  directory,
  images: join(directory, 'images'),
  releases: {
    'shop v1': migrate('grep -q 0001 ../../../applied 2>/dev/null || { sleep 0.1; echo 0001 >> ../../../applied; }'),
    'shop v2': migrate("trap '' TERM; while :; do sleep 0.05; done", 1_000), // as long as the shell may take to its trap, and then once more
    'shop v3': migrate('exit 7'),
  },
})
await world.deploy.start()

for (const [words, expected] of [
  ['shop v1', 'succeeded'],
  ['shop v2', 'failed'],
  ['shop v3', 'failed'],
] as const) {
  await world.views.reach()
  const rows = await world.deploy.queries.releasesOf(shop.project, shop.service)
  const row = rows.find(({ release }) => release === digestOf(words))
  const known = row && deploymentOfRelease(row.seq)
  if (known) await eventually(async () => (await world.deploy.queries.deployment(known)) !== null)
  const { finished } = await world.deploy.finished(known ?? (await world.release(words)))
  if (finished?.outcome !== expected) throw new Error(`${words} ${finished?.outcome}: ${finished?.detail}`)
}
await world.close()
