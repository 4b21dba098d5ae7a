import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkflow } from './parse.ts'
import { atMost, onlyReading, type Permissions } from './permissions.ts'

const permissionsIn = (text: string): Permissions | undefined => {
  const parsing = parseWorkflow('ci.yml', `on: push\n${text}\njobs: { a: { runs-on: x, steps: [{ run: x }] } }\n`)
  assert.equal(parsing.kind, 'parsed', JSON.stringify(parsing))
  return parsing.kind === 'parsed' ? parsing.workflow.permissions : undefined
}

test('permissions are read as they are written: what is not named is not there', () => {
  assert.equal(permissionsIn(''), undefined)
  assert.deepEqual(permissionsIn('permissions: {}'), {})
  assert.deepEqual(permissionsIn('permissions: { contents: write, packages: none, id-token: write }'), {
    contents: 'write',
    'id-token': 'write',
  })
  const [read, write] = [permissionsIn('permissions: read-all'), permissionsIn('permissions: write-all')]
  assert.deepEqual(
    [read?.contents, read?.['id-token'], write?.contents, write?.['id-token']],
    ['read', undefined, 'write', 'write'],
  )
})

test('a called workflow has at most what its caller has, and an untrusted run only reads', () => {
  const caller: Permissions = { contents: 'read', packages: 'write' }
  assert.deepEqual(atMost({ contents: 'write', packages: 'write', actions: 'read' }, caller), {
    contents: 'read',
    packages: 'write',
  })
  assert.deepEqual(onlyReading({ contents: 'write', 'id-token': 'write' }), { contents: 'read' })
})
