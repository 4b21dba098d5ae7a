import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json, Scope } from './expression.ts'
import { readInputs } from './inputs.ts'
import { parseWorkflow } from './parse.ts'

const scope: Scope = {
  contexts: { vars: { LEVEL: 'high' } },
  status: { success: true, failure: false, cancelled: false },
}
const definitions = () => {
  const parsing = parseWorkflow(
    'ci.yml',
    `on:
  workflow_dispatch:
    inputs:
      level: { type: choice, options: [low, high], required: true, default: low }
      dry: { type: boolean }
      count: { type: number, default: 3 }
      note: { required: true }
jobs: { a: { runs-on: x, steps: [{ run: x }] } }
`,
  )
  assert.equal(parsing.kind, 'parsed')
  return parsing.kind === 'parsed' ? (parsing.workflow.on[0]?.inputs ?? []) : []
}
const read = (given: Readonly<Record<string, Json>>) => readInputs(definitions(), given, scope)

test('inputs become what their types say, and what is not given has its default', async () => {
  assert.deepEqual(await read({ note: 'x', Dry: 'true', count: '7' }), {
    kind: 'accepted',
    inputs: { level: 'low', dry: true, count: 7, note: 'x' },
  })
  assert.deepEqual(await read({ note: 'x' }), {
    kind: 'accepted',
    inputs: { level: 'low', dry: false, count: 3, note: 'x' },
  })
})

test('unknown, missing and wrong inputs are refused, all at once', async () => {
  assert.deepEqual(await read({ level: 'middle', dry: 'perhaps', count: 'many', other: 1 }), {
    kind: 'refused',
    faults: [
      { input: 'other', detail: 'Invalid input, other is not defined in the workflow' },
      { input: 'level', detail: 'Input level must be one of low, high, not "middle"' },
      { input: 'dry', detail: 'Input dry must be true or false, not "perhaps"' },
      { input: 'count', detail: 'Input count must be a number, not "many"' },
      { input: 'note', detail: 'Input note is required, but not provided' },
    ],
  })
})
