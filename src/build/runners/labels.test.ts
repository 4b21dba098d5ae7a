import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasLabels, labelsIn, localLabels } from './labels.ts'
import { type Candidate, neverTaken, whyWaiting } from './waiting.ts'

test('runs-on is a label, a list, or a group with labels', () => {
  assert.deepEqual(labelsIn('ubuntu-latest'), ['ubuntu-latest'])
  assert.deepEqual(labelsIn(['self-hosted', 'Linux', 'X64', 'linux']), ['self-hosted', 'linux', 'x64'])
  assert.deepEqual(labelsIn({ group: 'big', labels: ['gpu'] }), ['big', 'gpu'])
  assert.deepEqual(labelsIn({ group: 'big' }), ['big'])
  assert.throws(() => labelsIn([]), /names no label/)
  assert.throws(() => labelsIn(''), /names no label/)
  assert.throws(() => labelsIn([{ a: 'b' }]), /is a label, a list of labels/)
})

test("the server's own runner stands in for GitHub's Ubuntu machines and for a self-hosted one", () => {
  const has = (...labels: string[]): boolean => hasLabels(localLabels, labelsIn(labels))
  assert.deepEqual(
    [has('ubuntu-latest'), has('ubuntu-24.04'), has('self-hosted', 'Linux'), has('linux', 'ubuntu-22.04')],
    [true, true, true, true],
  )
  assert.deepEqual(
    [has('windows-latest'), has('gpu'), has('ubuntu-latest', 'gpu'), has('ubuntu')],
    [false, false, false, false],
  )
})

const local: Candidate = { name: 'local', labels: ['linux'], project: null, isOnline: true, jobs: 2, parallel: 2 }
const big: Candidate = { name: 'big-1', labels: ['linux', 'gpu'], project: null, isOnline: false, jobs: 0, parallel: 4 }
const ticket = { project: 'shop', run: 'r', job: 'train', name: 'train', since: 0 }

test('a job that waits says why', () => {
  assert.deepEqual(whyWaiting({ ...ticket, labels: ['tpu'] }, [local, big], 0), {
    why: 'no runner with labels [tpu]; runners: local [linux]; big-1 [linux, gpu] (offline)',
    isStuck: true,
  })
  assert.deepEqual(whyWaiting({ ...ticket, labels: ['gpu'] }, [local, big], 0), {
    why: 'big-1 would take it, but is offline',
    isStuck: true,
  })
  assert.deepEqual(whyWaiting({ ...ticket, labels: ['gpu'] }, [local, { ...big, labels: null }], 0), {
    why: 'no runner with labels [gpu]; runners: local [linux]; not connected since the start: big-1',
    isStuck: true,
  })
  assert.deepEqual(whyWaiting({ ...ticket, labels: ['gpu'] }, [local, { ...big, project: 'blog' }], 0), {
    why: 'no runner with labels [gpu] for the project shop; runners: local [linux]; big-1 [linux, gpu] (offline)',
    isStuck: true,
  })
  assert.deepEqual(whyWaiting({ ...ticket, labels: ['linux'] }, [local, big], 3), {
    why: 'busy: local (2 of 2); 3 jobs come before it',
    isStuck: false,
  })
})

test('a job for a machine that only GitHub hosts is refused, unless somebody here may be one', () => {
  const windows = { ...ticket, labels: ['windows-latest'] }
  assert.match(neverTaken(windows, [local, big]) ?? '', /only GitHub hosts windows-latest machines, and no runner here/)
  assert.equal(neverTaken(windows, [local, { ...big, labels: ['windows-latest'] }]), null)
  assert.equal(neverTaken(windows, [local, { ...big, labels: null }]), null)
  assert.equal(neverTaken({ ...ticket, labels: ['gpu'] }, [local]), null)
})
