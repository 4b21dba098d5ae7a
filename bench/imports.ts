import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Platform } from '../e2e/support/platform.ts'

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
  const sizes = (process.env.HEADWAY_BENCH_IMPORTS ?? '10000,100000').split(',').map(Number)
  for (const deployments of sizes) {
    const directory = mkdtempSync(join(tmpdir(), 'headway-bench-'))
    try {
      const repository = join(directory, 'history.git')
      await makeHistory(repository, deployments)
      const began = performance.now()
      execFileSync('git', ['-C', repository, 'log', '--all', '--format=%H %ct'], { maxBuffer: 2 ** 30 })
      const plainMs = performance.now() - began
      const words = ['import', 'git', repository, '--tags', 'v*', '--service', 'shop']
      await onPlatform((platform) => measureImport(platform, words, `${deployments.toLocaleString('en')} tags`, say))
      say('  baseline: git log of the same history, s', (plainMs / 1000).toFixed(1))
      const tables = join(directory, 'tables')
      makeTables(tables, deployments)
      const rows = ['import', 'csv', tables, '--service', 'shop']
      await onPlatform((platform) => measureImport(platform, rows, `${deployments.toLocaleString('en')} in CSV`, say))
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

const measureImport = async (platform: Platform, words: string[], what: string, say: Say): Promise<void> => {
  const cpuBefore = processorSecondsOf(platform)
  const began = performance.now()
  const ended = await platform.headway(...words, '--json')
  const seconds = (performance.now() - began) / 1000
  if (ended.code !== 0) throw new Error(ended.stderr)
  const { facts } = JSON.parse(ended.stdout)
  const used = processorSecondsOf(platform) - cpuBefore
  say(`import of ${what}, s`, `${seconds.toFixed(1)}; ${(facts / seconds).toFixed(0)} a second`)
  say('  of the control plane, s of the processor', `${used.toFixed(1)}; ${((used * 1000) / facts).toFixed(2)} ms each`)
  say('  most memory of the control plane, MB', (mostMemoryOf(platform) / 1000).toFixed(0))
}

const processorSecondsOf = ({ controlPlane: { pid } }: Platform): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

const mostMemoryOf = ({ controlPlane: { pid } }: Platform): number =>
  Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])

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
  const tables = {
    cicd_deployment_commits: [
      'id,cicd_deployment_id,name,result,environment,started_date,finished_date,commit_sha,repo_url',
    ],
    commits: ['sha,committed_date'],
    commits_diffs: ['new_commit_sha,old_commit_sha,commit_sha'],
  }
  const shaOf = (place: number, at: number): string => `${place}x${at}`.padEnd(40, '0')
  const newest = commitsEach - 1
  for (let place = 0; place < deployments; place += 1) {
    const { commits, tagged } = timesOf(place, deployments)
    const at = new Date(tagged).toISOString()
    tables.cicd_deployment_commits.push(
      `c${place},d${place},Deploy,SUCCESS,PRODUCTION,${at},${at},${shaOf(place, newest)},https://git.example.test/octo/shop`,
    )
    for (const [one, moment] of commits.entries()) {
      tables.commits.push(`${shaOf(place, one)},${new Date(moment).toISOString()}`)
      tables.commits_diffs.push(`${shaOf(place, newest)},${shaOf(place - 1, newest)},${shaOf(place, one)}`)
    }
  }
  for (const [name, lines] of Object.entries(tables)) writeFileSync(join(directory, `${name}.csv`), lines.join('\n'))
}
