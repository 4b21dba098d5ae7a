import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { request as sendRequest } from 'node:http'
import { connect, Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import {
  ask,
  closedPort,
  exchangeBytes,
  host,
  poolOf,
  type RunningEdge,
  startEdge,
  startInstance,
  startLoad,
  startRawInstance,
  statusIn,
  tableOf,
  until,
} from './testing.ts'

const one = (port: number) => tableOf(1, poolOf('v1', 1, { a: port }))
const none = { c1: 0, c2: 0, c3: 0, c4: 0, c5: 0, failed: 0 }
/** Of the one service and version there is, in all minutes: a test may begin in one and end in the next. Empty where nothing was counted. */
const counted = (edge: RunningEdge) => {
  const { minutes } = edge.counters()
  const all = { requests: 0, ...none }
  for (const { requests, classes } of minutes) {
    all.requests += requests
    for (const name of ['c1', 'c2', 'c3', 'c4', 'c5', 'failed'] as const) all[name] += classes[name]
  }
  return minutes.length === 0 ? [] : [all]
}

test('an unknown host gets a page in the form that it asks for, and nothing about other services', async (t) => {
  const edge = await startEdge(t, one(await closedPort()))
  const problem = await ask({ port: edge.at, headers: { host: 'x.localhost', accept: 'application/json' } })
  const { requestId, ...rest } = JSON.parse(problem.body.toString())
  assert.equal(problem.status, 404)
  assert.equal(problem.headers['content-type'], 'application/problem+json')
  assert.equal(requestId, problem.headers['x-request-id'])
  assert.deepEqual(rest, {
    type: 'urn:headway:problem:unknown-host',
    title: 'Not Found',
    status: 404,
    detail: 'No service is reachable as x.localhost.',
    next: 'Check the address; a service gets its address with its first deployment.',
  })
  const page = await ask({ port: edge.at, headers: { host: 'x.localhost', accept: 'text/html,*/*' } })
  assert.match(page.body.toString(), /^<!doctype html>.*<h1>404 Not Found<\/h1>/)
  const text = await ask({ port: edge.at, headers: { host: 'x.localhost' } })
  assert.match(text.body.toString(), /^404 Not Found\nNo service is reachable as x.localhost.\n/)
})

test('a service without a healthy instance answers 503 with Retry-After', async (t) => {
  const pool = { version: 'v1', weight: 1, endpoints: [{ instance: 'a', port: await closedPort(), healthy: false }] }
  const edge = await startEdge(t, tableOf(1, pool))
  const answer = await ask({ port: edge.at })
  assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '2'])
  assert.deepEqual(counted(edge), [{ requests: 1, ...none, failed: 1 }])
})

test('the host is found in upper case, with a port and with a trailing dot', async (t) => {
  const { port } = await startInstance(t, (request, response) => response.end(request.headers.host))
  const edge = await startEdge(t, one(port))
  for (const spelling of ['SHOP.localhost', `${host}:4680`, `${host}.`, `${host}.:4680`])
    assert.equal((await ask({ port: edge.at, headers: { host: spelling } })).body.toString(), spelling)
  const absolute = `GET http://${host}/x?y=1 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  assert.equal(statusIn(await exchangeBytes(edge.at, absolute)), 200)
})

test('large bodies pass whole in both directions', async (t) => {
  const { port } = await startInstance(t, (request, response) => request.pipe(response))
  const edge = await startEdge(t, one(port))
  const body = randomBytes(8 << 20)
  for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
    const answer = await ask({ port: edge.at, method: 'POST', body, headers })
    assert.equal(
      createHash('sha256').update(answer.body).digest('hex'),
      createHash('sha256').update(body).digest('hex'),
    )
  }
})

test('a client that does not read holds the instance back, and gets everything once it reads', async (t) => {
  let written = 0
  const chunk = randomBytes(64 << 10)
  const total = 64 << 20
  const { port } = await startInstance(t, (_request, response) => {
    const more = () => {
      while (written < total) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', more)
      }
      response.end()
    }
    more()
  })
  const edge = await startEdge(t, one(port))
  const received = await new Promise<number>((done, failed) => {
    sendRequest({ host: '127.0.0.1', port: edge.at, headers: { host }, agent: false }, (incoming) => {
      let bytes = 0
      incoming.pause()
      // Held back once what was written stands still: neither the edge nor the kernel takes all of it.
      let before = -1
      const look = setInterval(() => {
        if (written !== before) {
          before = written
          return
        }
        clearInterval(look)
        assert.ok(written < total / 2, `${written} bytes were taken from the instance for a client that reads nothing`)
        incoming.on('data', (data: Buffer) => {
          bytes += data.length
        })
        incoming.on('end', () => done(bytes))
        incoming.resume()
      }, 200)
      incoming.on('error', failed)
    }).end()
  })
  assert.equal(received, total)
})

test('an instance that does not read holds the client back', async (t) => {
  const { port } = await startRawInstance(t, (socket) => socket.pause())
  const edge = await startEdge(t, one(port), { bodyStallMs: 1_000, sweepMs: 20 })
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${1 << 30}\r\n\r\n`)
  const chunk = Buffer.alloc(64 << 10)
  let taken = 0
  const more = () => {
    while (socket.write(chunk)) taken += chunk.length
    taken += chunk.length
  }
  socket.on('drain', more)
  more()
  let before = -1
  await until('the client is held back', async () => {
    const still = taken === before
    before = taken
    await new Promise((done) => setTimeout(done, 200))
    return still
  })
  assert.ok(taken < 64 << 20, `${taken} bytes were taken`)
  socket.destroy()
  await until('nothing is open', () => edge.inFlight('a').requests === 0)
})

test('an answer is passed on while it is made, event by event', async (t) => {
  let send: (text: string) => void = () => {}
  const { port } = await startInstance(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
    send = (text) => void (text === '' ? response.end() : response.write(text))
  })
  const edge = await startEdge(t, one(port))
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await until('the head is here', () => received.includes('text/event-stream'))
  for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
    send(event)
    await until('the event is here', () => received.includes(event))
  }
  send('')
  await until('the end is here', () => received.endsWith('0\r\n\r\n'))
})

test('an instance that dies in the midst of an answer is never mistaken for one that finished', async (t) => {
  for (const [name, head, body] of [
    ['by length', 'Content-Length: 100', 'half'],
    ['in chunks', 'Transfer-Encoding: chunked', '4\r\nhalf\r\n'],
  ] as const)
    for (const end of ['fin', 'rst'] as const) {
      const { port } = await startRawInstance(t, (socket) => {
        socket.once('data', () => {
          socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`, () =>
            setTimeout(() => (end === 'fin' ? socket.end() : socket.resetAndDestroy()), 20),
          )
        })
      })
      const edge = await startEdge(t, one(port))
      await assert.rejects(ask({ port: edge.at }), { code: 'ECONNRESET' }, `${name}, ${end}`)
      // HTTP/1.0 has no chunks: there the end of the connection is the end of the body, so it must be a reset.
      const old = await exchangeBytes(edge.at, `GET / HTTP/1.0\r\nHost: ${host}\r\n\r\n`)
      assert.ok(old.endsWith('reset'), `${name}, ${end}: ${old}`)
      await until('both are counted', () => counted(edge)[0]?.requests === 2)
      assert.deepEqual(counted(edge), [{ requests: 2, ...none, failed: 2 }])
      assert.equal(edge.inFlight('a').requests, 0)
    }
})

test('a body whose end is the end of the connection is passed on, and broken off when it is reset', async (t) => {
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', (head) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\nuntil the end', () =>
        setTimeout(() => (head.includes('/reset') ? socket.resetAndDestroy() : socket.end()), 20),
      )
    })
  })
  const edge = await startEdge(t, one(port))
  assert.equal((await ask({ port: edge.at })).body.toString(), 'until the end')
  await assert.rejects(ask({ port: edge.at, path: '/reset' }), { code: 'ECONNRESET' })
})

test('a client that goes away takes its request from the instance', async (t) => {
  let aborted = 0
  const { port } = await startInstance(t, (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) aborted += 1
    })
    if (request.url === '/begun') response.write('begun')
  })
  const edge = await startEdge(t, one(port), { endedMs: 20, sweepMs: 10 })
  const requests = [
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `GET /begun HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\nhalf`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\nGET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  ]
  for (const bytes of requests) {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.write(bytes)
    const before = aborted
    // Of two that were sent ahead, the second waits until the first has been answered.
    await until('the instance has it', () => edge.inFlight('a').requests === 1 && edge.inFlight('a').connections === 1)
    socket.destroy()
    await until('the instance lost it', () => aborted === before + 1)
    assert.deepEqual([edge.inFlight('a').requests, edge.health().openRequests], [0, 0])
  }
  assert.deepEqual(counted(edge), [{ requests: 4, ...none, c4: 4 }])
})

test('an instance that accepts no connection is passed over, whatever the method and the body', async (t) => {
  const { port } = await startInstance(t, (request, response) => request.pipe(response))
  const edge = await startEdge(
    t,
    tableOf(1, poolOf('v1', 1, { a: await closedPort(), b: port, c: await closedPort() })),
  )
  const body = randomBytes(1 << 20)
  for (let turn = 0; turn < 10; turn += 1)
    for (const method of ['GET', 'POST', 'PATCH'])
      assert.deepEqual((await ask({ port: edge.at, method, body: method === 'GET' ? '' : body })).status, 200)
  assert.deepEqual([edge.inFlight('a').requests, edge.inFlight('b').requests], [0, 0])
  const dead = await startEdge(t, one(await closedPort()))
  assert.equal((await ask({ port: dead.at, method: 'POST', body: 'x' })).status, 502)
})

test('instances that close kept connections at every moment cost no client an answer', async (t) => {
  // Closes 0 to 3 ms after an answer, unannounced: while the edge may just be sending the next request.
  let closes = 0
  const careless = () =>
    startInstance(t, (request, response) => {
      request.resume()
      request.on('end', () => response.end('ok'))
      response.on('finish', () => {
        closes += 1
        const { socket } = request
        const delay = closes % 4
        if (delay === 0) socket.destroy()
        else setTimeout(() => socket.destroy(), delay)
      })
    })
  const [first, second] = [await careless(), await careless()]
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: first.port, b: second.port })))
  const load = startLoad(t, edge.at, 16, (turn) =>
    turn % 3 === 0 ? { method: 'POST', body: `body ${turn}` } : { path: `/${turn}` },
  )
  await until('thousands are answered', () => load.answered() >= 4_000)
  const { failures } = await load.stop()
  assert.deepEqual(failures, [])
  assert.deepEqual(counted(edge)[0]?.failed ?? 0, 0)
})

test('a request that may not be sent twice is not sent twice, and one that may is, once', async (t) => {
  const seen: string[] = []
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', (bytes) => {
      seen.push(bytes.toString().split(' ')[0] ?? '')
      socket.resetAndDestroy()
    })
  })
  const edge = await startEdge(t, one(port))
  assert.equal((await ask({ port: edge.at, method: 'POST', body: 'pay' })).status, 502)
  assert.deepEqual(seen.splice(0), ['POST'])
  assert.equal((await ask({ port: edge.at })).status, 502)
  assert.deepEqual(seen, ['GET', 'GET'])
})

test('an answer that does not begin in time is a 504, and the instance is left', async (t) => {
  let closed = 0
  const { port } = await startInstance(t, (request) => {
    request.resume()
    request.socket.on('close', () => {
      closed += 1
    })
  })
  const edge = await startEdge(t, one(port), { answerMs: 100, sweepMs: 20 })
  assert.equal((await ask({ port: edge.at })).status, 504)
  assert.equal((await ask({ port: edge.at, method: 'POST', body: 'x' })).status, 504)
  await until('the instance is left', () => closed === 2)
  assert.deepEqual(counted(edge), [{ requests: 2, ...none, failed: 2 }])
})

test('a body that stops arriving is a 408, a head that does is closed, a slow body that goes on is served', async (t) => {
  const { port } = await startInstance(t, (request, response) => request.pipe(response))
  const edge = await startEdge(t, one(port), { bodyStallMs: 200, headMs: 300, sweepMs: 20 })
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 8\r\nConnection: close\r\n\r\n`
  const { port: silent } = await startRawInstance(t, () => {})
  edge.route(tableOf(2, poolOf('v1', 1, { b: silent })))
  assert.equal(statusIn(await exchangeBytes(edge.at, `${head}half`)), 408)
  assert.equal(statusIn(await exchangeBytes(edge.at, `GET / HTTP/1.1\r\nHost: ${host}\r\nX-`)), 408)
  edge.route(tableOf(3, poolOf('v1', 1, { a: port })))
  const slow = await new Promise<string>((done) => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    let received = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
    })
    socket.on('close', () => done(received))
    socket.write(head)
    let sent = 0
    const drip = setInterval(() => {
      socket.write('x')
      sent += 1
      if (sent === 8) clearInterval(drip)
    }, 60)
  })
  assert.ok(slow.endsWith('xxxxxxxx') || slow.includes('\r\nx'), slow)
})

test('heads without bodies, statuses without bodies, hints and trailers pass as they are', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    request.on('end', () => {
      const status = Number(request.url?.slice(1))
      if (status === 103) response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      if (status === 206) {
        response.writeHead(206, { trailer: 'x-sum' })
        response.write('part')
        response.addTrailers({ 'x-sum': String(request.trailers['x-sent'] ?? 'none') })
        response.end()
      } else if (status === 204 || status === 304) response.writeHead(status, { etag: '"e"' }).end()
      else response.writeHead(200, { 'content-length': 5, 'x-multi': ['1', '2'] }).end('hello')
    })
  })
  const edge = await startEdge(t, one(port))
  const get = (path: string, method = 'GET') =>
    exchangeBytes(edge.at, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  const head = await get('/200', 'HEAD')
  assert.match(head, /^HTTP\/1\.1 200 OK\r\ncontent-length: 5\r\nx-multi: 1\r\nx-multi: 2\r\n/)
  assert.ok(head.endsWith('\r\n\r\n'))
  for (const status of [204, 304]) {
    const bare = await get(`/${status}`)
    assert.equal(statusIn(bare), status)
    assert.ok(bare.endsWith('\r\n\r\n') && !/transfer-encoding|content-length/i.test(bare), bare)
  }
  assert.match(
    await get('/103'),
    /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>; rel=preload\r\n(.+\r\n)*\r\nHTTP\/1\.1 200 OK\r\n/i,
  )
  const trailing = `POST /206 HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: x-sent\r\n\r\n2\r\nhi\r\n0\r\nx-sent: 7\r\nHost: evil\r\n\r\n`
  const trailed = await exchangeBytes(edge.at, trailing)
  assert.match(trailed, /\r\ntrailer: x-sum\r\n/i)
  assert.ok(trailed.endsWith('4\r\npart\r\n0\r\nx-sum: 7\r\n\r\n'), trailed)
  const old = await exchangeBytes(edge.at, `GET /206 HTTP/1.0\r\nHost: ${host}\r\n\r\n`)
  assert.ok(old.endsWith('\r\n\r\npart'), old)
})

test('it is the instance that says whether a client may go on with its body', async (t) => {
  const { port, server } = await startInstance(t, (request, response) => request.pipe(response))
  server.on('checkContinue', (request, response) => {
    if (request.url === '/no') return void response.writeHead(413).end()
    response.writeContinue()
    request.pipe(response)
  })
  const edge = await startEdge(t, one(port))
  const head = (path: string) =>
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`
  const no = await exchangeBytes(edge.at, head('/no'))
  assert.equal(statusIn(no), 413)
  assert.match(no, /\r\nConnection: close\r\n/)
  const yes = await new Promise<string>((done) => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    let received = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
      if (received === 'HTTP/1.1 100 Continue\r\n\r\n') socket.write('hello')
      if (received.endsWith('hello\r\n0\r\n\r\n')) socket.end()
    })
    socket.on('close', () => done(received))
    socket.write(head('/yes'))
  })
  assert.match(yes, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test('an answer before the end of the body reaches the client, which can use its connection again', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    response.writeHead(request.method === 'POST' ? 413 : 200, { 'content-length': 2 }).end('no')
  })
  const edge = await startEdge(t, one(port))
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(1000)}`)
  await until('the answer is here', () => statusIn(received) === 413)
  received = ''
  socket.write(`${'x'.repeat(99_000)}GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  await until('the next one too', () => statusIn(received) === 200)
  assert.equal(edge.inFlight('a').requests, 0)
})

test('an answer that is not HTTP is a 502, as is one with a transfer coding that nobody knows', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    '/garbage': 'garbage\r\n\r\n',
    '/both': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    '/coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    '/upgrade': 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    '/huge': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
  }
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', (bytes) => socket.write(answers[bytes.toString().split(' ')[1] ?? ''] ?? ''))
  })
  const edge = await startEdge(t, one(port))
  for (const path of Object.keys(answers)) assert.equal((await ask({ port: edge.at, path })).status, 502, path)
  assert.deepEqual([edge.inFlight('a').requests, edge.health().openRequests], [0, 0])
})

test('an offer of h2c is ignored, the request answered as it is, and nothing behind it mistaken for something else', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    response.setHeader('x-upgrade', String(request.headers.upgrade))
    request.pipe(response)
  })
  const edge = await startEdge(t, one(port))
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ'
  const bytes = `POST / HTTP/1.1\r\nHost: ${host}\r\n${offer}\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const received = await exchangeBytes(edge.at, bytes)
  assert.match(received, /^HTTP\/1\.1 200 OK\r\nx-upgrade: undefined\r\n/)
  assert.match(received, /\r\nConnection: close\r\n/)
  assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1, received)
  assert.ok(received.endsWith('5\r\nhello\r\n0\r\n\r\n'), received)
})

/** A connection whose far end takes what it is given only when it is told to, as one of TLS does. */
class LateLine extends Duplex {
  readonly given: string[] = []
  bytesRead = 0
  bytesWritten = 0
  #taken: (() => void) | null = null

  override _read(): void {}

  override _write(bytes: Buffer, _: string, taken: () => void): void {
    this.given.push(bytes.toString())
    this.#taken = taken
  }

  accept(): void {
    const taken = this.#taken
    this.#taken = null
    taken?.()
  }

  resetAndDestroy(): void {
    this.destroy()
  }
}

test('over TLS an answer is one write, and over once it is taken; a client that goes before that went away', async (t) => {
  const { port } = await startInstance(t, (_, response) => response.end('hello'))
  const edge = await startEdge(t, one(port))
  const line = new LateLine()
  edge.serveOn(line, { address: '192.0.2.1', isSecure: true })
  for (const nth of [1, 2]) {
    line.push(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    await until('the answer is given', () => line.given.length === nth && edge.inFlight('a').requests === 0)
    assert.match(line.given[nth - 1] ?? '', /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nhello$/s)
    if (nth === 1) {
      assert.deepEqual(counted(edge), [])
      line.accept()
      assert.deepEqual(counted(edge), [{ requests: 1, ...none, c2: 1 }])
    }
  }
  line.destroy()
  await until('its going is counted', () => counted(edge)[0]?.requests === 2)
  assert.deepEqual(counted(edge), [{ requests: 2, ...none, c2: 1, c4: 1 }])
})

test('a client waits for no acknowledgement where more follows; one that gets a single piece costs no call for it', async (t) => {
  const pieces = await startRawInstance(t, (socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n')
      setImmediate(() => socket.write('3\r\ntwo\r\n0\r\n\r\n'))
    })
  })
  const whole = await startRawInstance(t, (socket) => {
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none'))
  })
  const calls = t.mock.method(Socket.prototype, 'setNoDelay').mock
  const told = async (edge: RunningEdge, ...requests: string[]): Promise<number> => {
    const before = calls.callCount()
    const last = (at: number) => (at === requests.length - 1 ? 'Connection: close\r\n' : '')
    const received = await exchangeBytes(
      edge.at,
      ...requests.map((path, at) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${last(at)}\r\n`),
    )
    assert.equal(received.match(/HTTP\/1.1 200/g)?.length, requests.length)
    return calls.callCount() - before
  }
  const ofWhole = await startEdge(t, one(whole.port))
  const ofPieces = await startEdge(t, one(pieces.port))
  assert.deepEqual([await told(ofWhole, '/'), await told(ofWhole, '/', '/', '/'), await told(ofPieces, '/')], [0, 1, 1])
})
