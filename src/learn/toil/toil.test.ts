import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { deploymentRequested } from '../../deploy/facts.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { openTestLedger } from '../../ledger/testing.ts'
import { alertFired } from '../../monitor/facts.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { definitions } from '../../server.ts'
import { TestClock, testIds } from '../../testing.ts'
import type { DoraTables } from '../tables.ts'
import { doraView } from '../views.ts'
import { busFactorsOf, dependenceOf } from './bus-factor.ts'
import { createToilOrders } from './orders.ts'
import { answerToil } from './question.ts'

const project = ProjectName.parse('default')
const service = ServiceName.parse('shop')
const environment = EnvironmentName.parse('production')
const dayMs = 86_400_000
const start = Date.UTC(2026, 0, 5)

const deployedBy = (actor: string, place: number): NewFact =>
  fact(deploymentRequested, {
    ...{ subject: `deployment:d${place}`, actor },
    payload: {
      ...{ deployment: `d${place}`, project, service, environment, push: null, reason: 'manual' },
      ...{ release: Digest.parse(`sha256:${'a'.repeat(64)}`), commit: CommitId.parse('a'.repeat(40)) },
    },
  })
const alert = (name: string): NewFact =>
  fact(alertFired, {
    ...{ subject: 'alert:default/shop/production', actor: 'system:monitor' },
    payload: {
      ...{ alert: name, project, service, environment, name: 'errors', when: 'error_rate > 2%', deployment: null },
      ...{ values: [], actions: [] },
    },
  })

test('toil is what people told and what the ledger saw, as a share of the time there is', async () => {
  const clock = new TestClock(start + 13 * dayMs)
  await using opened = await openTestLedger({ definitions, views: [doraView], clock })
  const { ledger, store, views } = opened
  const orders = createToilOrders({ ...opened, clock, ids: testIds() })
  const span = { from: start, until: start + 14 * dayMs }
  const ask = async () => {
    await views.reach()
    return answerToil(store.tables<DoraTables>(), project, span)
  }
  const told = { project, service, minutes: 30, at: start + dayMs }
  const first = await orders.add({ ...told, what: 'Restarted  the cache' }, 'user:ada')
  const second = await orders.add({ ...told, what: 'restarted the cache', minutes: 90 }, 'user:bob')
  const wrong = await orders.add({ ...told, what: 'wrong' }, 'user:ada')
  await orders.remove(project, wrong, 'user:ada')
  await orders.add({ ...told, what: 'before', at: start - 1 }, 'user:ada')
  assert.deepEqual([(await ask()).share, (await ask()).hoursPerWeek], [null, null])
  await orders.setCapacity(project, 2, 'user:ada')
  const byHand = ['user:ada', 'token:bob/laptop', 'user:ada', 'system:deploy', 'job:run-1/test']
  await ledger.append([...byHand.map(deployedBy), alert('a1'), alert('a2')])
  const { log, ...answer } = await ask()
  assert.deepEqual(answer, {
    ...{ project, span, minutes: 120, entries: 2, line: 0.5 },
    // Two hours in two weeks of two hours each.
    ...{ hoursPerWeek: 2, share: 0.5, pagesPerWeek: 1 },
    candidates: [
      { what: 'restarted the cache', source: 'logged', times: 2, minutes: 120 },
      // By people only; what happened twice (the alerts) is no habit.
      { what: 'deploy shop production', source: 'ledger', times: 3, minutes: null },
    ],
  })
  assert.deepEqual(
    log.map(({ toil, minutes }) => [toil, minutes]).toSorted(),
    [
      [first, 30],
      [second, 90],
    ].toSorted(),
  )
  await assert.rejects(orders.remove(ProjectName.parse('other'), first, 'user:eve'), { kind: 'toil-not-found' })
  await assert.rejects(orders.add({ ...told, what: 'x', at: start + 20 * dayMs }, 'user:ada'), {
    kind: 'in-the-future',
  })
  const before = await views.digest()
  await views.rebuild()
  assert.equal(await views.digest(), before)
})

test('what the ledger saw is cut where the days of a zone begin, also of one that is quarters of an hour off', async () => {
  const midnightInKathmandu = start - 5.75 * 3_600_000
  const clock = new TestClock(midnightInKathmandu - 1)
  await using opened = await openTestLedger({ definitions, views: [doraView], clock })
  const { ledger, store, views } = opened
  const byHand = ['user:ada', 'user:ada', 'user:ada'].map(deployedBy)
  await ledger.append(byHand)
  clock.set(midnightInKathmandu)
  await ledger.append([...byHand, ...byHand])
  await views.reach()
  const times = async (from: number, until: number) =>
    (await answerToil(store.tables<DoraTables>(), project, { from, until })).candidates.map((one) => one.times)
  assert.deepEqual(
    [
      await times(midnightInKathmandu - dayMs, midnightInKathmandu),
      await times(midnightInKathmandu, midnightInKathmandu + dayMs),
      await times(midnightInKathmandu - dayMs, midnightInKathmandu + dayMs),
    ],
    [[3], [6], [9]],
  )
})

test('the bus factor is the fewest who wrote more than half', () => {
  const cases: readonly (readonly [readonly number[], number | null])[] = [
    [[], null],
    [[7], 1],
    [[5, 5], 2],
    [[6, 5], 1],
    [[1, 1, 1, 1], 3],
    [[1, 2, 3, 4], 2],
  ]
  assert.deepEqual(
    cases.map(([shares]) => dependenceOf(shares).factor),
    cases.map(([, factor]) => factor),
  )
})

test('of many repositories a few are read at once, in their order, and those that are not there are left out', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bus-'))
  try {
    const names = Array.from({ length: 20 }, (_, place) => `repository-${place}`)
    for (const name of names) if (name !== 'repository-7') mkdirSync(join(directory, name))
    let [running, most] = [0, 0]
    const found = await busFactorsOf('default', names, 0, {
      repositoryPath: (_, repository) => join(directory, repository),
      run: async () => {
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
        return { exitCode: 0, stdout: Buffer.from('a@example.test\n') }
      },
    })
    assert.deepEqual(
      found,
      names
        .filter((name) => name !== 'repository-7')
        .map((repository) => ({ repository, factor: 1, authors: 1, commits: 1 })),
    )
    assert.equal(most, 4)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
