import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectH2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { systemClock } from '../clock.ts'
import { greeting, openTlsDoor, ownAnswers, type TlsDoor } from './doors.ts'
import { type EdgeSettings, noSettings, type TlsSettings } from './settings.ts'
import { host, poolOf, startEdge, startInstance, startRawInstance, tableOf, until } from './testing.ts'
import { certificateDirectory, makeCertificate, writePair } from './tls/testing.ts'

const run = promisify(execFile)

const startTls = async (
  t: TestContext,
  port: number,
  more: Partial<EdgeSettings> = {},
  tls: Partial<TlsSettings> = {},
) => {
  const state = mkdtempSync(join(tmpdir(), 'headway-door-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  const directory = certificateDirectory(t)
  const made = await makeCertificate([host])
  writePair(directory, 'shop', made)
  const settings: TlsSettings = {
    ...{ host: '127.0.0.1', port: 0, publicPort: null, certificates: [directory], redirect: true, acme: null },
    ...tls,
  }
  const greet = greeting({ ...noSettings, ...more })
  let door: TlsDoor | null = null
  const own = ownAnswers(state, settings, () => door)
  const table = tableOf(1, poolOf('v1', 1, { a: port }))
  const edge = await startEdge(t, table, {}, { own, ...(greet ? { greet } : {}) })
  const said: string[] = []
  const say = (line: string) => void said.push(line)
  door = await openTlsDoor({ edge, tls: settings, state, greet, connections: 1000, clock: systemClock, say })
  const at = await door.listen({ port: 0 })
  return { edge, door, at, state, directory, cert: made.cert, said }
}

const startEcho = (t: TestContext) =>
  startInstance(t, (request, response) => {
    const { 'x-forwarded-for': by, 'x-forwarded-proto': proto, host: named } = request.headers
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
    })
    request.on('end', () => response.end(`${request.method} ${request.url} ${named} ${by} ${proto} ${size}`))
  })

const curl = async (directory: string, at: number, ...args: readonly string[]) => {
  const fixed = [
    '-s',
    '--max-time',
    '20',
    '--cacert',
    join(directory, 'shop.crt'),
    '--resolve',
    `${host}:${at}:127.0.0.1`,
  ]
  const { stdout } = await run('curl', [...fixed, ...args])
  return stdout
}

test('curl is served over TLS by HTTP/1.1 and by HTTP/2, and the instance is told of https', async (t) => {
  const { port } = await startEcho(t)
  const { at, directory } = await startTls(t, port)
  const said = `GET /a?b ${host}:${at} 127.0.0.1 https 0`
  const form = '\n%{http_version} %{http_code}'
  assert.equal(await curl(directory, at, '--http1.1', '-w', form, `https://${host}:${at}/a?b`), `${said}\n1.1 200`)
  assert.equal(await curl(directory, at, '--http2', '-w', form, `https://${host}:${at}/a?b`), `${said}\n2 200`)
  const body = ['--data-binary', 'x'.repeat(100_000), '-H', 'Expect:']
  assert.match(await curl(directory, at, '--http2', ...body, `https://${host}:${at}/`), / 100000$/)
  assert.match(await curl(directory, at, '--http1.1', ...body, `https://${host}:${at}/`), / 100000$/)
  assert.equal(
    await curl(directory, at, '--http2', '-I', '-o', '/dev/null', '-w', '%{http_code}', `https://${host}:${at}/`),
    '200',
  )
})

test('only TLS 1.2 and 1.3 are spoken, with the suites that keep secrets, and sessions are taken up again', async (t) => {
  const { port } = await startEcho(t)
  const { at } = await startTls(t, port)
  const versionOf = async (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3', ciphers?: string) => {
    const options = { port: at, host: '127.0.0.1', servername: host, rejectUnauthorized: false }
    return new Promise<string>((done) => {
      const socket = connectTls({
        ...options,
        minVersion: version,
        maxVersion: version,
        ...(ciphers ? { ciphers } : {}),
      })
      socket.once('secureConnect', () => {
        done(`${socket.getProtocol()} ${socket.getCipher().name}`)
        socket.destroy()
      })
      socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'failed'))
    })
  }
  assert.match(await versionOf('TLSv1.3'), /^TLSv1.3 TLS_AES/)
  assert.match(await versionOf('TLSv1.2'), /^TLSv1.2 ECDHE-ECDSA-/)
  assert.match(await versionOf('TLSv1.1', 'DEFAULT@SECLEVEL=0'), /ERR_SSL|ECONNRESET/)
  assert.match(await versionOf('TLSv1.2', 'AES128-SHA'), /ERR_SSL/)
  const ticket = await new Promise<Buffer>((done) => {
    const socket = connectTls({ port: at, host: '127.0.0.1', servername: host, rejectUnauthorized: false })
    socket.once('session', (session) => {
      done(session)
      socket.destroy()
    })
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  })
  const again = connectTls({
    port: at,
    host: '127.0.0.1',
    servername: host,
    rejectUnauthorized: false,
    session: ticket,
  })
  await new Promise((done) => again.once('secureConnect', done))
  assert.equal(again.isSessionReused(), true)
  again.destroy()
})

test('a name that nobody has a certificate for gets no answer, a new certificate is served without a restart', async (t) => {
  const { port } = await startEcho(t)
  const { at, directory, door } = await startTls(t, port)
  const shown = (name: string) =>
    new Promise<string>((done) => {
      const socket: TLSSocket = connectTls(
        { port: at, host: '127.0.0.1', servername: name, rejectUnauthorized: false },
        () => {
          done(socket.getPeerCertificate().subjectaltname ?? '')
          socket.destroy()
        },
      )
      socket.once('error', () => done('none'))
    })
  assert.equal(await shown(host), `DNS:${host}`)
  assert.equal(await shown('pay.example'), 'none')
  writePair(directory, 'pay', await makeCertificate(['pay.example', 'more.example']))
  await until(
    'the new certificate is served',
    async () => (await shown('pay.example')) === 'DNS:pay.example, DNS:more.example',
  )
  writeFileSync(join(directory, 'pay.crt'), 'broken')
  await door.look()
  assert.equal(await shown('pay.example'), 'DNS:pay.example, DNS:more.example')
})

test('plain requests go to https where there is a certificate, but for what a certificate authority asks', async (t) => {
  const { port } = await startEcho(t)
  const acme = { directory: 'https://ca.example', email: null, names: [], renewAt: 1 / 3, ca: null }
  const { edge, at, state } = await startTls(t, port, {}, { acme })
  mkdirSync(join(state, 'acme/challenges'), { recursive: true })
  writeFileSync(join(state, 'acme/challenges/token-1'), 'token-1.thumb')
  const plain = async (path: string, ...args: readonly string[]) => {
    const form = ['-s', '-w', '\n%{http_code} %{redirect_url}', '-H', `Host: ${host}`]
    return (await run('curl', [...form, ...args, `http://127.0.0.1:${edge.at}${path}`])).stdout
  }
  assert.equal(await plain('/a?b=c'), `\n301 https://${host}:${at}/a?b=c`)
  assert.equal(await plain('/', '-d', 'x=1'), `\n308 https://${host}:${at}/`)
  assert.equal(await plain('/.well-known/acme-challenge/token-1'), 'token-1.thumb\n200 ')
  for (const hostile of ['token-2', '..%2f..%2fsecret', 'token-1/', ''])
    assert.match(await plain(`/.well-known/acme-challenge/${hostile}`, '--path-as-is'), /\n301 /)
})

test('an answer that breaks off is a connection that breaks off, by TLS too', async (t) => {
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy()),
    )
  })
  const { at } = await startTls(t, port)
  const socket = connectTls({ port: at, host: '127.0.0.1', servername: host, rejectUnauthorized: false })
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const ended = new Promise<string>((done) => {
    socket.once('end', () => done('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? 'error'))
  })
  assert.equal(await ended, 'ECONNRESET')
})

test('WebSockets go through TLS', async (t) => {
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      socket.on('data', (bytes) => socket.write(bytes))
      socket.on('end', () => socket.end())
    })
  })
  const { at } = await startTls(t, port)
  const socket = connectTls({ port: at, host: '127.0.0.1', servername: host, rejectUnauthorized: false })
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)
  const said = async (): Promise<string> => String(await new Promise<Buffer>((done) => socket.once('data', done)))
  assert.match(await said(), /^HTTP\/1.1 101 /)
  socket.write('ping')
  assert.equal(await said(), 'ping')
  socket.end()
  await new Promise((done) => socket.once('close', done))
})

test('a trusted proxy says who connects, plain and by TLS, and nobody else is heard', async (t) => {
  const { port } = await startEcho(t)
  const { edge, at } = await startTls(t, port, { proxyProtocol: true, trusted: '127.0.0.1' }, { redirect: false })
  const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const answerOver = (socket: Socket): Promise<string> =>
    new Promise((done) => {
      let text = ''
      socket.on('data', (bytes) => {
        text += bytes
      })
      socket.on('error', () => {})
      socket.on('close', () => done(text))
    })
  const plain = async (first: string): Promise<string> => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    socket.write(first)
    return answerOver(socket)
  }
  assert.match(await plain(`PROXY TCP4 192.0.2.7 10.0.0.1 1234 80\r\n${request}`), / 192\.0\.2\.7 http 0$/)
  assert.match(await plain(`PROXY UNKNOWN\r\n${request}`), / 127\.0\.0\.1 http 0$/)
  assert.equal(await plain(request), '')
  const raw = connect({ port: at, host: '127.0.0.1' })
  raw.write('PROXY TCP6 2001:db8::7 ::1 1234 443\r\n')
  await new Promise((done) => raw.once('connect', done))
  const secure = connectTls({ socket: raw, servername: host, rejectUnauthorized: false })
  secure.write(request)
  assert.match(await answerOver(secure), / 2001:db8::7 https 0$/)
})

test('an address has so many connections open and no more, whatever it does', async (t) => {
  const { port } = await startEcho(t)
  const { edge, at } = await startTls(t, port, { connectionsPerAddress: 2 }, { redirect: false })
  const open = (to: number) =>
    new Promise<Socket | null>((done) => {
      const socket = connect({ port: to, host: '127.0.0.1' })
      socket.on('error', () => done(null))
      socket.on('close', () => done(null))
      socket.on('data', () => done(socket))
      socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      t.after(() => socket.destroy())
    })
  const [one, two, three] = [await open(edge.at), await open(edge.at), await open(edge.at)]
  assert.deepEqual([one === null, two === null, three === null], [false, false, true])
  one?.destroy()
  await until('the place is free again', async () => (await open(edge.at)) !== null)
  assert.ok(at > 0)
})

test('an edge that retires answers all that clients of HTTP/2 have sent, and tells each with an answer that it was the last', async (t) => {
  const slow = Promise.withResolvers<void>()
  const { port } = await startInstance(t, ({ url }, response) => {
    void (url === '/slow' ? slow.promise : Promise.resolve()).then(() => response.end(`${url} answered`))
  })
  const { edge, at } = await startTls(t, port)
  const client = connectH2(`https://${host}:${at}`, {
    createConnection: () =>
      connectTls({ host: '127.0.0.1', port: at, servername: host, ALPNProtocols: ['h2'], rejectUnauthorized: false }),
  })
  client.on('error', () => {})
  t.after(() => client.destroy())
  const told = new Promise((done) => client.once('goaway', done))
  const bodyOf = async (path: string) => {
    let body = ''
    for await (const chunk of client.request({ ':path': path })) body += chunk
    return body
  }
  const early = bodyOf('/slow')
  await until('the request is served', () => edge.health().openRequests === 1)
  edge.retire({ limitMs: 60_000, leaveIdle: false })
  assert.deepEqual(await Promise.all([bodyOf('/a'), bodyOf('/b')]), ['/a answered', '/b answered'])
  assert.equal(client.closed, false)
  slow.resolve()
  assert.equal(await early, '/slow answered')
  assert.equal(await bodyOf('/last'), '/last answered')
  await told
  await edge.over
})
