import { existsSync, readdirSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { JudgePlan } from '../deploy/judging.ts'
import { writeDurably } from '../processes/files.ts'
import { fakeEdge, openReleaseRoom, service } from './testing.ts'

// A life of the stage for the crash test: edges count in a fixed story, a judging takes it in look by look and ends with its evidence; old
// ones are forgotten. Started again after a kill, the edges have gone on counting meanwhile, and it ends with the same verdict.
const [, , directory = ''] = process.argv
const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] }
const who = { service, baseline: 'old', canary: 'new' }
const second = 1000

await using room = await openReleaseRoom(directory)
const { clock, edges, instances } = room

/** The world outlives the process: how far its story has come is on its own disk. */
const file = join(directory, 'world')
let moment = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
const edge = fakeEdge('a')
const successor = fakeEdge('b')
const happen = (at: number): void => {
  if (at === 10) edges.push(successor)
  const serving = at < 10 ? edge : successor
  serving.serve('old', 95, at % 7 === 0 ? 1 : 0, 2)
  serving.serve('new', 5, at === 3 ? 1 : 0, 0)
  if (instances[1] && at === 5) instances[1].restarts += 1
  clock.forward(second)
}
edges.push(edge)
instances.push({ id: 'shop.1', release: 'old', restarts: 0 }, { id: 'shop.2', release: 'new', restarts: 0 })
edge.serve('old', 10_000, 40)
edge.serve('new', 50, 50)
for (let at = 0; at < moment; at += 1) happen(at)

const old = room.release.judging
if (moment === 0) {
  await old.begin('forgotten', plan, who)
  await old.conclude('forgotten')
  const evidence = join(directory, 'blobs/evidence')
  for (const name of readdirSync(evidence)) utimesSync(join(evidence, name), 0, 0)
  await old.begin('kept', plan, who)
}
for (; moment < 20; ) {
  happen(moment)
  moment += 1
  writeDurably(file, String(moment))
  await old.look('kept')
}
const { verdict, numbers } = await old.look('kept')
const { evidence } = await old.conclude('kept')
await room.release.forget(clock.now() - 10 * second + 30 * 24 * 3_600_000)
const { cause, baseline, canary } = numbers
const forgotten = await old.look('forgotten').then(
  () => false,
  () => true,
)
const blobs = readdirSync(join(directory, 'blobs/evidence')).filter((name) => name.endsWith('.gz'))
console.log(
  JSON.stringify({
    verdict,
    cause,
    baseline,
    canary,
    forgotten,
    isNamed: blobs.join() === `${evidence.slice(7)}.json.gz`,
  }),
)
