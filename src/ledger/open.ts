import { sql, type Transaction } from 'kysely'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import { describeError, Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'
import { forge, genesis, type Link, openEnvelope, type Tip } from './chain.ts'
import { scrub } from './erase.ts'
import { type FactDefinition, fact, type NewFact, type RecordedFact } from './fact.ts'
import { ledgerFacts, payloadErased } from './facts.ts'
import type { AppendOutcome, Ledger, ReadQuery } from './ledger.ts'
import { lift, parseNew } from './payload.ts'
import { freshSalt } from './salts.ts'
import type { LedgerTables } from './tables.ts'

export { createLedgerTables, type LedgerTables } from './tables.ts'

export type LedgerOptions = {
  readonly store: Store
  /** Every kind of fact that may be recorded; recorded facts of other kinds are read as they are. The ledger's own are known. */
  readonly definitions: readonly FactDefinition[]
  readonly clock: Clock
}

type Waiting = {
  readonly facts: readonly NewFact[]
  readonly expect?: { readonly subject: string; readonly seq: number } | undefined
  /** The fact whose payload goes in the same transaction. */
  readonly erases?: number
  resolve(outcome: AppendOutcome): void
  reject(error: unknown): void
}

type Listener = { readonly tell: (seq: number) => void; readonly types: readonly string[] | undefined }

/** How many facts one commit takes when several callers wait; what one caller appends is never split. */
const commitFacts = 1_000
/** A statement takes at most 32,766 values in SQLite and 65,535 in PostgreSQL. */
const statementFacts = 1_000

/**
 * Opens the ledger in a store whose tables are there (`ledgerMigrations`). Appends that arrive while one is being written are
 * committed together, each of them whole or not at all. Keep one per store and process; should another process append to the same
 * store, each notices by the sequence numbers and goes on behind the other.
 */
export const openLedger = async ({ store, definitions, clock }: LedgerOptions): Promise<Ledger> => {
  const known = new Map([...ledgerFacts, ...definitions].map((definition) => [definition.type, definition]))
  const db = store.tables<LedgerTables>()
  const listeners = new Set<Listener>()
  const queue: Waiting[] = []
  let writing = false
  let tip: Tip | null = await newest(store)

  const writeQueue = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = takeBatch(queue)
      try {
        await commit(batch)
      } catch (error) {
        await commitApart(batch, error)
      }
    }
    writing = false
  }

  const commit = async (batch: readonly Waiting[]): Promise<void> => {
    for (;;) {
      tip ??= await newest(store)
      const decided = decide(batch, tip, await newestAbout(store, batch), clock.now())
      if (decided.links.length > 0 && !(await record(decided))) continue
      tip = decided.tip
      for (const tell of decided.answers) tell()
      if (decided.links.length > 0) notify(decided.tip.seq, new Set(decided.links.map(({ type }) => type)))
      return
    }
  }

  /** One append of a batch may be what the store refuses; the others must not suffer for it. A full disk refuses all. */
  const commitApart = async (batch: readonly Waiting[], error: unknown): Promise<void> => {
    const refused = batch.length === 1 || error instanceof Problem
    for (const alone of batch) {
      if (refused) alone.reject(error)
      else await commit([alone]).catch((reason: unknown) => alone.reject(reason))
    }
  }

  /** True once the links are in the ledger for good; false when it has moved on and all must be decided anew. */
  const record = async ({ links, erases }: Decided): Promise<boolean> => {
    try {
      await effect('ledger.append', () => insert(store, links, erases))
      return true
    } catch (error) {
      tip = null
      const [first] = links
      const standing = first && (await hashAt(store, first.seq))
      if (!first || !standing) throw error
      return standing.equals(first.hash) // only the answer to the commit was lost
    }
  }

  const notify = (seq: number, recorded: ReadonlySet<string>): void => {
    for (const { tell, types } of listeners) {
      if (types && !types.some((type) => recorded.has(type))) continue
      try {
        tell(seq)
      } catch (error) {
        process.emitWarning(`a listener of the ledger failed at fact ${seq}: ${describeError(error)}`)
      }
    }
  }

  const enqueue = (what: Omit<Waiting, 'resolve' | 'reject'>): Promise<AppendOutcome> =>
    new Promise((resolve, reject) => {
      queue.push({ ...what, resolve, reject })
      if (writing) return
      writing = true
      queueMicrotask(writeQueue) // those who append in the same turn go into the same commit
    })

  return {
    append: async (facts, { expect } = {}) => {
      const parsed = facts.map((candidate) => parseNew(known, candidate))
      return enqueue({ facts: parsed, expect })
    },
    read: async (query) => {
      if (query.types?.length === 0 || query.subject?.length === 0) return []
      const links = await select(store, query).execute()
      return links.map((link) => lift(known, link))
    },
    head: async () => {
      tip ??= await newest(store)
      return { seq: tip.seq, hash: tip.hash }
    },
    onAppend: (tell, types) => {
      const listener = { tell, types }
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    erase: async (seq, why, actor) => {
      const found = await db
        .selectFrom('ledger_facts')
        .select(['type', 'subject', 'payload'])
        .where('seq', '=', seq)
        .execute()
      const [target] = found
      if (!target) throw noSuchFact(seq)
      if (target.type === payloadErased.type) throw notErasable(seq)
      if (target.payload !== null) {
        const erased = fact(payloadErased, { subject: target.subject, actor, causes: [seq], payload: { seq, why } })
        await enqueue({ facts: [parseNew(known, erased)], erases: seq })
      }
      await effect('ledger.scrub', () => scrub(store))
    },
  }
}

const takeBatch = (queue: Waiting[]): Waiting[] => {
  let facts = 0
  const upTo = queue.findIndex((waiting, place) => {
    facts += waiting.facts.length
    return place > 0 && facts > commitFacts
  })
  return queue.splice(0, upTo === -1 ? queue.length : upTo)
}

type Decided = {
  readonly links: readonly Link[]
  readonly erases: readonly number[]
  readonly tip: Tip
  readonly answers: readonly (() => void)[]
}

/** What becomes of each append, given where the chain stands and the newest fact about each subject that somebody expects. */
const decide = (batch: readonly Waiting[], from: Tip, newestSeq: ReadonlyMap<string, number>, now: number): Decided => {
  const at = Math.max(from.at, now) // the machine's clock may step back, the chain's never does
  const seqOf = new Map(newestSeq)
  const links: Link[] = []
  const erases: number[] = []
  const answers: (() => void)[] = []
  let tip = from
  for (const { facts, expect, erases: erased, resolve } of batch) {
    if (expect && (seqOf.get(expect.subject) ?? 0) !== expect.seq) {
      answers.push(() => resolve({ kind: 'outdated' }))
      continue
    }
    const recorded: RecordedFact[] = []
    for (const one of facts) {
      const { tip: next, ...link } = forge(one, tip, at, freshSalt())
      links.push(link)
      recorded.push({ ...one, seq: link.seq, at })
      seqOf.set(link.subject, link.seq)
      tip = next
    }
    if (erased !== undefined) erases.push(erased)
    answers.push(() => resolve({ kind: 'appended', facts: recorded }))
  }
  return { links, erases, tip, answers }
}

/** All links or none, on the disk when this resolves; the primary key refuses them when the ledger has moved on. */
const insert = async (store: Store, links: readonly Link[], erases: readonly number[]): Promise<void> => {
  if (links.length <= statementFacts && erases.length === 0) {
    await store.tables<LedgerTables>().insertInto('ledger_facts').values(links).execute()
    return
  }
  await store.transaction(async (tx: Transaction<LedgerTables>) => {
    for (let from = 0; from < links.length; from += statementFacts)
      await tx
        .insertInto('ledger_facts')
        .values(links.slice(from, from + statementFacts))
        .execute()
    if (erases.length > 0)
      await tx.updateTable('ledger_facts').set({ payload: null, salt: null }).where('seq', 'in', erases).execute()
  })
}

const select = (store: Store, { after, limit = 1_000, types, subject, newestFirst = false }: ReadQuery) => {
  let query = store.tables<LedgerTables>().selectFrom('ledger_facts').select(['seq', 'envelope', 'payload'])
  if (after !== undefined) query = query.where('seq', newestFirst ? '<' : '>', after)
  // With a subject no index of types: SQLite would take it, and look through all facts of a type for those few about one thing.
  if (types) query = query.where(subject === undefined ? 'type' : sql`type || ''`, 'in', types)
  if (typeof subject === 'string') query = query.where('subject', '=', subject)
  else if (subject !== undefined) query = query.where('subject', 'in', subject)
  return query.orderBy('seq', newestFirst ? 'desc' : 'asc').limit(limit)
}

const newest = async (store: Store): Promise<Tip> => {
  const rows = store.tables<LedgerTables>().selectFrom('ledger_facts').select(['seq', 'hash', 'envelope'])
  const row = await rows.orderBy('seq', 'desc').limit(1).executeTakeFirst()
  if (!row) return genesis
  // an altered newest envelope must not keep the ledger from going on; `headway ledger verify` names it
  const at = openEnvelope(row.envelope)?.at ?? 0
  return { seq: row.seq, hash: Buffer.from(row.hash).toString('hex'), at }
}

const hashAt = async (store: Store, seq: number): Promise<Buffer | null> => {
  const rows = store.tables<LedgerTables>().selectFrom('ledger_facts').select('hash')
  const row = await rows.where('seq', '=', seq).executeTakeFirst()
  return row ? Buffer.from(row.hash) : null
}

const newestAbout = async (store: Store, batch: readonly Waiting[]): Promise<Map<string, number>> => {
  const subjects = [...new Set(batch.flatMap(({ expect }) => (expect ? [expect.subject] : [])))]
  if (subjects.length === 0) return new Map()
  const rows = await store
    .tables<LedgerTables>()
    .selectFrom('ledger_facts')
    .select((row) => ['subject', row.fn.max('seq').as('seq')])
    .where('subject', 'in', subjects)
    .groupBy('subject')
    .execute()
  return new Map(rows.map(({ subject, seq }) => [subject, seq]))
}

const noSuchFact = (seq: number): Problem =>
  new Problem({
    kind: 'no-such-fact',
    status: 404,
    detail: `the ledger has no fact ${seq}`,
    next: '`headway ledger tail` shows the newest facts with their numbers',
  })

const notErasable = (seq: number): Problem =>
  new Problem({
    kind: 'not-erasable',
    status: 409,
    detail: `fact ${seq} is the record of an erasure, which is what proves that nothing else was taken away`,
  })
