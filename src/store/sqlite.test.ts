import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { sql } from 'kysely'
import { isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import { inDirectory } from '../testing.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

type Tables = { things: { id: number; bytes: Uint8Array } }

const createThings = (store: Store) =>
  store
    .tables<Tables>()
    .schema.createTable('things')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('bytes', 'blob', (column) => column.notNull())
    .execute()

const add = (store: Store, id: number, sizeBytes = 1) =>
  store
    .tables<Tables>()
    .insertInto('things')
    .values({ id, bytes: Buffer.alloc(sizeBytes, 1) })
    .execute()
const ids = async (store: Store) => {
  const rows = await store.tables<Tables>().selectFrom('things').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}
const threads = () => readdirSync('/proc/self/task').length
const isFull = (error: unknown) =>
  error instanceof Problem && error.kind === 'disk-full' && /full/.test(error.detail) && /df -h/.test(error.next ?? '')

test('the database and what stands beside it are closed to other users', () =>
  inDirectory(async (directory) => {
    chmodSync(directory, 0o755)
    const store = await openSqliteStore(join(directory, 'a.db'))
    await createThings(store)
    const modes = readdirSync(directory).map((name) => [name, statSync(join(directory, name)).mode & 0o777])
    await store.close()
    assert.deepEqual(modes, [
      ['a.db', 0o600],
      ['a.db-shm', 0o600],
      ['a.db-wal', 0o600],
    ])
  }))

test('writes go on while a long read runs, in a thread that ends when it has nothing to do', () =>
  inDirectory(async (directory) => {
    const store = await openSqliteStore(join(directory, 'a.db'), { readerIdleMs: 50 })
    await createThings(store)
    await ids(store)
    const before = threads()
    let done = false
    const long = sql<{ count: number }>`
      WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000000)
      SELECT count(*) AS count FROM numbers`
    const reading = long.execute(store.tables()).then(({ rows }) => {
      done = true
      return rows
    })
    let meanwhile = 0
    for (let id = 1; id <= 20; id += 1) {
      await add(store, id)
      if (!done) meanwhile += 1
    }
    assert.ok(meanwhile > 0)
    assert.deepEqual(await reading, [{ count: 5_000_000 }])
    while (threads() > before) await delay(20)
    assert.equal(threads(), before)
    assert.equal((await ids(store)).length, 20)
    await store.close()
  }))

test('a full database refuses the change, names the remedy, and goes on once there is room', () =>
  inDirectory(async (directory) => {
    const store = await openSqliteStore(join(directory, 'a.db'), { maxPages: 64 })
    await createThings(store)
    await add(store, 1)
    await assert.rejects(add(store, 2, 1_000_000), isFull)
    await assert.rejects(
      store.transaction<Tables, void>(async (tx) => {
        await tx
          .insertInto('things')
          .values({ id: 3, bytes: Buffer.alloc(1) })
          .execute()
        await tx
          .insertInto('things')
          .values({ id: 4, bytes: Buffer.alloc(1_000_000) })
          .execute()
      }),
      isFull,
    )
    await add(store, 5)
    assert.deepEqual(await ids(store), [1, 5])
    await store.close()
  }))

test('a full database refuses a long transaction, and is as it was', () =>
  inDirectory(async (directory) => {
    const store = await openSqliteStore(join(directory, 'a.db'), { maxPages: 64 })
    await createThings(store)
    await add(store, 1)
    const long = store.transaction<Tables, void>(
      async (tx) => {
        for (let id = 2; id < 1_000; id += 1)
          await tx
            .insertInto('things')
            .values({ id, bytes: Buffer.alloc(1_000) })
            .execute()
      },
      { isLong: true },
    )
    await assert.rejects(long, isFull)
    await assert.rejects(
      store.transaction<Tables, unknown>((tx) => sql`SELECT unheard FROM things`.execute(tx), { isLong: true }),
      /no such column: unheard in: SELECT unheard FROM things/,
    )
    await add(store, 5)
    assert.deepEqual(await ids(store), [1, 5])
    await store.close()
  }))

test('long transactions, one after the other, leave no log that grows with each of them', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'a.db')
    const store = await openSqliteStore(file)
    await createThings(store)
    for (let id = 1; id <= 8; id += 1)
      await store.transaction<Tables, unknown>(
        (tx) =>
          tx
            .insertInto('things')
            .values({ id, bytes: Buffer.alloc(20 * 2 ** 20) })
            .execute(),
        { isLong: true, isDerived: true },
      )
    const logBytes = statSync(`${file}-wal`).size
    assert.ok(logBytes < 100 * 2 ** 20, `${logBytes}`)
    assert.deepEqual(await ids(store), [1, 2, 3, 4, 5, 6, 7, 8])
    await store.close()
  }))

test('a full disk loses nothing that was acknowledged, and recording goes on once there is room', () => {
  if (!isRoot()) return // only root can mount a small disk; the test above fills a database for everybody
  return inDirectory(async (directory) => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', directory])
    try {
      const ballast = join(directory, 'ballast')
      writeFileSync(ballast, Buffer.alloc(400_000))
      const store = await openSqliteStore(join(directory, 'a.db'))
      await createThings(store)
      const kept: number[] = []
      const filling = async () => {
        for (let id = 1; ; id += 1) {
          await add(store, id, 20_000)
          kept.push(id)
        }
      }
      await assert.rejects(filling(), isFull)
      assert.deepEqual(await ids(store), kept)
      rmSync(ballast)
      await add(store, 1_000)
      await store.close()
      const again = await openSqliteStore(join(directory, 'a.db'))
      assert.deepEqual(await ids(again), [...kept, 1_000])
      await again.close()
    } finally {
      execFileSync('umount', [directory])
    }
  })
})

test('a file that is no database is refused and left as it is', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'a.db')
    writeFileSync(file, 'certainly no database, but some text that somebody may want to keep'.repeat(100))
    const { size } = statSync(file)
    await assert.rejects(
      openSqliteStore(file),
      (error) => error instanceof Problem && error.kind === 'store-broken' && error.detail.includes(file),
    )
    assert.equal(statSync(file).size, size)
  }))
