import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { host, poolOf, startEdge, startInstance, startRawInstance, tableOf, until } from './testing.ts'

const one = (port: number) => tableOf(1, poolOf('v1', 1, { a: port }))
const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`

/** Says this, ends its side, and listens to the end; 'reset' stands for one by force. */
const sayAndEnd = (port: number, bytes: string): Promise<string> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    let received = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
    })
    socket.on('error', () => {
      received += 'reset'
    })
    socket.on('close', () => done(received))
    socket.end(bytes, 'latin1')
  })

/** Answers once it is let go. */
const startHeld = async (t: TestContext) => {
  let isLetGo = false
  const waiting: (() => void)[] = []
  const { port } = await startInstance(t, (request, response) => {
    let body = ''
    request.on('data', (text) => {
      body += text
    })
    request.on('end', () => {
      const answer = () => response.end(`<${request.url}${body}>`)
      if (isLetGo) answer()
      else waiting.push(answer)
    })
  })
  const letGo = () => {
    isLetGo = true
    for (const answer of waiting) answer()
  }
  return { port, letGo }
}

test('a client that ends its side after its request still gets its answer, told to be the last', async (t) => {
  const { port, letGo } = await startHeld(t)
  const edge = await startEdge(t, one(port))
  const received = sayAndEnd(edge.at, get('/1'))
  await until('the instance has it', () => edge.inFlight('a').requests === 1)
  letGo()
  assert.match(await received, /^HTTP\/1\.1 200 OK\r\n.*\r\nConnection: close\r\n\r\n<\/1>$/s)
  await until('nothing is open', () => edge.health().openConnections === 0 && edge.health().openRequests === 0)
})

test('a client that wants nothing more is left with its answer at once, also where it keeps its side open', async (t) => {
  const { port, letGo } = await startHeld(t)
  const edge = await startEdge(t, one(port), { sweepMs: 1_000_000 })
  letGo()
  const socket = connect({ port: edge.at, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => socket.destroy())
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.write(get('/1', 'Connection: close\r\n'))
  await once(socket, 'end')
  assert.match(received, /\r\nConnection: close\r\n\r\n<\/1>$/)
  await until('nothing is open', () => edge.health().openConnections === 0)
  assert.equal(socket.writable, true)
})

test('all requests that were sent ahead of the end are answered, in their order', async (t) => {
  const { port, letGo } = await startHeld(t)
  const edge = await startEdge(t, one(port))
  letGo()
  const post = `POST /2 HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhello`
  const received = await sayAndEnd(edge.at, get('/1') + post + get('/3'))
  assert.deepEqual(received.match(/<[^>]*>/g), ['</1>', '</2hello>', '</3>'])
  assert.deepEqual(received.match(/\r\nConnection: [^\r]*/g), [
    '\r\nConnection: keep-alive',
    '\r\nConnection: keep-alive',
    '\r\nConnection: close',
  ])
})

test('a request whose body the end cuts reaches no instance whole, and is not answered', async (t) => {
  const { port, letGo } = await startHeld(t)
  const edge = await startEdge(t, one(port))
  letGo()
  const cut = `POST /cut HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhell`
  assert.equal((await sayAndEnd(edge.at, cut)).replace('reset', ''), '')
  await until('nothing is open', () => edge.health().openConnections === 0 && edge.inFlight('a').requests === 0)
})

test('a client that ended its side and is told nothing for long is taken for gone; one that is told something is not', async (t) => {
  let nowMs = 0
  const clock = { ...systemClock, monotonicMs: () => nowMs }
  let tell: (text: string) => void = () => {}
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'))
    tell = (text) => void socket.write(text)
  })
  const limits = { endedMs: 10_000, answerMs: 1e9, takeStallMs: 1e9, sweepMs: 5 }
  const edge = await startEdge(t, one(port), limits, { clock })
  const socket = connect({ port: edge.at, host: '127.0.0.1', allowHalfOpen: true })
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  let isOver = false
  socket.on('error', () => {})
  socket.on('close', () => {
    isOver = true
  })
  socket.end(get('/'))
  await until('the answer has begun', () => received.endsWith('\r\n\r\n'))
  for (let piece = 1; piece <= 10; piece += 1) {
    tell(`1\r\n${piece % 10}\r\n`)
    await until('the piece is here', () => received.includes(`\r\n${piece % 10}\r\n`))
    nowMs += 6_000
  }
  await until('it is given up', () => {
    nowMs += 1_000
    return isOver
  })
  assert.ok(!received.endsWith('0\r\n\r\n'), received)
  await until('nothing is open', () => edge.health().openConnections === 0 && edge.inFlight('a').requests === 0)
})

test('an instance that ends its side before its answer is complete has broken off, after it the answer counts', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    '/whole': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole',
    '/open': 'HTTP/1.1 200 OK\r\n\r\nto the end',
    '/cut': 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut',
    '/mute': '',
  }
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', (bytes) => socket.end(answers[/ (\S+)/.exec(bytes.toString())?.[1] ?? ''] ?? ''))
  })
  const edge = await startEdge(t, one(port))
  const askFor = (path: string) => sayAndEnd(edge.at, get(path, 'Connection: close\r\n'))
  assert.match(await askFor('/whole'), /\r\n\r\nwhole$/)
  assert.match(await askFor('/open'), /\r\nto the end\r\n0\r\n\r\n$/)
  assert.match(await askFor('/cut'), /reset$/)
  assert.match(await askFor('/mute'), /^HTTP\/1\.1 502 /)
  await until('nothing is open', () => edge.health().openConnections === 0 && edge.inFlight('a').requests === 0)
})

test('an early answer of an instance that then ends its side reaches a client that is still sending', async (t) => {
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno'))
    socket.resume()
  })
  const edge = await startEdge(t, one(port))
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  let received = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.on('error', () => {})
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 10\r\n\r\nhello`)
  await until('the answer is here', () => received.endsWith('\r\n\r\nno'))
  assert.match(received, /^HTTP\/1\.1 413 /)
  socket.end('world')
  await until('nothing is open', () => edge.health().openConnections === 0 && edge.inFlight('a').requests === 0)
})
