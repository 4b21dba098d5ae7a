import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { AccessLine } from './access-line.ts'
import { openAccessLog, usualLogLimits, withoutQueryValues } from './access-log.ts'
import { until } from './testing.ts'

const lineOf = (path: string): AccessLine => ({
  time: '2026-01-01T00:00:00.000Z',
  requestId: 'r',
  client: '127.0.0.1',
  host: 'shop.localhost',
  method: 'GET',
  path,
  status: 200,
  bytes: 1,
  durationMs: 1,
  service: 'default/shop',
  version: 'v1',
  instance: 'a',
  failed: false,
  said: null,
})

const directoryOf = (t: TestContext): string => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-access-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
const refuse = (line: string): never => assert.fail(line)

test('a line is one line of JSON, whatever a client put into it', (t) => {
  const file = join(directoryOf(t), 'access.log')
  const log = openAccessLog(file, refuse)
  const hostile = lineOf('/a"\n{"status":500}\u2028')
  log.write(hostile)
  log.close()
  log.write(lineOf('/too-late'))
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const { failed, said, ...told } = hostile
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [told],
  )
})

test('lines after one another tell each of its own client, host, service and version', (t) => {
  const file = join(directoryOf(t), 'access.log')
  const log = openAccessLog(file, refuse)
  const other = {
    ...lineOf('/b'),
    client: '::1',
    host: 'b',
    method: 'PUT',
    service: 'default/b',
    version: 'v2',
    instance: 'b',
  }
  const nobody = { ...lineOf('/b'), service: null, version: null, instance: null, failed: true }
  for (const line of [lineOf('/a'), other, nobody, other, lineOf('/a')]) log.write(line)
  log.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  const tell = ({ failed, said, ...told }: AccessLine) => (failed ? { ...told, failed } : told)
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [lineOf('/a'), other, nobody, other, lineOf('/a')].map(tell),
  )
})

test('files are rotated by size and the oldest goes', async (t) => {
  const directory = directoryOf(t)
  const file = join(directory, 'access.log')
  const log = openAccessLog(file, refuse, { ...usualLogLimits, fileBytes: 100, keptFiles: 2, flushMs: 1 })
  for (let turn = 0; turn < 5; turn += 1) {
    log.write(lineOf(`/${turn}`))
    await until('it is written', () => existsSync(file) && readFileSync(file, 'utf8').includes(`/${turn}"`))
  }
  log.close()
  assert.deepEqual(readdirSync(directory).sort(), ['access.log', 'access.log.1', 'access.log.2'])
  assert.equal(JSON.parse(readFileSync(`${file}.2`, 'utf8')).path, '/2')
})

test('what the disk cannot take in time is dropped, counted, and told', (t) => {
  const file = join(directoryOf(t), 'access.log')
  const log = openAccessLog(file, refuse, { ...usualLogLimits, heldBytes: 500, flushMs: 60_000 })
  for (let turn = 0; turn < 10; turn += 1) log.write(lineOf(`/${turn}`))
  const dropped = log.dropped()
  log.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  assert.ok(dropped > 0 && dropped < 10, `${dropped}`)
  assert.equal(lines.length, 10 - dropped + 1)
  assert.deepEqual(JSON.parse(lines.at(-1) ?? ''), { dropped })
})

test('values of a query are left out, their names kept', () => {
  assert.equal(withoutQueryValues('/a'), '/a')
  assert.equal(withoutQueryValues('/a?token=secret&b=c=d&e'), '/a?token=&b=&e')
})

test('several edges write to one file: whoever rotates it, all go on in the new one', async (t) => {
  const directory = directoryOf(t)
  const file = join(directory, 'access.log')
  const limits = { ...usualLogLimits, fileBytes: 100, keptFiles: 50, flushMs: 1 }
  const first = openAccessLog(file, refuse, limits)
  const second = openAccessLog(file, refuse, limits)
  /** What was asked for in all files; none while one is being renamed. */
  const asked = (): string[] => {
    try {
      const names = readdirSync(directory)
      return names.flatMap((name) => readFileSync(join(directory, name), 'utf8').match(/\/(first|second)-\d/g) ?? [])
    } catch {
      return []
    }
  }
  for (let turn = 1; turn <= 5; turn += 1) {
    first.write(lineOf(`/first-${turn}`))
    await until('the first has written', () => asked().includes(`/first-${turn}`))
    second.write(lineOf(`/second-${turn}`))
    await until('the second has written', () => asked().includes(`/second-${turn}`))
  }
  first.close()
  second.close()
  const expected = [1, 2, 3, 4, 5].flatMap((turn) => [`/first-${turn}`, `/second-${turn}`]).sort()
  await until('each line is there once', () => asked().sort().join() === expected.join())
  assert.equal(readdirSync(directory).length, 10) // each line is longer than a file may be
})

test('the combined format is what other tools read, and nothing of a client ends a field of it', (t) => {
  const file = join(directoryOf(t), 'access.log')
  const log = openAccessLog(file, refuse, usualLogLimits, { format: 'combined', share: 1 })
  assert.equal(log.isCombined, true)
  const said = { httpVersion: '1.0', referer: 'http://x/', userAgent: 'curl "8"\\ \u00e9\n' }
  log.write({ ...lineOf('/a?b='), said })
  log.write(lineOf('/'))
  log.close()
  assert.equal(
    readFileSync(file, 'utf8'),
    '127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a?b= HTTP/1.0" 200 1 "http://x/" "curl \\"8\\"\\\\ \\xc3\\xa9\\x0a"\n' +
      '127.0.0.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-"\n',
  )
})

test('of requests a share is told, exactly, and of failures all', (t) => {
  const file = join(directoryOf(t), 'access.log')
  const log = openAccessLog(file, refuse, usualLogLimits, { format: 'json', share: 0.1 })
  for (let turn = 0; turn < 100; turn += 1) log.write(lineOf('/fine'))
  for (let turn = 0; turn < 3; turn += 1) log.write({ ...lineOf('/broken'), status: 503 })
  log.close()
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  assert.deepEqual([lines.length, lines.filter((line) => line.includes('/fine')).length], [13, 10])
})
