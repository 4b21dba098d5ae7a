import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { killedAt, killedLaterAt, lifeEnvironment, liveOnce, sampleOf } from '../kills.testing.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import { type FreshStore, onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { counted, countView } from './crash-testing.ts'
import { fact, isFact } from './fact.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { heard, heardViews } from './rebuild-testing.ts'
import { tableNames } from './table-names.ts'
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

const rebuilder = fileURLToPath(new URL('rebuild-testing.ts', import.meta.url))
/** More than one page of them. */
const facts = 4_300

type Row = { heard_first: { seq: number; word: string }; heard_second: { seq: number; word: string } }

/** Views whose rows say `old`, over a ledger that says otherwise: what a reader finds tells whether it is old or rebuilt. */
const agedViews = async ({ store }: FreshStore): Promise<string> => {
  const clock = testClock()
  await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
  const ledger = await openLedger({ store, definitions: [heard], clock })
  const say = (word: string) => fact(heard, { subject: 'word', actor: 'user:ada', payload: { word } })
  await ledger.append(Array.from({ length: facts }, () => say('new')))
  const views = await openViews({ store, ledger, views: heardViews })
  const digest = await views.digest()
  await views.stop()
  await age({ store })
  return digest
}

const age = async ({ store }: Pick<FreshStore, 'store'>): Promise<void> => {
  for (const table of ['heard_first', 'heard_second'] as const)
    await store.tables<Row>().updateTable(table).set({ word: 'old' }).execute()
}

/** What a reader finds in each view: its words and how many rows. */
const found = async ({ store }: FreshStore): Promise<unknown[]> => {
  const all = []
  for (const table of ['heard_first', 'heard_second'] as const) {
    const { rows } = await sql`SELECT word, count(*) AS times FROM ${sql.table(table)} GROUP BY word`.execute(
      store.tables(),
    )
    all.push(...rows)
  }
  return all
}
const whole = (word: string) => [word, word].map((one) => ({ word: one, times: facts }))

/** Whoever starts next finds the tables that were there before and no other, and rebuilds them to what the ledger says. */
const startsAgain = async (opened: FreshStore, tables: readonly string[], digest: string): Promise<void> => {
  await liveOnce([rebuilder, opened.place])
  assert.deepEqual(await tableNames(opened.store.tables(), opened.store.dialect), tables)
  assert.equal((await liveOnce([rebuilder, opened.place, 'rebuild'])).said.trim().split('\n').at(-1), digest)
  assert.deepEqual(await found(opened), whole('new'))
  assert.deepEqual(await tableNames(opened.store.tables(), opened.store.dialect), tables)
}

/** Lets a process rebuild until it says that it has applied so many facts, and kills it then: it goes on until the signal comes. */
const killedOnceItSays = async (place: string, applied: number): Promise<void> => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', rebuilder, place, 'rebuild'], {
    env: lifeEnvironment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    if (said.split('\n').includes(String(applied))) child.kill('SIGKILL')
  })
  await once(child, 'close')
  assert.match(said, new RegExp(`^${applied}$`, 'm'))
}

const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'headway-rebuild-'))
  await work(folder).finally(() => rmSync(folder, { recursive: true, force: true }))
}

onEveryStore('a rebuild that is killed', (fresh, dialect) => {
  test('has happened wholly or not at all, and leaves no table behind', async () => {
    await using opened = await fresh()
    const digest = await agedViews(opened)
    const tables = await tableNames(opened.store.tables(), dialect)
    await inFolder(async (folder) => {
      const trace = join(folder, 'trace')
      await liveOnce([rebuilder, opened.place, 'rebuild'], { HEADWAY_FAILPOINT_TRACE: trace })
      const passed = readFileSync(trace, 'utf8').split('\n')
      // 4,300 rows in each of two views, 250 at a time, where SQLite drops; PostgreSQL drops a file
      const slices = passed.filter((mark) => mark === 'ledger.clear-view:after').length
      assert.equal(slices, dialect === 'sqlite' ? 36 : 0)
      await age(opened)
      const before: [string, number][] = [['ledger.rebuild-views:before', 0]]
      for (const skip of sampleOf(Array.from({ length: slices }, String), 4))
        before.push(['ledger.clear-view:before', Number(skip)], ['ledger.clear-view:after', Number(skip)])
      for (const [place, [mark, skip]] of before.entries()) {
        const env = killedLaterAt(mark, skip, mkdtempSync(join(folder, `${place}-`)))
        assert.equal((await liveOnce([rebuilder, opened.place, 'rebuild'], env)).signal, 'SIGKILL', `${mark} ${skip}`)
        assert.deepEqual(await found(opened), whole('old'), `${mark} ${skip}`)
      }
      const env = killedAt('ledger.rebuild-views:after', mkdtempSync(join(folder, 'after-')))
      assert.equal((await liveOnce([rebuilder, opened.place, 'rebuild'], env)).signal, 'SIGKILL')
      assert.deepEqual(await found(opened), whole('new'))
    })
    await startsAgain(opened, tables, digest)
  })

  test('at whatever instant leaves the old views or the new, never a part of either', async () => {
    await using opened = await fresh()
    const digest = await agedViews(opened)
    const tables = await tableNames(opened.store.tables(), dialect)
    for (const applied of [2_000, 4_000, 4_300, 2_000, 4_000, 4_300]) {
      await killedOnceItSays(opened.place, applied)
      const rows = await found(opened)
      const words = JSON.stringify(rows)
      assert.ok(words === JSON.stringify(whole('old')) || words === JSON.stringify(whole('new')), words)
      await age(opened)
    }
    await startsAgain(opened, tables, digest)
  })
})
