import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { availableParallelism, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { execute, type Platform, type Repository } from '../e2e/support/platform.ts'

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
  readonly isolation: string | null
  readonly conclusion: string | null
  readonly queuedAt: number
  readonly startedAt: number
  readonly finishedAt: number
  readonly jobs: readonly Job[]
}

const blocks = 8
const blockSteps = 20
const chained = 30
const rows = 250
const logBytes = 100_000_000
const logPairs = 5
const rounds = 3
const queueForMs = 60_000

/**
 * What the pipeline costs beside the same commands from a bare shell script, how the API answers while a thousand jobs wait, and how
 * fast a job's output reaches its log. What is compared runs in turns, and medians are told, as a machine is never quiet for long. Takes some
 * three minutes. On two cores: `taskset -c 0,1 npm run bench -- pipeline`. What keeps the jobs apart is told with the first figure.
 */
export const measurePipeline = async (platform: Platform, say: Say): Promise<void> => {
  const repository = await platform.repository('bench', { 'README.md': 'bench' })
  say('load average of the machine before', `${loadavg()[0]?.toFixed(1)}; ${availableParallelism()} cores to run on`)
  try {
    await stepOverhead(platform, repository, say)
    await jobOverhead(platform, repository, say)
    await logStreaming(platform, repository, say)
    await thousandJobs(platform, repository, say)
  } finally {
    rmSync(repository.directory, { recursive: true, force: true })
  }
  say('load average of the machine after', `${loadavg()[0]?.toFixed(1)}`)
}

/** Steps that print the time, and shells started by a loop that print it: what lies between two of a kind is what one costs. */
const stepOverhead = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const bare = `echo 'echo "bare $1 $EPOCHREALTIME"' > script.sh; for n in $(seq ${blockSteps}); do bash -e script.sh BLOCK; done`
  const steps = Array.from({ length: blocks }, (_, block) => [
    ...Array.from({ length: blockSteps }, () => ({ run: `echo "ours ${block} $EPOCHREALTIME"`, shell: 'bash -e {0}' })),
    { run: bare.replace('BLOCK', String(block)), shell: 'bash -e {0}' },
  ]).flat()
  const text = workflow({ one: { steps } })
  const ours: number[] = []
  const bares: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const { run, isolation } = await runOf(platform, repository, text)
    if (round === 0) say('jobs are isolated by', String(isolation))
    const log = (await platform.headway('runs', run, '--log')).stdout
    for (let block = 0; block < blocks; block += 1) {
      ours.push(betweenMs(log, `ours ${block}`))
      bares.push(betweenMs(log, `bare ${block}`))
    }
  }
  say('a step that does nothing, ms', middle(ours))
  say('  baseline: bash started by a loop in such a step, ms', middle(bares))
  say('  over it, in pairs, ms', `${middle(overs(ours, bares))} (goal 2)`)
}

/** The median time between the lines that begin so and tell the time in seconds. */
const betweenMs = (log: string, name: string): number => {
  const times = Array.from(log.matchAll(new RegExp(`${name} (\\d+[.,]\\d+)\\s*$`, 'gm')), ([, time = '']) =>
    Number(time.replace(',', '.')),
  )
  return median(times.slice(1).map((time, before) => (time - (times[before] ?? 0)) * 1000))
}

const jobOverhead = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const jobs: Record<string, unknown> = {}
  for (let number = 1; number <= chained; number += 1)
    jobs[`job-${number}`] = { steps: [{ run: ':' }], ...(number > 1 ? { needs: `job-${number - 1}` } : {}) }
  const text = workflow(jobs)
  const ours: number[] = []
  const bare: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const run = await runOf(platform, repository, text)
    const starts = run.jobs.map(({ startedAt }) => startedAt ?? 0).sort((one, other) => one - other)
    // From one job's beginning to the next one's: all that a job costs, its facts and its directories included.
    ours.push(median(starts.slice(1).map((start, before) => start - (starts[before] ?? 0))))
    bare.push((await bareShell(bareJobs)) / chained)
  }
  say('a job of one step that does nothing, behind another, ms', middle(ours))
  say('  baseline: fresh directory, bash, remove it, ms', middle(bare))
  say('  over it, in pairs, ms', `${middle(overs(ours, bare))} (goal 50)`)
}

const logStreaming = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const line = 'a line of a usual length, as a compiler or a test runner prints it'
  const pairs = Array.from({ length: logPairs }, () => [
    { run: 'cat big' },
    { run: 'cat big > copy' },
    { run: 'rm copy' },
  ])
  const steps = [{ run: `yes '${line}' | head -c ${logBytes} > big` }, ...pairs.flat()]
  const watching = new AbortController()
  const memory = (): number => residentBytes(platform.controlPlane.pid ?? 0)
  const before = memory()
  let highest = before
  const watch = (async () => {
    while (!watching.signal.aborted) {
      highest = Math.max(highest, memory())
      await delay(50)
    }
  })()
  const { jobs } = await runOf(platform, repository, workflow({ log: { steps } }))
  watching.abort()
  await watch
  const took = (first: number): number[] =>
    (jobs[0]?.steps ?? []).flatMap(({ durationMs }, at) => (at > 0 && at % 3 === first ? durationMs : []))
  const [ours, bare] = [took(1), took(2)]
  const ratios = ours.map((ms, at) => (bare[at] ?? Number.NaN) / ms)
  say('100 MB of output into the log, ms', `${middle(ours)}; ${(logBytes / 1e3 / median(ours)).toFixed(0)} MB/s`)
  say('  baseline: the same step into a file, ms', middle(bare))
  say('  ratio of speeds, in pairs', `${middle(ratios)} (goal 0.5)`)
  const bareMs = await bareCat()
  say('  beside it: cat through a pipe into a file by Node.js, ms', bareMs.toFixed(0))
  say(
    '  memory of the control plane, MB RSS',
    `before ${(before / 1e6).toFixed(0)}, at most ${(highest / 1e6).toFixed(0)} in ${logPairs} times 100 MB`,
  )
}

const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)

const thousandJobs = async (platform: Platform, repository: Repository, say: Say): Promise<void> => {
  const matrix = { n: Array.from({ length: rows }, (_, number) => number) }
  const names = ['a', 'b', 'c', 'd']
  const jobs = Object.fromEntries(names.map((name) => [name, { strategy: { matrix }, steps: [{ run: ':' }] }]))
  const headers = { authorization: `Bearer ${await tokenOf(platform)}` }
  const commit = await pushed(platform, repository, workflow(jobs))
  const latencies: number[] = []
  const began = performance.now()
  let newest: { run: string; commit: string; status: string } | undefined
  while (performance.now() - began < queueForMs && newest?.status !== 'finished') {
    const paths = [
      '/projects/default/runs',
      '/me',
      '/runners',
      ...(newest ? [`/projects/default/runs/${newest.run}`] : []),
    ]
    for (const path of paths) {
      const asked = performance.now()
      const body: unknown = await (await fetch(`${platform.url}/api/v1${path}`, { headers })).json()
      if (newest?.status === 'running') latencies.push(performance.now() - asked)
      if (path.endsWith('/runs')) newest = newestIn(body, commit)
      await delay(10)
    }
  }
  const tookS = (performance.now() - began) / 1000
  const details: Run = JSON.parse((await platform.headway('runs', newest?.run ?? '', '--json')).stdout)
  const ended = details.jobs.filter(({ finishedAt }) => finishedAt !== null).length
  if (newest?.status !== 'finished') await platform.headway('cancel', newest?.run ?? '')
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(1)
  say('1,000 jobs of one run, ended meanwhile', `${ended} in ${tookS.toFixed(1)} s`)
  say('  the API meanwhile, ms', `p50 ${at(0.5)}, p95 ${at(0.95)} (goal 100), p99 ${at(0.99)}, n ${sorted.length}`)
}

const newestIn = (body: unknown, commit: string) => {
  const runs: { run: string; commit: string; status: string }[] =
    typeof body === 'object' && body !== null && 'runs' in body && Array.isArray(body.runs) ? body.runs : []
  return runs.find((one) => one.commit === commit)
}

const workflow = (jobs: Readonly<Record<string, unknown>>): string =>
  JSON.stringify({
    on: 'push',
    jobs: Object.fromEntries(
      Object.entries(jobs).map(([id, job]) => [id, { 'runs-on': 'ubuntu-latest', ...(job as object) }]),
    ),
  })

/** Pushes the workflow without waiting and resolves to its commit. JSON is YAML, too. */
const pushed = async (platform: Platform, repository: Repository, text: string): Promise<string> => {
  await repository.commit('Bench', { '.github/workflows/bench.yml': text, 'at.txt': String(performance.now()) })
  const { code, output } = await repository.push(['main', '-o', 'async'])
  if (code !== 0) throw new Error(`${platform.url}: ${output}`)
  return (await repository.git('rev-parse', 'HEAD')).stdout.trim()
}

/** The same, and resolves to its run once that has ended. */
const runOf = async (platform: Platform, repository: Repository, text: string): Promise<Run> => {
  const commit = await pushed(platform, repository, text)
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

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
const overs = (ours: readonly number[], bare: readonly number[]): number[] =>
  ours.map((ms, at) => ms - (bare[at] ?? Number.NaN))
const middle = (values: readonly number[]): string =>
  `median ${median(values).toFixed(2)} (${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}, n ${values.length})`
