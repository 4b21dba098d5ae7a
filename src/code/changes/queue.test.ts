import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Conclusion } from '../../build/facts.ts'
import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import type { Change, Test } from './change.ts'
import { nextStep, standingsOf } from './queue.ts'
import { defaultRules } from './rules.ts'

const commit = (letter: string): CommitId => CommitId.parse(letter.repeat(40))
const tip = commit('0')

const change = (number: number, more: Partial<Change> = {}): Change => ({
  project: ProjectName.parse('default'),
  repository: RepositoryName.parse('shop'),
  number,
  seq: number,
  status: 'open',
  branch: `branch-${number}`,
  target: 'main',
  author: 'ada',
  openedAt: 0,
  updatedAt: 0,
  title: `change ${number}`,
  body: '',
  describedSeq: null,
  version: 1,
  head: commit('f'),
  versions: [],
  approvals: [],
  test: null,
  conflict: null,
  announcement: 'synchronize',
  wish: null,
  queuedSeq: number,
  landing: null,
  merged: null,
  note: null,
  isOfJob: false,
  reverts: null,
  events: [],
  ...more,
})

const tested = (base: CommitId, candidate: CommitId, conclusion: Conclusion | null): { test: Test } => ({
  test: {
    ...{ event: 'event-1', version: 1, base, candidate, method: 'merge', purpose: 'queue', changesChecks: false },
    ...{ checks: [], conclusion, failure: null, notes: [] },
  },
})

/** The step without the whole change in it. */
const step = (queue: readonly Change[], rules = defaultRules) => {
  const found = nextStep(tip, queue, rules)
  return found && { ...found, change: found.change.number }
}

describe('the next step of a queue', () => {
  test('is nothing when nobody waits', () => assert.equal(step([]), null))

  test('is to test the first one on the tip', () =>
    assert.deepEqual(step([change(1), change(2)]), { kind: 'test', change: 1, base: tip }))

  test('is to test the second one on the first while that is tested', () =>
    assert.deepEqual(step([change(1, tested(tip, commit('a'), null)), change(2)]), {
      kind: 'test',
      change: 2,
      base: commit('a'),
    }))

  test('is to land the first one when it has passed on the tip, whatever the second one does', () =>
    assert.deepEqual(
      step([change(1, tested(tip, commit('a'), 'success')), change(2, tested(commit('a'), commit('b'), 'failure'))]),
      { kind: 'land', change: 1, base: tip, candidate: commit('a') },
    ))

  test('is to wait while the first one is tested, even when the second one has passed', () =>
    assert.equal(
      step([change(1, tested(tip, commit('a'), null)), change(2, tested(commit('a'), commit('b'), 'success'))]),
      null,
    ))

  test('blames nobody for a failure behind one that is still tested', () =>
    assert.equal(
      step([change(1, tested(tip, commit('a'), null)), change(2, tested(commit('a'), commit('b'), 'failure'))]),
      null,
    ))

  test('is to remove the first one when it has failed', () =>
    assert.deepEqual(step([change(1, tested(tip, commit('a'), 'failure')), change(2)]), {
      kind: 'remove',
      change: 1,
      why: 'its checks have failed on what would have landed',
    }))

  test('is to test those behind again when the one before them is gone', () =>
    assert.deepEqual(step([change(2, tested(commit('a'), commit('b'), 'success'))]), {
      kind: 'test',
      change: 2,
      base: tip,
    }))

  test('is to test again what was tested for another version, or another way to merge', () => {
    const old = tested(tip, commit('a'), 'success')
    assert.deepEqual(step([change(1, { ...old, version: 2 })]), { kind: 'test', change: 1, base: tip })
    assert.deepEqual(step([change(1, old)], { ...defaultRules, method: 'squash' }), {
      kind: 'test',
      change: 1,
      base: tip,
    })
  })

  test('removes what conflicts with the tip, and lets wait what conflicts with those before it', () => {
    const conflict = (base: CommitId) => ({ conflict: { version: 1, base, files: ['app.txt'], detail: '' } })
    assert.deepEqual(step([change(1, conflict(tip))]), {
      kind: 'remove',
      change: 1,
      why: 'it conflicts with main: app.txt',
    })
    const first = change(1, tested(tip, commit('a'), null))
    assert.equal(step([first, change(2, conflict(commit('a')))]), null)
    assert.deepEqual(step([change(2, conflict(commit('a')))]), { kind: 'test', change: 2, base: tip })
  })

  test('tests five at once and no more', () => {
    const commits = ['a', 'b', 'c', 'd', 'e'].map(commit)
    const running = commits.map((candidate, place) =>
      change(place + 1, tested(commits[place - 1] ?? tip, candidate, null)),
    )
    assert.equal(step([...running, change(6)]), null)
  })
})

describe('how each of a queue stands', () => {
  const standings = (queue: readonly Change[]) => standingsOf(tip, queue, defaultRules).map(({ kind }) => kind)
  const [a, b, c, d] = [commit('a'), commit('b'), commit('c'), commit('d')]

  test('is told by its own test and by those before it', () => {
    const passed = change(1, tested(tip, a, 'success'))
    assert.deepEqual(
      standings([passed, change(2, tested(a, b, 'success')), change(3, tested(b, c, null)), change(4), change(5)]),
      ['landing', 'ready', 'testing', 'making', 'waiting'],
    )
    assert.deepEqual(standings([change(1, tested(tip, a, null)), change(2, tested(a, b, 'failure'))]), [
      'testing',
      'failed',
    ])
    assert.deepEqual(standings([passed, change(2, tested(a, b, 'failure')), change(3, tested(b, c, 'success'))]), [
      'landing',
      'leaving',
      'ready',
    ])
  })

  test('is a conflict where it does not fit what lands before it, and those behind wait', () => {
    const conflict = { version: 1, base: a, files: ['app.js'], detail: '' }
    assert.deepEqual(
      standingsOf(tip, [change(1, tested(tip, a, null)), change(2, { conflict }), change(3)], defaultRules),
      [
        { kind: 'testing', detail: null },
        { kind: 'conflict', detail: 'it conflicts with main: app.js' },
        { kind: 'waiting', detail: null },
      ],
    )
    assert.deepEqual(standings([change(1, { conflict: { ...conflict, base: tip } })]), ['leaving'])
  })

  test('is waiting where more are before it than are tested at once', () => {
    const before = [change(1, tested(tip, a, null)), change(2, tested(a, b, null)), change(3, tested(b, c, null))]
    const more = [change(4, tested(c, d, null)), change(5, tested(d, commit('e'), null)), change(6)]
    assert.deepEqual(standings([...before, ...more]), [...Array.from({ length: 5 }, () => 'testing'), 'waiting'])
  })
})
