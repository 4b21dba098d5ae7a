import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestLedger } from '../../ledger/testing.ts'
import { ProjectName } from '../../names.ts'
import { definitions } from '../../server.ts'
import { TestClock, testIds } from '../../testing.ts'
import { statements } from './statements.ts'
import { createSurveys } from './surveys.ts'
import { learnMigrations, type SurveyTables } from './tables.ts'

const project = ProjectName.parse('default')
const start = Date.UTC(2026, 0, 5)
const dayMs = 86_400_000
const same = (answer: number | null) => statements.map(() => answer)

const openWorld = async () => {
  const clock = new TestClock(start)
  const opened = await openTestLedger({ definitions, migrations: learnMigrations, clock })
  const ports = { ...opened, clock, ids: testIds(), publicUrl: 'http://headway.test' }
  const surveys = createSurveys(ports)
  const tables = opened.store.tables<SurveyTables>()
  return {
    ...{ surveys, clock, ledger: opened.ledger, again: () => createSurveys(ports) },
    ask: async (links: number): Promise<string[]> => {
      const made = await surveys.open(project, { links, days: 14 }, 'user:ada')
      return made.links.map((link) => link.split('#')[1] ?? '')
    },
    rows: async (): Promise<unknown> => ({
      links: await tables.selectFrom('learn_survey_links').selectAll().execute(),
      counts: await tables.selectFrom('learn_survey_counts').selectAll().execute(),
    }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

test('what five have said is told when the survey is over, together', async () => {
  await using world = await openWorld()
  const { surveys, ask, clock } = world
  const links = await ask(6)
  assert.equal(new Set(links).size, 6)
  for (const [place, answer] of [7, 6, 4, 2].entries()) await surveys.answer(links[place] ?? '', same(answer))
  assert.equal((await surveys.list(project))[0]?.answers, null)
  // Who would rather not say to the last five statements.
  await surveys.answer(links[4] ?? '', [1, null, null, null, null, null])
  const open = { survey: 'survey-1', openedAt: start, closesAt: start + 14 * dayMs, links: 6, answers: 5 }
  assert.deepEqual(await surveys.list(project), [{ ...open, state: 'open', closedAt: null, result: null }])
  clock.set(start + dayMs)
  const closed = await surveys.close(project, 'survey-1', 'user:ada')
  const [first, ...others] = statements
  const result = {
    mean: 4,
    statements: [
      { statement: first, sum: { n: 5, mean: 4, agree: 2, neutral: 1, disagree: 2 } },
      // Four have said something to these.
      ...others.map((statement) => ({ statement, sum: null })),
    ],
  }
  assert.deepEqual(closed, { ...open, state: 'closed', closedAt: start + dayMs, result })
  assert.deepEqual(await surveys.list(project), [closed])
  assert.deepEqual(await world.rows(), { links: [], counts: [] })
  await assert.rejects(surveys.answer(links[5] ?? '', same(7)), { kind: 'survey-link-unknown' })
})

test('what fewer than five have said is never told and nowhere kept', async () => {
  await using world = await openWorld()
  const { surveys, ask, ledger } = world
  const links = await ask(5)
  for (const link of links.slice(0, 4)) await surveys.answer(link, same(3))
  const { answers, result, state } = await surveys.close(project, 'survey-1', 'user:ada')
  assert.deepEqual([answers, result, state], [null, null, 'closed'])
  assert.deepEqual(
    (await ledger.read({ types: ['survey.closed'] })).map(({ payload }) => payload),
    [{ survey: 'survey-1', project, result: null, by: 'user:ada' }],
  )
  assert.deepEqual(await world.rows(), { links: [], counts: [] })
})

test('a link counts once, also when it comes many times at once, and none can be made up', async () => {
  await using world = await openWorld()
  const { surveys, ask } = world
  const [link = '', ...others] = await ask(9)
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => surveys.answer(link, same(1))))
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
  await assert.rejects(surveys.ask(link), { kind: 'survey-link-unknown', status: 404 })
  await assert.rejects(surveys.answer('A'.repeat(43), same(1)), { kind: 'survey-link-unknown' })
  for (const other of others.slice(0, 4)) await surveys.answer(other, same(7))
  assert.equal((await surveys.list(project))[0]?.answers, 5)
  assert.deepEqual(await surveys.ask(others[5] ?? ''), { project, closesAt: start + 14 * dayMs })
})

test('nothing leads from an answer to a link, a person or a time: not in the ledger, not in the tables', async () => {
  await using world = await openWorld()
  const { surveys, ask, ledger, clock } = world
  const links = await ask(7)
  const before = await ledger.head()
  for (const [place, link] of links.slice(0, 2).entries()) {
    clock.set(start + place * 1_000)
    await surveys.answer(link, same(place + 1))
  }
  assert.deepEqual(await ledger.head(), before, 'the ledger is not told of an answer')
  const rows = JSON.stringify(await world.rows())
  const facts = JSON.stringify(await ledger.read({ limit: 100 }))
  for (const link of links) assert.ok(!rows.includes(link) && !facts.includes(link))
  // Five links that nobody has used, and the sums of both answers together.
  const sums = JSON.stringify(statements.map(() => ({ n: 2, total: 3, agree: 0, neutral: 0, disagree: 2 })))
  const counts = { survey: 'survey-1', project, closes_at: start + 14 * dayMs, is_ended: 0, answers: 2, sums }
  const kept = JSON.parse(rows)
  assert.deepEqual([kept.links.length, kept.counts], [5, [counts]])
})

test('a survey ends by its time, one follows the other, and what a crash left is finished', async () => {
  await using world = await openWorld()
  const { surveys, ask, clock } = world
  const links = await ask(5)
  await assert.rejects(ask(5), { kind: 'survey-open', status: 409 })
  for (const link of links) await surveys.answer(link, same(6))
  clock.set(start + 14 * dayMs)
  await assert.rejects(surveys.ask(links[0] ?? ''), { kind: 'survey-link-unknown' })
  const late = await ask(5)
  assert.equal((await surveys.list(project))[1]?.result?.mean, 6)
  clock.set(start + 28 * dayMs)
  await assert.rejects(surveys.answer(late[0] ?? '', same(6)), { kind: 'survey-over', status: 410 })
  assert.deepEqual(
    (await world.again().list(project)).map(({ state, answers }) => [state, answers]),
    [
      ['closed', null],
      ['closed', 5],
    ],
  )
  await assert.rejects(surveys.close(project, 'survey-9', 'user:ada'), { kind: 'survey-not-found' })
  await assert.rejects(surveys.close(ProjectName.parse('other'), 'survey-1', 'user:eve'), { kind: 'survey-not-found' })
})
