import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cdEventOf } from '../../events/out/translate.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { run } from '../../processes/run.ts'
import { definitions } from '../../server.ts'
import { TestClock, testIds } from '../../testing.ts'
import { deliveryDeployed, digestWritten } from '../facts.ts'
import { createLearn } from '../index.ts'
import { learnMigrations } from '../survey/tables.ts'
import { doraView } from '../views.ts'
import { createDigests } from './digests.ts'
import { dueBefore } from './due.ts'

const project = ProjectName.parse('default')
const hourMs = 3_600_000
const dayMs = 24 * hourMs
const weekMs = 7 * dayMs
/** A Monday. */
const start = Date.UTC(2026, 0, 5)
const wish = { day: 1, hour: 8, zone: 'Europe/Berlin' }
const berlin = (text: string): number => Date.parse(text)

test('the hour is that of the clocks on the walls, in summer and in winter, and the week is that of the calendar there', () => {
  const cases: readonly (readonly [now: string, at: string, week: string])[] = [
    ['2026-01-05T07:00:00Z', '2026-01-05T08:00:00+01:00', '2026-01-05'],
    ['2026-01-05T06:59:59Z', '2025-12-29T08:00:00+01:00', '2025-12-29'],
    ['2026-03-30T06:00:00Z', '2026-03-30T08:00:00+02:00', '2026-03-30'],
    ['2026-03-30T05:59:59Z', '2026-03-23T08:00:00+01:00', '2026-03-23'],
    ['2026-10-26T06:59:59Z', '2026-10-19T08:00:00+02:00', '2026-10-19'],
    // Sunday evening in Greenwich is Monday in Berlin.
    ['2026-01-11T23:30:00Z', '2026-01-05T08:00:00+01:00', '2026-01-05'],
  ]
  for (const [now, at, week] of cases) assert.deepEqual(dueBefore(wish, Date.parse(now)), { at: berlin(at), week })
  assert.deepEqual(dueBefore({ day: 7, hour: 0, zone: 'UTC' }, Date.UTC(2026, 0, 10, 23)), {
    at: Date.UTC(2026, 0, 4),
    week: '2025-12-29',
  })
})

const openWorld = async () => {
  const clock = new TestClock(start)
  const opened = await openTestLedger({ definitions, clock })
  const errors: string[] = []
  const ports = { ...opened, clock, home: { root: opened.directory }, onError: (said: string) => errors.push(said) }
  const compose = async (_: ProjectName, span: { from: number; until: number }): Promise<string> =>
    `from ${new Date(span.from).toISOString()}`
  const files = join(opened.directory, 'digests', project)
  return {
    ...{ clock, ledger: opened.ledger, errors, files, make: () => createDigests({ ...ports, compose }) },
    weeks: async (): Promise<string[]> =>
      (await opened.ledger.read({ types: [digestWritten.type], limit: 500 })).flatMap((one) =>
        isFact(digestWritten, one) ? [one.payload.week] : [],
      ),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  }
}

test('there is one digest a week, from the next moment on, over restarts and whatever the clock says', async () => {
  await using world = await openWorld()
  const { clock, make, weeks } = world
  const digests = make()
  clock.set(start + 12 * hourMs)
  await digests.setSchedule(project, wish, 'user:ada')
  await digests.writeDue()
  assert.deepEqual(await weeks(), [], 'what was due before it was wanted is not written')
  clock.set(start + weekMs + 6 * hourMs)
  await digests.writeDue()
  assert.deepEqual(await weeks(), [])
  clock.set(start + weekMs + 7 * hourMs)
  await Promise.all([digests.writeDue(), make().writeDue(), digests.writeDue()])
  await make().writeDue()
  assert.deepEqual(await weeks(), ['2026-01-12'])
  // Set forward by three weeks, back again, and then as time goes.
  const moments = [start + 4 * weekMs + dayMs, start + weekMs + dayMs, start + 2 * weekMs + dayMs, start + weekMs]
  for (const moment of moments) {
    clock.set(moment)
    await make().writeDue()
  }
  assert.deepEqual(await weeks(), ['2026-01-12', '2026-02-02', '2026-01-19'])
  // Another day of a week that was told already.
  clock.set(start + 2 * weekMs + dayMs)
  await digests.setSchedule(project, { ...wish, day: 3 }, 'user:ada')
  clock.set(start + 2 * weekMs + 4 * dayMs)
  await digests.writeDue()
  assert.deepEqual(await weeks(), ['2026-01-12', '2026-02-02', '2026-01-19'])
  await digests.setSchedule(project, null, 'user:ada')
  clock.set(start + 5 * weekMs)
  await digests.writeDue()
  assert.deepEqual(await weeks(), ['2026-01-12', '2026-02-02', '2026-01-19'])
  assert.deepEqual(readdirSync(world.files), ['2026-01-12.md', '2026-01-19.md', '2026-02-02.md'])
  assert.equal(readFileSync(join(world.files, '2026-01-12.md'), 'utf8'), 'from 2026-01-05T07:00:00.000Z')
  await digests.stop()
  await assert.rejects(digests.setSchedule(project, { ...wish, zone: 'Europe/Nowhere' }, 'user:ada'), {
    kind: 'unknown-time-zone',
  })
  assert.deepEqual(world.errors, [])
})

test('a digest says what the week came to, and what others have written is text in it', async () => {
  const clock = new TestClock(start)
  await using opened = await openTestLedger({ definitions, views: [doraView], migrations: learnMigrations, clock })
  const learn = createLearn({
    ...{ ...opened, clock, ids: testIds(), run, repositoryPath: () => opened.directory, publicUrl: '' },
    ...{ home: { root: opened.directory }, onError: (said: string) => assert.fail(said) },
  })
  const about = { project, service: ServiceName.parse('shop'), environment: EnvironmentName.parse('production') }
  const live = fact(deliveryDeployed, {
    ...{ subject: 'delivery:elsewhere:7', actor: 'user:ada' },
    payload: {
      ...{ ...about, key: 'elsewhere:7', source: 'elsewhere', received: null, startedAt: null, finishedAt: start },
      ...{ outcome: 'succeeded', kind: 'planned', revision: 'v7 *', commits: [], lines: null, rollsBack: null },
      automatic: null,
    },
  })
  const title = '[click](http://evil.test) <script>\n# slow | **all**'
  const said = { ...about, title, impactStartedAt: null, detectedAt: start, causedBy: 'elsewhere:7' }
  await opened.ledger.append([live])
  await learn.orders.open(said, 'user:ada')
  await (await learn.toilOrders()).add({ ...about, what: 'restarted it', minutes: 90, at: null }, 'user:ada')
  const span = { from: start - 1, until: start - 1 + weekMs }
  assert.equal(
    await learn.digest(project, span, 'UTC'),
    `# default: the week until 11 Jan 2026, 23:59

From 4 Jan 2026, 23:59 (UTC), production, all services together.

| | this week | the week before |
|---|---|---|
| deployments | 1 | 0 |
| lead time | no data | no data |
| change fail rate | 100 % (1 of 1) | no data |
| recovery | no data, 1 open | no data |
| rework rate | 0 % | no data |

## Flow

- No change went live (0 the week before).
- No bottleneck: nothing went live, or nothing took any time.
- 0 changes are open.

## Incidents

- \\[click\\]\\(http&#58;//evil\\.test\\) &#60;script&#62; \\# slow \\| \\*\\*all\\*\\* (shop), 5 Jan 2026, 00:00: **open**; put down to shop v7 \\*

## Toil

- 90 min of work by hand were written down.
- To automate first: restarted it (1×).

The same, and what is behind each figure: \`headway insights --since 7d\`.
`,
  )
  const before = await learn.digest(project, { from: start - 1 - weekMs, until: start - 1 }, 'UTC')
  assert.match(before, /\n- No work by hand was written down\.\n/)
  const digests = await learn.digests()
  await digests.setSchedule(project, wish, 'user:ada')
  clock.set(start + weekMs)
  await digests.writeDue()
  const [written] = await opened.ledger.read({ types: ['digest.written'] })
  assert.ok(written)
  const event = cdEventOf(written, { serverUrl: 'http://headway.test', first: null })
  assert.equal(event.context.type, 'dev.cdeventsx.headway-digest.written.0.1.0')
  await learn.stop()
})
