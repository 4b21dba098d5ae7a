import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { z } from 'zod'
import { migrate } from '../store/migrations.ts'
import { type FreshStore, onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { openCursor } from './cursor.ts'
import { defineFact, fact, isFact, type RecordedFact } from './fact.ts'
import type { View } from './ledger.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import type { LedgerTables } from './tables.ts'
import { openViews } from './views.ts'

const said = defineFact('word.said', 1, z.object({ word: z.string() }))
const say = (word: string) => fact(said, { subject: `word:${word}`, actor: 'user:ada', payload: { word } })

type WordTables = { test_words: { word: string; times: number } }

/** How often each word was said; `stumble` may throw on a fact. */
const wordView = (stumble: (fact: RecordedFact) => void = () => {}): View<WordTables> => ({
  name: 'words',
  version: 1,
  create: (db) =>
    db.schema
      .createTable('test_words')
      .addColumn('word', 'text', (column) => column.primaryKey())
      .addColumn('times', 'bigint', (column) => column.notNull())
      .execute(),
  drop: (db) => db.schema.dropTable('test_words').execute(),
  apply: async (tx, recorded) => {
    stumble(recorded)
    if (!isFact(said, recorded)) return
    await tx
      .insertInto('test_words')
      .values({ word: recorded.payload.word, times: 1 })
      .onConflict((conflict) =>
        conflict.column('word').doUpdateSet((row) => ({ times: sql<number>`${row.ref('test_words.times')} + 1` })),
      )
      .execute()
  },
})

type LengthTables = { test_lengths: { seq: number; length: number } }

const lengthView: View<LengthTables> = {
  name: 'lengths',
  version: 1,
  create: (db) =>
    db.schema
      .createTable('test_lengths')
      .addColumn('seq', 'bigint', (column) => column.primaryKey())
      .addColumn('length', 'integer', (column) => column.notNull())
      .execute(),
  drop: (db) => db.schema.dropTable('test_lengths').execute(),
  apply: async (tx, recorded) => {
    if (!isFact(said, recorded)) return
    await tx.insertInto('test_lengths').values({ seq: recorded.seq, length: recorded.payload.word.length }).execute()
  },
}

const ledgerOn = async ({ store }: FreshStore) => {
  const clock = testClock()
  await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
  return openLedger({ store, definitions: [said], clock })
}

const wordsIn = ({ store }: FreshStore) =>
  store.tables<WordTables>().selectFrom('test_words').selectAll().orderBy('word').execute()
const lengthsIn = async ({ store }: FreshStore) => {
  const rows = await store.tables<LengthTables>().selectFrom('test_lengths').selectAll().orderBy('seq').execute()
  return rows.map(({ seq, length }) => [seq, length])
}

onEveryStore('views', (fresh) => {
  test('follow the ledger, and a rebuild holds the same', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    await ledger.append(['b', 'a', 'b'].map(say))
    const views = await openViews({ store, ledger, views: [wordView(), lengthView] })
    const before = await views.digest()
    await ledger.append(['aa', 'a'].map(say))
    await views.reach()
    const words = [
      { word: 'a', times: 2 },
      { word: 'aa', times: 1 },
      { word: 'b', times: 2 },
    ]
    assert.deepEqual(await wordsIn(opened), words)
    const digest = await views.digest()
    assert.notEqual(digest, before)
    const progress: [number, number][] = []
    await views.rebuild((applied, total) => progress.push([applied, total]))
    assert.deepEqual(progress, [[5, 5]])
    assert.deepEqual(await wordsIn(opened), words)
    assert.equal(await views.digest(), digest)
    await store.tables<WordTables>().updateTable('test_words').set({ times: 3 }).where('word', '=', 'a').execute()
    assert.notEqual(await views.digest(), digest)
    await views.rebuild()
    assert.equal(await views.digest(), digest)
    await views.stop()
  })

  test('have the same digest in whatever order their rows were written', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    await ledger.append(['b', 'a', 'c'].map(say))
    const views = await openViews({ store, ledger, views: [wordView()] })
    const digest = await views.digest()
    const db = store.tables<WordTables>()
    await db.deleteFrom('test_words').where('word', '=', 'b').execute()
    await db.insertInto('test_words').values({ word: 'b', times: 1 }).execute()
    assert.equal(await views.digest(), digest)
    await views.stop()
  })

  test('apply many facts in batches, once each, over restarts', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    const words = Array.from({ length: 1_200 }, (_, place) => `word ${place % 3}`)
    const first = await openViews({ store, ledger, views: [wordView()] })
    await ledger.append(words.map(say))
    await first.stop()
    const views = await openViews({ store, ledger, views: [wordView(), lengthView] })
    assert.deepEqual(
      (await wordsIn(opened)).map(({ times }) => times),
      [400, 400, 400],
    )
    assert.equal((await lengthsIn(opened)).length, 1_200)
    await views.stop()
  })

  test('tell how far they are when they are opened far behind the ledger, and nothing where they are not', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    const told = async (): Promise<[number, number][]> => {
      const steps: [number, number][] = []
      const progress = (applied: number, total: number): void => void steps.push([applied, total])
      await (await openViews({ store, ledger, views: [wordView()], progress })).stop()
      return steps
    }
    await ledger.append(['before'].map(say))
    assert.deepEqual(await told(), [])
    await ledger.append(Array.from({ length: 4_700 }, () => say('word')))
    const steps = [2_001, 4_001, 4_501, 4_701] // in large steps while it is far
    assert.deepEqual(
      await told(),
      steps.map((applied) => [applied, 4_701]),
    )
    assert.deepEqual(await wordsIn(opened), [
      { word: 'before', times: 1 },
      { word: 'word', times: 4_700 },
    ])
    await ledger.append(['after'].map(say))
    assert.deepEqual(await told(), [])
  })

  test('that are opened far behind the ledger stop before what they cannot apply and say so; mended they go on from there', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    await (await openViews({ store, ledger, views: [wordView(), lengthView] })).stop()
    await ledger.append([say('first')])
    await (await openViews({ store, ledger, views: [wordView(), lengthView] })).stop()
    await ledger.append(Array.from({ length: 3_000 }, () => say('word')))
    const stumble = ({ seq }: RecordedFact) => {
      if (seq === 1_234) throw new Error('that one not')
    }
    await assert.rejects(
      openViews({ store, ledger, views: [wordView(stumble), lengthView] }),
      /^Error: the view "words" stands before fact 1234 \(word\.said\), which it could not apply: that one not$/,
    )
    assert.deepEqual(await wordsIn(opened), [
      { word: 'first', times: 1 },
      { word: 'word', times: 1_232 },
    ])
    assert.equal((await lengthsIn(opened)).length, 3_001)
    const views = await openViews({ store, ledger, views: [wordView(), lengthView] })
    assert.deepEqual(await wordsIn(opened), [
      { word: 'first', times: 1 },
      { word: 'word', times: 3_000 },
    ])
    const digest = await views.digest()
    await views.rebuild()
    assert.equal(await views.digest(), digest)
    await views.stop()
  })

  test('are built anew when their version changes, and the old version’s tables go', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    await ledger.append(['b', 'a'].map(say))
    const old: View<WordTables> = {
      ...wordView(),
      create: async (db) => {
        await wordView().create(db)
        await db.schema.createTable('test_forgotten').addColumn('id', 'integer').execute()
      },
    }
    await (await openViews({ store, ledger, views: [old] })).stop()
    const shouting: View<WordTables> = {
      ...wordView(),
      version: 2,
      apply: async (tx, recorded) => {
        if (!isFact(said, recorded)) return
        await tx.insertInto('test_words').values({ word: recorded.payload.word.toUpperCase(), times: 1 }).execute()
      },
    }
    const views = await openViews({ store, ledger, views: [shouting] })
    assert.deepEqual(
      (await wordsIn(opened)).map(({ word }) => word),
      ['A', 'B'],
    )
    await assert.rejects(sql`SELECT * FROM test_forgotten`.execute(store.tables()), /test_forgotten/)
    await views.stop()
  })

  test('that cannot apply a fact stop before it and say so, the others go on; once mended they go on, too', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    let broken = true
    const stumble = ({ seq }: RecordedFact) => {
      if (broken && seq === 3) throw new Error('three is too many')
    }
    const views = await openViews({ store, ledger, views: [wordView(stumble), lengthView] })
    await ledger.append(['a', 'b', 'c', 'd'].map(say))
    await assert.rejects(
      views.reach(),
      /^Error: the view "words" stands before fact 3 \(word\.said\), which it could not apply: three is too many$/,
    )
    await views.reach(2)
    assert.deepEqual(
      (await wordsIn(opened)).map(({ word }) => word),
      ['a', 'b'],
    )
    assert.deepEqual(await lengthsIn(opened), [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
    ])
    broken = false
    await ledger.append([say('e')])
    await views.reach()
    assert.deepEqual(
      (await wordsIn(opened)).map(({ word }) => word),
      ['a', 'b', 'c', 'd', 'e'],
    )
    await views.stop()
  })

  test('are built anew when they are ahead of the ledger, which was brought back from a backup', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    await ledger.append(['a', 'b', 'c'].map(say))
    await (await openViews({ store, ledger, views: [wordView()] })).stop()
    await store.tables<LedgerTables>().deleteFrom('ledger_facts').where('seq', '>', 1).execute()
    const older = await ledgerOn(opened)
    const views = await openViews({ store, ledger: older, views: [wordView()] })
    assert.deepEqual(await wordsIn(opened), [{ word: 'a', times: 1 }])
    await views.stop()
  })

  test('forget what they derived from a payload that is erased', async () => {
    await using opened = await fresh()
    const { store } = opened
    const ledger = await ledgerOn(opened)
    const views = await openViews({ store, ledger, views: [wordView(), lengthView] })
    await ledger.append(['a', 'secret', 'b'].map(say))
    await views.reach()
    await ledger.erase(2, 'said by mistake', 'user:ada')
    await views.reach()
    assert.deepEqual(
      (await wordsIn(opened)).map(({ word }) => word),
      ['a', 'b'],
    )
    const digest = await views.digest()
    await views.rebuild()
    assert.equal(await views.digest(), digest)
    await views.stop()
  })

  test('are not reached beyond the newest fact', async () => {
    await using opened = await fresh()
    const ledger = await ledgerOn(opened)
    const views = await openViews({ store: opened.store, ledger, views: [wordView()] })
    await assert.rejects(views.reach(1), /no fact 1 yet/)
    await views.stop()
    await ledger.append([say('a')])
    await assert.rejects(views.reach(), /stopped/)
  })
})

onEveryStore('a cursor', (fresh) => {
  test('moves with what was derived, never backwards, and is kept', async () => {
    await using opened = await fresh()
    const { store } = opened
    await ledgerOn(opened)
    const cursor = openCursor(store, 'test:follow')
    assert.equal(await cursor.read(), 0)
    await store.transaction((tx) => cursor.commit(tx, 7))
    await cursor.commitAlone(3)
    assert.equal(await openCursor(store, 'test:follow').read(), 7)
    await assert.rejects(
      store.transaction(async (tx) => {
        await cursor.commit(tx, 9)
        throw new Error('not derived after all')
      }),
    )
    assert.equal(await cursor.read(), 7)
  })
})
