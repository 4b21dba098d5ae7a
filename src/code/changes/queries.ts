import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import type { Store } from '../../store/store.ts'
import type { RepositoryKey } from '../address.ts'
import type { CodeTables } from '../views.ts'
import type { Change } from './change.ts'
import { type ChangeKey, CommentPlace } from './facts.ts'
import { defaultRules, Rules } from './rules.ts'
import type { ChangeTables } from './view.ts'

/** Times in milliseconds since 1970. */
export type Comment = {
  readonly comment: string
  readonly user: string
  readonly version: number
  readonly at: number
  readonly body: string
  readonly place: CommentPlace | null
  /** The fact that holds it. */
  readonly seq: number
}

/** Whose rules: a repository's, or with null those of all repositories of the project without rules of their own. */
export type RulesKey = { readonly project: ProjectName; readonly repository: RepositoryName | null }

/** A push that asked for a change. */
export type Wish = RepositoryKey & {
  readonly push: string
  readonly branch: string
  readonly actor: string
  readonly options: readonly string[]
}

export type Branch = { readonly object: CommitId; readonly actor: string; readonly push: string }

export type ChangeFilter = {
  readonly project: ProjectName
  readonly repository?: string | undefined
  readonly status?: string | undefined
  readonly limit: number
}

/** What the views know; as new as they are, so whoever wants the newest reaches for it first. */
export const createChangeQueries = (store: Store) => {
  const tables = () => store.tables<ChangeTables & CodeTables>()
  const changes = () => tables().selectFrom('code_changes').select('state')
  const of = ({ project, repository }: RepositoryKey) =>
    changes().where('project', '=', project).where('repository', '=', repository)

  return {
    change: async (key: ChangeKey): Promise<Change | null> => {
      const row = await of(key).where('number', '=', key.number).executeTakeFirst()
      return row ? JSON.parse(row.state) : null
    },
    changes: async ({ project, repository, status, limit }: ChangeFilter): Promise<Change[]> => {
      let query = changes().where('project', '=', project)
      if (repository !== undefined) query = query.where('repository', '=', repository)
      if (status !== undefined) query = query.where('status', '=', status)
      const rows = await query.orderBy('repository').orderBy('number', 'desc').limit(limit).execute()
      return rows.map(({ state }) => JSON.parse(state))
    },
    /** All that are open, oldest first. */
    open: async (): Promise<Change[]> => {
      const rows = await changes().where('status', '=', 'open').orderBy('number').execute()
      return rows.map(({ state }) => JSON.parse(state))
    },
    openOn: async (key: RepositoryKey, branch: string): Promise<Change[]> => {
      const rows = await of(key).where('status', '=', 'open').where('branch', '=', branch).orderBy('number').execute()
      return rows.map(({ state }) => JSON.parse(state))
    },
    /** Those that wait to land on a branch, the first one first. */
    queue: async (key: RepositoryKey, target: string): Promise<Change[]> => {
      const query = of(key).where('status', '=', 'open').where('target', '=', target)
      const rows = await query.where('queued_seq', 'is not', null).orderBy('queued_seq').execute()
      return rows.map(({ state }) => JSON.parse(state))
    },
    lastNumber: async ({ project, repository }: RepositoryKey): Promise<number> => {
      const row = await tables()
        .selectFrom('code_changes')
        .select('number')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst()
      return row?.number ?? 0
    },
    comments: async ({ project, repository, number }: ChangeKey): Promise<Comment[]> => {
      const rows = await tables()
        .selectFrom('code_change_comments')
        .selectAll()
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('number', '=', number)
        .orderBy('seq')
        .execute()
      return rows.map(({ comment, user_name: user, version, at, body, place, seq }) => ({
        comment,
        user,
        version,
        at: Number(at),
        body,
        place: place === null ? null : CommentPlace.parse(JSON.parse(place)),
        seq: Number(seq),
      }))
    },
    wishes: async (): Promise<Wish[]> => {
      const rows = await tables().selectFrom('code_change_wishes').selectAll().orderBy('seq').execute()
      return rows.map(({ push, ref, project, repository, actor, options }) => ({
        push,
        branch: ref.replace('refs/heads/', ''),
        project: ProjectName.parse(project),
        repository: RepositoryName.parse(repository),
        actor,
        options: JSON.parse(options),
      }))
    },
    /** Those of the repository (null: none), else of its project, else the default ones. */
    rules: async ({ project, repository }: RulesKey): Promise<Rules> => {
      const rows = await tables()
        .selectFrom('code_change_rules')
        .selectAll()
        .where('project', '=', project)
        .where('repository', 'in', ['', repository ?? ''])
        .orderBy('repository', 'desc')
        .execute()
      const [own] = rows
      return own ? Rules.parse({ ...defaultRules, ...JSON.parse(own.rules) }) : defaultRules
    },
    /** Whether changes of a branch have ever had checks. */
    haveBeenChecked: async ({ project, repository }: RepositoryKey, target: string): Promise<boolean> => {
      const row = await tables()
        .selectFrom('code_changes')
        .select('number')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('target', '=', target)
        .where('checked', '=', 1)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    isRed: async ({ project, repository }: RepositoryKey, target: string): Promise<boolean> => {
      const row = await tables()
        .selectFrom('code_branch_health')
        .select('conclusion')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('ref', '=', `refs/heads/${target}`)
        .executeTakeFirst()
      return row?.conclusion === 'failure'
    },
    /** Where all branches of a repository stand, by their names. */
    branches: async ({ project, repository }: RepositoryKey): Promise<Map<string, Branch>> => {
      const rows = await tables()
        .selectFrom('code_refs')
        .select(['ref', 'object', 'actor', 'push'])
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('ref', 'like', 'refs/heads/%')
        .execute()
      return new Map(
        rows.map(({ ref, object, actor, push }) => [
          ref.replace('refs/heads/', ''),
          { object: CommitId.parse(object), actor, push },
        ]),
      )
    },
    /** Where a branch stands as far as the ledger knows; null where there is none. */
    branch: async ({ project, repository }: RepositoryKey, name: string): Promise<Branch | null> => {
      const row = await tables()
        .selectFrom('code_refs')
        .select(['object', 'actor', 'push'])
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('ref', '=', `refs/heads/${name}`)
        .executeTakeFirst()
      return row ? { object: CommitId.parse(row.object), actor: row.actor, push: row.push } : null
    },
  }
}
export type ChangeQueries = ReturnType<typeof createChangeQueries>
