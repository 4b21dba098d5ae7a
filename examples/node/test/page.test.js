import assert from 'node:assert/strict'
import { test } from 'node:test'
import { page } from '../src/page.js'

test('greets the visitor by name', () => {
  assert.match(page('Ada'), /^Hello.*Ada!\n$/)
})
