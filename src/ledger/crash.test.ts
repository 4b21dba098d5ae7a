import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { lifeEnvironment } from '../kills.testing.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import { type FreshStore, onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { counted, countView } from './crash-testing.ts'
import { isFact } from './fact.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { verifyLedger } from './verify.ts'
import { openViews } from './views.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

/** Lets a process append until it has acknowledged that many (or kills itself at the failpoint), then kills it at once. */
const liveAndDie = async (
  place: string,
  until: { acknowledged: number } | { failpoint: string },
): Promise<string[]> => {
  const env = 'failpoint' in until ? { HEADWAY_FAILPOINT: until.failpoint } : {}
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, place], {
    env: { ...lifeEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if ('acknowledged' in until && said.split('\n').length > until.acknowledged) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  assert.equal(signal, 'SIGKILL')
  return said.split('\n').filter((line) => line !== '')
}

/** What the ledger holds after its writer died: the appends that are there, each whole. */
const survivors = async (store: Store): Promise<Set<string>> => {
  const clock = testClock()
  await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
  const ledger = await openLedger({ store, definitions: [counted], clock })
  const verdict = await verifyLedger(store)
  assert.equal(verdict.kind, 'whole', JSON.stringify(verdict))
  const views = await openViews({ store, ledger, views: [countView] })
  const digest = await views.digest()
  await views.rebuild()
  assert.equal(await views.digest(), digest)
  await views.stop()
  const recorded = new Set<string>()
  for (const fact of await ledger.read({ limit: 100_000 }))
    if (isFact(counted, fact)) recorded.add(`${fact.payload.who} ${fact.payload.number}`)
  for (const name of recorded) {
    const [who, number] = name.split(' ')
    const other = Number(number) % 1 === 0 ? Number(number) - 0.5 : Number(number) + 0.5
    assert.ok(recorded.has(`${who} ${other}`), `half of an append: ${name}`)
  }
  return recorded
}

const lost = (acknowledged: readonly string[], recorded: ReadonlySet<string>) =>
  acknowledged.filter((name) => !recorded.has(name))

onEveryStore('a ledger whose process is killed', (fresh, dialect) => {
  const dieIn = async (opened: FreshStore, deaths: readonly Parameters<typeof liveAndDie>[1][]) => {
    const acknowledged: string[] = []
    for (const death of deaths) acknowledged.push(...(await liveAndDie(opened.place, death)))
    return acknowledged
  }

  test('at any instant holds everything that was acknowledged, each append whole, with views that equal a rebuild, and goes on', async () => {
    await using opened = await fresh()
    const acknowledged = await dieIn(
      opened,
      [1, 40, 7, 150].map((count) => ({ acknowledged: count })),
    )
    assert.ok(acknowledged.length >= 198)
    assert.deepEqual(lost(acknowledged, await survivors(opened.store)), [])
  })

  test('before the commit has nothing of it, after the commit all of it', async () => {
    await using opened = await fresh()
    assert.deepEqual(await dieIn(opened, [{ failpoint: 'ledger.append:before' }]), [])
    assert.equal((await survivors(opened.store)).size, 0)
    assert.deepEqual(await dieIn(opened, [{ failpoint: 'ledger.append:after' }]), [])
    assert.equal((await survivors(opened.store)).size, 8)
  })

  if (dialect === 'postgres') return

  test('with a half-written end of its log loses nothing that was acknowledged', async () => {
    await using opened = await fresh()
    const acknowledged = await dieIn(opened, [{ acknowledged: 30 }])
    const torn = `${opened.place}.torn`
    copyFileSync(opened.place, torn)
    copyFileSync(`${opened.place}-wal`, `${torn}-wal`)
    appendFileSync(`${torn}-wal`, Buffer.alloc(3_000, 0xa5))
    const store = await openSqliteStore(torn)
    assert.deepEqual(lost(acknowledged, await survivors(store)), [])
    await store.close()
  })

  test('whose log a broken disk has cut short still verifies up to there', async () => {
    await using opened = await fresh()
    await dieIn(opened, [{ acknowledged: 30 }])
    const torn = `${opened.place}.torn`
    copyFileSync(opened.place, torn)
    copyFileSync(`${opened.place}-wal`, `${torn}-wal`)
    truncateSync(`${torn}-wal`, Math.floor(statSync(`${torn}-wal`).size * 0.7))
    const store = await openSqliteStore(torn)
    assert.ok((await survivors(store)).size > 0)
    await store.close()
    rmSync(torn)
  })
})
