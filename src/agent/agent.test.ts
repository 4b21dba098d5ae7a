import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import { groupMembers, identityOf, sendSignal } from '../processes/tree.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import type { InstanceSpec, RouteTable } from './protocol.ts'
import { openRecords } from './records.ts'
import {
  agentsOf,
  answeringService,
  askEdge,
  directoriesIn,
  specOf,
  startTestAgent,
  type TestAgent,
  tableOf,
  until,
} from './testing.ts'
import { ask } from './unix.ts'

const shell = (script: string): Pick<InstanceSpec, 'argv'> => ({ argv: ['sh', '-c', script] })

suite('an agent', () => {
  let agent: TestAgent
  let edgePort = 0
  before(async () => {
    agent = await startTestAgent()
    edgePort = (await agent.runtime.health()).edge.port
  })
  after(() => agent.end())
  const service = (extra = '') => ({ files: agent.files({ 'server.mjs': answeringService(extra) }) })
  const settled = async (spec: InstanceSpec) => {
    await agent.runtime.start(spec)
    return agent.runtime.settled(spec.id, 20_000)
  }
  const logOf = async (instance: string, search?: string, limit = 100): Promise<string[]> => {
    const texts: string[] = []
    const query = { project: 'default', service: 'shop', instance, limit, ...(search === undefined ? {} : { search }) }
    for await (const { text } of agent.runtime.logs(query)) texts.push(text)
    return texts
  }

  test('gives an instance its own directory, environment and port, and nothing else', async () => {
    const script = 'env | sort; pwd; umask; ls -l /proc/self/fd | grep -c socket'
    const found = await settled(
      specOf('environment.1', { ...shell(script), env: { GIVEN: 'yes', PATH: '/usr/bin:/bin' } }),
    )
    const root = join(agent.home.instances, 'environment.1')
    assert.deepEqual(
      (await logOf('environment.1')).slice(0, 12).filter((line) => !/^(_|SHLVL|OLDPWD|PWD)=/.test(line)),
      [
        'GIVEN=yes',
        `HEADWAY_INSTANCE=environment.1`,
        `HEADWAY_INSTANCES=${agent.home.instances}`,
        `HOME=${root}/home`,
        'HOST=127.0.0.1',
        'PATH=/usr/bin:/bin',
        `PORT=${found?.port}`,
        `TMPDIR=${root}/tmp`,
        `${root}/app`,
        '0022',
        '0',
      ],
    )
    await agent.runtime.stop('environment.1')
    assert.equal(existsSync(root), false)
  })

  test('fails a service that exits at once, with its exit code and without waiting for the deadline', async () => {
    const spec = specOf('exits.1', { ...shell('echo no such table >&2; exit 3'), readyTimeoutMs: 600_000 })
    const found = await settled(spec)
    assert.deepEqual([found?.state, found?.lastExit?.exitCode, found?.restarts], ['failed', 3, 1])
    assert.deepEqual(await logOf('exits.1'), ['no such table', 'no such table'])
    await agent.runtime.stop('exits.1')
  })

  test('fails a program that is not there and says so', async () => {
    const found = await settled(specOf('missing.1', { argv: ['no-such-program'], env: { PATH: '/usr/bin:/bin' } }))
    assert.deepEqual([found?.state, found?.lastExit?.exitCode], ['failed', 127])
    assert.match((await logOf('missing.1')).join(), /no-such-program/)
    await agent.runtime.stop('missing.1')
  })

  test('says of one that listens elsewhere on which port it does', async () => {
    const other =
      "createServer(() => {}).listen(0, '127.0.0.1', function () { console.log(this.address().port) }); setInterval(() => {}, 1000); process.env.PORT = 'none'"
    const files = agent.files({ 'server.mjs': `import { createServer } from 'node:http'\n${other}` })
    const found = await settled(specOf('elsewhere.1', { files, readyTimeoutMs: 1_500 }))
    const [elsewhere] = await logOf('elsewhere.1')
    assert.equal(found?.state, 'failed')
    assert.equal(
      found?.lastProbe,
      `GET / got no connection on port ${found?.port}: ECONNREFUSED; it listens on ${elsewhere}, PORT is ${found?.port}`,
    )
    assert.equal(found?.pid, null)
    await agent.runtime.stop('elsewhere.1')
  })

  test('kills one that ignores SIGTERM after its grace, with all that it started', async () => {
    const files = agent.files({
      'server.mjs': answeringService(
        "import { spawn } from 'node:child_process'; const child = spawn('sleep', ['1000'], { detached: true, env: {} }); console.log(child.pid)",
      ).replace("process.on('SIGTERM', () => process.exit(0))", "process.on('SIGTERM', () => {})"),
    })
    const limits = { memoryBytes: null, cpus: null, processes: 100 }
    const found = await settled(
      specOf('stubborn.1', { files, limits, stop: { signal: 'SIGTERM', drainMs: 0, graceMs: 200 } }),
    )
    const [child] = (await logOf('stubborn.1')).map(Number)
    const outcome = await agent.runtime.stop('stubborn.1')
    assert.deepEqual(outcome.kind === 'stopped' && [outcome.killed, outcome.exit?.signal], [true, 'SIGKILL'])
    assert.deepEqual(groupMembers(found?.pid ?? -1), [])
    // In a session of its own and without our marks: only the control group still knows it.
    if (isRoot()) assert.equal(identityOf(child ?? -1), null)
    else sendSignal(child ?? -1, 'SIGKILL')
  })

  test('recognises what the kernel killed for want of memory', { skip: !isRoot() }, async () => {
    const files = agent.files({
      'server.mjs': 'const kept = []; setInterval(() => kept.push(Buffer.alloc(8 << 20, 1)), 5)',
    })
    const limits = { memoryBytes: 96 << 20, cpus: 1, processes: 50 }
    const found = await settled(specOf('greedy.1', { files, limits }))
    assert.deepEqual([found?.state, found?.lastExit?.signal, found?.lastExit?.outOfMemory], ['failed', 'SIGKILL', true])
    await agent.runtime.stop('greedy.1')
  })

  test('chooses another port when somebody has taken the one of last time', async () => {
    const found = await settled(specOf('moved.1', service()))
    const before = found?.port ?? 0
    await agent.runtime.route(tableOf(100, 'moved.1'))
    sendSignal(found?.pid ?? -1, 'SIGKILL')
    let squatter: Server | undefined
    await until(async () => {
      squatter = createServer((socket) => socket.destroy())
      return new Promise((resolve) => {
        squatter?.once('error', () => resolve(false))
        squatter?.listen(before, '127.0.0.1', () => resolve(true))
      })
    })
    await until(async () => (await askEdge(edgePort)) === '200 moved.1')
    const [now] = (await agent.runtime.instances()).filter(({ id }) => id === 'moved.1')
    assert.notEqual(now?.port, before)
    assert.deepEqual([now?.restarts, now?.lastExit?.signal], [1, 'SIGKILL'])
    squatter?.close()
    await agent.runtime.stop('moved.1')
    assert.equal(await askEdge(edgePort), '503')
  })

  test('starts a service again that answers no more, and routes to it again', async () => {
    const found = await settled(specOf('hangs.1', service()))
    await agent.runtime.route(tableOf(101, 'hangs.1'))
    const pid = found?.pid ?? -1
    sendSignal(pid, 'SIGSTOP')
    const { next } = await agent.runtime.events(0, 0)
    await until(async () => (await agent.runtime.settled('hangs.1', 0))?.pid === null, 20_000)
    await until(async () => (await askEdge(edgePort)) === '200 hangs.1')
    const kinds = (await agent.runtime.events(next, 0)).events.map(({ kind }) => kind)
    assert.deepEqual(kinds, ['unhealthy', 'exited', 'healthy'])
    await agent.runtime.stop('hangs.1')
  })

  test('cannot be changed by its service: the files stay the release’s', { skip: !isRoot() }, async () => {
    const files = agent.files({ 'kept.txt': 'as released' })
    const script = 'id -u; id -G; echo changed > kept.txt; chmod 666 kept.txt; echo own > own.txt && ls; ls ..'
    await settled(specOf('files.1', { ...shell(script), files }))
    const said = (await logOf('files.1')).filter((line) => !line.includes(': '))
    assert.deepEqual(said.slice(0, 4), ['61990', '61990', 'kept.txt', 'own.txt'])
    assert.equal(readFileSync(join(files, 'kept.txt'), 'utf8'), 'as released')
    assert.equal(statSync(join(files, 'kept.txt')).mode & 0o777, 0o644)
    await agent.runtime.stop('files.1')
  })

  test('runs nothing of the service’s as root, whatever its environment says', { skip: !isRoot() }, async () => {
    const probe = join(agent.home.work, 'probe')
    writeFileSync(probe, '')
    const files = agent.files({ setpriv: '', 'run.sh': 'cat /proc/self/status | grep -E "^(Uid|NoNewPrivs|Groups)"' })
    const env = { PATH: `${files}:/usr/bin:/bin`, LD_PRELOAD: '/nonexistent.so', ENV: './run.sh' }
    await settled(specOf('hostile.1', { argv: ['sh', 'run.sh'], env, files }))
    const said = (await logOf('hostile.1')).filter((line) => /^(Uid|NoNewPrivs|Groups)/.test(line)).slice(0, 3)
    assert.deepEqual(
      said.map((line) => line.trim().replaceAll('\t', ' ').replace(/ +/g, ' ')),
      ['Uid: 61990 61990 61990 61990', 'Groups:', 'NoNewPrivs: 1'].map((line) =>
        line === 'Groups:' ? (said[1] ?? '').trim().replaceAll('\t', ' ').replace(/ +/g, ' ') : line,
      ),
    )
    assert.doesNotMatch(said[1] ?? '', /\b0\b/)
    await agent.runtime.stop('hostile.1')
  })

  test('no service inherits the listening socket', async () => {
    const found = await settled(specOf('inherits.1', service()))
    const listening = readlinkSync(`/proc/${(await agent.runtime.health()).pid}/fd/3`)
    assert.match(listening, /^socket:/)
    const own = directoriesIn(`/proc/${found?.pid}/fd`).map((fd) => {
      try {
        return readlinkSync(`/proc/${found?.pid}/fd/${fd}`)
      } catch {
        return ''
      }
    })
    assert.equal(own.includes(listening), false)
    await agent.runtime.stop('inherits.1')
  })

  test('rotates a long log, finds lines in it, cuts long ones and survives rubbish', async () => {
    const script = `
      for (let line = 0; line < 150000; line += 1) console.log('line ' + line + ' ' + 'x'.repeat(80))
      console.log('L'.repeat(100000))
      process.stdout.write(Buffer.from([0xff, 0xfe, 0x00, 0x0a]))
      console.error('the Needle, at last')`
    const found = await settled(specOf('talks.1', service(script)))
    assert.equal(found?.state, 'healthy')
    assert.deepEqual(await logOf('talks.1', 'NEEDLE'), ['the Needle, at last'])
    assert.deepEqual((await logOf('talks.1', 'line 77777 ')).length, 1)
    const last = (await logOf('talks.1', undefined, 5)).filter((text) => !text.includes('Needle')).slice(-2)
    assert.match(last[0] ?? '', /^L{65536} \[cut: the line was longer than 64 KiB\]$/)
    assert.equal(last[1], '\uFFFD\uFFFD\0')
    assert.equal((await logOf('talks.1', 'line ', 100_000)).length, 100_000)
    assert.ok(directoriesIn(join(agent.home.agent, 'logs/talks.1')).includes('journal.1'))
    await agent.runtime.stop('talks.1')
  })

  test('follows what instances say', async () => {
    const abort = new AbortController()
    const query = { project: 'default', service: 'shop', search: 'tick', follow: 'true' } as const
    const lines = agent.runtime.logs(query, abort.signal)[Symbol.asyncIterator]()
    const next = lines.next()
    await settled(specOf('ticks.1', service("setInterval(() => console.log('tick'), 20)")))
    assert.equal((await next).value?.text, 'tick')
    assert.equal((await lines.next()).value?.instance, 'ticks.1')
    abort.abort()
    assert.equal((await lines.next()).done, true)
    await agent.runtime.stop('ticks.1')
  })

  test('lets open requests end before it stops an instance', async () => {
    const files = agent.files({
      'server.mjs': `import { createServer } from 'node:http'
        createServer((asked, answer) => asked.headers.host === 'shop.test' ? setTimeout(() => answer.end('slowly'), 600) : answer.end())
          .listen(Number(process.env.PORT), process.env.HOST)`,
    })
    await settled(specOf('slow.1', { files, health: { kind: 'tcp', intervalMs: 100, timeoutMs: 500, failures: 2 } }))
    await agent.runtime.route(tableOf(200, 'slow.1'))
    const answer = askEdge(edgePort)
    await systemClock.sleep(100)
    const outcome = await agent.runtime.stop('slow.1')
    assert.equal(await answer, '200 slowly')
    assert.equal(outcome.kind === 'stopped' && outcome.drained, true)
  })

  test('refuses hostile ids and specifications', async () => {
    const socket = join(agent.home.sockets, 'agent.sock')
    for (const id of ['..%2fevil', '%2e%2e', 'UPPER', 'a%00b', 'a%2fb', '%zz', 'x'.repeat(130)]) {
      const answer = await ask(socket, { method: 'PUT', path: `/instances/${id}`, body: specOf('fine.1') })
      assert.ok(answer.status >= 400 && answer.status < 500, `${id}: ${answer.status}`)
    }
    const refused: Partial<InstanceSpec>[] = [
      { workingDirectory: '../..' },
      { workingDirectory: '/etc' },
      { argv: [] },
      { env: { 'A=B': 'x' } },
      { env: { A: 'x\0y' } },
      { files: 'relative' },
      { user: { uid: 0, gid: 0 } },
      { port: 70_000 },
    ]
    for (const change of refused) await assert.rejects(agent.runtime.start(specOf('fine.1', change)), Problem)
    assert.deepEqual(await agent.runtime.instances(), [])
    const { mode } = statSync(socket)
    assert.equal(mode & 0o777, 0o600)
  })

  test('keeps the environment sealed on disk', async () => {
    const secret = 'correct-horse-battery'
    const spec = specOf('sealed.1', { ...service(), env: { PATH: process.env.PATH ?? '', SECRET: secret } })
    await settled(spec)
    const directory = join(agent.home.agent, 'instances')
    assert.equal(readFileSync(join(directory, 'sealed.1.json'), 'utf8').includes(secret), false)
    const [record] = openRecords(agent.home, directory, () => {}).load()
    assert.deepEqual(record?.spec, spec)
    await agent.runtime.stop('sealed.1')
    assert.throws(() => execFileSync('grep', ['-r', secret, agent.home.root]))
  })

  test('replaces its edge without a refused request and without losing a count', async () => {
    await settled(specOf('replaced.1', service()))
    await agent.runtime.route(tableOf(300, 'replaced.1'))
    const requests = async (): Promise<number> =>
      (await agent.runtime.traffic()).minutes.reduce((sum, minute) => sum + minute.requests, 0)
    const before = await requests()
    const first = (await agent.runtime.health()).edge.pid
    let asked = 0
    let done = false
    const asking = (async () => {
      for (; !done; asked += 1) assert.equal(await askEdge(edgePort), '200 replaced.1')
    })()
    const fresh = await agent.runtime.replaceEdge()
    await systemClock.sleep(100)
    done = true
    await asking
    assert.notEqual(fresh, first)
    assert.equal((await agent.runtime.health()).edge.pid, fresh)
    assert.equal((await requests()) - before, asked)
    await agent.runtime.stop('replaced.1')
  })

  test('gathers what its edges count for the judge, also of one that has handed over and gone', async () => {
    await settled(specOf('judged.1', service()))
    await settled(specOf('shadow.1', service()))
    const [route] = tableOf(400, 'judged.1').routes
    assert.ok(route)
    const table: RouteTable = {
      generation: 400,
      routes: [
        {
          ...route,
          affinity: { cookie: 'hw', seconds: 60 },
          overrides: [{ in: 'header', name: 'x-version', value: 'new', version: 'new' }],
          mirror: { version: 'shadow', instances: ['shadow.1'], share: 1 },
          sample: { errorWindowMs: 10_000 },
        },
      ],
    }
    await agent.runtime.route(table)
    assert.deepEqual(await agent.runtime.routes(), table)
    const counted = async () => {
      const samples = await agent.runtime.samples()
      const versions = samples.flatMap(({ services }) => services.flatMap((one) => one.versions))
      // A copy that a busy edge did not send is counted as well.
      const sum = (version: string) =>
        versions.filter((one) => one.version === version).reduce((all, one) => all + one.requests + one.leftOut, 0)
      const counting = samples.filter(({ services }) => services.length > 0)
      return { epochs: counting.length, one: sum('one'), shadow: sum('shadow') }
    }
    for (let turn = 0; turn < 5; turn += 1) assert.equal(await askEdge(edgePort), '200 judged.1')
    await until(async () => (await counted()).shadow === 5)
    const first = (await agent.runtime.health()).edge.pid
    await agent.runtime.replaceEdge()
    for (let turn = 0; turn < 3; turn += 1) assert.equal(await askEdge(edgePort), '200 judged.1')
    await until(() => first === null || identityOf(first) === null)
    await until(async () => (await counted()).shadow === 8)
    assert.deepEqual(await counted(), { epochs: 2, one: 8, shadow: 8 })
    await assert.rejects(
      agent.runtime.route({ generation: 401, routes: [{ ...route, sample: { errorWindowMs: -1 } }] }),
      /routes\[0\]\.sample\.errorWindowMs is not from 0/,
    )
    await agent.runtime.stop('judged.1')
    await agent.runtime.stop('shadow.1')
  })

  test('is the only one: another that is started ends by itself', async () => {
    const { pid } = await agent.runtime.health()
    const other = await connectProcessRuntime({
      home: agent.home,
      clock: systemClock,
      edgeHost: '127.0.0.1',
      edgePort: 0,
    })
    assert.equal((await other.health()).pid, pid)
    assert.deepEqual(agentsOf(agent.home), [pid])
  })
})

test('a port in use is a Problem that names it', async (context) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => taken.once('listening', resolve))
  context.after(() => taken.close())
  const address = taken.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const { endHome, testHome } = await import('./testing.ts')
  const home = testHome()
  context.after(() => endHome(home))
  await assert.rejects(
    connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: port }),
    (error) => error instanceof Problem && error.kind === 'port-in-use' && error.detail.includes(String(port)),
  )
})
