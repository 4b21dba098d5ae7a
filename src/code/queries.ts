import type { Views } from '../ledger/ledger.ts'
import { ProjectName } from '../names.ts'
import type { Store } from '../store/store.ts'
import type { RepositoryKey } from './address.ts'
import { DirectPush, type Protection } from './protection.ts'
import type { CodeTables } from './views.ts'

/** A repository as the ledger knows it. Times in milliseconds since 1970. */
export type Repository = {
  readonly project: string
  readonly repository: string
  readonly createdAt: number
  readonly pushedAt: number | null
  readonly protection: Protection
}

/** A branch or tag, and who moved it last. */
export type Ref = {
  readonly ref: string
  readonly object: string
  readonly push: string
  readonly actor: string
  readonly updatedAt: number
}

/** What is asked of the views; each answer is as new as the ledger. */
export const createCodeQueries = ({ store, views }: { store: Store; views: Views }) => {
  const tables = () => store.tables<CodeTables>()
  return {
    repository: async ({ project, repository }: RepositoryKey): Promise<Repository | null> => {
      await views.reach()
      const row = await tables()
        .selectFrom('code_repositories')
        .selectAll()
        .where('project', '=', project)
        .where('repository', '=', repository)
        .executeTakeFirst()
      return row ? repositoryOfRow(row) : null
    },
    /** The projects that have a repository, by name. */
    projects: async (): Promise<ProjectName[]> => {
      await views.reach()
      const rows = await tables()
        .selectFrom('code_repositories')
        .select('project')
        .distinct()
        .orderBy('project')
        .execute()
      return rows.map(({ project }) => ProjectName.parse(project))
    },
    repositories: async (project: ProjectName): Promise<Repository[]> => {
      await views.reach()
      const rows = await tables()
        .selectFrom('code_repositories')
        .selectAll()
        .where('project', '=', project)
        .orderBy('repository')
        .execute()
      return rows.map(repositoryOfRow)
    },
    refs: async ({ project, repository }: RepositoryKey): Promise<Ref[]> => {
      await views.reach()
      const rows = await tables()
        .selectFrom('code_refs')
        .selectAll()
        .where('project', '=', project)
        .where('repository', '=', repository)
        .orderBy('ref')
        .execute()
      return rows.map(({ ref, object, push, actor, updated_at }) => {
        return { ref, object, push, actor, updatedAt: Number(updated_at) }
      })
    },
  }
}

const repositoryOfRow = (row: CodeTables['code_repositories']): Repository => ({
  project: row.project,
  repository: row.repository,
  createdAt: Number(row.created_at),
  pushedAt: row.pushed_at === null ? null : Number(row.pushed_at),
  protection: {
    branches: JSON.parse(row.protected_branches).map(String),
    allowForce: Number(row.allow_force) === 1,
    push: DirectPush.parse(row.push_role),
  },
})
