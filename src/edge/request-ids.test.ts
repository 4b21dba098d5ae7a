import assert from 'node:assert/strict'
import { test } from 'node:test'
import { batchedUuids } from './request-ids.ts'

test('ids are UUIDs of version 4, and no two are alike', () => {
  const newId = batchedUuids()
  const ids = Array.from({ length: 1_000 }, newId)
  assert.equal(new Set(ids).size, ids.length)
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
