import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { sql } from 'kysely'
import { Problem } from '../problem.ts'
import { testClock } from '../testing.ts'
import { type Migration, migrate } from './migrations.ts'
import { openStore } from './open.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'
import { onEveryStore } from './testing.ts'

const table = (name: string): Migration => ({
  name: `make-${name}`,
  up: (db) =>
    db.schema
      .createTable(name)
      .addColumn('id', 'integer', (column) => column.primaryKey())
      .execute(),
})
const breaking: Migration = {
  name: 'break',
  up: async (db) => {
    await db.schema.createTable('half').addColumn('id', 'integer').execute()
    throw new Error('this step is broken')
  },
}
const clock = testClock(1_000)
const applied = async (store: Store) =>
  (await sql`SELECT name, format, program, at FROM store_migrations ORDER BY format`.execute(store.tables())).rows

onEveryStore('migrations', (fresh, dialect) => {
  test('bring the tables forward, each step once, and record which program did', async () => {
    await using opened = await fresh()
    const { store } = opened
    assert.equal(await migrate(store, { migrations: [table('a')], program: '1.0.0', clock }), 1)
    assert.equal(await migrate(store, { migrations: [table('a'), table('b')], program: '1.1.0', clock }), 2)
    assert.equal(await migrate(store, { migrations: [table('a'), table('b')], program: '1.2.0', clock }), 2)
    assert.deepEqual(await applied(store), [
      { name: 'make-a', format: 1, program: '1.0.0', at: 1_000 },
      { name: 'make-b', format: 2, program: '1.1.0', at: 1_000 },
    ])
    await sql`INSERT INTO b (id) VALUES (1)`.execute(store.tables())
  })

  test('take a broken step back whole and keep those before it', async () => {
    await using opened = await fresh()
    const { store } = opened
    await assert.rejects(migrate(store, { migrations: [table('a'), breaking], program: '1.0.0', clock }), /broken/)
    assert.equal(await migrate(store, { migrations: [table('a'), table('half')], program: '1.0.1', clock }), 2)
  })

  test('of a newer program are refused, saying which it was, and nothing is changed', async () => {
    await using opened = await fresh()
    const { store, place } = opened
    await migrate(store, { migrations: [table('a'), table('b')], program: '2.0.0', clock })
    const before = await applied(store)
    await assert.rejects(
      openStore(place, { migrations: [table('a'), table('c')], program: '1.0.0', clock }),
      (error) =>
        error instanceof Problem &&
        error.kind === 'newer-data' &&
        /newer Headway, 2\.0\.0/.test(error.detail) &&
        /2\.0\.0 or later/.test(error.next ?? ''),
    )
    assert.deepEqual(await applied(store), before)
    await assert.rejects(sql`SELECT * FROM c`.execute(store.tables()), /\bc\b/)
  })

  test('of an existing SQLite database are preceded by a copy of it', async () => {
    await using opened = await fresh()
    const { store, place } = opened
    await migrate(store, { migrations: [table('a')], program: '1.0.0', clock })
    const forward = await openStore(place, { migrations: [table('a'), table('b')], program: '1.1.0', clock })
    await forward.close()
    assert.equal((await applied(store)).length, 2)
    if (dialect === 'postgres') return
    const copy = await openSqliteStore(`${place}.before-format-2`)
    assert.equal((await applied(copy)).length, 1)
    await copy.close()
    assert.equal(existsSync(`${place}.before-format-3`), false)
  })
})
