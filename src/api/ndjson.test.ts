import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asNdjson } from './ndjson.ts'

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
