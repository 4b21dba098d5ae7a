import type { z } from 'zod'
import type { ProjectName, RepositoryName } from '../names.ts'
import type { Store } from '../store/store.ts'
import { mainBroken } from './facts.ts'
import type { BuildTables } from './tables.ts'

/** What broke a default branch, as its fact says. */
export type Broken = z.infer<typeof mainBroken.payload>

/** How the default branch of a repository stands. */
export type Main = {
  readonly project: string
  readonly repository: string
  /** Null: it is not red. */
  readonly broken: Broken | null
}

const brokenIn = (text: string | null): Broken | null =>
  text === null ? null : mainBroken.payload.parse(JSON.parse(text))

/** How a repository's default branch stands. */
export const findMain = async (store: Store, project: ProjectName, repository: RepositoryName): Promise<Main> => {
  const row = await store
    .tables<BuildTables>()
    .selectFrom('build_mains')
    .select('broken')
    .where('project', '=', project)
    .where('repository', '=', repository)
    .executeTakeFirst()
  return { project, repository, broken: brokenIn(row?.broken ?? null) }
}

/** The default branches of a project that are red, in the order of their names. */
export const listBroken = async (store: Store, project: ProjectName): Promise<Broken[]> => {
  const rows = await store
    .tables<BuildTables>()
    .selectFrom('build_mains')
    .select('broken')
    .where('project', '=', project)
    .where('broken', 'is not', null)
    .orderBy('repository')
    .execute()
  return rows.flatMap(({ broken }) => brokenIn(broken) ?? [])
}
