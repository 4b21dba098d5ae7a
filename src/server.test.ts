import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { allotPort } from './agent/ports.ts'
import { systemClock } from './clock.ts'
import type { Home } from './home.ts'
import { fact } from './ledger/fact.ts'
import { serverStarted } from './ledger/facts.ts'
import { openLedger } from './ledger/open.ts'
import type { CursorTables } from './ledger/tables.ts'
import { readServerNote } from './lock.ts'
import { agentSocket, isAnswering } from './runtimes/process/agent.ts'
import { connectProcessRuntime } from './runtimes/process/index.ts'
import { ask, newHome, start, stop, up } from './server.testing.ts'
import { definitions } from './server.ts'
import { openSqliteStore } from './store/sqlite.ts'

/** What an idle server does without; each was some megabytes of it once. The way there: `await import` where it is first needed. */
const heavy =
  /^node:https?$|node_modules\/((@hono|hono|@asteasolutions|openapi3-ts|@actions|acme-client|ajv|pg|sax|selfsigned|tar-stream)\/|zod\/v4\/locales\/(?!(en|index)\.js)|kysely\/dist\/dialect\/(mysql|mssql|pglite))/

test('an idle server has loaded no module that only some request needs, and the first request gets it', async () => {
  const home = newHome()
  const list = join(home.root, 'loaded')
  const hook = new URL('loaded.testing.ts', import.meta.url).href
  const started = await up(home, [], { NODE_OPTIONS: `--import=${hook}`, HEADWAY_TEST_LOADED: list })
  assert.equal(started.outcome, 'ready', started.said())
  assert.equal((await ask(home, '/health')).status, 200)
  const loaded = (): string[] => readFileSync(list, 'utf8').trim().split('\n')
  const isOfRequests = (url: string): boolean =>
    heavy.test(url) || /\/src\/.*routes?\.ts$/.test(url.replace('/src/routes.ts', ''))
  assert.ok(loaded().some((url) => url.includes('/src/ledger/')))
  assert.deepEqual(loaded().filter(isOfRequests), [])
  // every route, in the order in which a server comes to load it
  const { openapi } = JSON.parse(await (await ask(home, '/api/v1/openapi.json')).text())
  assert.equal(openapi, '3.1.0')
  assert.ok(loaded().some((url) => url.endsWith('/src/code/changes/routes.ts')))
  await stop(started, 'SIGTERM')
})

test('SIGTERM ends it with 0, streams and all, and the note of where it is goes', async () => {
  const home = newHome()
  const started = await up(home)
  assert.equal(started.outcome, 'ready', started.said())
  const stream = await ask(home, '/api/v1/events?after=0')
  const reader = stream.body?.getReader()
  await reader?.read()
  const ended = stop(started, 'SIGTERM')
  for (;;) if ((await reader?.read())?.done !== false) break
  assert.equal(await ended, 0, started.said())
  assert.equal(existsSync(home.server), false)
  const log = readFileSync(join(home.root, 'server.log'), 'utf8')
  assert.doesNotMatch(log, /hw_/)
  assert.doesNotMatch(log, /"level":50/)
})

test('a port in use is named with what to do, and nothing is left behind', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const address = other.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const home = newHome()
  const refused = await up(home, ['--port', String(port)])
  assert.equal(refused.outcome, 1)
  assert.match(refused.said(), new RegExp(`port ${port} on 127.0.0.1 is in use`))
  assert.match(refused.said(), /next: choose another with --port/)
  assert.equal(existsSync(join(home.sockets, 'agent.sock')), false)
  await new Promise((resolve) => other.close(resolve))
})

test('with TLS of its own it answers over https and shows the fingerprint, the same after a restart', async () => {
  const home = newHome()
  const fingerprints: (string | undefined)[] = []
  for (let round = 0; round < 2; round += 1) {
    const started = await up(home, ['--tls', 'self-signed'])
    assert.equal(started.outcome, 'ready', started.said())
    const url = readServerNote(home)?.url ?? ''
    assert.match(url, /^https:/)
    const { request } = await import('node:https')
    const seen = await new Promise<{ status: number | undefined; fingerprint: string }>((resolve, reject) => {
      request(`${url}/health`, { ca: readFileSync(join(home.root, 'tls.pem')) }, (response) => {
        response.resume()
        const socket = response.socket as import('node:tls').TLSSocket
        resolve({ status: response.statusCode, fingerprint: socket.getPeerCertificate().fingerprint256 })
      })
        .on('error', reject)
        .end()
    })
    assert.equal(seen.status, 200)
    assert.ok(started.said().includes(seen.fingerprint))
    fingerprints.push(seen.fingerprint)
    await stop(started, 'SIGKILL')
  }
  assert.equal(fingerprints[0], fingerprints[1])
})

test('without TLS it does not listen beyond loopback unless that is said', async () => {
  const home = newHome()
  const refused = await up(home, ['--host', '0.0.0.0'])
  assert.equal(refused.outcome, 1)
  assert.match(refused.said(), /--tls self-signed/)
  const allowed = await up(home, ['--host', '0.0.0.0', '--insecure'])
  assert.equal(allowed.outcome, 'ready', allowed.said())
  await stop(allowed, 'SIGKILL')
})

test('data of a newer Headway is refused, and neither changed nor served by anything', async () => {
  const home = newHome()
  await stop(await up(home), 'SIGTERM')
  await (await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })).shutdown('stop')
  const database = new DatabaseSync(home.database)
  database.exec("INSERT INTO store_migrations (name, format, program, at) VALUES ('from-the-future', 9999, '9.9.9', 0)")
  database.close()
  const refused = await up(home)
  assert.equal(refused.outcome, 1)
  assert.match(refused.said(), /written by a newer Headway, 9\.9\.9/)
  assert.match(refused.said(), /next: run Headway 9\.9\.9 or later/)
  assert.equal(await isAnswering(agentSocket(home)), false)
})

test('while it builds views anew at its start it says on standard error how far it is, and so it tells who asks', async () => {
  const home = newHome()
  const first = await up(home)
  assert.equal(first.outcome, 'ready', first.said())
  assert.equal(await stop(first, 'SIGTERM'), 0, first.said())
  const facts = await fillLedger(home, 6_000)
  const port = await allotPort(new Set(), Math.random)
  const starting = up(home, ['--port', String(port)])
  const told = new Set<string>()
  for (let isReady = false; !isReady; ) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/ledger`).catch(() => null)
    isReady = answer !== null && answer.status !== 503
    if (answer?.status === 503) told.add(JSON.parse(await answer.text()).detail)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const started = await starting
  assert.equal(started.outcome, 'ready', started.said())
  assert.ok(
    [...told].some((detail) => /the views follow the ledger, \d+ of \d+ facts are done/.test(detail)),
    [...told].join('\n'),
  )
  assert.match(started.said(), new RegExp(`views follow the ledger: 100 %, ${facts} of ${facts} facts`))
  await stop(started, 'SIGTERM')
})

test('SIGTERM ends it with 0 at once while it is not ready yet', async () => {
  const home = newHome()
  assert.equal(await stop(await up(home), 'SIGTERM'), 0)
  const holder = join(home.root, 'lock.pid')
  const before = readFileSync(holder, 'utf8')
  const database = new DatabaseSync(home.database)
  database.exec('BEGIN EXCLUSIVE') // it gets no further than to its database
  try {
    const starting = start(home)
    while (readFileSync(holder, 'utf8') === before) await new Promise((resolve) => setImmediate(resolve))
    starting.child.kill('SIGTERM')
    assert.equal(await starting.outcome, 0, starting.said())
    assert.match(starting.said(), /Stopped before it was ready/)
  } finally {
    database.close()
  }
  const next = await up(home)
  assert.equal(next.outcome, 'ready', next.said())
  await stop(next, 'SIGTERM')
})

/** So many more facts in the ledger of a Headway that does not run, whose views are new to it. Resolves to how many there are, as people write it. */
const fillLedger = async (home: Home, more: number): Promise<string> => {
  const store = await openSqliteStore(home.database)
  const ledger = await openLedger({ store, definitions, clock: systemClock })
  for (let at = 0; at < more; at += 1_000)
    await ledger.append(
      Array.from({ length: 1_000 }, () =>
        fact(serverStarted, { subject: 'server', actor: 'system:server', payload: { version: '1' } }),
      ),
    )
  await store.tables<CursorTables>().updateTable('ledger_cursors').set({ version: 0 }).execute()
  const { seq } = await ledger.head()
  await store.close()
  return seq.toLocaleString('en')
}
