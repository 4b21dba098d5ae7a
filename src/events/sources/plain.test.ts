import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readBody } from './index.ts'
import { readPlain } from './plain.ts'

const rules = { deployJobs: () => false, releases: false, incidentLabels: [] }
const read = (content: unknown) => readBody(readPlain, { headers: new Headers(), content, source: rules })
const deployment = { type: 'deployment', id: '1', service: 'shop', finishedAt: 1, outcome: 'succeeded' }
const incident = { type: 'incident', id: 'i', state: 'opened', at: 1 }

test('a field that a record does not have is refused with its path and what was probably meant', () => {
  const { finishedAt: _, ...unfinished } = deployment
  const cases: readonly (readonly [unknown, string, string, RegExp])[] = [
    [
      { ...unfinished, finishdAt: 1 },
      'finishdAt',
      'a deployment has no field "finishdAt"',
      /^did you mean finishedAt\?$/,
    ],
    [
      [deployment, { ...incident, causdBy: '1' }],
      '1.causdBy',
      'an incident has no field "causdBy"',
      /^did you mean causedBy\?$/,
    ],
    [
      { records: [{ ...deployment, commits: [{ commit: 'a', at: 1, ismerge: true }] }] },
      '0.commits.0.ismerge',
      'a commit has no field "ismerge"',
      /^did you mean isMerge\?$/,
    ],
    [
      { ...incident, severity: 1 },
      'severity',
      'an incident has no field "severity"',
      /^leave it out; there are type, id/,
    ],
  ]
  for (const [content, path, detail, next] of cases)
    assert.throws(() => read(content), { kind: 'unknown-field', status: 400, detail, where: { path }, next })
  assert.equal(read([deployment, incident]).records.length, 2)
  assert.throws(() => read({ type: 'delivery' }), {
    detail: 'type: is none of deployment, change, run, incident, push and carried',
  })
  assert.throws(() => read([null]), { detail: '0: is no object' })
})
