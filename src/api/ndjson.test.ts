import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asNdjson, telling } from './ndjson.ts'

const textOf = async (stream: ReadableStream<Uint8Array>): Promise<string> => new Response(stream).text()

test('objects come as lines, with empty ones while none comes', async () => {
  const { promise: isQuiet, resolve: wasQuiet } = Promise.withResolvers<void>()
  const lines = async function* () {
    yield { text: 'one' }
    await isQuiet
    yield { text: 'two' }
  }
  let read = ''
  const chunks = asNdjson(lines(), 5).pipeThrough(new TextDecoderStream())
  for await (const chunk of chunks) {
    read += chunk
    if (read.endsWith('\n\n')) wasQuiet()
  }
  assert.deepEqual(
    read.split('\n').filter((line) => line !== ''),
    ['{"text":"one"}', '{"text":"two"}'],
  )
  assert.match(read, /^\{"text":"one"\}\n\n+\{"text":"two"\}\n$/)
})

test('an answer that nobody reads any more ends its source, and one that breaks is broken off', async () => {
  let isOver = false
  const lines = async function* () {
    try {
      for (;;) yield 1
    } finally {
      isOver = true
    }
  }
  const reader = asNdjson(lines()).getReader()
  await reader.read()
  await reader.cancel()
  assert.equal(isOver, true)
  const broken = async function* () {
    yield 1
    throw new Error('no more')
  }
  await assert.rejects(textOf(asNdjson(broken())), /no more/)
})

test('what goes on tells the newest of each moment to whoever reads, and last what it came to', async () => {
  const { promise: isRead, resolve: wasRead } = Promise.withResolvers<void>()
  const lines = telling<string>(async (tell) => {
    tell('overtaken')
    tell('first')
    await isRead
    tell('second')
    return 'the end'
  })
  const read: string[] = []
  for await (const line of lines) {
    read.push(line)
    wasRead()
  }
  assert.deepEqual(read, ['first', 'second', 'the end'])
  const failing = telling<string>(async () => {
    throw new Error('no more')
  })
  await assert.rejects(failing.next(), /no more/)
})

test('what goes on goes on when nobody reads any more', async () => {
  const { promise: isLeft, resolve: wasLeft } = Promise.withResolvers<void>()
  const { promise: hasEnded, resolve: ended } = Promise.withResolvers<void>()
  const lines = telling<string>(async (tell) => {
    tell('first')
    await isLeft
    ended()
    return 'the end'
  })
  for await (const line of lines) {
    assert.equal(line, 'first')
    break
  }
  wasLeft()
  await hasEnded
})
