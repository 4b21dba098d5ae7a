import type { Ids } from '../clock.ts'
import { type Actor, fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { CommitId, repositorySubject } from '../names.ts'
import type { Store } from '../store/store.ts'
import type { RepositoryKey } from './address.ts'
import type { RefUpdate } from './dialogue.ts'
import { refUpdated, repositoryCreated } from './facts.ts'
import type { Repositories } from './repositories.ts'
import type { CodeTables } from './views.ts'

export type RecordedUpdate = RecordedFact<'ref.updated', ReturnType<typeof refUpdated.payload.parse>>

export type RecorderParts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly ids: Ids
  readonly repositories: Repositories
  /** Repositories that Headway itself writes, whose own commits are no pushes. */
  readonly isOurs: (key: RepositoryKey) => boolean
}

/** Writes what happened to refs into the ledger. Its callers let one in per repository at a time. */
export const createRecorder = ({ ledger, views, store, ids, repositories, isOurs }: RecorderParts) => {
  const tables = () => store.tables<CodeTables>()

  const known = async ({ project, repository }: RepositoryKey): Promise<Map<string, string>> => {
    await views.reach()
    const rows = await tables()
      .selectFrom('code_refs')
      .select(['ref', 'object'])
      .where('project', '=', project)
      .where('repository', '=', repository)
      .execute()
    return new Map(rows.map(({ ref, object }) => [ref, object]))
  }

  const updateFact = (
    key: RepositoryKey,
    update: RefUpdate,
    by: { actor: Actor; options: readonly string[]; discovered: boolean },
  ): NewFact => {
    const push = ids('push')
    const { actor, options, discovered } = by
    const payload = { push, ...key, ...update, options: [...options], discovered }
    return fact(refUpdated, { subject: `push:${push}`, actor, payload })
  }
  const discovery = { actor: 'system:code', options: [], discovered: true }

  const creation = async (key: RepositoryKey, actor: Actor): Promise<NewFact[]> => {
    await views.reach()
    const row = await tables()
      .selectFrom('code_repositories')
      .select('repository')
      .where('project', '=', key.project)
      .where('repository', '=', key.repository)
      .executeTakeFirst()
    if (row) return []
    const subject = repositorySubject(key.project, key.repository)
    return [fact(repositoryCreated, { subject, actor, payload: key })]
  }

  const append = async (facts: readonly NewFact[]): Promise<RecordedFact[]> => {
    if (facts.length === 0) return []
    const outcome = await ledger.append(facts)
    return outcome.kind === 'appended' ? outcome.facts : []
  }

  return {
    created: async (key: RepositoryKey, actor: Actor): Promise<void> => {
      await append(await creation(key, actor))
    },

    /** Records the updates of a push as it happens, before them what went unseen on the same refs, and with them what else is to be true. */
    pushed: async (
      key: RepositoryKey,
      updates: readonly RefUpdate[],
      by: { actor: Actor; options: readonly string[] },
      alongside: readonly NewFact[] = [],
    ): Promise<RecordedUpdate[]> => {
      if (!isOurs(key)) await repositories.settleHead(key)
      const refs = await known(key)
      const facts = updates.flatMap((update) => {
        const before = refs.get(update.ref) ?? null
        const missed = {
          ref: update.ref,
          before: before === null ? null : CommitId.parse(before),
          after: update.before,
        }
        return [
          ...(before === update.before || isOurs(key) ? [] : [updateFact(key, missed, discovery)]),
          updateFact(key, update, { ...by, discovered: false }),
        ]
      })
      const recorded = await append([...(await creation(key, by.actor)), ...facts, ...alongside])
      return recorded.filter((one) => isFact(refUpdated, one)).filter(({ payload }) => !payload.discovered)
    },

    /** Finds what the ledger does not know of a repository, records it, and returns how much it was. */
    discover: async (key: RepositoryKey): Promise<number> => {
      if (isOurs(key)) return 0
      const [there, before] = [await repositories.refs(key), await known(key)]
      const moved = [...new Set([...there.keys(), ...before.keys()])]
        .map((ref) => ({ ref, before: before.get(ref) ?? null, after: there.get(ref) ?? null }))
        .filter((update) => update.before !== update.after)
      if (moved.length > 0) await repositories.settleHead(key)
      const facts = moved.map(({ ref, before, after }) =>
        updateFact(key, { ref, before: commitOrNull(before), after: commitOrNull(after) }, discovery),
      )
      return (await append([...(await creation(key, 'system:code')), ...facts])).length
    },
  }
}
export type Recorder = ReturnType<typeof createRecorder>

const commitOrNull = (text: string | null): CommitId | null => (text === null ? null : CommitId.parse(text))
