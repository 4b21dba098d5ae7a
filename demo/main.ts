import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { changed, exampleFiles } from '../e2e/support/example.ts'
import { type Load, startLoad } from '../e2e/support/load.ts'
import { type Platform, type Repository, repositoryRoot, startPlatform } from '../e2e/support/platform.ts'

/**
 * `npm run demo`: the main job, for real, on this machine. Every line printed is something that just happened; nothing is
 * recorded or assumed. `--once` ends after the story with exit code 0 when all went as told, 1 otherwise, and leaves nothing
 * running; without it everything stays up until Ctrl-C.
 */
const { values: flags } = parseArgs({ options: { once: { type: 'boolean', default: false } } })

const colour = process.stdout.isTTY && !process.env.NO_COLOR
const paint = (code: number) => (text: string) => (colour ? `\u001b[${code}m${text}\u001b[0m` : text)
const bold = paint(1)
const dim = paint(2)
const green = paint(32)
const red = paint(31)

const service = 'demo'
const host = `${service}.localhost`
const stagingHost = `${service}.staging.localhost`
const failures: string[] = []
const began = performance.now()
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`

const chapter = (title: string) => console.log(`\n${bold(title)}`)
const expect = (holds: boolean, claim: string) => {
  console.log(`  ${holds ? green('✓') : red('✗')} ${claim}`)
  if (!holds) failures.push(claim)
}
const relay = (line: string) => {
  const text = line.replace(/^remote: ?/, '').trimEnd()
  if (text && !/^(To http|\s+[0-9a-f]{7,}\.\.|\s*\* \[new branch\])/.test(text)) console.log(dim('  │ ') + text)
}

const free = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer().once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })

/** The usual port where it is free, else any: the demo must run beside whatever is here already. */
const portOr = async (usual: number): Promise<number> => (!flags.once && (await free(usual)) ? usual : 0)

const main = async (): Promise<void> => {
  console.log(
    bold('Headway: push five lines, see it live') + dim('   (everything below happens for real, on this machine)'),
  )
  const home = flags.once ? mkdtempSync(join(tmpdir(), 'headway-demo-')) : join(repositoryRoot, '.headway-demo')
  if (!flags.once && existsSync(join(home, 'server.json'))) rmSync(home, { recursive: true, force: true })
  const ports = { port: await portOr(4600), edgePort: await portOr(4680) }
  const platform = await startPlatform({ home, ...ports, environments: 'staging,production', keep: true })
  let stopping: Promise<void> | undefined
  let load: Load | undefined
  let repository: Repository | undefined
  const leave = (): Promise<void> => {
    stopping ??= (async () => {
      await load?.stop()
      await platform.destroy()
      if (repository) rmSync(repository.directory, { recursive: true, force: true })
      rmSync(home, { recursive: true, force: true })
    })()
    return stopping
  }
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
  })
  try {
    const story = tell(
      platform,
      (made) => {
        repository = made
      },
      (started) => {
        load = started
      },
    )
    await Promise.race([story, interrupted.then(() => Promise.reject(new Error('interrupted')))])
    load = undefined
    if (!flags.once) {
      lookAround(platform)
      await interrupted
      console.log(dim('\nstopping everything ...'))
    }
  } finally {
    await leave()
  }
}

const tell = async (
  platform: Platform,
  onRepository: (repository: Repository) => void,
  onLoad: (load: Load) => void,
): Promise<void> => {
  const url = `http://${host}:${platform.edgePort}/`
  console.log(
    dim(`  control plane ${platform.url}, services behind port ${platform.edgePort}, data in ${platform.home}`),
  )

  const files = exampleFiles('node-postgres', service, 3)
  chapter('1. A service: five lines and an ordinary Node.js program with a PostgreSQL table')
  for (const line of (files['headway.yaml'] ?? '').trim().split('\n')) console.log(`    ${line}`)
  const repository = await platform.repository(service, files)
  onRepository(repository)

  chapter('2. git push headway main')
  let since = performance.now()
  const first = await repository.push(['main'], relay)
  const page = await platform.get(host)
  const onStaging = await platform.get(stagingHost)
  expect(
    first.code === 0 && page.status === 200 && onStaging.status === 200,
    `live in staging, then by itself in production at ${url}, ${seconds(since)} after the push`,
  )
  const listed = await platform.headway('ps', '--json')
  const healthy = (JSON.parse(listed.stdout || '[]') as Instance[]).filter(
    (one) => one.state === 'healthy' && one.service === service && one.environment === 'production',
  )
  expect(healthy.length === 3, `${healthy.length} healthy replicas behind one name`)
  const before = await platform.get(host, '/')
  const after = await platform.get(host, '/')
  expect(
    before.status === 200 && after.status === 200 && before.body !== after.body,
    'each visit is counted in its PostgreSQL table',
  )

  chapter('3. A change, pushed while 50 requests a second of 1,000 people come in')
  const load = startLoad({ port: platform.edgePort, host, clients: 1000 }, 50)
  onLoad(load)
  since = performance.now()
  const second = await repositoryChange(repository, 'Say hello differently', {
    ...changed(files, 'src/page.js', /Hello/, 'Hello again'),
    'headway.yaml': yamlWith(files, `release: { steps: [${shortSteps}, 100], watch: 0s }`),
  })
  const newPage = await platform.get(stagingHost)
  expect(
    second.code === 0 && newPage.body.includes('Hello again'),
    `the new version is live in staging ${seconds(since)} after the push, and goes on to production`,
  )
  await platform.headway('watch', second.commit)
  const everybody = await platform.get(host)
  expect(
    everybody.body.includes('Hello again'),
    `10 %, then 50 %, then all of its users have it after ${seconds(since)} (with steps of 4 s, to be short; else of a minute and more)`,
  )
  expect(load.failed() === 0 && load.answered() > 0, `${load.failed()} failed of ${load.answered()} requests meanwhile`)

  chapter('4. A version whose tests fail')
  await repositoryChange(repository, 'Break the page', changed(files, 'src/page.js', /Hello/, 'Goodbye'))
  const stillSecond = await platform.get(host)
  expect(
    stillSecond.body.includes('Hello again'),
    'was stopped before it was packaged; the version before it still answers',
  )

  chapter('5. A version that passes its tests, starts, and listens on the wrong port')
  await repositoryChange(repository, 'Start badly', {
    ...changed(files, 'src/page.js', /Hello/, 'Hello again'),
    ...changed(files, 'src/server.js', /listen\(Number\(PORT\)/, 'listen(Number(PORT) + 1'),
    'headway.yaml': yamlWith(files, health),
  })
  const stillHere = await platform.get(host)
  expect(stillHere.body.includes('Hello again'), 'never came further than staging, and got no request there')

  chapter('6. A version that passes its tests and starts, but answers one request in four with an error')
  const failedBefore = load.failed()
  const third = await repositoryChange(repository, 'Fail now and then', {
    ...changed(files, 'src/page.js', /Hello/, 'Hello again'),
    ...changed(files, 'src/server.js', /const server = createServer\(\s+(createApp\(.*?\)),\s+\)/s, nowAndThen),
    'headway.yaml': yamlWith(
      files,
      `${health}\nrelease: { steps: [{ weight: 10, min: 2m, max: 2m }, 100], watch: 0s }`,
    ),
  })
  since = performance.now()
  const watched = await platform.headway('watch', third.commit)
  const [undone] = JSON.parse((await platform.headway('deployments', service, '--json')).stdout) as Deployment[]
  const bad = load.failed() - failedBefore
  expect(
    watched.code === 1 && undone?.outcome === 'rolled-back' && undone.environment === 'production',
    `was undone by itself ${seconds(since)} after it had the first of its users, when ${bad} requests had failed`,
  )
  for (const line of watched.stdout.trim().split('\n').slice(-3)) relay(line)

  chapter('7. headway rollback demo')
  since = performance.now()
  const back = await platform.headway('rollback', service)
  const firstAgain = await platform.get(host)
  expect(
    back.code === 0 && firstAgain.status === 200 && !firstAgain.body.includes('Hello again'),
    `the first version is back after ${seconds(since)}`,
  )

  const outcome = await load.stop()
  chapter('All of it, seen from outside')
  expect(
    outcome.failed === bad && outcome.answered > 0,
    `${outcome.failed - bad} failed of ${outcome.answered} requests over the whole story, but for the ${bad} of the bad version (p50 ${outcome.p50Ms?.toFixed(1)} ms, p99 ${outcome.p99Ms?.toFixed(1)} ms)`,
  )
  if (outcome.failed > bad) for (const failure of outcome.failures) console.log(`    ${failure}`)
  const verified = await platform.headway('ledger', 'verify')
  expect(verified.code === 0, `the ledger verifies: ${verified.stdout.trim().split('\n').at(-1)}`)
  console.log(dim(`  told in ${seconds(began)}`))
}

type Instance = { readonly service?: string; readonly environment?: string; readonly state?: string }
type Deployment = { readonly environment: string; readonly outcome: string | null }

const shortSteps = '{ weight: 10, min: 4s, max: 4s }, { weight: 50, min: 4s, max: 4s }'
const health = 'health: { path: /health, timeout: 5s }'
const nowAndThen = `const app = $1
const server = createServer((request, response) => {
  if (request.url === '/' && Math.random() < 0.25) response.writeHead(500).end()
  else app(request, response)
})`
const yamlWith = (files: Readonly<Record<string, string>>, lines: string): string =>
  `${(files['headway.yaml'] ?? '').trimEnd()}\n${lines}\n`

const repositoryChange = async (repository: Repository, message: string, files: Record<string, string>) => {
  const commit = await repository.commit(message, files)
  return { commit, ...(await repository.push(['main'], relay)) }
}

const lookAround = (platform: Platform): void => {
  const home = relative(process.cwd(), platform.home) || '.'
  chapter('Look around (everything stays up until Ctrl-C)')
  console.log(`  http://${host}:${platform.edgePort}/          the service
  HEADWAY_HOME=${home} ./headway web                a link to the web, signed in
  ${platform.url}/api        the API, described
  HEADWAY_HOME=${home} ./headway status           what runs where
  HEADWAY_HOME=${home} ./headway logs -f ${service}     its log, followed
  HEADWAY_HOME=${home} ./headway runs             the pipeline's runs, the failed one too
  HEADWAY_HOME=${home} ./headway ledger tail      everything that happened`)
}

try {
  await main()
} catch (error) {
  if (!(error instanceof Error && error.message === 'interrupted')) {
    console.error(red(`\nthe demo broke: ${error instanceof Error ? error.message : String(error)}`))
    failures.push('it ran to its end')
  }
}
if (failures.length > 0) console.error(red(`\nnot as told: ${failures.join('; ')}`))
process.exit(failures.length === 0 ? 0 : 1)
