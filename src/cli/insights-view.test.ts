import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deployedName } from './insights-view.ts'

test('a deployment is named by the service and commit that it brought, or by what is known instead', () => {
  const place = { service: 'shop', environment: 'production' }
  const digest = `sha256:${'a'.repeat(64)}`
  const commit = '1a2b3c4'.padEnd(40, '0')
  const named = [
    { ...place, revision: digest, commit },
    { ...place, revision: 'v7', commit: null },
    { ...place, revision: commit, commit: null },
    { ...place, revision: digest, commit: null },
    { ...place, revision: null, commit: null },
    { ...place, revision: '\u001b[2J\u202ev8', commit: null },
    null,
  ].map((version) => deployedName({ deployment: 'deployment-1', version }))
  assert.deepEqual(named, [
    ...['shop 1a2b3c4', 'shop v7', 'shop 1a2b3c4', 'shop aaaaaaa', 'shop deployment-1', 'shop \ufffdv8'],
    'deployment-1',
  ])
})
