import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { listen } from './listen.ts'

const listening = async (t: TestContext) => {
  const unread = { unreadMs: 50, report: () => {} }
  const listener = await listen({ host: '127.0.0.1', port: 0, certificate: null, ...unread })
  listener.serve(async (_, response) => void response.writeHead(401).end())
  t.after(() => listener.close(0))
  return listener.port
}

test('whoever was answered and goes on sending what nobody reads is cut off', async (t) => {
  const port = await listening(t)
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => {})
  socket.write('POST /git/shop/web.git/git-receive-pack HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n')
  const sending = setInterval(() => socket.write('x'), 10)
  t.after(() => clearInterval(sending))
  let said = ''
  socket.on('data', (bytes) => {
    said += bytes
  })
  await new Promise((closed) => socket.once('close', closed))
  assert.match(said, /^HTTP\/1\.1 401 /)
})
