import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connectionsWithin, mostDescriptors, tellTurned } from './descriptors.ts'
import { ask, host, poolOf, startEdge, startInstance, tableOf, until } from './testing.ts'

test('half of the descriptors are for clients, shared among the sockets that listen', () => {
  const within = (descriptors: number | null, listeners = 1) => connectionsWithin(descriptors, 20_000, listeners)
  assert.deepEqual([within(null), within(1_000_000), within(20_000)], [20_000, 20_000, 9_872])
  assert.deepEqual([within(20_000, 2), within(1_024), within(64)], [4_936, 384, 16])
})

test('how many descriptors there may be is read where the kernel tells it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'hw-limits-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'limits')
  writeFileSync(
    file,
    'Limit                     Soft Limit   Hard Limit   Units\nMax open files            4096   8192   files\n',
  )
  assert.equal(mostDescriptors(file), 4_096)
  assert.equal(mostDescriptors(join(directory, 'none')), null)
  writeFileSync(file, 'Max open files            unlimited   unlimited   files\n')
  assert.equal(mostDescriptors(file), null)
})

test('clients that are turned away are told of once a minute, with what to do', () => {
  const told: string[] = []
  let nowMs = 0
  const turned = tellTurned(
    { connections: 384, descriptors: 1_024 },
    () => nowMs,
    (line) => told.push(line),
  )
  for (let client = 0; client < 5; client += 1) turned.away('full')
  nowMs = 60_000
  turned.away(new Error('accept EMFILE'))
  const next =
    'raise its limit of open files (ulimit -n, LimitNOFILE= of systemd) and start it anew, or let more edges accept'
  assert.deepEqual(told, [
    `edge: a client was turned away: 384 connections are open, the most that one edge takes (of 1024 files that this process may have open, two for each); next: ${next}`,
    `edge: 5 clients were turned away: accept EMFILE; next: ${next}`,
  ])
})

test('a client for whom there is no room is turned away, and served once there is', async (t) => {
  const { port } = await startInstance(t, (_, response) => response.end('hello'))
  const away: unknown[] = []
  const turned = { away: (why: unknown) => void away.push(why) }
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })), { connections: 2 }, { turned })
  const open = async (): Promise<Socket> => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' }).on('error', () => {})
    t.after(() => socket.destroy())
    await once(socket, 'connect')
    return socket
  }
  const [one] = await Promise.all([open(), open()])
  await until('both are open', () => edge.health().openConnections === 2)
  const third = await open()
  third.resume()
  await once(third, 'close')
  assert.deepEqual(away, ['full'])
  one.destroy()
  await until('one has left', () => edge.health().openConnections === 1)
  assert.equal((await ask({ port: edge.at })).status, 200)
})

test('an edge without descriptors left says so, blames no instance for it, and serves again once it has some', async (t) => {
  const waiting: ServerResponse[] = []
  let isHeld = true
  const { port } = await startInstance(t, (_, response) => {
    if (isHeld) waiting.push(response)
    else response.end('hello')
  })
  const child = spawn(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" "$@"', process.execPath, join(import.meta.dirname, 'descriptors.testing.ts')],
    { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] },
  )
  t.after(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  })
  let said = ''
  child.stderr?.on('data', (text: Buffer) => {
    said += text
  })
  const telling = once(child, 'message')
  child.send(tableOf(1, poolOf('v1', 1, { a: port })))
  const at = Number((await telling)[0])

  const answers: string[] = []
  const sockets = Array.from({ length: 60 }, (_, client) => {
    answers.push('')
    const socket = connect({ port: at, host: '127.0.0.1' })
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    socket.on('data', (text: Buffer) => {
      answers[client] += text.toString('latin1')
    })
    const asksFor = client % 2 === 0 ? '' : 'Connection: Upgrade\r\nUpgrade: talk\r\n' // by way of Node's client, which is declined
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n${asksFor}\r\n`)
    return socket
  })
  await until('it is told', () => /turned away: .*(EMFILE|ENFILE)/.test(said))
  await until('each client was answered, left or waits for the instance', () => {
    const over = sockets.filter(({ destroyed }, client) => destroyed || answers[client] !== '').length
    return over + waiting.length >= sockets.length
  })
  isHeld = false
  for (const response of waiting) response.end('hello')
  await until('those that waited are answered', () => {
    return sockets.every(({ destroyed }, client) => destroyed || answers[client] !== '')
  })
  const statuses = new Set(answers.map((text) => text.slice(9, 12)))
  for (const status of statuses) assert.ok(['', '200', '503'].includes(status), [...statuses].join())
  for (const socket of sockets) socket.destroy()
  await until('it serves again', async () => (await ask({ port: at }).catch(() => null))?.status === 200)
})
