import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgress, progressBar, progressLine, showing } from './progress.ts'

const views = { what: 'views are built anew', unit: 'facts' }

test('how far something is fits any terminal, with rate and remaining time where there is room', () => {
  const half = { done: 4_200_000, total: 10_000_000, perSecond: 31_000 }
  const lines = [
    [120, 'views are built anew [#############.................]  42 %  31,000 facts/s  3 min left'],
    [80, 'views are built anew [#########.............]  42 %  31,000 facts/s  3 min left'],
    [60, 'views are built anew [######........]  42 %  31,000 facts/s'],
    [20, 'views are built ane'],
  ] as const
  assert.deepEqual(
    lines.map(([columns]) => [columns, progressBar(views, half, columns)]),
    lines,
  )
  for (const columns of [1, 20, 30, 39, 40, 50, 60, 70, 79, 80, 81, 120])
    assert.ok(progressBar(views, half, columns).length < columns, String(columns))
  assert.equal(
    progressBar(views, { ...half, done: 10_000_000 }, 80),
    'views are built anew [##############################] 100 %  31,000 facts/s',
  )
  assert.equal(
    progressBar(views, { done: 2_000, total: 10_000, perSecond: null }, 80),
    'views are built anew [######........................]  20 %',
  )
  assert.equal(
    progressLine(views, half),
    'views are built anew: 42 %, 4,200,000 of 10,000,000 facts, 31,000 facts/s, 3 min left',
  )
})

test('in a terminal one line is written over ten times a second, elsewhere a line comes every ten seconds, and the last always, once', () => {
  const told = (isTTY: boolean): string[] => {
    const texts: string[] = []
    let now = 0
    const tell = createProgress(views, { isTTY, columns: 80, write: (text) => texts.push(text) }, () => now)
    for (const [at, done] of [
      [0, 1_000],
      [50, 1_100],
      [10_000, 2_000],
      [10_010, 10_000],
      [30_000, 10_000],
    ] as const) {
      now = at
      tell(done, 10_000)
    }
    return texts
  }
  assert.deepEqual(told(false), [
    'views are built anew: 10 %, 1,000 of 10,000 facts\n',
    'views are built anew: 20 %, 2,000 of 10,000 facts, 100 facts/s, 1 min left\n',
    'views are built anew: 100 %, 10,000 of 10,000 facts, 899 facts/s\n',
  ])
  assert.deepEqual(
    told(true).map((text) => [text.startsWith('\r\u001b[K'), text.endsWith('\n')]),
    [
      [true, false],
      [true, false],
      [true, true],
    ],
  )
})

test('a terminal that does not know how wide it is gets a bar all the same', () => {
  const texts: string[] = []
  const tell = createProgress(views, { isTTY: true, columns: 0, write: (text) => texts.push(text) }, () => 0)
  tell(5_000, 10_000)
  assert.deepEqual(texts, ['\r\u001b[Kviews are built anew [###############...............]  50 %'])
})

test('work is shown on a terminal, whose line is whole when the work fails, and nowhere else', async () => {
  const texts: string[] = []
  const output = (isTTY: boolean) => ({ isTTY, columns: 80, write: (text: string) => texts.push(text) })
  const half = async (tell: (done: number) => void): Promise<string> => {
    tell(5)
    return 'made'
  }
  const broken = async (tell: (done: number) => void): Promise<never> => {
    tell(5)
    throw new Error('broken')
  }
  assert.equal(await showing(views, output(false), () => 0, 10, half), 'made')
  assert.deepEqual(texts, [])
  assert.equal(await showing(views, output(true), () => 0, 5, half), 'made')
  await assert.rejects(
    showing(views, output(true), () => 0, 10, broken),
    /broken/,
  )
  assert.deepEqual(texts, [
    '\r\u001b[Kviews are built anew [##############################] 100 %\n',
    '\r\u001b[Kviews are built anew [###############...............]  50 %',
    '\n',
  ])
})
