import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from '../e2e/support/example.ts'
import { startLoad } from '../e2e/support/load.ts'
import { startPlatform } from '../e2e/support/platform.ts'
import { allMarks, type Life, livesThroughKillsAt, rare } from '../e2e/support/survival.ts'
import { deployFor } from './main.ts'

/**
 * `npm run soak [-- NAME...]`: the long evidence. Names: deployments (50 under 200 requests a second), kills (the control plane killed at
 * random instants of pushes), failpoints (killed at every failpoint, twice in a row). Ends with code 1 when anything was not as promised.
 */
const wanted = process.argv.slice(2)
let broken = 0
const say = (holds: boolean, what: string): void => {
  if (!holds) broken += 1
  console.log(`${holds ? 'ok  ' : 'FAIL'} ${what}`)
}

const deployments = async (): Promise<void> => {
  const platform = await startPlatform()
  const { deployments: count, failed, answered, failures, p50Ms, p99Ms } = await deployFor(platform, 1_200_000, 200, 50)
  say(
    count === 50 && failed === 0,
    `${count} deployments in a row under 200 requests/s: ${failed} failed of ${answered} (p50 ${p50Ms?.toFixed(1)} ms, p99 ${p99Ms?.toFixed(1)} ms)`,
  )
  for (const failure of failures) console.log(`     ${failure}`)
  await platform.destroy()
}

const kills = async (): Promise<void> => {
  const platform = await startPlatform()
  const files = exampleFiles('node', 'shop', 3)
  const repository = await platform.repository('shop', files)
  await repository.push()
  const load = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
  for (let round = 1; round <= 30; round += 1) {
    const words = `Hello round ${round}`
    await repository.commit('Change', changed(files, 'src/page.js', /Hello/, words))
    const pushing = repository.push()
    const at = randomInt(20, 2500)
    await delay(at)
    await platform.crash()
    await pushing
    await platform.restart()
    const until = performance.now() + 60_000
    let live = false
    while (!live && performance.now() < until) {
      live = (await platform.get('shop.localhost')).body.includes(words)
      // A push that was cut off before it was taken is pushed again, as its author would.
      if (!live) await repository.push()
    }
    const verified = await platform.headway('ledger', 'verify', '--views')
    say(
      live && verified.code === 0,
      `control plane killed ${at} ms after push ${round}: ${live ? 'live' : 'not live after 60 s'}, ledger and views ${verified.code === 0 ? 'whole' : verified.stdout + verified.stderr}`,
    )
  }
  const outcome = await load.stop()
  say(
    outcome.failed === 0,
    `${outcome.failed} failed of ${outcome.answered} requests through 30 kills of the control plane`,
  )
  for (const failure of outcome.failures) console.log(`     ${failure}`)
  const instances = JSON.parse((await platform.headway('ps', '--json')).stdout) as unknown[]
  say(instances.length === 3, `${instances.length} instances are left, 3 are wanted`)
  await platform.destroy()
  rmSync(repository.directory, { recursive: true, force: true })
}

/** Marks that only a life with a database, or one with errands, passes. */
const lifeFor = (mark: string): Life => ({
  database: /^operate\./.test(mark),
  errands: /^(access|backup|cli|ledger|store|operate)\./.test(mark),
})

const failpoints = async (): Promise<void> => {
  const words = wanted.filter((word) => !(word in soaks))
  const marks = (await allMarks()).filter((one) => words.length === 0 || words.some((word) => one.includes(word)))
  const left = marks.filter((mark) => words.length > 0 || !rare(mark))
  const work = async (): Promise<void> => {
    for (let mark = left.shift(); mark !== undefined; mark = left.shift()) {
      const began = performance.now()
      const took = () => `${((performance.now() - began) / 1000).toFixed(0)} s`
      try {
        await livesThroughKillsAt(mark, lifeFor(mark))
        say(true, `${mark} (${took()})`)
      } catch (error) {
        say(false, `${mark} (${took()}): ${error instanceof Error ? error.message : error}`)
      }
    }
  }
  await Promise.all([work(), work()])
}

const soaks: Readonly<Record<string, () => Promise<void>>> = { deployments, kills, failpoints }
for (const [name, soak] of Object.entries(soaks)) if (wanted.length === 0 || wanted.includes(name)) await soak()
process.exit(broken === 0 ? 0 : 1)
