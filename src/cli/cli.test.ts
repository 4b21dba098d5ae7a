import assert from 'node:assert/strict'
import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

type Asked = { method: string; path: string; authorization: string | undefined; body: unknown }
type Answer = { status: number; body: unknown }

/** A server that answers as it is told and keeps what it was asked. */
const startStub = async (answers: Readonly<Record<string, Answer>>) => {
  const asked: Asked[] = []
  const server: Server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8')
    })
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request
      asked.push({ method, path, authorization: headers.authorization, body: text === '' ? null : JSON.parse(text) })
      const { status, body } = answers[`${method} ${path}`] ?? { status: 404, body: { detail: `nothing at ${path}` } }
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(typeof body === 'string' ? body : JSON.stringify(body))
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  return { asked, url: `http://127.0.0.1:${port}`, stop: () => new Promise((closed) => server.close(closed)) }
}

type Ended = { code: number | null; stdout: string; stderr: string }

const headway = (
  words: readonly string[],
  options: { env?: Record<string, string>; input?: string; cwd?: string } = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...words], {
      cwd: options.cwd ?? tmpdir(),
      env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...options.env },
    })
    const ended: Ended = { code: null, stdout: '', stderr: '' }
    child.stdout.on('data', (chunk: Buffer) => {
      ended.stdout += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      ended.stderr += chunk.toString('utf8')
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ ...ended, code }))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })

const problem = {
  type: 'urn:headway:problem:push-refused',
  title: 'x',
  status: 403,
  detail: 'vera may not',
  next: 'ask ada',
}
const lastDeployment = {
  ...{ deployment: 'deployment-1', service: 'shop', environment: 'production', release: `sha256:${'a'.repeat(64)}` },
  ...{ commit: 'b'.repeat(40), reason: 'push', requestedAt: 0, finishedAt: 0, outcome: 'succeeded', url: null },
  ...{ detail: null, evidence: null, next: null, leadTimeMs: 3200 },
}
const instance = {
  ...{ id: 'shop.1', service: 'shop', environment: 'staging', commit: 'b'.repeat(40), state: 'healthy', port: 8000 },
  ...{ pid: 7, startedAt: null, restarts: 0, lastProbe: 'GET / answered 200 in 1 ms', memoryBytes: null },
}
const shop = {
  ...{ service: 'shop', environment: 'production', status: 'live', rollout: null, url: 'http://shop.localhost:4680/' },
  ...{ commit: 'b'.repeat(40), healthy: 3, replicas: 3, lastDeployment },
}

const story = (end: string): string =>
  `${JSON.stringify({ text: '  · pipeline CI\u001b[2J' })}\n${JSON.stringify({ end })}\n`
const failure = {
  ...{ job: 'a', step: 'Run make', command: 'make', exitCode: 2, detail: 'Run make: it ended with exit code 2' },
  ...{ lastLines: ['no rule to make target'], where: null },
}
const failedRun = {
  ...{ run: 'run-1', name: 'CI', status: 'finished', conclusion: 'failure', durationMs: 1200, failure },
  jobs: [
    { job: 'a', name: 'a', status: 'finished', conclusion: 'failure', wait: null, startedAt: 0, finishedAt: 1000 },
  ],
}
const broken = {
  ...{ repository: 'shop', ref: 'refs/heads/main', commit: 'b'.repeat(40), brokenSince: 0 },
  ...{ author: { name: 'Ada' }, owners: ['team-shop'], failure },
}

const judgedRollouts = [
  { deployment: 'deployment-3', service: 'shop', commit: 'c'.repeat(40), isJudged: false },
  { deployment: 'deployment-2', service: 'shop', commit: 'b'.repeat(40), isJudged: true },
]
const explanation = {
  ...{ rollout: 'deployment-2', service: 'shop', environment: 'production', verdicts: [], now: null },
  plan: { alpha: 0.01, tolerance: 0, latency: true },
}
const migration = {
  ...{ deployment: 'deployment-1', commit: 'a'.repeat(40), attempt: 1, startedAt: 0, finishedAt: 1000 },
  ...{ outcome: 'succeeded', lastLines: [], findings: [] },
}

describe('the command line', () => {
  let stub: Awaited<ReturnType<typeof startStub>>
  let directory: string
  const here = () => ({ HEADWAY_SERVER: stub.url, HEADWAY_TOKEN: 'hw_secret' })
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'headway-cli-'))
    stub = await startStub({
      'GET /api/v1/projects/default/services': { status: 200, body: [shop] },
      'GET /api/v1/projects/empty/services': { status: 200, body: [] },
      'GET /api/v1/projects/default/broken-mains': { status: 200, body: { broken: [] } },
      'GET /api/v1/projects/empty/broken-mains': { status: 200, body: { broken: [] } },
      'GET /api/v1/projects/closed/services': { status: 403, body: problem },
      'PUT /api/v1/projects/default/settings/bad': {
        status: 400,
        body: { ...problem, type: 'urn:headway:problem:invalid-request', status: 400, next: 'see /api' },
      },
      'GET /api/v1/projects/default/instances': { status: 200, body: [instance] },
      'POST /api/v1/projects/default/repositories/shop/reverts': {
        status: 200,
        body: { change: null, commit: 'c'.repeat(40) },
      },
      'GET /api/v1/projects/default/repositories': {
        status: 200,
        body: [
          {
            repository: 'shop',
            pushedAt: null,
            protection: { branches: ['main'], allowForce: true, push: 'developer' },
          },
        ],
      },
      'PUT /api/v1/projects/default/settings/KEY': { status: 200, body: {} },
      'PUT /api/v1/projects/default/repositories/shop/protection': { status: 200, body: {} },
      'GET /api/v1/projects/default/services/shop/logs?limit=100': {
        status: 200,
        body: `${JSON.stringify({ at: 0, instance: 'shop.1', stream: 'stdout', text: 'a\u001b[2Jb\u202e' })}\n`,
      },
      'POST /api/v1/projects/default/events?source=devlake': {
        status: 200,
        body: { outcome: 'recorded', facts: 2, unplaced: [] },
      },
      'GET /api/v1/backup': { status: 200, body: 'the backup' },
      'GET /api/v1/projects/default/pushes/push-1/story': { status: 200, body: story('succeeded') },
      'GET /api/v1/projects/default/pushes/push-2/story': { status: 200, body: story('failed') },
      'GET /api/v1/projects/default/pushes?limit=1': {
        status: 200,
        body: { pushes: [{ push: 'push-2', repository: 'shop', ref: 'refs/heads/main', commit: 'b'.repeat(40) }] },
      },
      'GET /api/v1/projects/default/runs/run-1/follow': { status: 200, body: `${JSON.stringify(failedRun)}\n` },
      'POST /api/v1/projects/default/runs/run-1/rerun?jobs=failed': { status: 202, body: { attempt: 2 } },
      'POST /api/v1/projects/default/runs/run-1/approvals': { status: 200, body: { jobs: ['deploy'] } },
      'POST /api/v1/projects/default/repositories/shop/workflows/ci.yml/dispatches': {
        status: 202,
        body: { event: 'event-1' },
      },
      'GET /api/v1/projects/default/rollouts?service=shop&limit=200': { status: 200, body: judgedRollouts },
      'GET /api/v1/projects/default/rollouts?service=bbbb&limit=200': { status: 200, body: [] },
      'GET /api/v1/projects/default/rollouts?limit=200': { status: 200, body: judgedRollouts },
      'GET /api/v1/projects/default/rollouts/deployment-2/why': { status: 200, body: explanation },
      'GET /api/v1/projects/default/environments': {
        status: 200,
        body: [{ environment: 'staging' }, { environment: 'production' }],
      },
      'GET /api/v1/projects/default/services/shop/migrations?environment=staging&limit=20': {
        status: 200,
        body: [{ ...migration, deployment: 'deployment-2', startedAt: 2000, finishedAt: 3000, outcome: 'failed' }],
      },
      'GET /api/v1/projects/default/services/shop/migrations?environment=production&limit=20': {
        status: 200,
        body: [migration],
      },
      'GET /api/v1/projects/default/services/shop/migrations/deployment-2/1/log?environment=staging': {
        status: 200,
        body: 'column price exists already',
      },
      'PUT /api/v1/environments/production': {
        status: 400,
        body: {
          type: 'urn:headway:problem:invalid-request',
          status: 400,
          detail: 'policy: expected another',
          where: { path: 'policy' },
        },
      },
      'GET /api/v1/projects/red/services': { status: 200, body: [] },
      'GET /api/v1/projects/red/broken-mains': { status: 200, body: { broken: [broken] } },
    })
  })
  after(async () => {
    await stub.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('who has read enough (`| head -1`) ends a command without a word', async () => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'status', '--json'], {
      env: { PATH: process.env.PATH ?? '', ...here() },
    })
    child.stdout.destroy()
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    const [code] = await once(child, 'close')
    assert.deepEqual([code, said], [0, ''])
  })

  test('shows a table without colours where nobody looks, and sends its token', async () => {
    const { code, stdout } = await headway(['status'], { env: here() })
    assert.equal(code, 0)
    assert.deepEqual(
      stdout.split('\n').map((line) => line.split(/ {2,}/).filter((cell) => !cell.endsWith('ago'))),
      [
        ['SERVICE', 'ENVIRONMENT', 'STATUS', 'HEALTHY', 'COMMIT', 'DEPLOYED', 'URL'],
        ['shop', 'production', 'live', '3 of 3', 'bbbbbbb', 'http://shop.localhost:4680/'],
        [''],
      ],
    )
    assert.equal(stub.asked.at(-1)?.authorization, 'Bearer hw_secret')
  })

  test('answers a machine with what the API said', async () => {
    const { stdout } = await headway(['status', '--json'], { env: here() })
    assert.deepEqual(JSON.parse(stdout), [shop])
  })

  test('says in an empty state what to do', async () => {
    const { code, stdout } = await headway(['status', '--project', 'empty'], { env: here() })
    assert.deepEqual([code, /git push headway main/.test(stdout)], [0, true])
  })

  test('shows a refusal with what to do next, and fails', async () => {
    assert.deepEqual(await headway(['status', '--project', 'closed'], { env: here() }), {
      code: 1,
      stdout: '',
      stderr: 'headway: vera may not\n  next: ask ada\n',
    })
  })

  test('names the place of a wrong word once', async () => {
    const { stderr } = await headway(['environments', 'set', 'production', '--policy', 'never'], { env: here() })
    assert.equal(stderr, 'headway: policy: expected another\n')
  })

  test('says why the newest judged release of a service went as it did, or that of a commit', async () => {
    for (const name of ['shop', 'bbbb']) {
      const { code, stdout } = await headway(['rollout', 'why', name], { env: here() })
      assert.deepEqual([code, stdout.split('\n')[0]], [0, 'shop in production deployment-2'])
    }
  })

  test('shows the migrations of all environments, and what the newest of them wrote', async () => {
    const { stdout } = await headway(['migrations', 'shop'], { env: here() })
    assert.deepEqual(
      stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3)),
      [
        ['ENVIRONMENT', 'COMMIT', 'OUTCOME'],
        ['staging', 'aaaaaaa', 'failed'],
        ['production', 'aaaaaaa', 'succeeded'],
        [''],
      ],
    )
    const log = await headway(['migrations', 'shop', '--log'], { env: here() })
    assert.equal(log.stdout, 'column price exists already')
  })

  test('watches the newest push to its end, and fails with it', async () => {
    const good = await headway(['watch', 'push-1'], { env: here(), cwd: directory })
    assert.deepEqual([good.code, good.stdout], [0, '  · pipeline CI\n'])
    assert.equal((await headway(['watch'], { env: here(), cwd: directory })).code, 1)
  })

  test('watches a run to its end, and says what failed', async () => {
    const { code, stdout } = await headway(['watch', 'run-1'], { env: here() })
    assert.equal(code, 1)
    assert.deepEqual(stdout.split('\n').slice(0, 6), [
      '✗ a 1.0 s',
      'run-1 CI: failure 1.2 s',
      '',
      '  ✗ a: Run make: it ended with exit code 2',
      '    $ make',
      '    │ no rule to make target',
    ])
  })

  test('asks for another attempt, an approval and a workflow as they are named', async () => {
    const said = async (...words: string[]) => (await headway(words, { env: here() })).stdout
    assert.equal(await said('rerun', 'run-1', '--failed'), 'run-1: attempt 2\n')
    assert.equal(await said('approve', 'run-1', 'production', '--reject', '--comment', 'no'), 'rejected: deploy\n')
    assert.deepEqual(stub.asked.at(-1)?.body, { environment: 'production', isApproved: false, comment: 'no' })
    assert.equal(
      await said('dispatch', 'ci', '--repository', 'shop', '--ref', 'main', '--input', 'a=b=c', 'd='),
      'raised event-1\n',
    )
    assert.deepEqual(stub.asked.at(-1)?.body, { ref: 'main', inputs: { a: 'b=c', d: '' } })
  })

  test('shows a red main to whoever looks', async () => {
    const { stdout } = await headway(['status', '--project', 'red'], { env: here() })
    assert.match(stdout, /✗ shop main has been red for \d+ d \(bbbbbbb, Ada, team-shop\)\n {2}Run make: it ended/)
    assert.match(stdout, /headway revert bbbbbbb --repository shop/)
  })

  for (const [what, words, env, expected] of [
    ['words that it does not know', ['frobnicate'], {}, 2],
    ['an option that it does not know', ['status', '--frob'], {}, 2],
    ['a command without its argument', ['releases'], {}, 2],
    ['no Headway here', ['status'], { HEADWAY_HOME: '/nonexistent' }, 69],
    ['a Headway that does not answer', ['status'], { HEADWAY_SERVER: 'http://127.0.0.1:1', HEADWAY_TOKEN: 'x' }, 69],
    ['a server but no token', ['status'], { HEADWAY_SERVER: 'http://127.0.0.1:1' }, 1],
  ] as const)
    test(`ends with ${expected} for ${what}`, async () => {
      const { code, stderr } = await headway(words, { env })
      assert.equal(code, expected, stderr)
      assert.notEqual(stderr, '')
    })

  test('takes a secret from standard input and shows it nowhere', async () => {
    const outcome = await headway(['secret', 'set', 'KEY'], { env: here(), input: 'hunter2\n' })
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.deepEqual(stub.asked.at(-1)?.body, { value: 'hunter2', kind: 'secret', service: null, environment: null })
    assert.doesNotMatch(outcome.stdout + outcome.stderr, /hunter2/)
    const asArgument = await headway(['secret', 'set', 'KEY', 'hunter2'], { env: here() })
    assert.equal(asArgument.code, 2)
  })

  test('waits for a secret that comes late through a pipe', async () => {
    const slow = '(sleep 1; printf hunter3) | "$0" --disable-warning=ExperimentalWarning "$@"'
    const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...here() }
    const argv = ['-c', slow, process.execPath, main, 'secret', 'set', 'KEY']
    await promisify(execFile)('sh', argv, { env })
    assert.deepEqual(stub.asked.at(-1)?.body, { value: 'hunter3', kind: 'secret', service: null, environment: null })
  })

  test('prints the lines of services without what would move the cursor', async () => {
    const { stdout } = await headway(['logs', 'shop'], { env: here() })
    assert.equal(stdout, '00:00:00.000 shop.1 ab\uFFFD\n')
  })

  test('lists repositories with their addresses, and protects them', async () => {
    const listed = await headway(['repositories'], { env: here() })
    assert.match(listed.stdout, /shop +never +main \(may be forced\) +http:\S+\/git\/default\/shop\.git/)
    await headway(['repositories', 'protect', 'shop', '--branch', 'main', 'next'], { env: here() })
    assert.deepEqual(stub.asked.at(-1)?.body, { branches: ['main', 'next'], allowForce: false })
  })

  test('imports tables, or says which line cannot be, and then nothing', async () => {
    const folder = mkdtempSync(join(directory, 'tables-'))
    const table = (...rows: string[]): string => ['id,result,finished_date,commit_sha', ...rows].join('\n')
    const told = () => stub.asked.filter(({ path }) => path.includes('source=devlake'))
    const imported = () => headway(['import', 'csv', folder, '--service', 'shop'], { env: here() })
    assert.match((await imported()).stderr, /tables-.* holds no file \*\.csv\n {2}next: name the files themselves/)
    writeFileSync(join(folder, 'a.csv'), table('d1,SUCCESS,2026-06-01 09:00:00,a', 'd2,SUCCESS,soon,b'))
    const refused = await imported()
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /tables-.*\/a\.csv:3: finished_date is no time: soon\n {2}next: write it as/)
    assert.deepEqual(told(), [])
    writeFileSync(join(folder, 'a.csv'), table('d1,SUCCESS,2026-06-01 09:00:00,a', 'd2,FAILURE,2026-06-01 10:00:00,b'))
    assert.deepEqual(await imported(), { code: 0, stdout: '2 records, 2 new facts\n', stderr: '' })
    const [asked, ...more] = told()
    const records = Array.isArray(asked?.body) ? asked.body : []
    assert.deepEqual(
      records.map(({ id, service, outcome }) => [id, service, outcome]),
      [
        ['d1', 'shop', 'succeeded'],
        ['d2', 'shop', 'failed'],
      ],
    )
    assert.deepEqual(more, [])
  })

  test('writes a backup whole or not at all, and over nothing', async () => {
    const file = join(directory, 'backup.tar.gz')
    const first = await headway(['backup', file], { env: here() })
    assert.equal(first.code, 0, first.stderr)
    assert.equal(readFileSync(file, 'utf8'), 'the backup')
    const second = await headway(['backup', file], { env: here() })
    assert.deepEqual([second.code, /is there already/.test(second.stderr)], [1, true])
  })

  test("gives Git this server's token, and no other server's", async () => {
    const { host } = new URL(stub.url)
    const ask = (text: string) => headway(['credential', 'get'], { env: here(), input: text })
    assert.equal((await ask(`protocol=http\nhost=${host}\n`)).stdout, 'username=headway\npassword=hw_secret\n')
    assert.equal((await ask('protocol=http\nhost=example.com\n')).stdout, '')
    assert.equal((await ask(`protocol=https\nhost=${host}\n`)).stdout, '')
    const stored = await headway(['credential', 'store'], { env: here(), input: `protocol=http\nhost=${host}\n` })
    assert.deepEqual(stored, { code: 0, stdout: '', stderr: '' })
  })

  test('names its own help where a call is not as it should be', async () => {
    const { code, stderr } = await headway(['secret', 'set', 'bad'], { env: here(), input: 'x' })
    assert.deepEqual(
      [code, stderr],
      [1, 'headway: vera may not\n  next: headway secret set --help says what it takes\n'],
    )
  })

  test('says of each instance where it runs', async () => {
    const { stdout } = await headway(['ps'], { env: here() })
    assert.deepEqual(
      stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 3)),
      [['INSTANCE', 'ENVIRONMENT', 'STATE'], ['shop.1', 'staging', 'healthy'], ['']],
    )
  })

  test('takes back a commit by any name that Git has for it here', async () => {
    const folder = mkdtempSync(join(directory, 'revert-'))
    const git = (...words: string[]): string => execFileSync('git', words, { cwd: folder, encoding: 'utf8' }).trim()
    git('init', '--quiet')
    git('remote', 'add', 'headway', 'http://127.0.0.1:1/git/default/shop.git')
    git('-c', 'user.name=ada', '-c', 'user.email=ada@example.com', 'commit', '--quiet', '--allow-empty', '-m', 'one')
    const { code } = await headway(['revert', 'HEAD'], { env: here(), cwd: folder })
    assert.deepEqual([code, stub.asked.at(-1)?.body], [0, { commit: git('rev-parse', 'HEAD'), directly: true }])
  })

  test('says all that is wrong with a headway.yaml, each with its place', async () => {
    const folder = mkdtempSync(join(directory, 'wrong-'))
    writeFileSync(
      join(folder, 'headway.yaml'),
      'name: shop\nlanguage: node\nrelease:\n  strategy: canery\n  steps: [10, 5, 100]\n  noData: never\n',
    )
    const { code, stderr } = await headway(['explain'], { cwd: folder })
    assert.deepEqual(
      [code, stderr.trimEnd().split('\n')],
      [
        1,
        [
          'headway: headway.yaml:4:13: release.strategy: expected rolling, canary, blue-green or shadow, found the text "canery"',
          '  next: did you mean canary?',
          '    then these:',
          '    headway.yaml:5:10: release.steps: expected weights that rise and end at 100, such as [10, 50, 100], found [10,5,100]',
          '    headway.yaml:6:11: release.noData: expected hold, promote or abort, found the text "never"',
        ],
      ],
    )
  })

  test('takes a folder up: writes headway.yaml once and adds a remote that holds no token', async () => {
    const folder = mkdtempSync(join(directory, 'shop-'))
    writeFileSync(join(folder, 'package.json'), '{"name": "shop", "scripts": {"start": "node server.js"}}')
    const git = (...words: string[]): Promise<Ended> =>
      new Promise((resolve) => {
        const child = spawn('git', words, { cwd: folder })
        let stdout = ''
        child.stdout.on('data', (chunk: Buffer) => {
          stdout += chunk.toString('utf8')
        })
        child.once('close', (code) => resolve({ code, stdout, stderr: '' }))
      })
    await git('init', '--quiet')
    const first = await headway(['init', '--json'], { env: here(), cwd: folder })
    assert.equal(first.code, 0, first.stderr)
    const { created, text } = JSON.parse(first.stdout)
    assert.deepEqual([created, text], [true, 'name: shop\nlanguage: node\nreplicas: 2\n'])
    const second = await headway(['init', '--json'], { env: here(), cwd: folder })
    assert.equal(JSON.parse(second.stdout).created, false)
    const config = readFileSync(join(folder, '.git/config'), 'utf8')
    assert.match(config, new RegExp(`url = ${stub.url}/git/default/shop-`))
    assert.match(config, /helper = .*credential/)
    assert.doesNotMatch(config, /hw_secret/)
  })

  test('a folder that has workflows and no service gets the remote and no headway.yaml', async () => {
    const folder = mkdtempSync(join(directory, 'tool-'))
    const init = () => headway(['init', '--json'], { env: here(), cwd: folder })
    const nothing = await init()
    assert.equal(nothing.code, 1)
    assert.match(nothing.stderr, /looks like node, python, go or a static site/)
    mkdirSync(join(folder, '.github/workflows'), { recursive: true })
    writeFileSync(join(folder, '.github/workflows/ci.yml'), 'on: push\n')
    const first = await init()
    assert.equal(first.code, 0, first.stderr)
    const { file, created, remote } = JSON.parse(first.stdout)
    assert.deepEqual([file, created, remote.url], [null, false, null])
    assert.equal(existsSync(join(folder, 'headway.yaml')), false)
  })
})
