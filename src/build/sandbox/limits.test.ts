import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problem } from '../../problem.ts'
import { defaultLimits, describeSize, type JobLimits, parseJobLimits } from './limits.ts'

const gibibyte = 1024 ** 3
const defaults: JobLimits = { memoryBytes: gibibyte, cpus: null, processes: 512, diskBytes: 10 * gibibyte }

test('a small machine keeps room for itself, and a job has a gibibyte at least', () => {
  assert.deepEqual(defaultLimits({ memoryBytes: 4 * gibibyte, cores: 2 }), {
    memoryBytes: 1.5 * gibibyte,
    cpus: null,
    processes: 512,
    diskBytes: 10 * gibibyte,
  })
  assert.equal(defaultLimits({ memoryBytes: 2 * gibibyte, cores: 4 }).memoryBytes, gibibyte)
})

test('limits are written over the defaults, and none takes one away', () => {
  assert.deepEqual(parseJobLimits('memory=2.5GiB, processes=1024,cpus=1.5', defaults), {
    ...defaults,
    memoryBytes: 2.5 * gibibyte,
    processes: 1024,
    cpus: 1.5,
  })
  assert.deepEqual(parseJobLimits('disk=none,memory=512M', defaults), {
    ...defaults,
    diskBytes: null,
    memoryBytes: 512 * 1024 ** 2,
  })
})

test('a limit that is no limit is refused with what can be written', () => {
  for (const text of ['memory=2', 'memory=-1GiB', 'processes=many', 'cpus=0', 'speed=1', 'disk'])
    assert.throws(
      () => parseJobLimits(text, defaults),
      (error) => error instanceof Problem && error.kind === 'bad-job-limit' && error.detail.includes(text),
    )
})

test('sizes are said as people say them', () => {
  assert.deepEqual([gibibyte * 1.5, 200 * 1024 ** 2].map(describeSize), ['1.5 GiB', '200 MiB'])
})
