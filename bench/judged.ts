import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Platform, Repository } from '../e2e/support/platform.ts'
import { type Seen, startUsers, type Users } from './users.ts'

/**
 * What a bad release costs its users, judged continuously and by threshold checks once a minute; and whether good ones go live. Several
 * services side by side on one Headway, each with its own users. HEADWAY_BENCH_RUNS: how many of each kind (20). Broken off by SIGINT it
 * reports what it has.
 */
export const measureJudged = async (platform: Platform, say: (name: string, figure: string) => void): Promise<void> => {
  const runs = Number(process.env.HEADWAY_BENCH_RUNS ?? 20)
  const lanes = Math.min(judgedLanes, runs)
  const share = (lane: number): number => Math.floor(runs / lanes) + (lane < runs % lanes ? 1 : 0)
  const found: Run[] = []
  const measured = (run: Run): void => {
    found.push(run)
    console.log(JSON.stringify(run)) // as it happens: a bench that is broken off has not been for nothing
  }
  const breaking = new AbortController()
  const breakOff = (): void => breaking.abort(new Error('broken off'))
  process.once('SIGINT', breakOff)
  const { signal } = breaking
  const judged = Array.from({ length: lanes }, (_, lane) =>
    withService(platform, lane + 1, signal, async (service) => {
      for (const kind of ['errors', 'slow', 'good'] as const)
        for (let run = 0; run < share(lane); run += 1) measured(await judge(service, kind))
    }),
  )
  const checked = Array.from({ length: thresholdLanes }, (_, lane) =>
    withService(platform, lanes + lane + 1, signal, async (service) => {
      for (let run = 0; run < Math.ceil(runs / 10); run += 1) for (const one of await check(service)) measured(one)
    }),
  )
  const ended = await Promise.allSettled([...judged, ...checked])
  process.off('SIGINT', breakOff)
  if (signal.aborted) say('broken off', `after ${found.length} runs`)
  report(found, lanes + thresholdLanes, say)
  for (const one of ended) if (one.status === 'rejected' && !signal.aborted) throw one.reason
}

const perSecond = 100
const identities = 2_000
const judgedLanes = 4
const thresholdLanes = 2
const checkEveryMs = 60_000
/** What a peer's documentation has as its example: a check fails when less than 99 % of a minute's requests succeeded. */
const highestErrorRate = 0.01

type Kind = 'errors' | 'slow' | 'good'
type Run = {
  readonly kind: Kind | 'one failed check' | 'five failed checks'
  readonly outcome: string
  /** From the first request that the new version answered to the last; for a good one until it had all. */
  readonly seconds: number
  readonly canaryRequests: number
  readonly failed: number
}

type Service = {
  readonly name: string
  readonly repository: Repository
  readonly users: Users
  /** Ends what is waited for. */
  readonly signal: AbortSignal
  /** Deploys one that behaves so, with these rules, and does not wait for it; resolves to its name in `x-version`. */
  release(behaviour: Behaviour, rules: string): Promise<string>
  api<Answer>(path: string, body?: unknown): Promise<Answer>
}
type Behaviour = { readonly errorRate: number; readonly slower: number }
type Deployment = { readonly deployment: string; readonly commit: string; readonly outcome: string | null }

const good: Behaviour = { errorRate: 0.001, slower: 1 }
const behaviours: Readonly<Record<Kind, Behaviour>> = {
  errors: { errorRate: 0.05, slower: 1 },
  slow: { errorRate: 0.001, slower: 2 },
  good,
}
const judgedRules = (minutes: number): string =>
  `{ strategy: canary, steps: [{ weight: 5, min: ${minutes}m, max: ${minutes}m }, 100], watch: 0s }`
/** The judge is told to bear anything, so that only the checks decide. */
const checkedRules =
  '{ strategy: canary, steps: [{ weight: 5, min: 30m, max: 30m }, 100], watch: 0s, tolerance: 100, latency: false }'

const judge = async (service: Service, kind: Kind): Promise<Run> => {
  const version = await service.release(behaviours[kind], judgedRules(kind === 'good' ? 1 : 5))
  const seen = await follow(service, version, (deployment) => deployment.outcome !== null)
  return { kind, ...seen }
}

/** The same release under a check a minute: what it has cost when the first check has failed, and when five in all have. */
const check = async (service: Service): Promise<Run[]> => {
  const version = await service.release(behaviours.errors, checkedRules)
  const runs: Run[] = []
  let first: number | null = null
  let checks = 0
  let failedChecks = 0
  const all: Seen[] = []
  const seen = await follow(service, version, (deployment, sofar) => {
    all.push(...sofar)
    first ??= sofar[0]?.at ?? null
    if (first !== null && performance.now() - first >= (checks + 1) * checkEveryMs) {
      const from = first + checks * checkEveryMs
      checks += 1
      const minute = all.filter(({ at }) => at >= from && at < from + checkEveryMs)
      if (minute.filter(({ failed }) => failed).length > minute.length * highestErrorRate) failedChecks += 1
      const cost = { outcome: 'rolled-back', ...costOf(all) }
      if (failedChecks === 1 && runs.length === 0) runs.push({ kind: 'one failed check', ...cost })
      if (failedChecks === 5)
        void service.api(`rollouts/${deployment.deployment}/abort`, { reason: 'five failed checks' })
    }
    return deployment.outcome !== null
  })
  return [...runs, { kind: 'five failed checks', ...seen }]
}

/** Watches the users of a service until the deployment of a version is over; `isOver` sees what the version has answered since. */
const follow = async (
  service: Service,
  version: string,
  isOver: (deployment: Deployment, seen: readonly Seen[]) => boolean,
): Promise<Omit<Run, 'kind'>> => {
  const all: Seen[] = []
  for (;;) {
    service.signal.throwIfAborted()
    const seen = service.users.take().filter((one) => one.version === version)
    all.push(...seen)
    const deployments = await service.api<Deployment[]>(`deployments?service=${service.name}&limit=5`)
    const mine = deployments.find(({ commit }) => commit.startsWith(version))
    if (mine && isOver(mine, seen)) {
      await delay(1_000) // what was under way when it ended
      all.push(...service.users.take().filter((one) => one.version === version))
      return { outcome: mine.outcome ?? '', ...costOf(all) }
    }
    await delay(100)
  }
}

const costOf = (seen: readonly Seen[]): Pick<Run, 'seconds' | 'canaryRequests' | 'failed'> => {
  const times = seen.map(({ at }) => at)
  const last = seen.reduce((latest, { at, tookMs }) => Math.max(latest, at + tookMs), 0)
  return {
    seconds: seen.length === 0 ? 0 : (last - Math.min(...times)) / 1000,
    canaryRequests: seen.length,
    failed: seen.filter(({ failed }) => failed).length,
  }
}

const withService = async (
  platform: Platform,
  place: number,
  signal: AbortSignal,
  use: (service: Service) => Promise<void>,
): Promise<void> => {
  const name = `judged-${place}`
  const repository = await platform.repository(name)
  const token = readFileSync(join(platform.home, 'admin-token'), 'utf8').trim()
  const api = async <Answer>(path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(`${platform.url}/api/v1/projects/default/${path}`, {
      // A connection that is kept may be closed by the other side just as it is used again.
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', connection: 'close' },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    const answer: Answer = JSON.parse(await response.text())
    return answer
  }
  let count = 0
  const push = async (behaviour: Behaviour, rules: string, words: readonly string[]): Promise<string> => {
    count += 1
    const commit = await repository.commit(`Version ${count}`, serviceFiles(name, behaviour, rules, count))
    const pushed = await repository.push([...words, 'main'])
    if (pushed.code !== 0) throw new Error(pushed.output)
    return commit.slice(0, 12)
  }
  const first = await push(good, judgedRules(5), [])
  const page = await platform.get(`${name}.localhost`)
  if (page.status !== 200) throw new Error(`${name} ${first} is not live: ${page.status} ${page.body}`)
  const users = startUsers({
    ...{ port: platform.edgePort, host: `${name}.localhost`, perSecond, identities },
    network: 20 + place,
  })
  try {
    await delay(10_000, undefined, { signal })
    const release: Service['release'] = (behaviour, rules) => push(behaviour, rules, ['-o', 'async'])
    await use({ name, repository, users, signal, release, api })
  } finally {
    await users.stop()
    rmSync(repository.directory, { recursive: true, force: true })
  }
}

/** Answers in a log-normal time around 50 ms, and fails a part of its requests, both at random. */
const serviceFiles = (name: string, behaviour: Behaviour, rules: string, count: number): Record<string, string> => ({
  'headway.yaml': `name: ${name}\nlanguage: node\nreplicas: 1\nrelease: ${rules}\n`,
  'package.json': JSON.stringify({ name, private: true, type: 'module', scripts: { start: 'node server.js' } }),
  'server.js': `
import { createServer } from 'node:http'

// Version ${count}
const { errorRate, slower } = ${JSON.stringify(behaviour)}
const version = process.env.HEADWAY_COMMIT.slice(0, 12)
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())
createServer((request, response) => {
  setTimeout(() => {
    response.writeHead(Math.random() < errorRate ? 500 : 200, { 'x-version': version })
    response.end('hello')
  }, 50 * slower * Math.exp(0.3 * normal()))
}).listen(process.env.PORT, process.env.HOST)
`,
})

const report = (runs: readonly Run[], services: number, say: (name: string, figure: string) => void): void => {
  const of = (kind: Run['kind']): Run[] => runs.filter((run) => run.kind === kind)
  const middle = (values: readonly number[]): number => {
    const sorted = values.toSorted((left, right) => left - right)
    const [lower, upper] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.floor(sorted.length / 2)]]
    return ((lower ?? Number.NaN) + (upper ?? Number.NaN)) / 2
  }
  const spread = (values: readonly number[], digits: number): string =>
    values.length === 0
      ? 'none'
      : `${middle(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)}, n ${values.length})`
  const outcomes = (kind: Run['kind']): string =>
    [...Map.groupBy(of(kind), ({ outcome }) => outcome)]
      .map(([outcome, all]) => `${all.length} ${outcome}`)
      .join(', ') || 'none'
  say('services side by side, each at 100 requests/s', String(services))
  for (const kind of ['errors', 'slow', 'one failed check', 'five failed checks', 'good'] as const) {
    say(kind, outcomes(kind))
    say(
      '  seconds from its first request to its last',
      spread(
        of(kind).map(({ seconds }) => seconds),
        1,
      ),
    )
    say(
      '  requests that failed on it',
      spread(
        of(kind).map(({ failed }) => failed),
        0,
      ),
    )
  }
  const judged = middle(of('errors').map(({ failed }) => failed))
  for (const kind of (['one failed check', 'five failed checks'] as const).filter((one) => of(one).length > 0))
    say(`failed requests, ${kind} : judged`, (middle(of(kind).map(({ failed }) => failed)) / judged).toFixed(1))
}
