import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NewFact } from '../../ledger/fact.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { ProjectName } from '../../names.ts'
import { definitions } from '../../server.ts'
import { migrate } from '../../store/migrations.ts'
import { onEveryStore } from '../../store/testing.ts'
import { TestClock } from '../../testing.ts'
import { hour } from '../dora/histories.testing.ts'
import type { DoraTables } from '../tables.ts'
import { doraView } from '../views.ts'
import { type Expected, histories } from './histories.testing.ts'
import { answerFlow, type FlowAnswer } from './question.ts'

const projectOf = (place: number): ProjectName => ProjectName.parse(`history${place}`)
const sumOf = <One>(all: readonly One[], of: (one: One) => number): number => all.reduce((sum, one) => sum + of(one), 0)
const hours = (ms: number | null): number | null => (ms === null ? null : Math.round((ms / 3_600_000) * 1e6) / 1e6)

/** The answer in the words of the table; only what a history speaks of is compared. */
const inItsWords = (answer: FlowAnswer, expected: Expected): Expected => {
  const { now, bottleneck, progress, batch, rhythm, changed } = answer
  const all: Required<Expected> = {
    changes: now.changes,
    total: hours(now.total.median),
    stages: Object.fromEntries(now.stages.map(({ stage, sumMs }) => [stage, hours(sumMs)])),
    efficiency: now.efficiency === null ? null : [hours(now.activeMs) ?? 0, hours(now.activeMs + now.waitingMs) ?? 0],
    bottleneck: bottleneck?.stage ?? null,
    unordered: now.unordered,
    ...{ open: progress.open, merged: progress.merged, age: hours(progress.ages.median) },
    batch: { commits: batch.commits.median, lines: batch.lines.median },
    automatic: [rhythm.automatic.automatic, rhythm.automatic.known],
    rollbacks: rhythm.rollbacks,
    hours: rhythm.byHour.flatMap((row, day) =>
      row.flatMap((n, at): (readonly [number, number, number])[] => (n === 0 ? [] : [[day, at, n]])),
    ),
    changed: changed ? [changed.stage, hours(changed.before) ?? 0, hours(changed.now) ?? 0] : null,
  }
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in expected))
}

onEveryStore('the flow', (fresh, dialect) => {
  test(`of ${histories.length} histories that were worked out by hand is what it should be`, async () => {
    await using kept = await fresh()
    const { store } = kept
    const clock = new TestClock(hour(0))
    await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions, clock })
    const views = await openViews({ store, ledger, views: [doraView] })
    await using _ = { [Symbol.asyncDispose]: () => views.stop() }
    const moments = new Map<number, NewFact[]>()
    for (const [place, { told }] of histories.entries())
      for (const one of told) moments.set(one.at, [...(moments.get(one.at) ?? []), one.fact(projectOf(place))])
    for (const at of [...moments.keys()].sort((left, right) => left - right)) {
      clock.set(hour(at))
      await ledger.append(moments.get(at) ?? [])
    }
    await views.reach()
    for (const [place, { name, why, expected, service, span = [0, 14 * 24], zone = 'UTC' }] of histories.entries()) {
      const answer = await answerFlow(
        store.tables<DoraTables>(),
        {
          ...{ project: projectOf(place), services: service ? [service] : [], environment: 'production' },
          ...{ span: { from: hour(span[0]), until: hour(span[1]) }, bucket: 'day', zone },
        },
        hour(24 * 2_000),
      )
      assert.deepEqual({ name, ...inItsWords(answer, expected) }, { name, ...expected }, `${name}: ${why}`)
      const { now, buckets } = answer
      const sums = [sumOf(buckets, ({ changes }) => changes), sumOf(buckets, (one) => one.activeMs + one.waitingMs)]
      assert.deepEqual(sums, [now.changes, now.activeMs + now.waitingMs], `${name}: its days come to the whole`)
    }
    if (dialect !== 'sqlite') return
    const before = await views.digest()
    await views.rebuild()
    assert.equal(await views.digest(), before)
  })
})
