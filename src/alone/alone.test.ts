import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ask as askSocket } from '../agent/unix.ts'
import { ask, closedPort, startInstance, startLoad, until } from '../edge/testing.ts'
import { homeAt } from '../home.ts'

const program = join(import.meta.dirname, '../main.ts')

/** `headway edge` as a person starts it; ended with its test, whatever became of it. */
const placeFor = (t: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'hw-alone-'))
  const state = join(directory, 'state')
  const file = join(directory, 'routes.yaml')
  const home = homeAt(state)
  const children: ChildProcess[] = []
  const run = (...more: string[]) => {
    const flags = ['--disable-warning=ExperimentalWarning', program, '--json', 'edge', file, '--port', '0']
    const child = spawn(process.execPath, [...flags, '--state', state, ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HEADWAY_EDGE_WORKERS: '1' },
    })
    children.push(child)
    const said = { out: '', error: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said.error += text
    })
    const exited = new Promise<number | null>((done) => child.once('close', done))
    return { child, said, exited }
  }
  const started = async (...more: string[]) => {
    const running = run(...more)
    await until(`it is ready: ${running.said.error}`, () => {
      if (running.child.exitCode !== null) throw new Error(running.said.error)
      return running.said.out.endsWith('}\n')
    })
    const { port, metricsPort }: { port: number; metricsPort: number | null } = JSON.parse(running.said.out)
    return { ...running, port, metricsPort: metricsPort ?? 0 }
  }
  t.after(async () => {
    await run('--stop').exited
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  })
  /** As an editor does: another file in its place. */
  const write = (text: string) => {
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
  const keeper = async (): Promise<number> => {
    const { body } = await askSocket(join(home.sockets, 'agent.sock'), { method: 'GET', path: '/health' })
    return typeof body === 'object' && body !== null && 'pid' in body ? Number(body.pid) : 0
  }
  /** Of an edge that may not route yet. */
  const portSoFar = async (): Promise<number> => {
    const { body } = await askSocket(join(home.sockets, 'agent.sock'), { method: 'GET', path: '/health' })
    return typeof body === 'object' && body !== null && 'port' in body ? Number(body.port) : 0
  }
  return { write, run, started, keeper, portSoFar, home }
}

test('an edge that just starts answers its first request by the file, and says what is wrong in words of its own', {
  timeout: 300_000,
}, async (t) => {
  const { port: instance } = await startInstance(t, (_, answer) => answer.end('one'))
  const place = placeFor(t)
  place.write(
    `routes: [{ hosts: [shop.localhost], to: ${instance} }, { hosts: [down.localhost], to: ${await closedPort()} }]\n`,
  )
  const running = place.run()
  let port = 0
  await until('its port is open', async () => {
    if (running.child.exitCode !== null) throw new Error(running.said.error)
    port = await place.portSoFar().catch(() => 0)
    return port !== 0
  })
  const { status, body } = await ask({ port })
  assert.deepEqual([status, body.toString()], [200, 'one'])

  const words = async (host: string) => {
    const answer = await ask({ port, headers: { host, 'x-request-id': 'seven' } })
    return [answer.status, ...answer.body.toString().trim().split('\n').slice(1, 3)]
  }
  assert.deepEqual(await words('other.localhost'), [
    404,
    'No route leads from other.localhost.',
    'Check the address and its path. Whoever runs the edge finds hosts and only in its file of routes.',
  ])
  assert.deepEqual(await words('down.localhost'), [
    502,
    'The instance that was to answer accepted no connection or broke it off before it answered.',
    'Try again. Whoever runs the edge finds by the id of the request in edge-access.log which address that was, and whether something listens there.',
  ])
})

const routeTo = (...ports: number[]) => `routes: [{ hosts: [shop.localhost], to: [${ports}] }]\n`

test('an edge by itself follows its file, is taken over and outlives its keeper without a request that fails, and stops', {
  timeout: 300_000,
}, async (t) => {
  const [one, two] = await Promise.all(['one', 'two'].map((name) => startInstance(t, (_, answer) => answer.end(name))))
  assert.ok(one && two)
  const place = placeFor(t)
  place.write(routeTo(one.port))
  const first = await place.started('--metrics-port', '0')
  const { port } = first
  const answer = async () => (await ask({ port })).body.toString()
  assert.equal(await answer(), 'one')
  const load = startLoad(t, port, 4)

  place.write(routeTo(two.port))
  await until('the changed file is followed', async () => (await answer()) === 'two')
  place.write('routes: [{ host: [shop.localhost] }]\n')
  await until('what is wrong with it is told', () => /did you mean hosts\?/.test(first.said.error))
  assert.equal(await answer(), 'two')
  place.write(routeTo(one.port))
  first.child.kill('SIGHUP')
  await until('it is read again', async () => (await answer()) === 'one')

  const before = await place.keeper()
  const second = await place.started('--metrics-port', '0')
  assert.equal(second.port, port)
  assert.equal(await first.exited, 0)
  assert.match(first.said.error, /another command has taken over/)
  const after = await place.keeper()
  assert.notEqual(after, before)

  const sofar = load.answered()
  await until('all of them are counted', async () => {
    const text = await (await fetch(`http://127.0.0.1:${second.metricsPort}/metrics`)).text()
    return Number(/class="2xx"\} (\d+)/.exec(text)?.[1] ?? 0) >= sofar
  })

  process.kill(after, 'SIGKILL')
  await until('an edge has started another keeper', async () => {
    const pid = await place.keeper().catch(() => 0)
    return pid !== 0 && pid !== after
  })
  place.write(routeTo(two.port))
  await until('the file is followed by it', async () => (await answer()) === 'two')

  const { answered, failures } = await load.stop()
  assert.deepEqual(failures, [])
  assert.ok(answered > 100)
  assert.equal(await place.run('--stop').exited, 0)
  assert.equal(await second.exited, 0)
  assert.deepEqual(
    readdirSync(place.home.sockets).filter((name) => name.startsWith('edge-')),
    [],
  )
  await assert.rejects(answer())
})

test('what cannot be started says why: a file that is wrong, a port that is taken, another port for one that runs', {
  timeout: 300_000,
}, async (t) => {
  const { port } = await startInstance(t, (_, response) => response.end('taken'))
  const place = placeFor(t)
  place.write('routes: [{ hosts: [shop.localhost], to: 8000, compres: true }]\n')
  const wrong = place.run('--check')
  assert.equal(await wrong.exited, 1)
  assert.match(
    wrong.said.error,
    /routes\.yaml:1:47: unknown key "routes\.0\.compres"\n {2}next: did you mean compress\?/,
  )
  place.write(routeTo(port))
  const taken = place.run('--port', String(port))
  assert.equal(await taken.exited, 1)
  assert.match(taken.said.error, /port \d+ on 127\.0\.0\.1 is in use/)
  const running = await place.started()
  const other = place.run('--port', String(port))
  assert.equal(await other.exited, 1)
  assert.match(other.said.error, new RegExp(`has port ${running.port}, without TLS`))
  running.child.kill('SIGTERM')
  assert.equal(await running.exited, 0)
  assert.match(readFileSync(join(place.home.agent, 'keeper.log'), 'utf8'), /stops/)
})
