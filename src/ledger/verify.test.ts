import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { migrate } from '../store/migrations.ts'
import { type FreshStore, onEveryStore } from '../store/testing.ts'
import { testClock } from '../testing.ts'
import { forge, genesis, type Link } from './chain.ts'
import { openCheckpointKey, signCheckpoint } from './checkpoint.ts'
import { exportLedger } from './export.ts'
import { defineFact, fact } from './fact.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import type { LedgerTables } from './tables.ts'
import { verifyExport, verifyLedger } from './verify.ts'

const noted = defineFact('note.written', 1, z.object({ text: z.string() }))
const note = (text: string) => fact(noted, { subject: 'note:1', actor: 'user:ada', payload: { text } })
const clock = testClock(5_000)

const sevenFactsIn = async ({ store }: FreshStore) => {
  await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
  const ledger = await openLedger({ store, definitions: [noted], clock })
  await ledger.append(['one', 'two', 'three', 'four', 'five', 'six', 'seven'].map(note))
  return ledger
}

const linksOf = ({ store }: FreshStore): Promise<Link[]> =>
  store.tables<LedgerTables>().selectFrom('ledger_facts').selectAll().orderBy('seq').execute()

const chunksOf = async ({ store }: FreshStore): Promise<string[]> => {
  const chunks: string[] = []
  for await (const chunk of exportLedger(store)) chunks.push(chunk)
  return chunks
}

const replaceAll = async ({ store }: FreshStore, links: readonly Link[]) => {
  const db = store.tables<LedgerTables>()
  await db.deleteFrom('ledger_facts').execute()
  await db.insertInto('ledger_facts').values(links).execute()
}

const at = (links: readonly Link[], seq: number): Link => {
  const found = links[seq - 1]
  if (!found) throw new Error(`the test has no fact ${seq}`)
  return found
}

/** A fact that fits into the chain after that link, as somebody who knows the format would make it. */
const forgedAfter = (links: readonly Link[], seq: number, text = 'forged'): Link => {
  const tip = seq === 0 ? genesis : { seq, hash: Buffer.from(at(links, seq).hash).toString('hex'), at: 5_000 }
  const { tip: _, ...link } = forge(note(text), tip, 5_000, Buffer.alloc(16))
  return link
}

const shifted = (links: readonly Link[], by: number) => links.map((link) => ({ ...link, seq: link.seq + by }))
const replaced = (links: readonly Link[], link: Link) => links.map((old) => (old.seq === link.seq ? link : old))
const text = (bytes: Uint8Array | null) => Buffer.from(bytes ?? []).toString()

/** What somebody did to the stored facts, and what must be said about it. */
const tampering: readonly [string, (links: Link[]) => Link[], { seq: number; what: string; detail: RegExp }][] = [
  [
    'a payload that was altered',
    (links) => replaced(links, { ...at(links, 3), payload: Buffer.from('{"text":"nine"}') }),
    { seq: 3, what: 'altered', detail: /^fact 3 \(note\.written, note:1\) was altered: its payload/ },
  ],
  [
    'a payload that was taken away without a record',
    (links) => replaced(links, { ...at(links, 3), payload: null, salt: null }),
    { seq: 3, what: 'altered', detail: /^fact 3 was altered: its payload is gone/ },
  ],
  [
    'an envelope that was altered',
    (links) =>
      replaced(links, {
        ...at(links, 4),
        envelope: Buffer.from(text(at(links, 4).envelope).replace('user:ada', 'user:eve')),
      }),
    { seq: 4, what: 'altered', detail: /^fact 4 \(note\.written, note:1\) was altered: its envelope/ },
  ],
  [
    'an envelope that is none any more',
    (links) => replaced(links, { ...at(links, 4), envelope: Buffer.from('nonsense') }),
    { seq: 4, what: 'altered', detail: /^fact 4 was altered/ },
  ],
  [
    'the newest envelope, altered',
    (links) =>
      replaced(links, { ...at(links, 7), envelope: Buffer.from(text(at(links, 7).envelope).replace('ada', 'eve')) }),
    { seq: 7, what: 'altered', detail: /^fact 7 \(note\.written, note:1\) was altered/ },
  ],
  [
    'a hash that was altered',
    (links) => replaced(links, { ...at(links, 2), hash: Buffer.alloc(32, 7) }),
    { seq: 2, what: 'altered', detail: /^fact 2 .*its stored hash/ },
  ],
  [
    'a fact that was replaced by one with a fitting hash',
    (links) => replaced(links, forgedAfter(links, 4)),
    { seq: 5, what: 'altered', detail: /^fact 5 was altered: fact 6 was recorded after another one/ },
  ],
  [
    'the first fact, replaced by one with a fitting hash',
    (links) => replaced(links, forgedAfter(links, 0)),
    { seq: 1, what: 'altered', detail: /^fact 1 was altered/ },
  ],
  [
    'a look-up column of the type that was altered',
    (links) => replaced(links, { ...at(links, 6), type: 'note.hidden' }),
    { seq: 6, what: 'altered', detail: /^fact 6 .*column "type"/ },
  ],
  [
    'a look-up column of the subject that was altered',
    (links) => replaced(links, { ...at(links, 6), subject: 'note:2' }),
    { seq: 6, what: 'altered', detail: /^fact 6 .*column "subject"/ },
  ],
  [
    'a fact that was removed',
    (links) => links.filter(({ seq }) => seq !== 4),
    { seq: 4, what: 'removed', detail: /^fact 4 was removed/ },
  ],
  [
    'the first facts, removed',
    (links) => links.slice(2),
    { seq: 1, what: 'removed', detail: /^facts 1 to 2 were removed/ },
  ],
  [
    'facts that were removed, and the gap closed',
    (links) => [...links.slice(0, 3), ...shifted(links.slice(5), -2)],
    { seq: 4, what: 'removed', detail: /^facts 4 to 5 were removed/ },
  ],
  [
    'a fact that was inserted with a fitting hash, those after it moved',
    (links) => [...links.slice(0, 4), forgedAfter(links, 4), ...shifted(links.slice(4), 1)],
    { seq: 5, what: 'inserted', detail: /^fact 5 was inserted/ },
  ],
  [
    'a fact that was inserted without a fitting hash',
    (links) => [
      ...links.slice(0, 4),
      { ...forgedAfter(links, 4), hash: Buffer.alloc(32) },
      ...shifted(links.slice(4), 1),
    ],
    { seq: 5, what: 'inserted', detail: /^fact 5 was inserted/ },
  ],
  [
    'a copy of an older fact at the end',
    (links) => [...links, { ...at(links, 3), seq: 8 }],
    { seq: 8, what: 'inserted', detail: /^fact 8 was inserted/ },
  ],
  [
    'a fact before the first',
    (links) => [{ ...forgedAfter(links, 0), seq: 0 }, ...links],
    { seq: 0, what: 'inserted', detail: /^fact 0 was inserted/ },
  ],
  [
    'the first of two alterations',
    (links) =>
      replaced(replaced(links, { ...at(links, 6), subject: 'x' }), { ...at(links, 2), payload: null, salt: null }),
    { seq: 2, what: 'altered', detail: /^fact 2 was altered/ },
  ],
]

onEveryStore('verifying', (fresh) => {
  test('a ledger that nobody touched, and its export, are whole', async () => {
    await using opened = await fresh()
    const ledger = await sevenFactsIn(opened)
    await ledger.erase(2, 'a test', 'user:ada')
    const whole = { kind: 'whole', facts: 8, ...(await ledger.head()) }
    assert.deepEqual(await verifyLedger(opened.store), whole)
    const exported = (await chunksOf(opened)).join('')
    assert.equal(exported.split('\n').length, 9)
    assert.deepEqual(await verifyExport([exported.slice(0, 700), exported.slice(700)]), whole)
  })

  test('an empty ledger is whole', async () => {
    await using opened = await fresh()
    await migrate(opened.store, { migrations: ledgerMigrations, program: 'test', clock })
    assert.deepEqual(await verifyLedger(opened.store), { kind: 'whole', facts: 0, seq: 0, hash: genesis.hash })
  })

  for (const [what, tamper, expected] of tampering)
    test(`names ${what}`, async () => {
      await using opened = await fresh()
      await sevenFactsIn(opened)
      await replaceAll(opened, tamper(await linksOf(opened)))
      const verdict = await verifyLedger(opened.store)
      if (verdict.kind === 'whole') assert.fail('it was called whole')
      assert.deepEqual([verdict.seq, verdict.what], [expected.seq, expected.what], verdict.detail)
      assert.match(verdict.detail, expected.detail)
      if (expected.detail.source.includes('column')) return
      const chunks = await chunksOf(opened)
      assert.deepEqual(await verifyExport(chunks), verdict)
    })

  test('a signed checkpoint shows truncation and rewriting, which the chain alone cannot', async () => {
    await using opened = await fresh()
    const directory = mkdtempSync(join(tmpdir(), 'headway-key-'))
    try {
      const ledger = await sevenFactsIn(opened)
      const key = openCheckpointKey(join(directory, 'key'))
      assert.equal(statSync(join(directory, 'key')).mode & 0o777, 0o600)
      assert.equal(openCheckpointKey(join(directory, 'key')).publicKey, key.publicKey)
      const checkpoint = await signCheckpoint({ ledger, key, clock }, 'user:ada')
      const against = { checkpoints: [checkpoint], publicKey: key.publicKey }
      assert.equal((await verifyLedger(opened.store, against)).kind, 'whole')
      const links = await linksOf(opened)

      await replaceAll(opened, links.slice(0, 5))
      assert.equal((await verifyLedger(opened.store)).kind, 'whole')
      const truncated = await verifyLedger(opened.store, against)
      assert.deepEqual(truncated.kind === 'broken' && [truncated.seq, truncated.what], [6, 'truncated'])

      let rewritten = links.slice(0, 5)
      for (let seq = 5; seq < 8; seq += 1) rewritten = [...rewritten, forgedAfter(rewritten, seq)]
      await replaceAll(opened, rewritten)
      assert.equal((await verifyLedger(opened.store)).kind, 'whole')
      const verdict = await verifyLedger(opened.store, against)
      assert.deepEqual(verdict.kind === 'broken' && [verdict.seq, verdict.what], [1, 'rewritten'])

      const stranger = openCheckpointKey(join(directory, 'other'))
      await assert.rejects(
        verifyLedger(opened.store, { ...against, publicKey: stranger.publicKey }),
        /signed with another key/,
      )
      await assert.rejects(
        verifyLedger(opened.store, { checkpoints: [{ ...checkpoint, seq: 3 }], publicKey: key.publicKey }),
        /signature does not fit/,
      )
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })

  test('a line that is no fact of an export is refused with its number', async () => {
    await assert.rejects(verifyExport(['{"seq":1}\n']), (error) => JSON.stringify(error).includes('"line":1'))
  })
})
