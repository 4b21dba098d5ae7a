import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadKeyring } from '../access/seal.ts'
import { systemClock } from '../clock.ts'
import { homeAt, prepareHome } from '../home.ts'
import { operateFacts } from '../operate/facts.ts'
import { createOperate, operateMigrations } from '../operate/index.ts'
import { operateView } from '../operate/views.ts'
import { createUsers } from '../processes/users.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import { digestOf, openTestDeploy } from './testing.ts'

const server = (words: string) => `
const { createServer } = require('node:http')
createServer((asked, answer) => answer.end(${JSON.stringify(words)} + ' ' + (process.env.DATABASE_URL ?? '').split(':')[0]))
  .listen(Number(process.env.PORT), process.env.HOST)
`

const get = (port: number, host: string): Promise<{ status: number | undefined; body: string }> =>
  new Promise((resolve, reject) => {
    const asked = request({ port, host: '127.0.0.1', headers: { host } }, (answer) => {
      let body = ''
      answer.on('data', (chunk: Buffer) => {
        body += chunk
      })
      answer.on('end', () => resolve({ status: answer.statusCode, body }))
    })
    asked.on('error', reject)
    asked.end()
  })

test('on the real agent and edge: live with its database, replaced under load without a failed request, an unhealthy one kept out', async () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-agent-'))
  chmodSync(root, 0o711)
  const home = homeAt(join(root, 'home'), {})
  prepareHome(home)
  const seal = loadKeyring(home.masterKey)
  const runtime = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
  const { edge } = await runtime.health()
  const images = join(home.images, 'test')
  const node = process.execPath
  for (const words of ['shop v1', 'shop v2', 'shop v3']) {
    const directory = join(images, digestOf(words))
    mkdirSync(directory, { recursive: true })
    const code = words === 'shop v3' ? "console.error('no configuration found'); process.exit(3)" : server(words)
    writeFileSync(join(directory, 'server.cjs'), code)
  }
  const users = createUsers(home)
  const world = await openTestDeploy({
    directory: home.root,
    releases: {
      'shop v1': { database: 'postgres', replicas: 3 },
      'shop v2': { database: 'postgres', replicas: 3 },
      'shop v3': { database: 'postgres', replicas: 3 },
    },
    runtime,
    images,
    argv: [node, 'server.cjs'],
    userFor: users,
    migrations: operateMigrations,
    facts: operateFacts,
    views: [operateView],
    databases: (ground) =>
      createOperate({
        ...ground,
        home,
        runtime,
        clock: systemClock,
        ids: (prefix) => prefix,
        seal,
        postgresUrl: null,
      }).databases,
  })
  try {
    await world.deploy.start()
    const first = await world.deploy.finished(await world.release('shop v1'))
    assert.equal(first.finished?.outcome, 'succeeded', first.finished?.detail ?? '')
    assert.deepEqual(await get(edge.port, 'shop.localhost'), { status: 200, body: 'shop v1 postgres' })

    const failures: unknown[] = []
    let answered = 0
    let loading = true
    const load = Promise.all(
      Array.from({ length: 4 }, async () => {
        while (loading) {
          const outcome = await get(edge.port, 'shop.localhost').catch((error: unknown) => error)
          if (outcome instanceof Object && 'status' in outcome && outcome.status === 200) answered += 1
          else failures.push(outcome)
        }
      }),
    )
    const began = performance.now()
    const second = await world.deploy.finished(await world.release('shop v2'))
    const tookMs = performance.now() - began
    assert.equal(second.finished?.outcome, 'succeeded', second.finished?.detail ?? '')
    const third = await world.deploy.finished(await world.release('shop v3'))
    assert.equal(third.finished?.outcome, 'failed')
    assert.match(third.finished?.detail ?? '', /exit code 3/)
    assert.deepEqual([...new Set(third.finished?.evidence?.lastLines)], ['no configuration found'])
    loading = false
    await load
    assert.deepEqual(failures, [])
    assert.ok(answered > 0)
    assert.equal((await get(edge.port, 'shop.localhost')).body, 'shop v2 postgres')
    const running = (await runtime.instances()).filter(({ owner }) => owner.service === 'shop').map(({ id }) => id)
    assert.deepEqual(running.sort(), second.instances)
    console.log(`replaced three instances in ${Math.round(tookMs)} ms while ${answered} requests were answered`)
  } finally {
    await world.close()
    await runtime.shutdown('stop')
    rmSync(root, { recursive: true, force: true })
  }
})
