import { readFileSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { changed, exampleFiles } from '../e2e/support/example.ts'
import { startLoad } from '../e2e/support/load.ts'
import { startPlatform } from '../e2e/support/platform.ts'
import { homeAt } from '../src/home.ts'

/**
 * `sh scripts/node bench/rollouts.ts [bad] [good] [mixed]`: releases under load, judged as they are used. `bad`: one that fails 5 % of
 * its requests, at a canary of 5 % (how soon it is taken back, and how many users met it); `good`: one that does not, which must not be
 * stopped; `reaction`: how soon a bad one has no requests any more; `mixed`: rollouts of all strategies and rollbacks of healthy versions, in which no request may fail. How many of each:
 * `bad=20`. Asserts nothing.
 */
const wanted = new Map(process.argv.slice(2).map((word) => [word.split('=')[0], Number(word.split('=')[1] ?? 5)]))
const perSecond = 100
const clients = 1000

type Rollout = {
  readonly deployment: string
  readonly release: string
  readonly strategy: string
  readonly phase: string
  readonly outcome: string | null
  readonly detail: string | null
  readonly step: number | null
  readonly stepStartedAt: number | null
  readonly requestedAt: number
  readonly finishedAt: number | null
  readonly judged: { readonly at: number; readonly verdict: string; readonly numbers: { readonly at: number } } | null
}

const platform = await startPlatform()
const token = readFileSync(homeAt(platform.home, {}).token, 'utf8').trim()
const files = exampleFiles('node', 'shop', 2)
const repository = await platform.repository('shop', files)

const ask = async <Answer>(method: string, path: string, body?: unknown): Promise<Answer> => {
  const answer = await fetch(`${platform.url}/api/v1/projects/default/${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`)
  return answer.json() as Promise<Answer>
}
const newest = async (): Promise<Rollout> => {
  const [rollout] = await ask<Rollout[]>('GET', 'rollouts?service=shop&limit=1')
  if (!rollout) throw new Error('there is no rollout')
  return rollout
}

/** The newest rollout once it has ended, or this long after. */
const settled = async (limitMs = 180_000): Promise<Rollout> => {
  const until = performance.now() + limitMs
  for (;;) {
    const rollout = await newest()
    if (rollout.outcome !== null || performance.now() > until) return rollout
    await delay(100)
  }
}

/** The server, failing this share of its requests. */
const server = (failing: number): Record<string, string> =>
  failing === 0
    ? { 'src/server.js': files['src/server.js'] ?? '' }
    : changed(
        files,
        'src/server.js',
        /response\.type\('text'\)/,
        `if (Math.random() < ${failing}) return response.status(500).send('no')\n  response.type('text')`,
      )

/** Pushes a version with these rules; resolves to its release once its rollout has ended. */
const push = async (words: string, release: string, failing = 0): Promise<Rollout> => {
  const yaml = `${files['headway.yaml']}release:\n${release}`
  await repository.commit(words, {
    ...server(failing),
    ...changed(files, 'src/page.js', /Hello/, `Hello ${words}`),
    'headway.yaml': yaml,
  })
  const pushed = await repository.push()
  if (pushed.code !== 0) throw new Error(pushed.output)
  return settled()
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
const load = () => startLoad({ port: platform.edgePort, host: 'shop.localhost', clients }, perSecond)
const canary =
  '  strategy: canary\n  steps: [{ weight: 5, min: 1s, max: 2m }, { weight: 50, min: 1s, max: 10s }, 100]\n  watch: 0\n'

const bad = async (runs: number): Promise<void> => {
  const users = load()
  const times: number[] = []
  const failures: number[] = []
  const reactionsMs: number[] = []
  let undone = 0
  for (let run = 1; run <= runs; run += 1) {
    const before = users.failed()
    const { outcome, requestedAt, judged, stepStartedAt } = await push(`bad ${run}`, canary, 0.05)
    if (outcome === 'rolled-back') undone += 1
    if (judged) reactionsMs.push(judged.at - judged.numbers.at)
    times.push(((judged?.at ?? 0) - (stepStartedAt ?? requestedAt)) / 1000)
    failures.push(users.failed() - before)
    console.log(
      `  bad ${run}: ${outcome} ${times.at(-1)?.toFixed(1)} s after its first traffic, ${failures.at(-1)} failed requests`,
    )
  }
  const { sent } = await users.stop()
  console.log(
    `bad releases (5 % of their requests fail): ${undone} of ${runs} rolled back, median ${median(times).toFixed(1)} s, ${median(failures)} failed requests each (${sent} sent)`,
  )
  // Routes first, then the evidence, then the fact: when it is recorded the new version has had no traffic for a while.
  console.log(
    `  from the verdict to its record, by when the routes were changed: median ${median(reactionsMs)} ms, most ${Math.max(...reactionsMs)} ms`,
  )
}

const good = async (runs: number): Promise<void> => {
  const users = load()
  let promoted = 0
  for (let run = 1; run <= runs; run += 1) {
    const { outcome, detail } = await push(`good ${run}`, canary)
    if (outcome === 'succeeded') promoted += 1
    else console.log(`  good ${run}: ${outcome}: ${detail}`)
  }
  const { failed, sent, failures } = await users.stop()
  console.log(
    `good releases: ${promoted} of ${runs} promoted; ${failed} failed of ${sent} requests ${failures.join('; ')}`,
  )
}

const mixed = async (runs: number): Promise<void> => {
  const steps = 'steps: [{ weight: 10, min: 500ms, max: 2s }, { weight: 50, min: 500ms, max: 2s }, 100]'
  const strategies: Readonly<Record<string, string>> = {
    canary: `  strategy: canary\n  ${steps}\n  watch: { time: 1s, holdback: 2 }\n`,
    'blue-green': '  strategy: blue-green\n  watch: 1s\n',
    shadow: `  strategy: shadow\n  mirror: { min: 500ms, max: 2s }\n  ${steps}\n  watch: 0\n`,
    rolling: '  strategy: rolling\n',
  }
  const users = load()
  const releases: string[] = []
  for (const [name, rules] of Object.entries(strategies)) releases.push((await push(name, rules)).release)
  const outcomes: Record<string, number> = {}
  for (let run = 0; run < runs; run += 1) {
    const isUndone = run % 5 === 4
    const release = releases[run % releases.length] ?? ''
    await ask('POST', 'services/shop/deploy', { release: release.replace('sha256:', '').slice(0, 12), wait: true })
    if (isUndone) await ask('POST', 'services/shop/rollback', { wait: true })
    const { strategy, outcome, detail } = await settled(30_000)
    const key = `${strategy}${isUndone ? ', taken back' : ''}: ${outcome}`
    outcomes[key] = (outcomes[key] ?? 0) + 1
    if (outcome !== 'succeeded' && !isUndone) console.log(`  ${run} ${strategy}: ${outcome}: ${detail}`)
  }
  const { failed, sent, failures, p99Ms } = await users.stop()
  console.log(`mixed rollouts: ${runs}; ${failed} failed of ${sent} requests, p99 ${p99Ms?.toFixed(0)} ms`)
  console.log(
    `  ${Object.entries(outcomes)
      .map((entry) => entry.join(' '))
      .join('; ')}`,
  )
  for (const failure of failures) console.log(`  ${failure}`)
}

/** From the counts that a fail follows from to the last request that its version got: a tester asks for it every 10 ms. */
const reaction = async (runs: number): Promise<void> => {
  const users = load()
  const took: number[] = []
  for (let run = 1; run <= runs; run += 1) {
    const seen: { readonly at: number; readonly release: string | null }[] = []
    const tester = setInterval(() => {
      const at = Date.now()
      const headers = { host: 'shop.localhost', 'x-tester': 'new' }
      const asked = request({ host: '127.0.0.1', port: platform.edgePort, agent: testers, headers }, (answer) => {
        answer.resume()
        seen.push({ at, release: String(answer.headers['x-release'] ?? '') })
      })
      asked.on('error', () => undefined)
      asked.end()
    }, 10)
    const { release, judged } = await push(
      `bad ${run}`,
      `${canary}  override: { header: x-tester, value: new }\n`,
      0.05,
    )
    clearInterval(tester)
    const last = seen.filter((one) => one.release === release).at(-1)
    if (judged && last) took.push(last.at - judged.numbers.at)
    console.log(`  reaction ${run}: ${took.at(-1)} ms; recorded after ${judged && judged.at - judged.numbers.at} ms`)
  }
  await users.stop()
  console.log(`from the counts to no request to a bad release: median ${median(took)} ms, most ${Math.max(...took)} ms`)
}
const testers = new Agent({ keepAlive: true, maxSockets: 16 })

const benches = { good, bad, mixed, reaction }
try {
  const first = await repository.push()
  if (first.code !== 0) throw new Error(first.output)
  for (const [name, measure] of Object.entries(benches)) {
    const runs = wanted.get(name) ?? (wanted.size === 0 ? 5 : 0)
    if (runs > 0) await measure(runs)
  }
} finally {
  await platform.destroy()
  rmSync(repository.directory, { recursive: true, force: true })
}
