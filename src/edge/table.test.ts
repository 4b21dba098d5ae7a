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

const extras = {
  affinity: { cookie: 'hw', seconds: 60 },
  overrides: [{ in: 'query', name: 'v', value: '1', version: 'new' }],
  mirror: { version: 's', endpoints: [{ instance: 'a', port: 80, healthy: true }], share: 0.5, methods: ['POST'] },
  sample: { errorWindowMs: 1_000 },
}
const tableWith = (more: object) => ({ generation: 1, routes: [{ hosts: ['a'], service: 's', pools: [], ...more }] })

test('what a route may have beside its pools is read as it is; a mirror copies what changes nothing unless it says more', () => {
  assert.deepEqual(parseTable(JSON.parse(JSON.stringify(tableWith(extras)))), tableWith(extras))
  const { methods: _, ...mirror } = extras.mirror
  assert.deepEqual(parseTable(tableWith({ mirror })).routes[0]?.mirror?.methods, ['GET', 'HEAD', 'OPTIONS'])
})

test('nonsense beside the pools is refused with its place', () => {
  const affinity = (change: object) => tableWith({ affinity: { ...extras.affinity, ...change } })
  const override = (change: object) => tableWith({ overrides: [{ ...extras.overrides[0], ...change }] })
  const mirror = (change: object) => tableWith({ mirror: { ...extras.mirror, ...change } })
  for (const [value, place] of [
    [tableWith({ affinity: null }), /routes\[0\]\.affinity is not an object/],
    [affinity({ cookie: 'a b' }), /routes\[0\]\.affinity\.cookie is not a name/],
    [affinity({ cookie: 'a;b=c' }), /affinity\.cookie/],
    [affinity({ cookie: '' }), /affinity\.cookie/],
    [affinity({ seconds: 0 }), /affinity\.seconds is not from 1 to/],
    [affinity({ seconds: 1.5 }), /affinity\.seconds is not a whole number/],
    [tableWith({ overrides: {} }), /routes\[0\]\.overrides is not a list/],
    [tableWith({ overrides: Array(17).fill(extras.overrides[0]) }), /overrides has more than 16/],
    [override({ in: 'path' }), /overrides\[0\]\.in is none of header, query/],
    [override({ in: 'header', name: 'a b' }), /overrides\[0\]\.name is not a name/],
    [override({ in: 'header', name: 'X-Forwarded-For' }), /overrides\[0\]\.name is a header that is not passed on/],
    [override({ value: '' }), /overrides\[0\]\.value/],
    [override({ version: 1 }), /overrides\[0\]\.version is not a text/],
    [mirror({ share: 1.1 }), /mirror\.share is not from 0 to 1/],
    [mirror({ share: Number.NaN }), /mirror\.share is not a number/],
    [mirror({ methods: ['CONNECT'] }), /mirror\.methods\[0\] is none of/],
    [mirror({ endpoints: [{ instance: 'a', port: 0, healthy: true }] }), /mirror\.endpoints\[0\]\.port/],
    [mirror({ version: '' }), /mirror\.version/],
    [tableWith({ sample: {} }), /sample\.errorWindowMs is not a number/],
    [tableWith({ sample: { errorWindowMs: -1 } }), /sample\.errorWindowMs is not from 0/],
  ] as const)
    assert.throws(() => parseTable(value), place)
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
