import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deliveryCarried, deliveryDeployed, learnFacts } from '../learn/facts.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { Digest, defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { createCommits } from './commits.ts'
import { type EventsTables, eventsView } from './views.ts'

const shop = ServiceName.parse('shop')
const received = Digest.parse(`sha256:${'0'.repeat(64)}`)
const commit = { repository: 'octo/shop', commit: 'c1', committedAt: 1_000, isMerge: false, reverts: null }

const deployed = (id: string, finishedAt: number, isKnown = false): NewFact => {
  const key = `default/ci:${id}`
  const about = { key, source: 'ci', received, project: defaultProject, service: shop, environment: defaultEnvironment }
  const said = { startedAt: null, finishedAt, outcome: 'succeeded' as const, revision: `r${id}` }
  const rest = { lines: null, kind: 'planned' as const, rollsBack: null, automatic: null }
  const payload = { ...about, ...said, ...rest, commits: isKnown ? [commit] : [] }
  return fact(deliveryDeployed, { subject: `delivery:${key}`, actor: 'user:ada', payload })
}
const carried = (id: string): NewFact => {
  const deployment = `default/ci:${id}`
  const payload = { deployment, commits: [commit], lines: null }
  return fact(deliveryCarried, { subject: `delivery:${deployment}`, actor: 'user:ada', payload })
}

const definitions = [...learnFacts]
const rowsAfter = async (batches: readonly (readonly NewFact[])[]) => {
  await using opened = await openTestLedger({ definitions, views: [eventsView] })
  for (const facts of batches) {
    await opened.ledger.append(facts)
    await opened.views.reach()
  }
  const rows = opened.store.tables<EventsTables>().selectFrom('events_deliveries').selectAll()
  return (await rows.orderBy('key_name').execute()).map((row) => ({ ...row }))
}

test('deliveries are the same whether they are told one by one or many at once, in whatever order their commits come', async () => {
  const facts = [
    ...[deployed('1', 1_000), carried('2'), deployed('2', 2_000), deployed('3', 3_000), carried('3'), carried('1')],
    ...[deployed('1', 9_000, true), deployed('4', 4_000, true), carried('none')],
  ]
  const expected = await rowsAfter(facts.map((one) => [one]))
  assert.deepEqual(
    expected.slice(0, 4).map(({ key_name: key, finished_at: at, has_commits: known }) => [key, at, known]),
    [
      ['default/ci:1', 1_000, 1],
      ['default/ci:2', 2_000, 0],
      ['default/ci:3', 3_000, 1],
      ['default/ci:4', 4_000, 1],
    ],
  )
  assert.deepEqual(await rowsAfter([facts]), expected)
  for (const at of [1, 3, 4, 5, 6]) assert.deepEqual(await rowsAfter([facts.slice(0, at), facts.slice(at)]), expected)
})

test('of a batch of facts the deliveries are written at its end, together', async () => {
  await using opened = await openTestLedger({ definitions })
  const appended = await opened.ledger.append(Array.from({ length: 250 }, (_, place) => deployed(`${place}`, place)))
  const facts = appended.kind === 'appended' ? appended.facts : []
  await eventsView.create(opened.store.tables<EventsTables>())
  const counts = await opened.store.transaction<EventsTables, number[]>(async (tx) => {
    const count = async (): Promise<number> => (await tx.selectFrom('events_deliveries').selectAll().execute()).length
    for (const one of facts) await eventsView.apply(tx, one)
    const before = await count()
    await eventsView.finish?.(tx)
    return [before, await count()]
  })
  assert.deepEqual(counts, [0, 250])
})

test('what ran before is read alone, however many deployments came before it', async () => {
  await using opened = await openTestLedger({ definitions, views: [eventsView] })
  await opened.ledger.append(Array.from({ length: 50 }, (_, place) => deployed(`${place}`, place)))
  await opened.views.reach()
  const read: number[] = []
  const tables = opened.store.tables<EventsTables>().withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      read.push(result.rows.length)
      return result
    },
  })
  assert.equal(await createCommits(tables).before('default', 'shop', defaultEnvironment, 40), 'r39')
  assert.deepEqual(read, [1])
})
