import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failedLines } from './failure.ts'

const own = {
  job: null,
  step: null,
  command: null,
  exitCode: null,
  detail: 'Unexpected value',
  lastLines: [],
  where: null,
}
const failed = (job: string) => ({
  conclusion: 'failure',
  failure: {
    ...own,
    job,
    step: 'Test',
    command: 'npm ci\nnpm test',
    exitCode: 1,
    detail: 'it ended',
    lastLines: ['red'],
  },
})

test('each job that failed is told with its step, its command, its exit code and its last lines', () => {
  const jobs = [failed('old'), { conclusion: 'success', failure: failed('may').failure }, failed('new')]
  assert.deepEqual(failedLines(own, jobs, '✗'), [
    ...['', '  ✗ old, Test: it ended (exit code 1)', '    $ npm ci', '      npm test', '    │ red'],
    ...['', '  ✗ new, Test: it ended (exit code 1)', '    $ npm ci', '      npm test', '    │ red'],
  ])
})

test('a run that failed without a job is told by itself, and of very many jobs the first ten', () => {
  assert.deepEqual(failedLines(own, [{ conclusion: 'skipped', failure: null }], '✗'), ['', '  ✗ Unexpected value'])
  const many = failedLines(
    own,
    Array.from({ length: 12 }, (_, at) => failed(`job ${at}`)),
    '✗',
  )
  assert.deepEqual(many.slice(-5), ['    $ npm ci', '      npm test', '    │ red', '', '  and 2 more jobs failed'])
})
