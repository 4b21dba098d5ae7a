import assert from 'node:assert/strict'
import { readFileSync, rmSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { sql, type Transaction } from 'kysely'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'
import { onEveryStore } from './testing.ts'

type Tables = { things: { id: number; name: string | null; bytes: Uint8Array | null; amount: number } }

const createThings = (store: Store) =>
  store
    .tables<Tables>()
    .schema.createTable('things')
    .addColumn('id', 'bigint', (column) => column.primaryKey())
    .addColumn('name', 'text')
    .addColumn('bytes', store.dialect === 'sqlite' ? 'blob' : 'bytea')
    .addColumn('amount', 'bigint', (column) => column.notNull())
    .execute()

const thing = (id: number, amount = 0) => ({ id, name: `thing ${id}`, bytes: null, amount })
const ids = async (store: Store) => {
  const rows = await store.tables<Tables>().selectFrom('things').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}

onEveryStore('a store', (fresh, dialect) => {
  test('gives back what it was given: text, bytes, nothing, whole numbers up to 2^53', async () => {
    await using opened = await fresh()
    await createThings(opened.store)
    const db = opened.store.tables<Tables>()
    const rows = [
      { id: 1, name: 'naïve\n"quoted"', bytes: Buffer.from([0, 255, 10]), amount: Number.MAX_SAFE_INTEGER },
      { id: 2, name: null, bytes: Buffer.alloc(0), amount: -1 },
    ]
    await db.insertInto('things').values(rows).execute()
    assert.deepEqual(await db.selectFrom('things').selectAll().orderBy('id').execute(), rows)
    const summed = await db
      .selectFrom('things')
      .select((row) => row.fn.countAll<number>().as('count'))
      .execute()
    assert.deepEqual(summed, [{ count: 2 }])
  })

  test('writes U+FFFD for U+0000 in a text, which PostgreSQL would refuse', async () => {
    await using opened = await fresh()
    await createThings(opened.store)
    const db = opened.store.tables<Tables>()
    await db
      .insertInto('things')
      .values({ ...thing(1), name: 'a\0b' })
      .execute()
    const found = await db.selectFrom('things').selectAll().where('name', '=', 'a\0b').execute()
    assert.deepEqual(found, [{ ...thing(1), name: 'a\uFFFDb' }])
  })

  test('keeps a transaction to itself until it is committed', async () => {
    await using opened = await fresh()
    const { store } = opened
    await createThings(store)
    await store.transaction(async (tx: Transaction<Tables>) => {
      await tx.insertInto('things').values(thing(1)).execute()
      assert.deepEqual(await ids(store), [])
    })
    assert.deepEqual(await ids(store), [1])
  })

  test('a long transaction answers like any other, lets others read meanwhile, and is taken back whole', async () => {
    await using opened = await fresh()
    const { store } = opened
    await createThings(store)
    const row = { id: 1, name: 'naïve', bytes: Buffer.from([0, 255, 10]), amount: Number.MAX_SAFE_INTEGER }
    const others: number[] = []
    await store.transaction(
      async (tx: Transaction<Tables>) => {
        await tx.insertInto('things').values(row).execute()
        const reading = ids(store).then((found) => others.push(found.length))
        for (let id = 2; others.length === 0; id += 1) await tx.insertInto('things').values(thing(id)).execute()
        await reading
        const one = tx.selectFrom('things').selectAll().where('id', '=', 1)
        assert.deepEqual({ ...(await one.executeTakeFirst()) }, row)
        const changed = await tx.updateTable('things').set({ amount: 7 }).where('id', '<=', 2).executeTakeFirst()
        assert.equal(changed.numUpdatedRows, 2n)
      },
      { isDerived: true, isLong: true },
    )
    assert.deepEqual(others, [0])
    const kept = await ids(store)
    assert.ok(kept.length > 1)

    const failing = store.transaction(
      async (tx: Transaction<Tables>) => {
        await tx.deleteFrom('things').execute()
        await tx.schema.createTable('others').addColumn('id', 'integer').execute()
        throw new Error('thought better of it')
      },
      { isDerived: true, isLong: true },
    )
    await assert.rejects(failing, { message: 'thought better of it' })
    assert.deepEqual(await ids(store), kept)
    await store.tables().schema.createTable('others').addColumn('id', 'integer').execute()
    await store.transaction((tx: Transaction<Tables>) => tx.insertInto('things').values(thing(-1)).execute())
    assert.deepEqual(await ids(store), [-1, ...kept])
  })

  test('takes back all of a transaction that throws, its tables included', async () => {
    await using opened = await fresh()
    const { store } = opened
    await createThings(store)
    const failing = store.transaction(async (tx: Transaction<Tables>) => {
      await tx.insertInto('things').values(thing(1)).execute()
      await tx.schema.createTable('others').addColumn('id', 'integer').execute()
      throw new Error('thought better of it')
    })
    await assert.rejects(failing, { message: 'thought better of it' })
    assert.deepEqual(await ids(store), [])
    await store.tables().schema.createTable('others').addColumn('id', 'integer').execute()
    await store.transaction((tx: Transaction<Tables>) => tx.insertInto('things').values(thing(2)).execute())
    assert.deepEqual(await ids(store), [2])
  })

  test('loses none of many changes made at once', async () => {
    await using opened = await fresh()
    const { store } = opened
    await createThings(store)
    await store.tables<Tables>().insertInto('things').values(thing(1)).execute()
    const increment = () =>
      store.transaction(async (tx: Transaction<Tables>) => {
        const { amount } = await tx.selectFrom('things').select('amount').executeTakeFirstOrThrow()
        await tx
          .updateTable('things')
          .set({ amount: amount + 1 })
          .execute()
      })
    await Promise.all(Array.from({ length: 8 }, increment))
    const rows = await store.tables<Tables>().selectFrom('things').select('amount').execute()
    assert.deepEqual(rows, [{ amount: 8 }])
  })

  test('refuses a transaction inside a transaction, which would wait for itself', async () => {
    await using opened = await fresh()
    const { store } = opened
    await assert.rejects(
      store.transaction(() => store.transaction(async () => {})),
      /inside another/,
    )
  })

  test('says what was wrong with a statement and keeps the database’s own words', async () => {
    await using opened = await fresh()
    await createThings(opened.store)
    const db = opened.store.tables<Tables>()
    await db.insertInto('things').values(thing(1)).execute()
    await assert.rejects(db.insertInto('things').values(thing(1)).execute(), /unique/i)
    await assert.rejects(sql`SELECT * FROM nowhere`.execute(db), /nowhere/)
  })

  test('copies everything consistently to a file of its own while it is written to', async () => {
    await using opened = await fresh()
    const { store, place } = opened
    await createThings(store)
    await store
      .tables<Tables>()
      .insertInto('things')
      .values([thing(1), thing(2)])
      .execute()
    const copy = dialect === 'sqlite' ? `${place}.copy` : `/tmp/headway-dump-${process.pid}`
    try {
      await Promise.all([store.backup(copy), store.tables<Tables>().insertInto('things').values(thing(3)).execute()])
      assert.equal(statSync(copy).mode & 0o777, 0o600)
      if (dialect === 'postgres') {
        assert.equal(readFileSync(copy).subarray(0, 5).toString(), 'PGDMP')
        return
      }
      const copied = await openSqliteStore(copy)
      assert.deepEqual((await ids(copied)).slice(0, 2), [1, 2])
      await copied.close()
    } finally {
      rmSync(copy, { force: true })
    }
  })

  test('cannot be used after it was closed', async () => {
    await using opened = await fresh()
    await createThings(opened.store)
    const { store } = opened
    await store.close()
    await assert.rejects(ids(store))
  })
})
