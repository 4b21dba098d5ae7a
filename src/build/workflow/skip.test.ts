import assert from 'node:assert/strict'
import { test } from 'node:test'
import { skipInstruction } from './skip.ts'

test('a commit message asks to be skipped as GitHub documents it', () => {
  const cases: readonly [message: string, instruction: string | undefined][] = [
    ['Docs [skip ci]', '[skip ci]'],
    ['Docs\n\nlong [CI Skip] text', '[ci skip]'],
    ['[no ci] x', '[no ci]'],
    ['[skip actions]', '[skip actions]'],
    ['[actions skip]', '[actions skip]'],
    ['Docs\n\n\nskip-checks: true', 'skip-checks: true'],
    ['Docs\n\n\nReviewed-by: Bob\nskip-checks:true\n', 'skip-checks:true'],
    ['skip-checks: true', undefined],
    ['Docs\n\n\nskip-checks: true\nReviewed-by: Bob', undefined],
    ['skip ci', undefined],
  ]
  assert.deepEqual(
    cases.map(([message]) => [message, skipInstruction(message)]),
    cases,
  )
})
