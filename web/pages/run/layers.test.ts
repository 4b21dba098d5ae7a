import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layersOf } from './layers.ts'

const columns = (jobs: Record<string, string[]>) =>
  layersOf(Object.entries(jobs).map(([job, needs]) => ({ job, needs }))).map((layer) => layer.map(({ job }) => job))

test('a job stands right of all that it needs, as far left as it can', () => {
  assert.deepEqual(columns({ deploy: ['test', 'lint'], test: ['build'], lint: [], build: [], docs: ['gone'] }), [
    ['lint', 'build', 'docs'],
    ['test'],
    ['deploy'],
  ])
  assert.deepEqual(columns({}), [])
})

test('jobs that need each other do not hold up the page', () => {
  assert.deepEqual(
    columns({ one: ['two'], two: ['one'] })
      .flat()
      .toSorted(),
    ['one', 'two'],
  )
})
