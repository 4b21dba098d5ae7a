import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from '../e2e/support/example.ts'
import { startLoad } from '../e2e/support/load.ts'
import { execute, launcher, type Platform, repositoryRoot, startPlatform } from '../e2e/support/platform.ts'
import { measureImports } from './imports.ts'
import { measureInsights } from './insights.ts'
import { measureJudge } from './judge.ts'
import { measureJudged } from './judged.ts'
import { measureLedger } from './ledger.ts'
import { measurePipeline } from './pipeline.ts'
import { footprintsOf } from './processes.ts'
import { measureProxies } from './proxies.ts'
import { measureWeb } from './web.ts'

/**
 * `npm run bench [-- NAME...]`: figures and ratios, each against a bare baseline measured in the same run. Asserts nothing.
 * Names: start, memory, ledger, push, deployments, pipeline, judge, edge; pipeline-user (as on a machine without bubblewrap), judged (a quarter of an hour), insights (some minutes, 5 GB of
 * disk) and web (some minutes) only when they are named. Results that are kept stand in bench/RESULTS.md.
 */
const wanted = process.argv.slice(2)
/** Measures on a Headway of one's own, which is stopped whatever happens. */
const onPlatform = async (
  measure: (platform: Platform) => Promise<void>,
  options: Parameters<typeof startPlatform>[0] = {},
): Promise<void> => {
  const platform = await startPlatform(options)
  try {
    await measure(platform)
  } finally {
    await platform.destroy()
  }
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const spread = (values: readonly number[]): string =>
  `${median(values).toFixed(0)} (${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}, n ${values.length})`
const say = (name: string, figure: string) => console.log(`${name.padEnd(58)} ${figure}`)

const coldStart = async (): Promise<void> => {
  const homes: string[] = []
  const times: number[] = []
  for (let round = 0; round < 6; round += 1) {
    const home = mkdtempSync(join(tmpdir(), 'headway-bench-'))
    homes.push(home)
    const first = performance.now()
    const platform = await startPlatform({ home })
    await fetch(`${platform.url}/health`)
    if (round > 0) times.push(performance.now() - first) // the first run fills Node's compile cache
    await platform.destroy()
  }
  const bare: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const began = performance.now()
    spawnSync(process.execPath, ['--eval', '0'])
    bare.push(performance.now() - began)
  }
  say('cold start to first answer, ms', spread(times))
  say('  baseline: an empty Node.js, ms', `${spread(bare)}; ratio ${(median(times) / median(bare)).toFixed(1)}`)
}

const idleMemory = async (platform: Platform): Promise<void> => {
  await fetch(`${platform.url}/health`)
  const readings: number[] = []
  for (const waitMs of [10_000, 20_000, 30_000]) {
    await delay(waitMs)
    const prints = footprintsOf(platform.home, platform.controlPlane.pid ?? 0)
    readings.push(prints.reduce((sum, print) => sum + print.pssBytes, 0) / 1e6)
    say(
      `idle memory after ${waitMs / 1000} s more, MB PSS`,
      prints.map((print) => `${print.name} ${(print.pssBytes / 1e6).toFixed(1)}`).join(', '),
    )
  }
  const baseline = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1e6)'])
  await delay(1000)
  const rollup = readFileSync(`/proc/${baseline.pid}/smaps_rollup`, 'utf8')
  baseline.kill()
  say(
    'idle memory of all three, MB PSS',
    `${readings.at(-1)?.toFixed(1)}; an empty Node.js beside them: ${(Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1]) / 1000).toFixed(1)}`,
  )
}

const pushToLive = async (platform: Platform): Promise<void> => {
  const files = exampleFiles('node', 'shop', 3)
  const repository = await platform.repository('shop', files)
  await repository.push()
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 1; round <= 7; round += 1) {
    await repository.commit(`Change ${round}`, changed(files, 'src/page.js', /Hello/, `Hello ${round}`))
    const began = performance.now()
    await repository.push()
    ours.push(performance.now() - began)
    bare.push(await bareScript(repository.directory, round))
  }
  say('push to live, one-line change, 3 replicas, ms', spread(ours))
  say('  baseline: bench/bare.sh, ms', `${spread(bare)}; ratio of medians ${(median(ours) / median(bare)).toFixed(2)}`)
  rmSync(repository.directory, { recursive: true, force: true })
}

const bareScript = async (repository: string, round: number): Promise<number> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bare-'))
  const pids = join(directory, 'pids')
  const began = performance.now()
  const outcome = await execute([
    'sh',
    join(repositoryRoot, 'bench/bare.sh'),
    repository,
    join(directory, 'app'),
    String(15_000 + round * 10),
    pids,
  ])
  const took = performance.now() - began
  const started = existsSync(pids) ? readFileSync(pids, 'utf8').trim().split('\n').map(Number) : []
  for (const pid of started.filter((one) => existsSync(`/proc/${one}`))) process.kill(pid, 'SIGTERM')
  if (outcome.code !== 0) throw new Error(`bench/bare.sh failed: ${outcome.stderr}${outcome.stdout}`)
  rmSync(directory, { recursive: true, force: true })
  return took
}

const deployments = async (platform: Platform): Promise<void> => {
  const outcome = await deployFor(platform, 120_000, 200)
  say(
    'deployments a minute, sustained 2 min under 200 requests/s',
    `${(outcome.deployments / 2).toFixed(1)}; ${outcome.failed} failed of ${outcome.answered} requests`,
  )
  say('  one deployment, ms', spread(outcome.durationsMs))
}

/** Pushes one change after the other for this long, under a steady load. */
export const deployFor = async (
  platform: Platform,
  forMs: number,
  perSecond: number,
  atMost = Number.POSITIVE_INFINITY,
) => {
  const files = exampleFiles('node', 'shop', 3)
  const repository = await platform.repository('shop', files)
  const first = await repository.push()
  if (first.code !== 0) throw new Error(`the first push failed:\n${first.output}`)
  const load = startLoad({ port: platform.edgePort, host: 'shop.localhost' }, perSecond)
  const durationsMs: number[] = []
  const until = performance.now() + forMs
  while (performance.now() < until && durationsMs.length < atMost) {
    const words = `Hello ${durationsMs.length + 1}.`
    await repository.commit('Change', changed(files, 'src/page.js', /Hello/, words))
    const began = performance.now()
    const pushed = await repository.push()
    durationsMs.push(performance.now() - began)
    const page = await platform.get('shop.localhost')
    if (!page.body.includes(words)) throw new Error(`deployment ${durationsMs.length} is not live:\n${pushed.output}`)
  }
  const { failed, answered, failures, p50Ms, p99Ms } = await load.stop()
  rmSync(repository.directory, { recursive: true, force: true })
  return { deployments: durationsMs.length, durationsMs, failed, answered, failures, p50Ms, p99Ms }
}

const benches: Readonly<Record<string, () => Promise<void>>> = {
  start: coldStart,
  memory: () => onPlatform(idleMemory),
  ledger: () => measureLedger(say),
  push: () => onPlatform(pushToLive),
  deployments: () => onPlatform(deployments),
  'pipeline-user': () => onPlatform((platform) => measurePipeline(platform, say), { isolation: 'user' }),
  judge: () => measureJudge(say),
  pipeline: () => onPlatform((platform) => measurePipeline(platform, say)),
  edge: () => measureProxies(say),
  insights: () => measureInsights(say),
  imports: () => measureImports(onPlatform, say),
  web: () => measureWeb(say),
  judged: () => onPlatform((platform) => measureJudged(platform, say)),
}
/** They take long, so they are asked for by name. */
const onDemand = ['pipeline-user', 'judged', 'insights', 'imports', 'web']

if (process.argv[1] === import.meta.filename) {
  console.log(
    `${cpus().length} cores (${cpus()[0]?.model}), ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}, ${launcher}`,
  )
  for (const [name, measure] of Object.entries(benches))
    if (wanted.length === 0 ? !onDemand.includes(name) : wanted.includes(name)) await measure()
}
