import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { flowCsv, toilCsv } from './csv.ts'

const toilOf = (...written: string[]) => ({
  candidates: written.map((what) => ({ what, source: 'logged' as const, times: 4, minutes: 40 })),
})

test('what people wrote comes back as they wrote it, whatever is in it', () => {
  const written = ['restarted "x", twice', 'one;two', 'two\nlines', ' padded ', 'plain', '5-10 restarts', 'žluťoučký']
  const [head, ...rows]: string[][] = parse(toilCsv(toilOf(...written)))
  assert.deepEqual(head, ['what', 'source', 'times', 'minutes'])
  assert.deepEqual(
    rows.map(([what]) => what),
    written,
  )
})

test('what a spreadsheet would take for a formula is text with an apostrophe before it', () => {
  const written = ['=HYPERLINK("http://evil.test")', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1']
  const rows: string[][] = parse(toilCsv(toilOf(...written)), { from: 2, record_delimiter: '\n' })
  assert.deepEqual(
    rows.map(([what]) => what),
    written.map((what) => `'${what}`),
  )
})

test('without data a cell is empty, and a figure of its own stays a number', () => {
  assert.equal(
    toilCsv({ candidates: [{ what: 'deploy shop', source: 'ledger', times: 3, minutes: null }] }),
    'what,source,times,minutes\ndeploy shop,ledger,3,\n',
  )
})

test('flow is a line a stage, with what it was before', () => {
  const stream = { changes: 2, activeMs: 0, waitingMs: 60, efficiency: 0, unordered: 0 }
  const total = { median: 60, p90: 60, n: 2 }
  const stage = { stage: 'review-wait' as const, isWaiting: true, median: 30, p90: 40, n: 2, sumMs: 60, perWeekMs: 70 }
  const now = { ...stream, total, stages: [stage, { ...stage, stage: 'review' as const, isWaiting: false }] }
  const before = { ...stream, total, stages: [{ ...stage, median: 20, perWeekMs: 50 }] }
  assert.equal(
    flowCsv({ now, before }),
    [
      'stage,kind,median_ms,p90_ms,changes,per_week_ms,median_before_ms,per_week_before_ms',
      'review-wait,waiting,30,40,2,70,20,50',
      'review,active,30,40,2,70,,',
      '',
    ].join('\n'),
  )
})
