import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from '../../e2e/support/example.ts'
import { entriesOf, processesOf } from '../../e2e/support/leftovers.ts'
import { startLoad } from '../../e2e/support/load.ts'
import { type Platform, type Repository, startPlatform } from '../../e2e/support/platform.ts'
import { footprintsOf } from '../processes.ts'

export type Say = (holds: boolean, what: string) => void

/** How often each is killed, at a random instant between push and live. */
const rounds = { 'control plane': 30, edge: 10, instance: 10 } as const
type Victim = keyof typeof rounds

/**
 * Kills (SIGKILL) the control plane, the edge and instances at random instants between a push and its being live, under 100 requests a
 * second: each push must be live in the end, every deployment concluded, the ledger whole and its views equal to a rebuild, and
 * nothing left over. Through the deaths of the control plane no request may fail; through those of others only those in the
 * victim's own hands.
 */
export const kills = async (say: Say): Promise<void> => {
  const platform = await startPlatform({ keep: true })
  const files = exampleFiles('node', 'shop', 3)
  const repository = await platform.repository('shop', files)
  await repository.push()
  for (const victim of ['control plane', 'edge', 'instance'] as const) {
    const load = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, 100)
    for (let round = 1; round <= rounds[victim]; round += 1) await oneKill(platform, repository, victim, round, say)
    const { failed, answered, failures } = await load.stop()
    const isAsPromised = victim === 'control plane' ? failed === 0 : failed <= rounds[victim] * 10
    say(isAsPromised, `${failed} failed of ${answered} requests through ${rounds[victim]} kills: ${victim}`)
    for (const failure of failures) console.log(`     ${failure}`)
  }
  const instances: unknown[] = JSON.parse((await platform.headway('ps', '--json')).stdout)
  say(instances.length === 3, `${instances.length} instances are left, 3 are wanted`)
  const work = entriesOf(`${platform.home}/work/instances`)
  say(work.length === 3, `${work.length} directories of instances are left: ${work.join(', ')}`)
  await platform.destroy()
  const processes = processesOf(platform.home)
  say(processes.length === 0, `${processes.length} processes are left after headway down ${processes.join('; ')}`)
  rmSync(platform.home, { recursive: true, force: true })
  rmSync(repository.directory, { recursive: true, force: true })
}

const oneKill = async (platform: Platform, repository: Repository, victim: Victim, round: number, say: Say) => {
  const words = `Hello ${victim} ${round}`
  await repository.commit('Change', changed(exampleFiles('node', 'shop', 3), 'src/page.js', /Hello/, words))
  const pushing = repository.push()
  const afterMs = randomInt(20, 2500)
  await delay(afterMs)
  if (victim === 'control plane') {
    await platform.crash()
    await pushing
    await platform.restart()
  } else {
    kill(victim === 'edge' ? edgesOf(platform) : [await someInstance(platform)])
    await pushing
  }
  const isLive = await becomesLive(platform, repository, words)
  const hasConcluded = await everyDeploymentConcludes(platform)
  const verified = await platform.headway('ledger', 'verify', '--views')
  const isWhole = verified.code === 0
  say(
    isLive && hasConcluded && isWhole,
    `${victim} killed ${afterMs} ms after push ${round}: ${isLive ? 'live' : 'not live after 60 s'}, ${hasConcluded ? 'all deployments concluded' : 'a deployment has not concluded'}, ledger and views ${isWhole ? 'whole' : verified.stdout + verified.stderr}`,
  )
}

const becomesLive = (platform: Platform, repository: Repository, words: string): Promise<boolean> =>
  within60s(async () => {
    const page = await platform.get('shop.localhost').catch(() => null)
    if (page?.body.includes(words)) return true
    await repository.push() // one that was cut off before it was taken is pushed again, as its author would
    return false
  })

const everyDeploymentConcludes = (platform: Platform): Promise<boolean> =>
  within60s(async () => {
    const listed: { outcome: string | null }[] = JSON.parse(
      (await platform.headway('deployments', 'shop', '--json')).stdout,
    )
    return listed.every(({ outcome }) => outcome !== null)
  })

const within60s = async (holds: () => Promise<boolean>): Promise<boolean> => {
  const until = performance.now() + 60_000
  for (;;) {
    if (await holds()) return true
    if (performance.now() > until) return false
    await delay(50)
  }
}

const edgesOf = (platform: Platform): number[] =>
  footprintsOf(platform.home, platform.controlPlane.pid ?? 0).flatMap(({ name, pid }) => (name === 'edge' ? [pid] : []))

const someInstance = async (platform: Platform): Promise<number> => {
  const listed: { pid: number | null }[] = JSON.parse((await platform.headway('ps', '--json')).stdout)
  const pids = listed.flatMap(({ pid }) => pid ?? [])
  return pids[randomInt(pids.length)] ?? 0
}

const kill = (pids: readonly number[]): void => {
  for (const pid of pids)
    try {
      if (pid > 1) process.kill(pid, 'SIGKILL')
    } catch {
      // it ended by itself meanwhile
    }
}
