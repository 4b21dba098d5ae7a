import { grainMs } from '../src/learn/dora/cells.ts'
import { distributionOf } from '../src/learn/dora/quantile.ts'
import { answerFlow, type FlowQuestion } from '../src/learn/flow/question.ts'
import type { ChangeRow } from '../src/learn/flow/tables.ts'
import type { DeploymentRow, DoraTables } from '../src/learn/tables.ts'
import type { Store } from '../src/store/store.ts'
import type { RawRows } from './raw-rows.ts'

type Say = (name: string, figure: string) => void

const services = 500
const weeks = 8
const minuteMs = 60_000
const until = Date.UTC(2026, 0, 1)
const place = { project: 'shop', environment: 'production' } as const
const nameOf = (lane: number): string => `service${lane}`

/**
 * Where the time of changes goes (`headway insights flow`), with so many changes a week in 500 repositories with a service each, for eight
 * weeks: the last week by the day beside the one before, as the command asks, and all eight by the week. Every fourth change goes live once
 * more, with the configuration that follows it; one in twenty is still open. The rows are written straight into the store.
 */
export const measureFlow = async (store: Store, rows: RawRows, aWeek: number, say: Say): Promise<void> => {
  await fill(rows, aWeek)
  const size = `${aWeek.toLocaleString('en')} changes a week`
  const weekMs = 7 * grainMs.day
  for (const [name, from, bucket] of [
    ['the last week by the day', until - weekMs, 'day'],
    ['eight weeks by the week', until - weeks * weekMs, 'week'],
  ] as const) {
    const question: FlowQuestion = { ...place, services: [], span: { from, until }, bucket, zone: 'Europe/Berlin' }
    const [times, processor]: [number[], number[]] = [[], []]
    let changes = 0
    for (let round = 0; round < 6; round += 1) {
      const before = performance.now()
      const used = process.cpuUsage()
      changes = (await answerFlow(store.tables<DoraTables>(), question, until)).now.changes
      const { user, system } = process.cpuUsage(used)
      if (round === 0) continue
      times.push(performance.now() - before)
      processor.push((user + system) / 1_000)
    }
    const ofProcessor = distributionOf(processor).median?.toFixed(0)
    const figure = `${distributionOf(times).median?.toFixed(0)} (n ${times.length}); of the processor ${ofProcessor}`
    say(`${size}: the flow of ${name}, ms`, `${figure}; ${changes.toLocaleString('en')} changes`)
  }
}

const fill = async (rows: RawRows, aWeek: number): Promise<void> => {
  for (let lane = 1; lane <= services; lane += 1) rows.insert('learn_lanes', { lane, ...place, service: nameOf(lane) })
  const all = aWeek * weeks
  const everyMs = (weeks * 7 * grainMs.day) / all
  for (let number = 1; number <= all; number += 1) {
    const told = storyOf(number, until - Math.floor((all - number) * everyMs) - 1)
    for (const [table, row] of told) rows.insert(table, row)
    if (number % 5_000 === 0) await rows.save()
  }
  await rows.finish()
}

type Told = readonly (readonly [table: string, row: Parameters<RawRows['insert']>[1]])[]

/** A change that was live at a moment, or would have been, with what the views know of its way. */
const storyOf = (number: number, liveAt: number): Told => {
  const lane = 1 + (number % services)
  const commit = `c${number}`.padEnd(40, '0')
  const own = { project: place.project, repository: nameOf(lane) }
  // Some take minutes, some days.
  const paceMs = minuteMs * (1 + (number % 97))
  const merged_at = liveAt - 6 * paceMs
  const isOpen = number % 20 === 0
  const change: ChangeRow = {
    ...{ id: number, key: `headway:${own.project}/${own.repository}/${number}`, ...own, kind: 'change', number },
    ...{ state: isOpen ? 'open' : 'merged', author: null, commits: 2, lines: 40, closed_at: null },
    ...{ committed_at: merged_at - 9 * paceMs, opened_at: merged_at - 7 * paceMs },
    ...{ reviewed_at: merged_at - 4 * paceMs, approved_at: merged_at - 3 * paceMs, queued_at: merged_at - paceMs },
    ...{ merged_at: isOpen ? null : merged_at, merged_as: isOpen ? null : commit },
  }
  if (isOpen) return [['learn_flow_changes', change]]
  const checked = { ...own, commit_id: commit, pushed_at: merged_at }
  const deployments = number % 4 === 1 ? [liveAt, liveAt + minuteMs / 2] : [liveAt]
  return [
    ['learn_flow_changes', change],
    ['learn_flow_checks', { ...checked, started_at: merged_at + paceMs, verified_at: merged_at + 3 * paceMs }],
    ['learn_flow_made', { ...own, service: nameOf(lane), commit_id: commit, made_at: merged_at + 4 * paceMs }],
    ...deployments.flatMap((at, again): Told => {
      const row = deployed(2 * number + again, lane, at, liveAt - paceMs)
      return [
        ['learn_deployments', row],
        ['learn_flow_brought', { change_id: number, deployment: row.id }],
      ]
    }),
  ]
}

const deployed = (id: number, lane: number, live_at: number, started_at: number): DeploymentRow => ({
  ...{ id, key: `bench:${id}`, lane, environment: place.environment, source: 'headway', state: 'succeeded' },
  ...{ kind: 'planned', rolls_back: null, revision: `r${id}`, started_at, live_at, reverted_at: null },
  ...{ automatic: 1, lines: 40, said_failure: null, said_rework: null, held_at: null, granted_at: null },
  ...{ watched_at: live_at + minuteMs, undone_by_machine: null, counted: 1, pending: 0, failed: 0 },
  ...{ failed_how: null, rework: 0, restored_at: null, leads: new Uint8Array(), commits: 2, again: 0, merges: 0 },
  ...{ unknown: 0, negative: 0, first: 0 },
})
