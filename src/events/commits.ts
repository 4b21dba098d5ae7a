import type { Kysely } from 'kysely'
import type { CarriedCommit } from '../learn/facts.ts'
import type { EventsTables } from './views.ts'

/** Pushes that are looked through at most for what lies between two commits. */
const furthest = 10_000
/** A deployment that waits longer for its commits to be told waits for ever. */
const patienceMs = 30 * 24 * 3_600_000

export type Waiting = {
  readonly key: string
  readonly service: string
  readonly environment: string
  readonly revision: string
  readonly finishedAt: number
}

/** What was pushed elsewhere, to say what a deployment of it brought. */
export const createCommits = (db: Kysely<EventsTables>) => {
  const pushOf = async (project: string, repository: string, revision: string) => {
    const commit = await db
      .selectFrom('events_commits')
      .select(['seq', 'place'])
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('commit_id', '=', revision)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (commit) return commit
    const push = await db
      .selectFrom('events_pushes')
      .select('seq')
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('after_id', '=', revision)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    return push ? { seq: push.seq, place: Number.MAX_SAFE_INTEGER } : null
  }

  const commits = {
    /**
     * The commits after `since` up to `revision`, oldest first, by the pushes that were told. Null where they do not reach that far; with
     * `isBranch` the beginning of a branch is far enough.
     */
    between: async (
      project: string,
      repository: string,
      since: string | null,
      revision: string,
      isBranch = false,
    ): Promise<CarriedCommit[] | null> => {
      const found: CarriedCommit[] = []
      const seen = new Set<number>()
      let at: { seq: number; place: number } | null = await pushOf(project, repository, revision)
      while (at !== null && !seen.has(at.seq) && seen.size < furthest) {
        const { seq, place } = at
        seen.add(seq)
        const rows = await db
          .selectFrom('events_commits')
          .selectAll()
          .where('seq', '=', seq)
          .where('place', '<=', place)
          .orderBy('place', 'desc')
          .execute()
        for (const row of rows) {
          if (row.commit_id === since) return found.reverse()
          found.push({
            ...{ repository, commit: row.commit_id, committedAt: row.committed_at },
            ...{ isMerge: row.is_merge === 1, reverts: row.reverts },
          })
        }
        const push = await db.selectFrom('events_pushes').select('before_id').where('seq', '=', seq).executeTakeFirst()
        const before = push?.before_id ?? null
        if (before === null) return isBranch ? found.reverse() : null
        if (before === since) return found.reverse()
        at = await pushOf(project, repository, before)
      }
      return null
    },

    /** The same, in whichever repository has that revision. */
    anywhere: async (project: string, since: string, revision: string): Promise<CarriedCommit[] | null> => {
      const commit = await db
        .selectFrom('events_commits')
        .select('repository')
        .where('project', '=', project)
        .where('commit_id', '=', revision)
        .limit(1)
        .executeTakeFirst()
      const push = db.selectFrom('events_pushes').select('repository').where('project', '=', project)
      const row = commit ?? (await push.where('after_id', '=', revision).limit(1).executeTakeFirst())
      return row ? commits.between(project, row.repository, since, revision) : null
    },

    /** What ran there before: the revision of the last that succeeded earlier. */
    before: async (project: string, service: string, environment: string, at: number): Promise<string | null> =>
      (
        await db
          .selectFrom('events_deliveries')
          .select('revision')
          .where('project', '=', project)
          .where('service', '=', service)
          .where('environment', '=', environment)
          .where('has_succeeded', '=', 1)
          .where('finished_at', '<', at)
          .orderBy('finished_at', 'desc')
          .limit(1)
          .executeTakeFirst()
      )?.revision ?? null,

    /** Deployments of late of which nobody knows yet what they brought. */
    waiting: async (project: string, now: number): Promise<Waiting[]> => {
      const rows = await db
        .selectFrom('events_deliveries')
        .selectAll()
        .where('project', '=', project)
        .where('has_commits', '=', 0)
        .where('finished_at', '>', now - patienceMs)
        .where('revision', 'is not', null)
        .orderBy('finished_at', 'desc')
        .limit(100)
        .execute()
      return rows.map((row) => ({
        ...{ key: row.key_name, service: row.service, environment: row.environment },
        ...{ revision: row.revision ?? '', finishedAt: row.finished_at },
      }))
    },
  }
  return commits
}
export type Commits = ReturnType<typeof createCommits>
