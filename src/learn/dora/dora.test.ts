import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NewFact } from '../../ledger/fact.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { ProjectName } from '../../names.ts'
import { definitions } from '../../server.ts'
import { migrate } from '../../store/migrations.ts'
import { type FreshStore, onEveryStore } from '../../store/testing.ts'
import { TestClock } from '../../testing.ts'
import type { DoraTables } from '../tables.ts'
import { doraView } from '../views.ts'
import { type Expected, type History, histories, hour } from './histories.testing.ts'
import { answerDora, type DoraAnswer, type DoraQuestion } from './question.ts'

const opened = async (fresh: FreshStore) => {
  const clock = new TestClock(hour(0))
  const { store } = fresh
  await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
  const ledger = await openLedger({ store, definitions, clock })
  const views = await openViews({ store, ledger, views: [doraView] })
  /** All histories at once, each in its order, as the ledger's clock never goes back. */
  const tell = async (isTold: (place: number) => boolean): Promise<void> => {
    const moments = new Map<number, NewFact[]>()
    for (const [place, { told }] of histories.entries()) {
      if (!isTold(place)) continue
      let latest = Number.NEGATIVE_INFINITY
      for (const one of told) {
        latest = Math.max(latest, one.at)
        moments.set(latest, [...(moments.get(latest) ?? []), one.fact(projectOf(place))])
      }
    }
    for (const at of [...moments.keys()].sort((left, right) => left - right)) {
      clock.set(hour(at))
      await ledger.append(moments.get(at) ?? [])
    }
  }
  return {
    views,
    tell,
    ask: async (question: DoraQuestion, mostRows?: number) => {
      await views.reach()
      return answerDora(store.tables<DoraTables>(), question, hour(24 * 2_000), mostRows)
    },
    [Symbol.asyncDispose]: () => views.stop(),
  }
}

const projectOf = (place: number): ProjectName => ProjectName.parse(`history${place}`)
const always = { from: hour(-24 * 365), until: hour(24 * 1_500) }
const questionOf = (project: string, { environment = 'production', service, calendar }: Partial<History> = {}) =>
  ({
    ...{ project, services: service ? [service] : [], environment, zone: calendar?.zone ?? 'UTC' },
    span: calendar ? { from: Date.parse(calendar.from), until: Date.parse(calendar.until) } : always,
    bucket: calendar?.bucket ?? 'year',
  }) satisfies DoraQuestion

const share = (part: number | null, of: readonly [number, number] | null): boolean =>
  of === null ? part === null : part !== null && Math.abs(part - of[0] / of[1]) < 1e-12
const hours = (ms: number | null): number | null => (ms === null ? null : Math.round((ms / 3_600_000) * 1e6) / 1e6)

/** The answer in the words of the table; only what a history speaks of beyond the five figures is compared. */
const inItsWords = ({ total }: DoraAnswer, { failed, rework, more = {} }: Expected): Expected => {
  const { leadTime, changeFailRate, recovery } = total
  const { first, merge, negative, unknown, again } = leadTime.dropped
  const all: Record<string, unknown> = {
    leads: leadTime.n,
    leadP90: hours(leadTime.p90),
    dropped: Object.fromEntries(
      Object.entries({ first, merge, negative, unknown, again }).filter(([name]) => name in (more.dropped ?? {})),
    ),
    pending: changeFailRate.pending,
    suspected: changeFailRate.suspected,
    open: recovery.open,
    recoveries: recovery.n,
    negativeRecoveries: recovery.dropped.negative,
  }
  return {
    deployments: total.deployments.n,
    lead: hours(leadTime.median),
    failed: share(changeFailRate.value, failed) ? failed : [changeFailRate.failed, changeFailRate.n],
    recovery: hours(recovery.median),
    rework: share(total.rework.value, rework) ? rework : [total.rework.unplanned, total.rework.n],
    ...(Object.keys(more).length === 0
      ? {}
      : { more: Object.fromEntries(Object.entries(all).filter(([name]) => name in more)) }),
  }
}

const withName = (name: string, value: unknown) => ({ name, value })

onEveryStore('five metrics', (fresh, dialect) => {
  test(`of ${histories.length} histories that were worked out by hand are what they should be`, async () => {
    await using kept = await fresh()
    await using world = await opened(kept)
    // What PostgreSQL is asked is the same, and it takes four times as long.
    const isTold = (place: number): boolean => dialect === 'sqlite' || place % 6 === 0
    await world.tell(isTold)
    for (const [place, history] of histories.entries()) {
      if (!isTold(place)) continue
      const { name, why, expected, calendar } = history
      const answer = await world.ask(questionOf(projectOf(place), history))
      assert.deepEqual(withName(name, inItsWords(answer, expected)), withName(name, expected), `${name}: ${why}`)
      if (calendar) compareBuckets(history, answer)
      for (const zone of ['UTC', 'Asia/Kathmandu'])
        await compareCells(name, { ...questionOf(projectOf(place), history), zone, bucket: 'month' }, world.ask)
      if (dialect !== 'sqlite' || place % 12 !== 0) continue
      // Days that share a day of UTC: shortly after its beginning, shortly before its end, and half of it.
      const span = { from: hour(-60.3), until: hour(24 * 30 + 5.7) }
      for (const zone of ['Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Pacific/Auckland'])
        for (const bucket of ['day', 'week'] as const)
          await compareCells(name, { ...questionOf(projectOf(place), history), span, zone, bucket }, world.ask)
    }
    if (dialect !== 'sqlite') return
    const before = await world.views.digest()
    await world.views.rebuild()
    assert.equal(await world.views.digest(), before)
  })
})

const compareBuckets = ({ name, why, calendar }: History, { buckets }: DoraAnswer): void => {
  const found = buckets.map(({ figures: { deployments } }) => (deployments.perDay === null ? null : deployments.n))
  assert.deepEqual(withName(name, found), withName(name, calendar?.deployments), why)
  for (const { figures } of buckets.filter((_, at) => calendar?.deployments[at] === null))
    assert.deepEqual(
      [figures.leadTime.median, figures.changeFailRate.value, figures.recovery.median, figures.rework.value],
      [null, null, null, null],
    )
  const lengths = buckets.map(({ span }) => (span.until - span.from) / 3_600_000)
  if (calendar?.hours) assert.deepEqual(lengths, calendar.hours)
}

/** From cells it is the same as row by row, but for half a percent of a time. */
const compareCells = async (
  name: string,
  question: DoraQuestion,
  ask: (question: DoraQuestion, mostRows?: number) => Promise<DoraAnswer>,
): Promise<void> => {
  const exact = await ask(question)
  const cells = await ask(question, -1)
  assert.deepEqual([exact.relativeError, cells.relativeError], [0, 0.005])
  const counts = ({ buckets }: DoraAnswer) =>
    buckets.map(({ figures: { deployments, leadTime, changeFailRate, recovery, rework } }) => [
      ...[deployments, leadTime.dropped, leadTime.n, changeFailRate, recovery.n, recovery.open, recovery.dropped],
      rework,
    ])
  assert.deepEqual(withName(name, counts(cells)), withName(name, counts(exact)))
  if (question.zone === 'UTC') assert.deepEqual(cells.perDay, exact.perDay)
  for (const metric of ['leadTime', 'recovery'] as const)
    for (const figure of ['median', 'p90'] as const) {
      const [near, right] = [cells.total[metric][figure], exact.total[metric][figure]]
      const isNear = right === near || (right !== null && near !== null && Math.abs(near - right) <= right * 0.00501)
      assert.ok(isNear, `${name}: ${metric} ${figure} ${near} is not about ${right}`)
    }
}

describe('histories', () => {
  test('have names of their own and say why', () => {
    assert.equal(new Set(histories.map(({ name }) => name)).size, histories.length)
    assert.deepEqual(
      histories.filter(({ why }) => why.length < 5),
      [],
    )
  })
})
