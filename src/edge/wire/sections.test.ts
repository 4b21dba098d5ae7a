import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { host, poolOf, startEdge, startInstance, tableOf } from '../testing.ts'
import { readRequestLines } from './head.ts'
import { Sections } from './sections.ts'

const headOf = (headers: string): Buffer => Buffer.from(`GET / HTTP/1.1\r\n${headers}\r\n`, 'latin1')
const read = (bytes: Buffer) => {
  const lines = readRequestLines(bytes, bytes.length, null)
  if ('why' in lines) throw new Error(lines.why)
  return lines.section
}

test('a section is found by its bytes, the newest of each length, and none that is large', () => {
  const sections = new Sections()
  const [one, two, large] = [
    headOf('Host: one\r\n'),
    headOf('Host: two\r\n'),
    headOf(`Cookie: ${'c'.repeat(2000)}\r\n`),
  ]
  assert.equal(sections.find(one, one.length), null)
  const section = read(one)
  sections.keep(section)
  assert.equal(sections.find(one, one.length), section)
  const ahead = Buffer.concat([one, two])
  assert.equal(sections.find(ahead, one.length), section)
  assert.equal(sections.find(two, two.length), null)
  sections.keep(read(two))
  assert.equal(sections.find(one, one.length), null)
  sections.keep(read(large))
  assert.equal(sections.find(large, large.length), null)
})

test('two clients that say the same over connections of their own are told apart', async (t) => {
  const { port } = await startInstance(t, (request, response) =>
    response.end(`${request.headers['x-forwarded-for']} ${request.headers['x-request-id']}`),
  )
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const askFrom = async (localAddress: string): Promise<string> => {
    const socket = connect({ port: edge.at, host: '127.0.0.1', localAddress })
    t.after(() => socket.destroy())
    let answer = ''
    socket.on('data', (text: Buffer) => {
      answer += text.toString('latin1')
    })
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    await once(socket, 'close')
    return answer.split('\r\n\r\n')[1] ?? ''
  }
  const told: string[] = []
  for (const address of ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.1']) told.push(await askFrom(address))
  const [addresses, ids] = [0, 1].map((place) => told.map((text) => text.split(' ')[place]))
  assert.deepEqual(addresses, ['127.0.0.1', '127.0.0.2', '127.0.0.1', '127.0.0.1'])
  assert.equal(new Set(ids).size, 4)
})
