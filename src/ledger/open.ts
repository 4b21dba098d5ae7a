import { randomBytes } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import { genesis, type Link, link } from './chain.ts'
import { type FactDefinition, fact, type NewFact, type RecordedFact } from './fact.ts'
import { payloadErased } from './facts.ts'
import type { AppendOutcome, Ledger } from './ledger.ts'

export type LedgerRow = {
  seq: number
  at: number
  type: string
  subject: string
  envelope: Uint8Array
  hash: Uint8Array
  salt: Uint8Array | null
  payload: Uint8Array | null
}
export type LedgerTables = { ledger_facts: LedgerRow }

export const createLedgerTables = async (db: Kysely<unknown>, dialect: Store['dialect']): Promise<void> => {
  const bytes = dialect === 'sqlite' ? 'blob' : 'bytea'
  await db.schema
    .createTable('ledger_facts')
    .ifNotExists()
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('envelope', bytes, (column) => column.notNull())
    .addColumn('hash', bytes, (column) => column.notNull())
    .addColumn('salt', bytes)
    .addColumn('payload', bytes)
    .execute()
  await db.schema
    .createIndex('ledger_facts_subject')
    .ifNotExists()
    .on('ledger_facts')
    .columns(['subject', 'seq'])
    .execute()
  await db.schema.createIndex('ledger_facts_type').ifNotExists().on('ledger_facts').columns(['type', 'seq']).execute()
}

type Waiting = {
  readonly facts: readonly NewFact[]
  readonly expect: { subject: string; seq: number } | undefined
  resolve(outcome: AppendOutcome): void
  reject(error: unknown): void
}

/**
 * Opens the ledger in a store. Appends that arrive while one is being written are committed together, each of them whole or not
 * at all. `definitions` are all kinds of facts that may be recorded; recorded facts of other kinds are read as they are.
 */
export const openLedger = async (options: {
  store: Store
  definitions: readonly FactDefinition[]
  clock: Clock
}): Promise<Ledger> => {
  const { store, clock } = options
  const definitions = new Map(options.definitions.map((definition) => [definition.type, definition]))
  const db = store.tables<LedgerTables>()
  const listeners = new Set<(seq: number) => void>()
  let queue: Waiting[] = []
  let flushing = false
  let tip = await newest(db)

  const flush = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue
      queue = []
      await write(batch).catch((error: unknown) => {
        for (const { reject } of batch) reject(error)
      })
    }
    flushing = false
  }

  const write = async (batch: readonly Waiting[]): Promise<void> => {
    const links: Link[] = []
    let previous = { seq: tip.seq, hash: tip.hash }
    let at = tip.at
    const outcomes: (() => void)[] = []
    for (const waiting of batch) {
      if (waiting.expect && (await newestAbout(db, links, waiting.expect.subject)) !== waiting.expect.seq) {
        outcomes.push(() => waiting.resolve({ kind: 'outdated' }))
        continue
      }
      const recorded: RecordedFact[] = []
      for (const one of waiting.facts) {
        at = Math.max(at, clock.now()) // the machine's clock may step back, the chain's never does
        const next = link(one, previous, at, randomBytes(16))
        links.push(next)
        previous = next
        recorded.push({ ...one, seq: next.seq, at })
      }
      outcomes.push(() => waiting.resolve({ kind: 'appended', facts: recorded }))
    }
    if (links.length > 0) {
      await effect('ledger.append', () => store.transaction<LedgerTables, void>((tx) => insert(tx, links)))
      tip = { ...previous, at }
    }
    for (const tell of outcomes) tell()
    if (links.length > 0) for (const listener of listeners) listener(tip.seq)
  }

  const append: Ledger['append'] = (facts, { expect } = {}) =>
    new Promise((resolve, reject) => {
      try {
        queue.push({ facts: facts.map((one) => parsed(definitions, one)), expect, resolve, reject })
      } catch (error) {
        reject(error)
        return
      }
      if (!flushing) {
        flushing = true
        queueMicrotask(flush)
      }
    })

  return {
    append,
    head: async () => ({ seq: tip.seq, hash: tip.hash.toString('hex') }),
    onAppend: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    read: async ({ after, limit = 1000, types, subject, newestFirst = false }) => {
      let query = db.selectFrom('ledger_facts').select(['seq', 'envelope', 'payload']).limit(limit)
      query = query.orderBy('seq', newestFirst ? 'desc' : 'asc')
      if (after !== undefined) query = query.where('seq', newestFirst ? '<' : '>', after)
      if (types) query = query.where('type', 'in', types)
      if (subject !== undefined) query = query.where('subject', '=', subject)
      return (await query.execute()).map((row) => lifted(definitions, row))
    },
    erase: async (seq, why, actor) => {
      const found = await db
        .selectFrom('ledger_facts')
        .select(['subject', 'payload'])
        .where('seq', '=', seq)
        .executeTakeFirst()
      if (!found)
        throw new Problem({
          kind: 'no-such-fact',
          status: 404,
          detail: `the ledger has no fact ${seq}`,
          next: 'headway ledger tail',
        })
      if (found.payload !== null)
        await append([fact(payloadErased, { subject: found.subject, actor, causes: [seq], payload: { seq, why } })])
      // After the fact, so that a crash in between leaves an erasure that is announced and can be repeated, never a silent hole.
      await effect('ledger.erase', () =>
        store.transaction<LedgerTables, unknown>((tx) =>
          tx.updateTable('ledger_facts').set({ payload: null, salt: null }).where('seq', '=', seq).execute(),
        ),
      )
    },
  }
}

const newest = async (db: Kysely<LedgerTables>): Promise<{ seq: number; hash: Buffer; at: number }> => {
  const row = await db
    .selectFrom('ledger_facts')
    .select(['seq', 'hash', 'at'])
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row ? { seq: row.seq, hash: Buffer.from(row.hash), at: row.at } : { seq: 0, hash: genesis, at: 0 }
}

const newestAbout = async (db: Kysely<LedgerTables>, pending: readonly Link[], subject: string): Promise<number> => {
  const mine = pending.findLast((candidate) => candidate.subject === subject)
  if (mine) return mine.seq
  const row = await db
    .selectFrom('ledger_facts')
    .select('seq')
    .where('subject', '=', subject)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.seq ?? 0
}

const insert = async (tx: Kysely<LedgerTables>, links: readonly Link[]): Promise<void> => {
  for (let from = 0; from < links.length; from += 500)
    await tx
      .insertInto('ledger_facts')
      .values(links.slice(from, from + 500))
      .execute()
}

const parsed = (definitions: ReadonlyMap<string, FactDefinition>, candidate: NewFact): NewFact => {
  const definition = definitions.get(candidate.type)
  if (!definition || definition.version !== candidate.version)
    throw new Error(`no fact is called ${candidate.type}@${candidate.version}`)
  const payload = definition.payload.safeParse(candidate.payload)
  if (!payload.success)
    throw new Error(`a ${candidate.type} about ${candidate.subject} is not as its schema says`, {
      cause: payload.error,
    })
  return { ...candidate, payload: payload.data }
}

const lifted = (
  definitions: ReadonlyMap<string, FactDefinition>,
  row: { seq: number; envelope: Uint8Array; payload: Uint8Array | null },
): RecordedFact => {
  const { at, type, version, subject, actor, causes } = JSON.parse(Buffer.from(row.envelope).toString())
  const definition = definitions.get(type)
  let payload: unknown = row.payload === null ? null : JSON.parse(Buffer.from(row.payload).toString())
  let current = version
  for (; payload !== null && definition?.upcasts[current]; current += 1)
    payload = definition.upcasts[current]?.(payload)
  return { seq: row.seq, at, type, version: current, subject, actor, causes, payload }
}
