import type { Kysely, Transaction } from 'kysely'
import { workflowEventConcluded } from '../../build/facts.ts'
import { changeOpened } from '../../code/facts.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import type { ProjectName } from '../../names.ts'
import { type PreviewKey, previewRulesSet } from './facts.ts'
import { evolve, isWanted, type Preview, stands } from './preview.ts'
import { defaultPreviewRules, PreviewRules } from './rules.ts'

export type PreviewTables = {
  deploy_previews: {
    project: string
    repository: string
    number: number
    /** The test that is waited for. */
    event: string | null
    /** 1 while there may be something to do about it or to show of it. */
    is_active: number
    /** JSON of a `Preview`. */
    state: string
  }
  deploy_preview_rules: { project: string; rules: string }
}

type Tx = Transaction<PreviewTables>

export const previewView: View<PreviewTables> = {
  name: 'previews',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('deploy_previews')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('event', 'text')
      .addColumn('is_active', 'integer', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('deploy_previews_key', ['project', 'repository', 'number'])
      .execute()
    await db.schema.createIndex('deploy_previews_event').on('deploy_previews').column('event').execute()
    await db.schema.createIndex('deploy_previews_active').on('deploy_previews').column('is_active').execute()
    await db.schema
      .createTable('deploy_preview_rules')
      .addColumn('project', 'text', (column) => column.primaryKey().notNull())
      .addColumn('rules', 'text', (column) => column.notNull())
      .execute()
  },
  drop: async (db) => {
    for (const table of ['deploy_previews', 'deploy_preview_rules'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, recorded) => {
    if (isFact(previewRulesSet, recorded)) await setRules(tx, recorded.payload)
    else if (isFact(workflowEventConcluded, recorded)) await conclude(tx, recorded, recorded.payload.event)
    else await applyTo(tx, recorded)
  },
}

const setRules = async (tx: Tx, { project, rules }: { project: string; rules: PreviewRules }): Promise<void> => {
  const row = { rules: JSON.stringify(rules) }
  await tx
    .insertInto('deploy_preview_rules')
    .values({ project, ...row })
    .onConflict((clash) => clash.column('project').doUpdateSet(row))
    .execute()
}

const conclude = async (tx: Tx, recorded: RecordedFact, event: string): Promise<void> => {
  const rows = await tx.selectFrom('deploy_previews').select('state').where('event', '=', event).execute()
  for (const { state } of rows) await keep(tx, evolve(parse(state), recorded))
}

const applyTo = async (tx: Tx, recorded: RecordedFact): Promise<void> => {
  const [, project = '', repository = '', number = ''] =
    /^(?:change|preview):([^/]+)\/([^/]+)\/(\d+)$/.exec(recorded.subject) ?? []
  if (number === '') return
  const row = isFact(changeOpened, recorded)
    ? undefined
    : await tx
        .selectFrom('deploy_previews')
        .select('state')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('number', '=', Number(number))
        .executeTakeFirst()
  await keep(tx, evolve(row ? parse(row.state) : null, recorded))
}

const keep = async (tx: Tx, preview: Preview | null): Promise<void> => {
  if (!preview) return
  const { project, repository, number, test } = preview
  const isActive = preview.change === 'open' || stands(preview) || isWanted(preview)
  const row = { event: test?.event ?? null, is_active: isActive ? 1 : 0, state: JSON.stringify(preview) }
  await tx
    .insertInto('deploy_previews')
    .values({ project, repository, number, ...row })
    .onConflict((clash) => clash.columns(['project', 'repository', 'number']).doUpdateSet(row))
    .execute()
}

/** Our own JSON, written by the view above. */
const parse = (state: string): Preview => JSON.parse(state)

/** What is asked of the view; as new as it is, so whoever wants the newest reaches for it first. */
export const createPreviewQueries = (db: Kysely<PreviewTables>) => ({
  preview: async ({ project, repository, number }: PreviewKey): Promise<Preview | null> => {
    const row = await db
      .selectFrom('deploy_previews')
      .select('state')
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('number', '=', number)
      .executeTakeFirst()
    return row ? parse(row.state) : null
  },
  /** Those of open changes, and others of which something is left. */
  active: async (project?: ProjectName): Promise<Preview[]> => {
    const all = db.selectFrom('deploy_previews').select('state').where('is_active', '=', 1)
    const ordered = all.orderBy('project').orderBy('repository').orderBy('number')
    const rows = await (project ? ordered.where('project', '=', project) : ordered).execute()
    return rows.map(({ state }) => parse(state))
  },
  rules: async (project: ProjectName): Promise<PreviewRules> => {
    const row = await db
      .selectFrom('deploy_preview_rules')
      .select('rules')
      .where('project', '=', project)
      .executeTakeFirst()
    return row ? PreviewRules.parse(JSON.parse(row.rules)) : defaultPreviewRules
  },
})
export type PreviewQueries = ReturnType<typeof createPreviewQueries>
