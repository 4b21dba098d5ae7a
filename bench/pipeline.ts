import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { execute, type Platform, type Repository } from '../e2e/support/platform.ts'
import { footprintsOf } from './processes.ts'

type Say = (name: string, figure: string) => void
type Step = { readonly name: string; readonly durationMs: number }
type Job = {
  readonly job: string
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly steps: readonly Step[]
}
type Run = {
  readonly run: string
  readonly conclusion: string | null
  readonly queuedAt: number
  readonly startedAt: number
  readonly finishedAt: number
  readonly jobs: readonly Job[]
}

const steps = 200
const chained = 30
const rows = 250
const logBytes = 100_000_000

/**
 * What the pipeline costs beside the same commands from a bare shell script, how the API answers while a thousand jobs wait, and how
 * fast a job's output reaches its log. On two cores: `taskset -c 0,1 npm run bench -- pipeline`.
 */
export const measurePipeline = async (platform: Platform, say: Say): Promise<void> => {
  const repository = await platform.repository('bench', { 'README.md': 'bench' })
  try {
    await stepOverhead(platform, repository, say)
    await jobOverhead(platform, repository, say)
    await logStreaming(platform, repository, say)
    await thousandJobs(platform, repository, say)
  } finally {
    rmSync(repository.directory, { recursive: true, force: true })
  }
}

const stepOverhead = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const text = workflow({ one: { steps: Array.from({ length: steps }, () => ({ run: ':' })) } })
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const { jobs } = await runOf(platform, repository, text)
    const [job] = jobs
    const took = (job?.finishedAt ?? 0) - (job?.startedAt ?? 0)
    const [first] = job?.steps ?? []
    ours.push((took - (first?.durationMs ?? 0)) / (steps - 1))
    bare.push((await bareShell(bareSteps)) / steps)
  }
  say('a step that does nothing, ms', `${best(ours)}`)
  say(
    '  baseline: bash on a script that does nothing, ms',
    `${best(bare)}; over it ${(min(ours) - min(bare)).toFixed(2)} (goal 2)`,
  )
}

const jobOverhead = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const jobs: Record<string, unknown> = {}
  for (let number = 1; number <= chained; number += 1)
    jobs[`job-${number}`] = { steps: [{ run: ':' }], ...(number > 1 ? { needs: `job-${number - 1}` } : {}) }
  const text = workflow(jobs)
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const run = await runOf(platform, repository, text)
    const starts = run.jobs.map(({ startedAt }) => startedAt ?? 0)
    // From one job's beginning to the next one's: all that a job costs, its facts and its directories included.
    ours.push((Math.max(...starts) - Math.min(...starts)) / (chained - 1))
    bare.push((await bareShell(bareJobs)) / chained)
  }
  say('a job of one step that does nothing, behind another, ms', best(ours))
  say(
    '  baseline: fresh directory, bash, remove it, ms',
    `${best(bare)}; over it ${(min(ours) - min(bare)).toFixed(1)} (goal 50)`,
  )
}

const logStreaming = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const text = workflow({
    log: {
      steps: [
        { run: `yes 'a line of a usual length, as a compiler or a test runner prints it' | head -c ${logBytes} > big` },
        { run: 'cat big' },
        { run: 'cat big > copy' },
      ],
    },
  })
  const ours: number[] = []
  const bare: number[] = []
  let highest = 0
  let before = 0
  for (let round = 0; round < 3; round += 1) {
    const watching = new AbortController()
    const pid = platform.controlPlane.pid ?? 0
    const memory = (): number =>
      footprintsOf(platform.home, pid).find(({ name }) => name === 'control plane')?.rssBytes ?? 0
    before ||= memory()
    const watch = (async () => {
      while (!watching.signal.aborted) {
        highest = Math.max(highest, memory())
        await delay(100)
      }
    })()
    const { jobs } = await runOf(platform, repository, text)
    watching.abort()
    await watch
    const [, cat, copy] = jobs[0]?.steps ?? []
    ours.push(cat?.durationMs ?? Number.NaN)
    bare.push(copy?.durationMs ?? Number.NaN)
  }
  const rate = (ms: number): string => `${(logBytes / 1e3 / ms).toFixed(0)} MB/s`
  say('100 MB of output into the log, ms', `${best(ours)}; ${rate(min(ours))}`)
  say(
    '  baseline: the same step into a file, ms',
    `${best(bare)}; ${rate(min(bare))}; ratio of speeds ${(min(bare) / min(ours)).toFixed(2)} (goal 0.5)`,
  )
  const bareMs = await bareCat()
  say('  baseline: cat through a pipe into a file by Node.js, ms', `${bareMs.toFixed(0)}; ${rate(bareMs)}`)
  say(
    '  memory of the control plane, MB RSS',
    `before ${(before / 1e6).toFixed(0)}, at most ${(highest / 1e6).toFixed(0)}`,
  )
}

const thousandJobs = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const matrix = { n: Array.from({ length: rows }, (_, number) => number) }
  const names = ['a', 'b', 'c', 'd']
  const jobs = Object.fromEntries(names.map((name) => [name, { strategy: { matrix }, steps: [{ run: ':' }] }]))
  const latencies: number[] = []
  const asking = new AbortController()
  let run = ''
  const ask = (async () => {
    const headers = { authorization: `Bearer ${await tokenOf(platform)}` }
    while (!asking.signal.aborted) {
      const paths = ['/projects/default/runs', '/me', '/runners', ...(run ? [`/projects/default/runs/${run}`] : [])]
      for (const path of paths) {
        const began = performance.now()
        const response = await fetch(`${platform.url}/api/v1${path}`, { headers })
        const body: unknown = await response.json()
        latencies.push(performance.now() - began)
        if (path.endsWith('/runs')) run = newestIn(body)
        await delay(10)
      }
    }
  })()
  const began = performance.now()
  const done = await runOf(platform, repository, workflow(jobs))
  const took = performance.now() - began
  asking.abort()
  await ask
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1)
  say('1,000 jobs of one run, s', `${(took / 1000).toFixed(1)}; ${done.jobs.length} ended, ${done.conclusion}`)
  say('  the API meanwhile, ms', `p50 ${at(0.5)}, p95 ${at(0.95)} (goal 100), p99 ${at(0.99)}, n ${sorted.length}`)
}

const newestIn = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'runs' in body && Array.isArray(body.runs)
    ? (body.runs[0]?.run ?? '')
    : ''

const workflow = (jobs: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({
    on: 'push',
    jobs: Object.fromEntries(
      Object.entries(jobs).map(([id, job]) => [id, { 'runs-on': 'ubuntu-latest', ...(job as object) }]),
    ),
  })

/** Pushes the workflow and resolves to its run once that has ended. JSON is YAML, too. */
const runOf = async (platform: Platform, repository: Repository, text: string): Promise<Run> => {
  await repository.commit('Bench', { '.github/workflows/bench.yml': text })
  const pushed = await repository.push(['main', '-o', 'async'])
  if (pushed.code !== 0) throw new Error(pushed.output)
  const commit = (await repository.git('rev-parse', 'HEAD')).stdout.trim()
  for (;;) {
    const runs: { run: string; commit: string; status: string }[] = JSON.parse(
      (await platform.headway('runs', '--json', '--limit', '5')).stdout || '[]',
    )
    const run = runs.find((one) => one.commit === commit)
    if (run?.status === 'finished') {
      const details: Run = JSON.parse((await platform.headway('runs', run.run, '--json')).stdout)
      if (details.conclusion !== 'success')
        throw new Error(JSON.stringify({ ...details, jobs: details.jobs.slice(0, 3) }))
      return details
    }
    await delay(300)
  }
}

const tokenOf = async (platform: Platform): Promise<string> => {
  const made = await platform.headway('token', 'create', '--role', 'viewer', '--everywhere', '--name', 'bench')
  return made.stdout.trim()
}

const bareSteps = `for n in $(seq ${steps}); do echo : > script.sh; bash --noprofile --norc -e -o pipefail script.sh; done`
const bareJobs = `for n in $(seq ${chained}); do mkdir job; (cd job; echo : > script.sh; bash --noprofile --norc -e -o pipefail script.sh); rm -rf job; done`

const bareShell = async (script: string): Promise<number> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bare-'))
  const began = performance.now()
  const outcome = await execute(['bash', '-e', '-c', script], { cwd: directory })
  const took = performance.now() - began
  rmSync(directory, { recursive: true, force: true })
  if (outcome.code !== 0) throw new Error(outcome.stderr)
  return took
}

/** The least that a program must do that sees what another one prints. */
const bareCat = async (): Promise<number> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bare-'))
  mkdirSync(directory, { recursive: true })
  const big = join(directory, 'big')
  writeFileSync(big, Buffer.alloc(logBytes, 'a line of a usual length, as a compiler or a test runner prints it\n'))
  const began = performance.now()
  const child = spawn('cat', [big], { stdio: ['ignore', 'pipe', 'inherit'] })
  const copy = createWriteStream(join(directory, 'copy'))
  child.stdout.pipe(copy)
  await new Promise<void>((resolve) => copy.once('close', () => resolve()))
  const took = performance.now() - began
  if (statSync(join(directory, 'copy')).size !== logBytes) throw new Error('cat did not copy all')
  rmSync(directory, { recursive: true, force: true })
  return took
}

const min = (values: readonly number[]): number => Math.min(...values)
const best = (values: readonly number[]): string =>
  `best ${min(values).toFixed(2)} of ${values.length} (${values.map((value) => value.toFixed(2)).join(', ')})`
