import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Conclusion } from '../src/build/facts.ts'
import { jobFinished, jobStarted, pushVerified, runFinished, runQueued, runStarted } from '../src/build/facts.ts'
import { stampAt } from '../src/build/jobs/log-lines.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { refUpdated, repositoryCreated } from '../src/code/facts.ts'
import {
  deploymentCommitted,
  deploymentFinished,
  deploymentRequested,
  rolloutShifted,
  rolloutStarted,
} from '../src/deploy/facts.ts'
import { desiredPath } from '../src/deploy/target.ts'
import { homeAt } from '../src/home.ts'
import { fact, type NewFact } from '../src/ledger/fact.ts'
import type { Ledger } from '../src/ledger/ledger.ts'
import { openLedger } from '../src/ledger/open.ts'
import { CommitId, Digest, defaultEnvironment, defaultProject, RepositoryName, ServiceName } from '../src/names.ts'
import { pushPackaged, releaseCreated } from '../src/package/facts.ts'
import { definitions, migrations } from '../src/server.ts'
import { openStore } from '../src/store/open.ts'
import { version } from '../src/version.ts'

export type Sizes = { readonly services: number; readonly runs: number; readonly deploymentsEach: number }
/** 500 services, 10,000 runs, each of which led to five deployments: 50,000. */
export const large: Sizes = { services: 500, runs: 10_000, deploymentsEach: 5 }

const spanMs = 180 * 86_400_000
const actor = 'user:ada'
const at = { project: defaultProject, environment: defaultEnvironment }

/**
 * Fills the home of a Headway that does not run with the history of a large team, half a year long: by the facts that the stages
 * record, through the ledger; every view follows them when the server starts. What is desired stands in the environments
 * repository, with no replicas, as 500 services would not fit on a small machine. Resolves to the newest run.
 */
export const seed = async (directory: string, sizes: Sizes = large): Promise<string> => {
  const home = homeAt(directory)
  const clock = clockOf(sizes)
  const store = await openStore(home.database, { migrations, program: version, clock: systemClock })
  try {
    const ledger = await openLedger({ store, definitions, clock })
    const desired = writeDesired(join(home.repositories, 'headway/environments.git'), namesOf(sizes))
    return await tellAll(ledger, sizes, desired, clock)
  } finally {
    await store.close()
  }
}

const namesOf = ({ services }: Sizes): ServiceName[] =>
  Array.from({ length: services }, (_, place) => ServiceName.parse(`service-${String(place + 1).padStart(3, '0')}`))

/** That of the ledger that is told of a team of this size: each push is one step later than the one before. */
export const clockOf = (sizes: Sizes) => steppingClock(Date.now() - spanMs, spanMs / sizes.runs)

const steppingClock = (from: number, stepMs: number): Clock & { step(): void } => {
  let now = from
  return {
    ...systemClock,
    now: () => Math.floor(now),
    step: () => {
      now += stepMs
    },
  }
}

/** Records the facts alone; resolves to the newest run. */
export const tellAll = async (
  ledger: Ledger,
  sizes: Sizes,
  desired: CommitId,
  clock: { step(): void },
): Promise<string> => {
  const names = namesOf(sizes)
  await ledger.append(names.map(repositoryOf))
  let run = ''
  for (let number = 0; number < sizes.runs; number += 1) {
    const service = names[number % names.length]
    if (service === undefined) break
    run = `run-seed${String(number).padStart(6, '0')}`
    clock.step()
    const round = Math.floor(number / names.length)
    const told = storyOf({ service, number, run, round, desired, sizes })
    await Promise.all(told.map((facts) => ledger.append(facts)))
  }
  return run
}

type Told = {
  service: ServiceName
  number: number
  run: string
  /** Which push of its service this is. */
  round: number
  desired: CommitId
  sizes: Sizes
}

/** A push, its run, its release, and the deployments that came of it. One in twelve runs fails, one in fifteen deployments. */
const storyOf = (told: Told): NewFact[][] => {
  const { service, number, run, round } = told
  const conclusion: Conclusion = number % 12 === 5 ? 'failure' : 'success'
  const repository = RepositoryName.parse(service)
  const commit = commitOf(service, round)
  const push = `push-seed${number}`
  const ref = 'refs/heads/main'
  const source = { push, project: defaultProject, repository, ref, commit }
  const pushed = { push, project: defaultProject, repository, ref, after: commit, options: [], discovered: false }
  const before = round === 0 ? null : commitOf(service, round - 1)
  const verified = { ...source, conclusion, runs: [run], failure: null }
  const release = releaseOf(service, round)
  const built = [
    fact(refUpdated, { subject: `push:${push}`, actor, payload: { ...pushed, before } }),
    ...runFacts(told, { ...source, conclusion }),
    fact(pushVerified, { subject: `push:${push}`, actor: 'system:build', payload: verified }),
    ...(conclusion === 'success' ? packaged(told, { ...source, release }) : []),
  ]
  return [built, ...deployments(told, push, commit, release)]
}

const runFacts = (
  { number, run, round }: Told,
  {
    conclusion,
    ...source
  }: { conclusion: Conclusion; push: string; commit: CommitId; repository: RepositoryName } & {
    project: typeof defaultProject
    ref: string
  },
): NewFact[] => {
  const about = { subject: `run:${run}`, actor: 'system:build' }
  const title = `Change ${number}: make it a little better`
  const queued = { run, ...source, event: null, eventName: 'push', workflow: null, name: 'headway', number: round + 1 }
  const jobs = ['build', 'test', 'lint']
  return [
    fact(runQueued, { ...about, payload: { ...queued, concurrency: null, isTrusted: true, title } }),
    fact(runStarted, { ...about, payload: { run, isolation: 'none' } }),
    ...jobs.flatMap((job) => {
      const ended: Conclusion = job === 'test' ? conclusion : 'success'
      const step = { name: `npm run ${job}`, outcome: ended, conclusion: ended, exitCode: 0, durationMs: 12_000 }
      const needs = job === 'build' ? [] : ['build']
      return [
        fact(jobStarted, { ...about, payload: { run, job, name: job, needs } }),
        fact(jobFinished, { ...about, payload: { run, job, conclusion: ended, outputs: {}, steps: [step] } }),
      ]
    }),
    fact(runFinished, { ...about, payload: { run, conclusion, failure: null } }),
  ]
}

const packaged = (
  { service }: Told,
  { release, ...source }: { push: string; commit: CommitId; repository: RepositoryName; release: Digest },
): NewFact[] => {
  const made = { push: source.push, project: defaultProject, service, repository: source.repository, path: '.' }
  const payload = { ...made, commit: source.commit, digest: release, sizeBytes: 3_000_000 }
  const released = { push: source.push, released: [{ service, digest: release }], failed: [] }
  return [
    fact(releaseCreated, { subject: `service:${defaultProject}/${service}`, actor: 'system:package', payload }),
    fact(pushPackaged, { subject: `push:${source.push}`, actor: 'system:package', payload: released }),
  ]
}

const deployments = (told: Told, push: string, commit: CommitId, release: Digest): NewFact[][] =>
  Array.from({ length: told.sizes.deploymentsEach }, (_, place) => {
    const deployment = `deployment-seed${told.number}x${place}`
    const target = { deployment, project: defaultProject, service: told.service, environment: at.environment }
    const reason = place === 0 ? ('push' as const) : ('configuration' as const)
    const isLast = told.number >= told.sizes.runs - told.sizes.services && place === told.sizes.deploymentsEach - 1
    const outcome = !isLast && (told.number * 5 + place) % 15 === 7 ? ('failed' as const) : ('succeeded' as const)
    const about = { subject: `deployment:${deployment}`, actor: 'system:deploy' }
    const asked = { ...target, release, commit, reason, push: reason === 'push' ? push : null }
    const ended = { ...target, release, commit, outcome, detail: outcome === 'failed' ? 'it never answered' : null }
    return [
      fact(deploymentRequested, { ...about, actor, payload: asked }),
      fact(deploymentCommitted, { ...about, payload: { ...target, desired: told.desired } }),
      fact(rolloutStarted, { ...about, payload: { ...target, ...plan, ...lists() } }),
      ...(outcome === 'succeeded' ? [fact(rolloutShifted, { ...about, payload: { ...target, instances: [] } })] : []),
      fact(deploymentFinished, { ...about, payload: { ...ended, url: null, evidence: null, next: null } }),
    ]
  })

const plan = {
  strategy: 'rolling',
  baseline: null,
  isJudged: false,
  noData: 'promote',
  watch: { timeMs: 0, holdbackPercent: 0 },
  newer: 'queue',
  freshBaseline: false,
} as const
const lists = () => ({
  ...{ instances: [], with: [], steps: [{ weightPercent: 100, minMs: 0, maxMs: 0 }] },
  plan: { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] },
})

const repositoryOf = (service: ServiceName): NewFact => {
  const payload = { project: defaultProject, repository: RepositoryName.parse(service) }
  return fact(repositoryCreated, { subject: `repository:${defaultProject}/${service}`, actor, payload })
}

const hashOf = (text: string): string => createHash('sha256').update(text).digest('hex')
const commitOf = (service: string, round: number): CommitId =>
  CommitId.parse(hashOf(`${service} ${round}`).slice(0, 40))
const releaseOf = (service: string, round: number): Digest => Digest.parse(`sha256:${hashOf(`${service}@${round}`)}`)

/** One commit with the files of all services on top of what the environments repository holds. */
const writeDesired = (directory: string, names: readonly ServiceName[]): CommitId => {
  const git = (words: readonly string[], input?: string): string =>
    execFileSync('git', ['--git-dir', directory, ...words], { encoding: 'utf8', input, maxBuffer: 2 ** 26 }).trim()
  const release = (service: string) => releaseOf(service, 0)
  const files = names.map((service) => {
    const text = `release: ${release(service)}\ncommit: ${commitOf(service, 0)}\nreplicas: 0\n`
    const path = desiredPath({ project: defaultProject, service, environment: at.environment })
    return `M 100644 inline ${path}\ndata ${Buffer.byteLength(text)}\n${text}`
  })
  const message = 'Services of a large team'
  const seconds = Math.floor(Date.now() / 1_000)
  git(
    ['fast-import', '--quiet'],
    [
      'commit refs/heads/main',
      `committer Headway <headway@localhost> ${seconds} +0000`,
      `data ${message.length}`,
      message,
      'from refs/heads/main^0',
      ...files,
      '',
    ].join('\n'),
  )
  return CommitId.parse(git(['rev-parse', 'refs/heads/main']))
}

/** A job's log of about so many bytes, as the runner would have written it: with groups, colours, and now and then an error. */
export const writeLog = (directory: string, run: string, job: string, sizeBytes: number): void => {
  const folder = join(homeAt(directory).runs, run)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = openSync(join(folder, `${job}.log`), 'w', 0o600)
  let written = 0
  for (let line = 0; written < sizeBytes; ) {
    let text = stampAt(1_760_000_000_000 + line)
    for (let place = 0; place < 5_000; place += 1, line += 1) text += logLine(line)
    written += writeSync(file, text)
  }
}

const logLine = (line: number): string => {
  const said =
    line % 1_000 === 0
      ? `##[group]Part ${line / 1_000}`
      : line % 1_000 === 999
        ? '##[endgroup]'
        : line % 97 === 0
          ? `\u001b[31merror\u001b[0m ${line}: something went wrong here, but not badly`
          : `line ${line} of a log that goes on about what it does, as logs do, for about a hundred characters`
  return `${said}\n`
}
