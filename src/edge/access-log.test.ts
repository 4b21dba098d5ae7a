import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AccessLine, openAccessLog, usualLogLimits, withoutQueryValues } from './access-log.ts'
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
  assert.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [hostile],
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
