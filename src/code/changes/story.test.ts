import assert from 'node:assert/strict'
import { test } from 'node:test'
import { workflowEventConcluded } from '../../build/facts.ts'
import { previewFailed, previewHeld, previewReady } from '../../deploy/facts.ts'
import { fact, type NewFact, type RecordedFact } from '../../ledger/fact.ts'
import { CommitId, defaultProject, RepositoryName, ServiceName } from '../../names.ts'
import {
  approvalDismissed,
  changeAbandoned,
  changeConflicted,
  changeTestRequested,
  changeUpdated,
  proposalAnswered,
} from './facts.ts'
import { beginChangeStory, narrateChange } from './story.ts'

const key = { project: defaultProject, repository: RepositoryName.parse('shop') }
const commit = CommitId.parse('a'.repeat(40))
const of = { ...key, number: 7 }
const about = { subject: 'change:default/shop/7', actor: 'system:code' }

/** What a push on a branch is told by these facts, and how its story ends. */
const told = (number: number | null, ...facts: readonly NewFact[]) => tell(number, false, facts)

const tell = (number: number | null, hasPreview: boolean, facts: readonly NewFact[]) => {
  const recorded = facts.map((one, place): RecordedFact => ({ ...one, seq: place + 1, at: 0 }))
  let story = beginChangeStory({ ...key, push: 'push-1', ref: 'refs/heads/search', number, hasPreview })
  const lines: string[] = []
  for (const one of recorded) {
    const next = narrateChange(story, one, (at) => `url/${at.number}`)
    story = next.narration
    lines.push(...next.lines.map((line) => line.trim().replace(/\s+/g, ' ')))
  }
  return { lines, ended: story.ended, hasFailed: story.hasFailed }
}

const answered = (number: number | null, why: string | null = null) =>
  fact(proposalAnswered, {
    subject: 'push:push-1',
    actor: 'system:code',
    payload: { push: 'push-1', ref: 'refs/heads/search', ...key, number, why },
  })
const updated = (push: string, version: number) =>
  fact(changeUpdated, {
    ...about,
    payload: { ...of, version, head: commit, base: commit, user: 'ada', push, forced: false },
  })

test('a push that asks for a change and gets none hears why, on one line', () =>
  assert.deepEqual(told(null, answered(null, 'there is no branch \u001b[31mx\nin default/shop')), {
    lines: ['✗ no change', 'there is no branch x in default/shop'],
    ended: true,
    hasFailed: true,
  }))

test('a push to a change hears its version, the approvals that it has lost, and what conflicts', () => {
  const dismissed = { ...of, user: 'bob', version: 2, why: 'it was pushed again' }
  const conflict = { ...of, version: 2, base: commit, files: ['a.txt', 'b.txt'], detail: '' }
  assert.deepEqual(
    told(
      7,
      updated('push-1', 2),
      fact(approvalDismissed, { ...about, payload: dismissed }),
      fact(changeConflicted, { ...about, payload: conflict }),
    ),
    {
      lines: [
        '· change 7 version 2 url/7',
        '- approval of bob dismissed: it was pushed again',
        '✗ conflict 2 files to merge by hand',
        'a.txt',
        'b.txt',
        'next: merge the target into the branch (git pull headway main) and push it again',
      ],
      ended: true,
      hasFailed: true,
    },
  )
})

test('a push that another one overtakes, and one whose change is abandoned, do not wait for ever', () => {
  assert.deepEqual(told(7, updated('push-1', 2), updated('push-2', 3)), {
    lines: ['· change 7 version 2 url/7', '- change 7 was pushed again'],
    ended: true,
    hasFailed: false,
  })
  const abandoned = { ...of, why: 'abandoned by ada', event: 'event-1' }
  assert.deepEqual(told(null, answered(7), fact(changeAbandoned, { ...about, payload: abandoned })), {
    lines: ['· change 7 url/7', 'change 7: abandoned by ada'],
    ended: true,
    hasFailed: false,
  })
})

test('a change that nothing checks is said to be so', () => {
  const requested = { ...of, version: 1, event: 'event-1', base: commit, candidate: commit }
  const concluded = { event: 'event-1', ...key, commit, conclusion: 'skipped' as const, runs: [], failure: null }
  assert.deepEqual(
    told(
      null,
      answered(7),
      fact(changeTestRequested, {
        ...about,
        payload: { ...requested, method: 'merge', purpose: 'change', changesChecks: false },
      }),
      fact(workflowEventConcluded, { subject: 'event:event-1', actor: 'system:build', payload: concluded }),
    ),
    {
      lines: ['· change 7 url/7', 'change 7: nothing checks it; headway changes merge shop/7'],
      ended: true,
      hasFailed: false,
    },
  )
})

test('where there are previews, a push hears where its change can be looked at, or why not', () => {
  const requested = { ...of, version: 1, event: 'event-1', base: commit, candidate: commit }
  const concluded = { event: 'event-1', ...key, commit, conclusion: 'success' as const, runs: [], failure: null }
  const passed = [
    answered(7),
    fact(changeTestRequested, {
      ...about,
      payload: { ...requested, method: 'merge', purpose: 'change', changesChecks: false },
    }),
    fact(workflowEventConcluded, { subject: 'event:event-1', actor: 'system:build', payload: concluded }),
  ]
  const hears = (...facts: readonly NewFact[]) => {
    const { lines, ...rest } = tell(null, true, [...passed, ...facts])
    return { lines: lines.slice(2), ...rest }
  }
  const preview = { subject: 'preview:default/shop/7', actor: 'system:deploy' }
  const ofVersion = { ...of, version: 1, event: 'event-1', commit }
  assert.deepEqual(hears(), { lines: [], ended: false, hasFailed: false })
  const services = [{ service: ServiceName.parse('shop'), url: 'http://shop.change-7.localhost/' }]
  assert.deepEqual(hears(fact(previewReady, { ...preview, payload: { ...ofVersion, services } })), {
    lines: ['✓ preview of shop 0 ms http://shop.change-7.localhost/'],
    ended: true,
    hasFailed: false,
  })
  const held = {
    ...of,
    version: 1,
    event: 'event-1',
    why: 'quota' as const,
    detail: 'there are 5 already',
    next: 'wait',
  }
  assert.deepEqual(hears(fact(previewHeld, { ...preview, payload: held })), {
    lines: ['- no preview there are 5 already', 'next: wait'],
    ended: true,
    hasFailed: false,
  })
  const failure = { ...ofVersion, detail: 'it did not start', lastLines: ['boom'], next: null }
  assert.deepEqual(hears(fact(previewFailed, { ...preview, payload: failure })), {
    lines: ['✗ preview 0 ms', 'it did not start', '| boom'],
    ended: true,
    hasFailed: false,
  })
})
