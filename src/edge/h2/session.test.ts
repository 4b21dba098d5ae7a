import assert from 'node:assert/strict'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type ClientHttp2Session, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { covers, openCertificates } from '../tls/certificates.ts'
import { createTlsListener } from '../tls/listener.ts'
import { certificateDirectory, makeCertificate, writePair } from '../tls/testing.ts'
import type { Carrier } from './carrier.ts'
import { type H2Limits, type H2Session, serveH2, usualH2Limits } from './session.ts'

const host = 'shop.example'

/** A server of HTTP/1.1 that is reached by HTTP/2: what is between is what is tested. */
const serving = async (t: TestContext, answer: RequestListener, limits: Partial<H2Limits> = {}) => {
  const directory = certificateDirectory(t)
  writePair(directory, 'shop', await makeCertificate([host]))
  const certificates = openCertificates([directory], () => {})
  await certificates.reload()
  const http = createHttpServer(answer)
  const over = Promise.withResolvers<void>()
  const sockets = new Set<Socket>()
  const sessions: H2Session[] = []
  const listener = createTlsListener(certificates, {
    handshakeMs: 5_000,
    secured: ({ socket, protocol }) => {
      if (protocol !== 'h2') return void http.emit('connection', socket)
      const shown = certificates.find(host)
      const on = {
        request: (carrier: Carrier) => void http.emit('connection', carrier),
        mayServe: (authority: string) => shown !== null && covers(shown, authority.replace(/:\d+$/, '')),
        closed: over.resolve,
      }
      sessions.push(serveH2(socket, on, { ...usualH2Limits, ...limits }))
    },
  })
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    listener.take(socket)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
    listener.end()
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { port, over: over.promise, sessions }
}

const clientTo = (t: TestContext, port: number): ClientHttp2Session => {
  const client = connect(`https://${host}:${port}`, {
    createConnection: () =>
      connectTls({ host: '127.0.0.1', port, servername: host, ALPNProtocols: ['h2'], rejectUnauthorized: false }),
  })
  client.on('error', () => {})
  t.after(() => client.destroy())
  return client
}

type Got = {
  status: number
  headers: Record<string, unknown>
  body: string
  trailers: Record<string, unknown>
  code: number
}
const ask = (
  client: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Got> =>
  new Promise((done) => {
    const stream = client.request(headers, { endStream: body === null })
    const got: Got = { status: 0, headers: {}, body: '', trailers: {}, code: -1 }
    stream.on('response', ({ ':status': status, ...rest }) => {
      got.status = Number(status)
      got.headers = { ...rest }
    })
    stream.on('trailers', (trailers) => {
      got.trailers = { ...trailers }
    })
    stream.setEncoding('latin1')
    stream.on('data', (text: string) => {
      got.body += text
    })
    stream.on('error', () => {})
    stream.on('close', () => done({ ...got, code: stream.rstCode ?? -1 }))
    if (body !== null) stream.end(body)
  })

test('requests, bodies, cookies and trailers come through as HTTP/1.1 has them', async (t) => {
  const { port } = await serving(t, (request, response) => {
    if (request.method === 'HEAD') return void response.end()
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
    })
    request.on('end', () => {
      response.setHeader('Trailer', 'X-Sum')
      response.write(JSON.stringify([request.method, request.url, request.headers.host, request.headers.cookie, size]))
      response.addTrailers({ 'X-Sum': String(size) })
      response.end()
    })
  })
  const client = clientTo(t, port)
  const plain = await ask(client, { ':path': '/a?b=c', cookie: ['a=1', 'b=2'] })
  assert.deepEqual(
    [plain.status, plain.body, plain.trailers['x-sum'], plain.code],
    [200, JSON.stringify(['GET', '/a?b=c', `${host}:${port}`, 'a=1; b=2', 0]), '0', 0],
  )
  assert.equal(plain.headers.connection, undefined)
  const bodies = await Promise.all(
    [1, 1000, 300_000].map((size) => ask(client, { ':path': '/', ':method': 'POST' }, Buffer.alloc(size, 1))),
  )
  assert.deepEqual(
    bodies.map(({ trailers }) => trailers['x-sum']),
    ['1', '1000', '300000'],
  )
  const known = await ask(client, { ':path': '/', ':method': 'POST', 'content-length': 5 }, 'hello')
  assert.equal(known.trailers['x-sum'], '5')
  const head = await ask(client, { ':path': '/', ':method': 'HEAD' })
  assert.deepEqual([head.status, head.body], [200, ''])
})

test('large answers wait for a client that does not read, and arrive whole', async (t) => {
  const size = 8 << 20
  let written = 0
  const { port } = await serving(t, (_, response) => {
    response.writeHead(200, { 'content-length': size })
    const go = (): void => {
      while (written < size) {
        written += 65_536
        if (!response.write(Buffer.alloc(65_536, 7))) return void response.once('drain', go)
      }
      response.end()
    }
    go()
  })
  const client = clientTo(t, port)
  const stream = client.request({ ':path': '/' })
  await new Promise((done) => stream.once('response', done))
  await new Promise((done) => setTimeout(done, 200))
  assert.ok(written < size, `all ${written} bytes were taken though nobody read`)
  let got = 0
  for await (const chunk of stream) got += chunk.length
  assert.equal(got, size)
})

test('an answer that breaks off is a stream that is reset, not one that ended', async (t) => {
  const { port } = await serving(t, (_, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('half', () => response.destroy())
  })
  const { status, code } = await ask(clientTo(t, port), { ':path': '/' })
  assert.equal(status, 200)
  assert.notEqual(code, constants.NGHTTP2_NO_ERROR)
})

test('what a client takes back is told to who serves it', async (t) => {
  const gone = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const { port } = await serving(t, (_, response) => {
    response.on('close', gone.resolve)
    begun.resolve()
  })
  const stream = clientTo(t, port).request({ ':path': '/' })
  stream.on('error', () => {})
  await begun.promise
  stream.close(constants.NGHTTP2_CANCEL)
  await gone.promise
})

test('a host that the certificate does not stand for is to be asked elsewhere', async (t) => {
  const { port } = await serving(t, (_, response) => response.end('ok'))
  const client = clientTo(t, port)
  assert.equal((await ask(client, { ':path': '/', ':authority': 'pay.example' })).status, 421)
  assert.equal((await ask(client, { ':path': '/' })).status, 200)
})

test('a client that opens and resets streams for ever loses its connection', async (t) => {
  let served = 0
  const { port, over } = await serving(t, (_, response) => {
    served += 1
    response.on('error', () => {})
  })
  const client = clientTo(t, port)
  await new Promise((done) => client.once('remoteSettings', done))
  const flood = setInterval(() => {
    for (let one = 0; one < 50 && !client.closed && !client.destroyed; one += 1) {
      const stream = client.request({ ':path': '/' })
      stream.on('error', () => {})
      setImmediate(() => stream.close(constants.NGHTTP2_CANCEL)) // its head is sent first
    }
  }, 5)
  t.after(() => clearInterval(flood))
  await over // the client itself may hear of it late: it has more to send
  clearInterval(flood)
  assert.ok(served < 2000, `${served} requests were served first`)
})

test('a connection that is to go and always has several requests open is not waited for without end', async (t) => {
  const held = Promise.withResolvers<void>()
  const answer: RequestListener = ({ url }, response) =>
    void (url === '/held' ? held.promise : Promise.resolve()).then(() => response.end('ok'))
  const { port, over, sessions } = await serving(t, answer, { partingMs: 20 })
  const client = clientTo(t, port)
  const beside = ask(client, { ':path': '/held' })
  await ask(client, { ':path': '/' })
  for (const session of sessions) session.leave()
  while (!client.closed) await ask(client, { ':path': '/' })
  held.resolve()
  assert.equal((await beside).status, 200)
  await over
})
