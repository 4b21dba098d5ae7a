import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompiledQuery, createQueryId, type KyselyPlugin, type RootOperationNode, sql } from 'kysely'
import { z } from 'zod'
import { migrate } from '../store/migrations.ts'
import { type FreshStore, onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { defineFact, type FactDefinition, fact } from './fact.ts'
import { payloadErased } from './facts.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { verifyLedger } from './verify.ts'

const noted = defineFact('note.written', 1, z.object({ text: z.string() }))
const moved = defineFact('note.moved', 2, z.object({ to: z.string(), by: z.string() }), {
  1: (old) => ({ ...z.object({ to: z.string() }).parse(old), by: 'somebody' }),
})
const movedOnce = defineFact('note.moved', 1, z.object({ to: z.string() }))

const note = (subject: string, text: string, causes: readonly number[] = []) =>
  fact(noted, { subject, actor: 'user:ada', causes, payload: { text } })

const ledgerOn = async (
  opened: FreshStore,
  definitions: readonly FactDefinition[] = [noted, moved],
  startMs = 5_000,
) => {
  const clock = testClock(startMs)
  await migrate(opened.store, { migrations: ledgerMigrations, program: 'test', clock })
  return { clock, ledger: await openLedger({ store: opened.store, definitions, clock }) }
}

onEveryStore('a ledger', (fresh, dialect) => {
  test('gives back what was recorded, oldest or newest first, by type and by subject', async () => {
    await using opened = await fresh()
    const { ledger, clock } = await ledgerOn(opened)
    const outcome = await ledger.append([note('note:1', 'first'), note('note:2', 'sécond\n', [1])])
    await clock.advance(7)
    await ledger.append([fact(moved, { subject: 'note:1', actor: 'system:test', payload: { to: 'desk', by: 'ada' } })])
    const first = {
      seq: 1,
      at: 5_000,
      type: 'note.written',
      version: 1,
      subject: 'note:1',
      actor: 'user:ada',
      causes: [],
      payload: { text: 'first' },
    }
    const second = { ...first, seq: 2, subject: 'note:2', causes: [1], payload: { text: 'sécond\n' } }
    const third = {
      ...first,
      seq: 3,
      at: 5_007,
      type: 'note.moved',
      version: 2,
      actor: 'system:test',
      payload: { to: 'desk', by: 'ada' },
    }
    assert.deepEqual(outcome, { kind: 'appended', facts: [first, second] })
    assert.deepEqual(await ledger.read({}), [first, second, third])
    assert.deepEqual(await ledger.read({ after: 1, limit: 1 }), [second])
    assert.deepEqual(await ledger.read({ newestFirst: true, limit: 2 }), [third, second])
    assert.deepEqual(await ledger.read({ newestFirst: true, after: 2 }), [first])
    assert.deepEqual(await ledger.read({ types: ['note.moved'] }), [third])
    assert.deepEqual(await ledger.read({ types: [] }), [])
    assert.deepEqual(await ledger.read({ subject: 'note:1' }), [first, third])
    assert.deepEqual(await ledger.read({ subject: 'note:1', types: ['note.moved'] }), [third])
    assert.deepEqual(await ledger.read({ subject: ['note:1', 'note:2', 'note:3'], after: 1 }), [second, third])
    assert.deepEqual(await ledger.read({ subject: [] }), [])
    assert.equal((await ledger.head()).seq, 3)
  })

  if (dialect === 'sqlite')
    test('finds what is of a kind and about a subject by the subject, however many there are of the kind', async () => {
      await using opened = await fresh()
      const asked: RootOperationNode[] = []
      const listening: KyselyPlugin = {
        transformQuery: ({ node }) => {
          asked.push(node)
          return node
        },
        transformResult: async ({ result }) => result,
      }
      const { store } = opened
      const heard = { ...store, tables: <Tables>() => store.tables<Tables>().withPlugin(listening) }
      const { ledger } = await ledgerOn({ ...opened, store: heard })
      for (const subject of ['note:1', ['note:1', 'note:2']]) {
        asked.length = 0
        await ledger.read({ subject, types: ['note.moved'] })
        const [node] = asked
        assert.ok(node)
        const query = store.tables().getExecutor().compileQuery(node, createQueryId())
        const explain = CompiledQuery.raw(`EXPLAIN QUERY PLAN ${query.sql}`, [...query.parameters])
        const plan = await store.transaction((tx) => tx.executeQuery(explain))
        assert.match(JSON.stringify(plan.rows), /ledger_facts_subject/)
      }
    })

  test('goes on where it was when it is opened again', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    await ledger.append([note('note:1', 'before')])
    const again = await ledgerOn(opened)
    assert.deepEqual(await again.ledger.head(), await ledger.head())
    await again.ledger.append([note('note:1', 'after')])
    assert.deepEqual(
      (await again.ledger.read({})).map(({ seq, payload }) => [seq, payload]),
      [
        [1, { text: 'before' }],
        [2, { text: 'after' }],
      ],
    )
  })

  test('records nothing of an append that holds an unknown kind or a payload that breaks its schema', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened, [noted])
    const wrong = { ...note('note:1', ''), payload: { text: 1 } }
    const unknown = fact(moved, { subject: 'note:1', actor: 'user:ada', payload: { to: 'desk', by: 'ada' } })
    await assert.rejects(ledger.append([note('note:1', 'right'), wrong]), /note\.written about note:1/)
    await assert.rejects(ledger.append([note('note:1', 'right'), unknown]), /note\.moved/)
    await assert.rejects(ledger.append([{ ...note('note:1', 'right'), version: 2 }]), /version 2/)
    assert.deepEqual(await ledger.read({}), [])
  })

  test('lifts facts of an older version and leaves alone those of kinds it does not know', async () => {
    await using opened = await fresh()
    const older = await ledgerOn(opened, [noted, movedOnce])
    await older.ledger.append([
      fact(movedOnce, { subject: 'note:1', actor: 'user:ada', payload: { to: 'desk' } }),
      note('note:1', 'text'),
    ])
    const newer = await ledgerOn(opened, [moved])
    assert.deepEqual(
      (await newer.ledger.read({})).map(({ type, version, payload }) => [type, version, payload]),
      [
        ['note.moved', 2, { to: 'desk', by: 'somebody' }],
        ['note.written', 1, { text: 'text' }],
      ],
    )
  })

  test('commits many appends together, each whole and in its own order', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    const append = (place: number) =>
      ledger.append([note(`note:${place}`, 'a'), note(`note:${place}`, 'b'), note(`note:${place}`, 'c')])
    const outcomes = await Promise.all(Array.from({ length: 300 }, (_, place) => append(place)))
    const seqs = outcomes.flatMap((outcome) => (outcome.kind === 'appended' ? outcome.facts.map(({ seq }) => seq) : []))
    assert.deepEqual(
      seqs,
      Array.from({ length: 900 }, (_, place) => place + 1),
    )
    assert.equal((await verifyLedger(opened.store)).kind, 'whole')
  })

  test('takes an append that is larger than one statement', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    await ledger.append(Array.from({ length: 2_500 }, (_, place) => note('note:1', `${place}`)))
    assert.equal((await ledger.head()).seq, 2_500)
    assert.deepEqual(await ledger.read({ after: 2_499 }).then(([last]) => last?.payload), { text: '2499' })
  })

  test('lets one of many win who expect the same newest fact, and tells the others', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    const claim = (subject: string, seq: number) => ledger.append([note(subject, 'mine')], { expect: { subject, seq } })
    const first = await Promise.all(Array.from({ length: 20 }, () => claim('note:1', 0)))
    assert.deepEqual(first.map(({ kind }) => kind).sort(), ['appended', ...Array(19).fill('outdated')])
    await ledger.append([note('note:2', 'other')])
    assert.equal((await claim('note:1', 0)).kind, 'outdated')
    assert.equal((await claim('note:1', 1)).kind, 'appended')
    assert.equal((await ledger.head()).seq, 3)
  })

  test('lets two processes append to one store', async () => {
    await using opened = await fresh()
    const [one, other] = [await ledgerOn(opened), await ledgerOn(opened)]
    for (let round = 0; round < 5; round += 1) {
      await Promise.all([
        ...Array.from({ length: 10 }, () => one.ledger.append([note('note:1', 'one')])),
        ...Array.from({ length: 10 }, () => other.ledger.append([note('note:2', 'other')])),
      ])
    }
    assert.deepEqual(await verifyLedger(opened.store).then((verdict) => [verdict.kind, verdict.seq]), ['whole', 100])
    assert.equal((await one.ledger.read({ subject: 'note:1' })).length, 50)
  })

  test('keeps time from going backwards when the machine’s clock does', async () => {
    await using opened = await fresh()
    const { ledger, clock } = await ledgerOn(opened)
    await ledger.append([note('note:1', 'a')])
    clock.set(1_000)
    await ledger.append([note('note:1', 'b')])
    const later = await ledgerOn(opened, [noted], 2_000)
    await later.ledger.append([note('note:1', 'c')])
    clock.set(9_000)
    await ledger.append([note('note:1', 'd')])
    assert.deepEqual(
      (await ledger.read({})).map(({ at }) => at),
      [5_000, 5_000, 5_000, 9_000],
    )
  })

  test('tells its listeners of each append and is not disturbed by those that fail', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    const heard: number[] = []
    ledger.onAppend(() => {
      throw new Error('a listener that fails')
    })
    const stop = ledger.onAppend((seq) => heard.push(seq))
    await ledger.append([note('note:1', 'a'), note('note:1', 'b')])
    await ledger.append([note('note:1', 'c')])
    stop()
    await ledger.append([note('note:1', 'd')])
    assert.deepEqual(heard, [2, 3])
  })

  test('forgets a payload for good: no file holds its bytes, the chain verifies, and the erasure is a fact', async () => {
    await using opened = await fresh()
    const { ledger } = await ledgerOn(opened)
    const secret = 'a password that nobody should have written down'
    await ledger.append([note('note:1', 'before'), note('note:1', secret.repeat(200)), note('note:1', secret)])
    if (dialect === 'postgres') await sql`CHECKPOINT`.execute(opened.store.tables()) // else it may be in memory only
    assert.equal(opened.bytes().includes(secret), true)
    await ledger.erase(2, 'a password', 'user:ada')
    await ledger.erase(3, 'a password', 'user:ada')
    await ledger.erase(3, 'again changes nothing', 'user:ada')
    const facts = await ledger.read({})
    assert.deepEqual(
      facts.map(({ type, payload }) => [type, payload]),
      [
        ['note.written', { text: 'before' }],
        ['note.written', null],
        ['note.written', null],
        ['payload.erased', { seq: 2, why: 'a password' }],
        ['payload.erased', { seq: 3, why: 'a password' }],
      ],
    )
    if (dialect === 'postgres') await sql`CHECKPOINT`.execute(opened.store.tables())
    assert.equal(opened.bytes().includes(secret), false)
    assert.equal((await verifyLedger(opened.store)).kind, 'whole')
    await assert.rejects(ledger.erase(9, 'not there', 'user:ada'), /no fact 9/)
    await assert.rejects(ledger.erase(4, 'hide the erasure', 'user:ada'), /record of an erasure/)
    assert.equal(facts[3]?.type, payloadErased.type)
  })
})
