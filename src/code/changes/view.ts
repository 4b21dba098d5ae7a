import type { Transaction } from 'kysely'
import {
  jobFinished,
  jobStarted,
  pushVerified,
  runFinished,
  runQueued,
  runStarted,
  workflowEventConcluded,
} from '../../build/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import { refUpdated } from '../facts.ts'
import { type Change, evolve, evolveTest } from './change.ts'
import { changeCommented, changeOpened, proposalAnnounced, proposalAnswered, rulesSet } from './facts.ts'
import { wantsChange } from './options.ts'

/** Times in milliseconds since 1970, objects as JSON text. */
export type ChangeTables = {
  code_changes: {
    project: string
    repository: string
    number: number
    status: string
    branch: string
    target: string
    queued_seq: number | null
    /** The workflow event of its newest test. */
    event: string | null
    /** Whether something was ever run to check it. */
    checked: number
    /** JSON of a `Change`. */
    state: string
  }
  /** Which run belongs to which test. */
  code_change_runs: { run: string; event: string }
  code_change_comments: {
    seq: number
    comment: string
    project: string
    repository: string
    number: number
    version: number
    user_name: string
    at: number
    body: string
    /** JSON of a `CommentPlace`; null where it is about the whole. */
    place: string | null
  }
  /** Pushes that ask for a change, until they are recorded. */
  code_change_announcements: {
    project: string
    repository: string
    ref: string
    object: string
    actor: string
    options: string
  }
  /** Pushes that asked for a change and have no answer. */
  code_change_wishes: {
    push: string
    ref: string
    seq: number
    project: string
    repository: string
    actor: string
    /** JSON: the push options. */
    options: string
  }
  /** `repository` is empty for the whole project. */
  code_change_rules: { project: string; repository: string; rules: string }
  /** How the newest verified push of each branch went. */
  code_branch_health: {
    project: string
    repository: string
    ref: string
    seq: number
    commit_id: string
    conclusion: string
  }
}

type Tx = Transaction<ChangeTables>

/** Changes as their facts and those of their checks tell them. */
export const changesView: View<ChangeTables> = {
  name: 'changes',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('code_changes')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('branch', 'text', (column) => column.notNull())
      .addColumn('target', 'text', (column) => column.notNull())
      .addColumn('queued_seq', 'bigint')
      .addColumn('event', 'text')
      .addColumn('checked', 'integer', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_changes_key', ['project', 'repository', 'number'])
      .execute()
    await db.schema
      .createTable('code_change_runs')
      .addColumn('run', 'text', (column) => column.primaryKey().notNull())
      .addColumn('event', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('code_change_comments')
      .addColumn('seq', 'bigint', (column) => column.primaryKey().notNull())
      .addColumn('comment', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('body', 'text', (column) => column.notNull())
      .addColumn('place', 'text')
      .execute()
    await db.schema
      .createTable('code_change_announcements')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('object', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('options', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_change_announcements_key', ['project', 'repository', 'ref'])
      .execute()
    await db.schema
      .createTable('code_change_wishes')
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('options', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_change_wishes_key', ['push', 'ref'])
      .execute()
    await db.schema
      .createTable('code_change_rules')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('rules', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_change_rules_key', ['project', 'repository'])
      .execute()
    await db.schema
      .createTable('code_branch_health')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('conclusion', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_branch_health_key', ['project', 'repository', 'ref'])
      .execute()
    await db.schema.createIndex('code_changes_status').on('code_changes').column('status').execute()
    await db.schema.createIndex('code_changes_event').on('code_changes').column('event').execute()
    await db.schema
      .createIndex('code_change_comments_change')
      .on('code_change_comments')
      .columns(['project', 'repository', 'number'])
      .execute()
  },
  drop: async (db) => {
    for (const table of [
      'code_branch_health',
      'code_change_rules',
      'code_change_wishes',
      'code_change_announcements',
      'code_change_comments',
      'code_change_runs',
      'code_changes',
    ] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isOfChange(fact)) await applyToChange(tx, fact)
    else if (isFact(rulesSet, fact)) await setRules(tx, fact.payload)
    else if (isFact(refUpdated, fact)) await noteWish(tx, fact, fact.payload)
    else if (isFact(proposalAnnounced, fact)) await noteAnnouncement(tx, fact.actor, fact.payload)
    else if (isFact(proposalAnswered, fact)) {
      const { push, ref } = fact.payload
      await tx.deleteFrom('code_change_wishes').where('push', '=', push).where('ref', '=', ref).execute()
    } else if (isFact(pushVerified, fact)) await noteHealth(tx, fact.causes[0] ?? fact.seq, fact.payload)
    else await applyToTest(tx, fact)
  },
}

/** By the envelope: an erasure is about the change, too. */
const isOfChange = ({ subject }: RecordedFact): boolean => subject.startsWith('change:')

const applyToChange = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const [, project = '', repository = '', number = ''] = /^change:([^/]+)\/([^/]+)\/(\d+)$/.exec(fact.subject) ?? []
  const row = isFact(changeOpened, fact)
    ? undefined
    : await tx
        .selectFrom('code_changes')
        .select('state')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('number', '=', Number(number))
        .executeTakeFirst()
  const change = evolve(row ? JSON.parse(row.state) : undefined, fact)
  if (!change) return
  if (isFact(changeCommented, fact)) await addComment(tx, fact, fact.payload)
  const values = { ...columnsOf(change), checked: 0 }
  const { status, queued_seq, event, state } = values
  await tx
    .insertInto('code_changes')
    .values(values)
    .onConflict((conflict) =>
      conflict.columns(['project', 'repository', 'number']).doUpdateSet({ status, queued_seq, event, state }),
    )
    .execute()
}

const columnsOf = (change: Change): Omit<ChangeTables['code_changes'], 'checked'> => ({
  project: change.project,
  repository: change.repository,
  number: change.number,
  status: change.status,
  branch: change.branch,
  target: change.target,
  queued_seq: change.queuedSeq,
  event: change.test?.event ?? null,
  state: JSON.stringify(change),
})

const addComment = async (
  tx: Tx,
  { seq, at }: RecordedFact,
  {
    comment,
    project,
    repository,
    number,
    version,
    user,
    body,
    place,
  }: ReturnType<typeof changeCommented.payload.parse>,
): Promise<void> => {
  const values = { seq, comment, project, repository, number, version, user_name: user, at, body }
  await tx
    .insertInto('code_change_comments')
    .values({ ...values, place: place && JSON.stringify(place) })
    .execute()
}

/** What the runs of a test tell; facts about other runs cost one look into an index. */
const applyToTest = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const event = await eventOf(tx, fact)
  if (event === null) return
  const row = await tx.selectFrom('code_changes').selectAll().where('event', '=', event).executeTakeFirst()
  if (!row) return
  const change: Change = JSON.parse(row.state)
  if (change.test === null) return
  const next = { ...change, test: evolveTest(change.test, fact) }
  await tx
    .updateTable('code_changes')
    .set({ state: JSON.stringify(next), ...(next.test.checks.length > 0 ? { checked: 1 } : {}) })
    .where('event', '=', event)
    .execute()
}

const eventOf = async (tx: Tx, fact: RecordedFact): Promise<string | null> => {
  if (isFact(workflowEventConcluded, fact)) return fact.payload.event
  if (isFact(runQueued, fact)) {
    const { run, event } = fact.payload
    if (event === null) return null
    const change = await tx.selectFrom('code_changes').select('number').where('event', '=', event).executeTakeFirst()
    if (!change) return null
    await tx
      .insertInto('code_change_runs')
      .values({ run, event })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
    return event
  }
  const isOfRun =
    isFact(runStarted, fact) || isFact(runFinished, fact) || isFact(jobStarted, fact) || isFact(jobFinished, fact)
  if (!isOfRun) return null
  const row = await tx
    .selectFrom('code_change_runs')
    .select('event')
    .where('run', '=', fact.payload.run)
    .executeTakeFirst()
  return row?.event ?? null
}

const setRules = async (
  tx: Tx,
  { project, repository, rules }: ReturnType<typeof rulesSet.payload.parse>,
): Promise<void> => {
  const values = { project, repository: repository ?? '', rules: JSON.stringify(rules) }
  await tx
    .insertInto('code_change_rules')
    .values(values)
    .onConflict((conflict) => conflict.columns(['project', 'repository']).doUpdateSet({ rules: values.rules }))
    .execute()
}

const noteAnnouncement = async (
  tx: Tx,
  actor: string,
  { project, repository, updates, options }: ReturnType<typeof proposalAnnounced.payload.parse>,
): Promise<void> => {
  for (const { ref, after } of updates) {
    const values = { object: after, actor, options: JSON.stringify(options) }
    await tx
      .insertInto('code_change_announcements')
      .values({ project, repository, ref, ...values })
      .onConflict((conflict) => conflict.columns(['project', 'repository', 'ref']).doUpdateSet(values))
      .execute()
  }
}

/** What a push had announced counts; of one that was found afterwards nothing else is known. */
const noteWish = async (
  tx: Tx,
  { seq }: RecordedFact,
  { push, ref, project, repository, after, options, discovered }: ReturnType<typeof refUpdated.payload.parse>,
): Promise<void> => {
  if (!ref.startsWith('refs/heads/')) return
  const announced = await tx
    .deleteFrom('code_change_announcements')
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('ref', '=', ref)
    .returning(['object', 'actor', 'options'])
    .executeTakeFirst()
  if (announced?.object !== after || !(discovered || wantsChange(options))) return
  await tx
    .insertInto('code_change_wishes')
    .values({ push, ref, seq, project, repository, actor: announced.actor, options: announced.options })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** The verification of an older push that ends later than that of a newer one says nothing; `seq` is the push's. */
const noteHealth = async (
  tx: Tx,
  seq: number,
  { project, repository, ref, commit, conclusion }: ReturnType<typeof pushVerified.payload.parse>,
): Promise<void> => {
  if (conclusion !== 'success' && conclusion !== 'failure') return
  const values = { seq, commit_id: commit, conclusion }
  await tx
    .insertInto('code_branch_health')
    .values({ project, repository, ref, ...values })
    .onConflict((conflict) =>
      conflict.columns(['project', 'repository', 'ref']).doUpdateSet(values).where('code_branch_health.seq', '<=', seq),
    )
    .execute()
}
