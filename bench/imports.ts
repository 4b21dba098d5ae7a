import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { launcher, type Platform } from '../e2e/support/platform.ts'

type Say = (name: string, figure: string) => void

const commitsEach = 2
const hourMs = 3_600_000
const spanMs = 9 * 365 * 24 * hourMs
const from = Date.UTC(2016, 0, 1)

/**
 * `headway import git` and `headway import csv` of histories with so many deployments of two commits each, as somebody with a running
 * Headway does it: until all is recorded. Beside it what Git itself takes to walk the same history.
 */
export const measureImports = async (
  onPlatform: (measure: (platform: Platform) => Promise<void>) => Promise<void>,
  say: Say,
): Promise<void> => {
  for (const wish of (process.env.HEADWAY_BENCH_IMPORTS ?? '10000,100000').split(',')) {
    const [size = '', only = null] = wish.split(':').reverse()
    const directory = mkdtempSync(join(tmpdir(), 'headway-bench-'))
    try {
      if (only !== 'csv') await measureTags(join(directory, 'history.git'), Number(size), onPlatform, say)
      if (only !== 'git') await measureTables(join(directory, 'tables'), Number(size), onPlatform, say)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

type OnPlatform = Parameters<typeof measureImports>[0]

const measureTags = async (
  repository: string,
  deployments: number,
  onPlatform: OnPlatform,
  say: Say,
): Promise<void> => {
  await makeHistory(repository, deployments)
  const began = performance.now()
  execFileSync('git', ['-C', repository, 'log', '--all', '--format=%H %ct'], { maxBuffer: 2 ** 30 })
  const plainMs = performance.now() - began
  const words = ['import', 'git', repository, '--tags', 'v*', '--service', 'shop']
  await onPlatform((platform) => measureImport(platform, words, `${deployments.toLocaleString('en')} tags`, say))
  say('  baseline: git log of the same history, s', (plainMs / 1000).toFixed(1))
}

const measureTables = async (tables: string, deployments: number, onPlatform: OnPlatform, say: Say): Promise<void> => {
  makeTables(tables, deployments)
  const words = ['import', 'csv', tables, '--service', 'shop']
  await onPlatform((platform) => measureImport(platform, words, `${deployments.toLocaleString('en')} in CSV`, say))
}

const measureImport = async (platform: Platform, words: string[], what: string, say: Say): Promise<void> => {
  const cpuBefore = processorSecondsOf(platform.controlPlane)
  const began = performance.now()
  const { facts, mostKb } = await imported(platform, words)
  const seconds = (performance.now() - began) / 1000
  const used = processorSecondsOf(platform.controlPlane) - cpuBefore
  say(`import of ${what}, s`, `${seconds.toFixed(1)}; ${(facts / seconds).toFixed(0)} a second`)
  say('  of the control plane, s of the processor', `${used.toFixed(1)}; ${((used * 1000) / facts).toFixed(2)} ms each`)
  say('  most memory of the control plane, MB', (mostMemoryOf(platform.controlPlane) / 1000).toFixed(0))
  say('  most memory of the command, MB', (mostKb / 1000).toFixed(0))
  say(
    '  load average',
    loadavg()
      .map((load) => load.toFixed(0))
      .join(', '),
  )
}

/** The command in a process that is looked at until it ends: the launcher becomes it. */
const imported = async ({ home }: Platform, words: string[]): Promise<{ facts: number; mostKb: number }> => {
  const child = spawn(launcher, [...words, '--json'], {
    env: { ...process.env, HEADWAY_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let mostKb = 0
  const looking = setInterval(() => {
    mostKb = Math.max(mostKb, mostMemoryOf(child) || 0)
  }, 100)
  const ended = new Promise((resolve) => child.once('close', resolve))
  const said = (await child.stdout.toArray()).join('')
  const code = await ended
  clearInterval(looking)
  if (code !== 0) throw new Error(`headway ${words.join(' ')} ended with ${code}`)
  return { facts: JSON.parse(said).facts, mostKb }
}

type Process = Pick<ChildProcess, 'pid'>

const processorSecondsOf = ({ pid }: Process): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** In kB; NaN of a process that has ended. */
const mostMemoryOf = ({ pid }: Process): number => {
  try {
    return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
  } catch {
    return Number.NaN
  }
}

/** When the commits of a deployment were made, in milliseconds since 1970, and when it was tagged. */
const timesOf = (place: number, deployments: number): { readonly commits: number[]; readonly tagged: number } => {
  const start = from + place * (spanMs / deployments)
  const commits = Array.from({ length: commitsEach }, (_, at) => start + (at * spanMs) / deployments / commitsEach)
  return { commits, tagged: (commits.at(-1) ?? start) + hourMs }
}

const makeHistory = async (directory: string, deployments: number): Promise<void> => {
  execFileSync('git', ['init', '--quiet', '--bare', directory])
  const child = spawn('git', ['-C', directory, 'fast-import', '--quiet', '--done'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  await pipeline(Readable.from(historyOf(deployments)), child.stdin)
  if ((await ended) !== 0) throw new Error('git fast-import failed')
  execFileSync('git', ['-C', directory, 'pack-refs', '--all'])
}

function* historyOf(deployments: number): Generator<string> {
  const person = (at: number): string => `Ada <ada@example.test> ${Math.floor(at / 1000)} +0000`
  let text = 'feature done\n'
  for (let place = 0; place < deployments; place += 1) {
    const { commits, tagged } = timesOf(place, deployments)
    for (const [at, moment] of commits.entries())
      text += `commit refs/heads/main\nmark :${place * commitsEach + at + 1}\ncommitter ${person(moment)}\ndata 6\nChange\n`
    text += `tag v1.${place}\nfrom :${(place + 1) * commitsEach}\ntagger ${person(tagged)}\ndata 1\nr\n`
    if (text.length < 1_000_000) continue
    yield text
    text = ''
  }
  yield `${text}done\n`
}

/** The tables that DevLake writes. */
const makeTables = (directory: string, deployments: number): void => {
  mkdirSync(directory)
  const shaOf = (place: number, at: number): string => `${place}x${at}`.padEnd(40, '0')
  const newest = commitsEach - 1
  const repository = 'https://git.example.test/octo/shop'
  const tables: Record<string, [string, (place: number) => string[]]> = {
    cicd_deployment_commits: [
      'id,cicd_deployment_id,name,result,environment,started_date,finished_date,commit_sha,repo_url',
      (place) => {
        const at = new Date(timesOf(place, deployments).tagged).toISOString()
        return [`c${place},d${place},Deploy,SUCCESS,PRODUCTION,${at},${at},${shaOf(place, newest)},${repository}`]
      },
    ],
    commits: [
      'sha,committed_date',
      (place) =>
        timesOf(place, deployments).commits.map((at, one) => `${shaOf(place, one)},${new Date(at).toISOString()}`),
    ],
    commits_diffs: [
      'new_commit_sha,old_commit_sha,commit_sha',
      (place) =>
        Array.from(
          { length: commitsEach },
          (_, one) => `${shaOf(place, newest)},${shaOf(place - 1, newest)},${shaOf(place, one)}`,
        ),
    ],
  }
  for (const [name, [head, rowsOf]] of Object.entries(tables)) {
    const file = join(directory, `${name}.csv`)
    writeFileSync(file, `${head}\n`)
    for (let from = 0; from < deployments; from += 10_000) {
      const places = Array.from({ length: Math.min(10_000, deployments - from) }, (_, at) => from + at)
      appendFileSync(file, `${places.flatMap(rowsOf).join('\n')}\n`)
    }
  }
}
