import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { emptyTable, parseTable, tableFile } from './table.ts'
import { poolOf, tableOf } from './testing.ts'

test('a table is read as it is, its hosts in the form that is looked up', () => {
  const table = tableOf(3, poolOf('v1', 0.5, { a: 1001 }))
  assert.deepEqual(parseTable(JSON.parse(JSON.stringify(table))), table)
  const [route] = parseTable({ generation: 1, routes: [{ hosts: ['Shop.Example.'], service: 's', pools: [] }] }).routes
  assert.deepEqual(route?.hosts, ['shop.example'])
})

test('a malformed table is refused with the place of its fault', () => {
  const pool = (change: object) => ({
    generation: 1,
    routes: [{ hosts: ['a'], service: 's', pools: [{ version: 'v', weight: 1, endpoints: [], ...change }] }],
  })
  for (const [value, place] of [
    [null, /table is not an object/],
    [{ generation: 1.5, routes: [] }, /generation is not a whole number/],
    [{ generation: 1, routes: {} }, /routes is not a list/],
    [{ generation: 1, routes: [{ hosts: [1], service: 's', pools: [] }] }, /routes\[0\]\.hosts is not a text/],
    [pool({ weight: -1 }), /routes\[0\]\.pools\[0\]\.weight/],
    [pool({ weight: null }), /routes\[0\]\.pools\[0\]\.weight/],
    [pool({ endpoints: [{ instance: 'a', port: 0, healthy: true }] }), /endpoints\[0\]\.port/],
    [pool({ endpoints: [{ instance: 'a', port: 80, healthy: 'yes' }] }), /endpoints\[0\]\.healthy/],
  ] as const)
    assert.throws(() => parseTable(value), place)
})

test('of tables saved at once the newest is on disk when its save resolves, and nothing else is left', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-table-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const saved = tableFile(directory, (line) => assert.fail(line))
  assert.deepEqual(saved.load(), emptyTable)
  await Promise.all([1, 2, 3, 4].map((generation) => saved.save(tableOf(generation))))
  assert.deepEqual(saved.load(), tableOf(4))
  assert.deepEqual(readdirSync(directory), ['edge-table.json'])
})
