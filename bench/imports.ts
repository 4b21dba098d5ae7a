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
 * Headway does it: until all is recorded. Beside it what Git itself takes to walk the same history. HEADWAY_BENCH_IMPORTS names others, or one
 * kind of them: `10000,csv:300000,github:1000`, the last of which is `headway import github` of so many MB.
 */
export const measureImports = async (
  onPlatform: (measure: (platform: Platform) => Promise<void>) => Promise<void>,
  say: Say,
): Promise<void> => {
  for (const wish of (process.env.HEADWAY_BENCH_IMPORTS ?? '10000,100000').split(',')) {
    const [size = '', only = null] = wish.split(':').reverse()
    const directory = mkdtempSync(join(tmpdir(), 'headway-bench-'))
    try {
      if (only === null || only === 'git')
        await measureTags(join(directory, 'history.git'), Number(size), onPlatform, say)
      if (only === null || only === 'csv') await measureTables(join(directory, 'tables'), Number(size), onPlatform, say)
      if (only === 'github') await measureDump(join(directory, 'dump'), Number(size), onPlatform, say)
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

const measureDump = async (directory: string, megabytes: number, onPlatform: OnPlatform, say: Say): Promise<void> => {
  const items = makeDump(directory, megabytes * 1_000_000)
  const words = ['import', 'github', directory, '--repository', 'octo/shop', '--service', 'shop']
  const what = `${megabytes.toLocaleString('en')} MB of GitHub's answers, ${items.toLocaleString('en')} items`
  await onPlatform(async (platform) => {
    await measureImport(platform, words, what, say)
    await measureImport(platform, words, 'the same once more', say)
  })
}

const measureImport = async (platform: Platform, words: string[], what: string, say: Say): Promise<void> => {
  const cpuBefore = processorSecondsOf(platform.controlPlane)
  const began = performance.now()
  const { facts, mostKb } = await imported(platform, words)
  const seconds = (performance.now() - began) / 1000
  const used = processorSecondsOf(platform.controlPlane) - cpuBefore
  say(`import of ${what}, s`, `${seconds.toFixed(1)}; ${(facts / seconds).toFixed(0)} a second`)
  say(
    '  of the control plane, s of the processor',
    `${used.toFixed(1)}${facts > 0 ? `; ${((used * 1000) / facts).toFixed(2)} ms each` : ''}`,
  )
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

/** Pull requests as long as GitHub lists them in one file; in one that is read before it the statuses of deployments in one that is read after it. */
const makeDump = (directory: string, sizeBytes: number): number => {
  mkdirSync(directory)
  const write = (
    name: string,
    itemOf: (place: number) => unknown,
    isEnough: (place: number, bytes: number) => boolean,
  ) => {
    const file = join(directory, name)
    writeFileSync(file, '[')
    let [place, bytes] = [0, 0]
    for (let text = ''; !isEnough(place, bytes); text = '') {
      for (let more = 0; more < 500 && !isEnough(place, bytes + text.length); more += 1, place += 1)
        text += `${place > 0 ? ',' : ''}${JSON.stringify(itemOf(place))}`
      bytes += text.length
      appendFileSync(file, text)
    }
    appendFileSync(file, ']')
    return place
  }
  const at = (place: number, hours: number): string => new Date(from + (place * 4 + hours) * hourMs).toISOString()
  const api = 'https://api.github.example.test/repos/octo/shop'
  const links = (of: string) =>
    Object.fromEntries(
      Array.from({ length: 85 }, (_, link) => [`link_${link}_url`, `${api}/${of}/link/${link}{/some}`]),
    )
  const side = (place: number, sha: string) => ({ sha, label: 'octo:main', repo: { id: place, ...links('repo') } })
  const shaOf = (place: number): string => `${place}`.padEnd(40, '0')
  const pulls = write(
    '2-pulls.json',
    (place) => ({
      ...{ id: place, number: place + 1, state: 'closed', title: `Change ${place}`, labels: [], ...links('pulls') },
      ...{ created_at: at(place, 0), merged_at: at(place, 2), closed_at: at(place, 2), merge_commit_sha: shaOf(place) },
      ...{ head: side(place, shaOf(place)), base: side(place, shaOf(place - 1)), body: 'As was said.\n'.repeat(100) },
    }),
    (_, bytes) => bytes >= sizeBytes,
  )
  write(
    '1-statuses.json',
    (place) => ({
      id: place,
      state: 'success',
      created_at: at(place, 3),
      deployment_url: `${api}/deployments/${place}`,
    }),
    (place) => place >= pulls,
  )
  write(
    '3-deployments.json',
    (place) => ({ id: place, sha: shaOf(place), environment: 'production', created_at: at(place, 2) }),
    (place) => place >= pulls,
  )
  return pulls * 3
}
