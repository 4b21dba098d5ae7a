import type { Transaction } from 'kysely'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { protectionSet, refUpdated, repositoryCreated } from './facts.ts'
import { defaultProtection } from './protection.ts'

export type CodeTables = {
  code_repositories: {
    project: string
    repository: string
    created_at: number
    /** The newest push; null before the first. Milliseconds since 1970. */
    pushed_at: number | null
    /** JSON: branch names. */
    protected_branches: string
    allow_force: number
    /** The least role that pushes to them, or nobody. */
    push_role: string
  }
  code_refs: {
    project: string
    repository: string
    ref: string
    object: string
    push: string
    actor: string
    updated_at: number
  }
}

/** Repositories, and where their refs stand as far as the ledger knows. */
export const codeView: View<CodeTables> = {
  name: 'code',
  version: 2,
  create: async (db) => {
    await db.schema
      .createTable('code_repositories')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('pushed_at', 'bigint')
      .addColumn('protected_branches', 'text', (column) => column.notNull())
      .addColumn('allow_force', 'integer', (column) => column.notNull())
      .addColumn('push_role', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_repositories_key', ['project', 'repository'])
      .execute()
    await db.schema
      .createTable('code_refs')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('object', 'text', (column) => column.notNull())
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('updated_at', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('code_refs_key', ['project', 'repository', 'ref'])
      .execute()
  },
  drop: async (db) => {
    for (const table of ['code_refs', 'code_repositories'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(repositoryCreated, fact)) {
      const { project, repository } = fact.payload
      const protectedBranches = JSON.stringify(defaultProtection.branches)
      const rest = {
        pushed_at: null,
        protected_branches: protectedBranches,
        allow_force: 0,
        push_role: defaultProtection.push,
      }
      await tx
        .insertInto('code_repositories')
        .values({ project, repository, created_at: fact.at, ...rest })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    } else if (isFact(protectionSet, fact)) {
      const { project, repository, branches, allowForce, push = defaultProtection.push } = fact.payload
      await tx
        .updateTable('code_repositories')
        .set({ protected_branches: JSON.stringify(branches), allow_force: allowForce ? 1 : 0, push_role: push })
        .where('project', '=', project)
        .where('repository', '=', repository)
        .execute()
    } else if (isFact(refUpdated, fact)) await moveRef(tx, fact, fact.payload)
  },
}

const moveRef = async (
  tx: Transaction<CodeTables>,
  { at, actor }: RecordedFact,
  { project, repository, ref, after, push }: ReturnType<typeof refUpdated.payload.parse>,
): Promise<void> => {
  await tx
    .updateTable('code_repositories')
    .set({ pushed_at: at })
    .where('project', '=', project)
    .where('repository', '=', repository)
    .execute()
  if (after === null) {
    await tx
      .deleteFrom('code_refs')
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('ref', '=', ref)
      .execute()
    return
  }
  const values = { object: after, push, actor, updated_at: at }
  await tx
    .insertInto('code_refs')
    .values({ project, repository, ref, ...values })
    .onConflict((conflict) => conflict.columns(['project', 'repository', 'ref']).doUpdateSet(values))
    .execute()
}
