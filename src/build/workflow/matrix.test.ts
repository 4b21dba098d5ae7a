import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rowLabel, rowsOf } from './matrix.ts'

test('rows are the product in the order of the keys, without what is excluded in part', () => {
  assert.deepEqual(rowsOf({ os: ['linux', 'mac'], node: [18, 20], exclude: [{ os: 'mac', node: 18 }] }), [
    { os: 'linux', node: 18 },
    { os: 'linux', node: 20 },
    { os: 'mac', node: 20 },
  ])
})

test("include extends the rows that it fits and adds one where it fits none (GitHub's own example)", () => {
  const rows = rowsOf({
    fruit: ['apple', 'pear'],
    animal: ['cat', 'dog'],
    include: [
      { color: 'green' },
      { color: 'pink', animal: 'cat' },
      { fruit: 'apple', shape: 'circle' },
      { fruit: 'banana' },
      { fruit: 'banana', animal: 'cat' },
    ],
  })
  assert.deepEqual(rows, [
    { fruit: 'apple', animal: 'cat', color: 'pink', shape: 'circle' },
    { fruit: 'apple', animal: 'dog', color: 'green', shape: 'circle' },
    { fruit: 'pear', animal: 'cat', color: 'pink' },
    { fruit: 'pear', animal: 'dog', color: 'green' },
    { fruit: 'banana' },
    { fruit: 'banana', animal: 'cat' },
  ])
})

test('an empty vector and more than 256 rows are errors', () => {
  assert.throws(() => rowsOf({ os: [] }), /Matrix vector 'os' does not contain any values/)
  const many = Array.from({ length: 17 }, (_, n) => n)
  assert.throws(() => rowsOf({ a: many, b: many }), /more than 256 rows/)
})

test('a row is named by its values', () => {
  assert.equal(
    rowLabel({ os: 'linux', node: { version: 20 }, extra: 1 }, { os: ['linux'], node: [{ version: 20 }] }),
    ' (linux, 20)',
  )
})
