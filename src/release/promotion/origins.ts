import type { EnvironmentDefinition } from '../../deploy/index.ts'
import type { EnvironmentName, ServiceKey } from '../../names.ts'
import type { PromotionParts } from './parts.ts'
import type { OriginRow, PromotionQueries } from './queries.ts'
import { nothingToPromote } from './refusals.ts'

/** Where a release comes from: which one is meant, and who has a part in it. */
export const createOrigins = ({ current }: Pick<PromotionParts, 'current'>, queries: PromotionQueries) => {
  /** Who has a part in what would be new there. */
  const authorsOf = async (
    { push, release, ...origin }: OriginRow,
    environment: EnvironmentName,
  ): Promise<string[]> => {
    const key = { project: origin.project, service: origin.service }
    const made = push ?? (await queries.originOf(key, 'push', release))?.push ?? null
    if (made === null) return []
    const running = await current({ ...key, environment })
    const before = running?.push ?? (running && (await queries.originOf(key, 'push', running.release))?.push) ?? null
    return queries.people(made, before === made ? null : before)
  }

  /** What a person means by a release: the one that runs where it comes from, or one that has succeeded there. */
  const originFor = async (
    key: ServiceKey,
    { promote }: EnvironmentDefinition,
    word: string | null,
  ): Promise<OriginRow> => {
    const found = word === null ? await queries.newest(key, promote.from) : await queries.named(key, promote.from, word)
    if (found) return found
    throw nothingToPromote(key, promote.from, word)
  }

  return { authorsOf, originFor }
}
export type Origins = ReturnType<typeof createOrigins>
