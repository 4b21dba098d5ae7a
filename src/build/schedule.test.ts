import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { test } from 'node:test'
import { codeFacts } from '../code/facts.ts'
import { fact, isFact } from '../ledger/fact.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { defaultProject, RepositoryName } from '../names.ts'
import { testClock } from '../testing.ts'
import { buildFacts, schedulesSet, workflowEventRaised } from './facts.ts'
import { createScheduler, ticksOf } from './schedule.ts'
import { makeTestPlace } from './testing.ts'
import { buildView } from './views.ts'

const at = (text: string): number => Date.parse(`2026-03-${text}Z`)
const textOf = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString().slice(8, 16)

test('a tick is due once; of those that were missed only the newest, and none that is older than a day', () => {
  const ticks = (cron: string, set: string, last: string | null, now: string) => {
    const schedule = { cron, timezone: '', set_at: at(set), last_tick: last === null ? null : at(last) }
    const { due, next } = ticksOf(schedule, at(now))
    return [textOf(due), textOf(next)]
  }
  assert.deepEqual(ticks('0 3 * * *', '01T10:00', null, '01T12:00'), [undefined, '02T03:00'])
  assert.deepEqual(ticks('0 3 * * *', '01T10:00', null, '02T03:00'), ['02T03:00', '03T03:00'])
  assert.deepEqual(ticks('0 3 * * *', '01T10:00', '02T03:00', '02T03:00'), [undefined, '03T03:00'])
  assert.deepEqual(ticks('0 3 * * *', '01T10:00', '02T03:00', '07T08:00'), ['07T03:00', '08T03:00'])
  assert.deepEqual(ticks('*/5 * * * *', '01T10:00', '01T10:00', '01T12:02'), ['01T12:00', '01T12:05'])
  assert.deepEqual(ticks('0 3 2 * *', '01T10:00', null, '09T08:00'), [undefined, '02T03:00'])
})

test('scheduled workflows are raised at their time, with the newest commit of the default branch, and never twice', async () => {
  const place = makeTestPlace()
  const clock = testClock(at('01T02:59'))
  await using opened = await openTestLedger({ definitions: [...codeFacts, ...buildFacts], views: [buildView], clock })
  const { ledger } = opened
  using _removed = { [Symbol.dispose]: () => rmSync(place.root, { recursive: true, force: true }) }
  const commit = place.commit({ file: 'text' }, 'refs/heads/main')
  const repository = RepositoryName.parse('shop')
  const schedules = [{ workflow: '.github/workflows/nightly.yml', cron: '0 3 * * *', timezone: null }]
  const payload = { project: defaultProject, repository, commit, schedules }
  await ledger.append([fact(schedulesSet, { subject: 'repository:default/shop', actor: 'user:alice', payload })])
  const parts = { ...opened, clock, repositoryPath: () => place.bare }
  const { run, tick } = createScheduler(parts)
  const stop = new AbortController()
  const ended = run(stop.signal, (error) => assert.fail(String(error))).catch(() => undefined)
  const raised = async () =>
    (await ledger.read({})).flatMap((one) =>
      isFact(workflowEventRaised, one) ? [[one.actor, one.payload] as const] : [],
    )
  while (clock.sleeping === 0) await new Promise(setImmediate)
  assert.deepEqual(await raised(), [])
  await clock.advance(60_000)
  while ((await raised()).length === 0) await new Promise(setImmediate)
  stop.abort()
  await ended
  await tick()
  await createScheduler(parts).tick()
  const [[actor, event] = [], ...others] = await raised()
  assert.deepEqual([actor, others], ['user:alice', []])
  assert.deepEqual(event && { ...event, event: '' }, {
    event: '',
    name: 'schedule',
    action: null,
    project: defaultProject,
    repository,
    ref: 'refs/heads/main',
    commit,
    baseRef: null,
    headRef: null,
    changedSince: null,
    workflow: '.github/workflows/nightly.yml',
    inputs: {},
    payload: { schedule: '0 3 * * *', tick: at('01T03:00') },
    isTrusted: true,
  })
})
