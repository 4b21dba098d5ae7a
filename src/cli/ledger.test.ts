import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../main.ts', import.meta.url))

/** A server whose ledger is whole and whose rebuild is answered by this. */
const startStub = async (rebuild: (response: ServerResponse) => void) => {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      if (request.url === '/api/v1/ledger/views/rebuild') rebuild(response)
      else response.end(JSON.stringify({ kind: 'whole', facts: 10_000, seq: 10_000, hash: 'ab' }))
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

/** `headway ledger verify --views`, and how it ended; `hear` is given all that stands on standard error so far. */
const verify = (url: string, signal: AbortSignal, hear: (said: string) => void = () => undefined) =>
  new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, 'ledger', 'verify', '--views'],
      {
        signal,
        cwd: tmpdir(),
        env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', HEADWAY_SERVER: url, HEADWAY_TOKEN: 'hw_x' },
      },
    )
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8')
      hear(stderr)
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })

test('whoever waits for a rebuild of the views sees on standard error how far it is while it goes on', {
  timeout: 30_000,
}, async ({ signal }) => {
  const sees = Promise.withResolvers<void>()
  await using stub = await startStub(async (response) => {
    response.write('{"applied":4200,"total":10000}\n')
    await sees.promise
    response.end('\n{"applied":10000,"total":10000}\n{"equal":true}\n')
  })
  const { code, stdout, stderr } = await verify(stub.url, signal, (said) => {
    if (said.includes('42 %')) sees.resolve()
  })
  const lines = stderr.split('\n')
  assert.equal(lines[0], 'views are built anew: 42 %, 4,200 of 10,000 facts')
  assert.match(lines[1] ?? '', /^views are built anew: 100 %, 10,000 of 10,000 facts, [\d,]+ facts\/s$/)
  assert.deepEqual(stdout.split('\n'), [
    'intact: all 10000 facts are as they were recorded',
    'equal: a rebuild made the same views',
    '',
  ])
  assert.equal(code, 0)
})

test('a rebuild that fails, or that nobody hears the end of, is an error that says so', async ({ signal }) => {
  const problem = { type: 'urn:headway:problem:disk-full', status: 507, detail: 'the disk is full', next: 'free some' }
  await using failing = await startStub((response) => void response.end(`${JSON.stringify({ problem })}\n`))
  assert.deepEqual(await verify(failing.url, signal), {
    ...{ code: 1, stdout: '' },
    stderr: 'headway: the disk is full\n  next: free some\n',
  })
  await using killed = await startStub((response) => {
    response.write('{"applied":1,"total":2}\n', () => response.destroy())
  })
  const { code, stderr } = await verify(killed.url, signal)
  assert.match(stderr, /ended its answer before the views were built anew\n {2}next: ask again/)
  assert.equal(code, 1)
})
