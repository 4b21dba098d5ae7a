import { type EnvironmentDefinition, noEnvironment } from '../../deploy/index.ts'
import { fact } from '../../ledger/fact.ts'
import type { EnvironmentName, ProjectName } from '../../names.ts'
import { environmentFrozen, environmentUnfrozen, freezeSubject } from './facts.ts'
import type { PromotionParts } from './parts.ts'
import type { PromotionQueries } from './queries.ts'
import { freezeOver, notFrozen } from './refusals.ts'
import { type Opening, type OrderedFreeze, openingAt } from './windows.ts'

/** A standing of an environment, as people see it. */
export type EnvironmentState = EnvironmentDefinition & {
  readonly opening: Opening
  readonly freezeOrder: OrderedFreeze | null
}

/** The environments and their calendars: when something may be deployed there, and the freezes that people order. */
export const createEnvironments = (
  { ledger, views, clock, book }: PromotionParts,
  queries: PromotionQueries,
  look: () => Promise<void>,
) => {
  const mustFind = (environment: EnvironmentName): EnvironmentDefinition => {
    const found = book.find(environment)
    if (!found) throw noEnvironment(environment, book)
    return found
  }

  const openingOf = async (definition: EnvironmentDefinition, project: ProjectName): Promise<Opening> =>
    openingAt(definition, await queries.freeze(project, definition.name), clock.now())

  return {
    /** What the environments repository says of it; a name that it does not know is refused. */
    mustFind,
    openingOf,
    /** In order of promotion, and whether something may be deployed there now. */
    states: async (project: ProjectName): Promise<EnvironmentState[]> => {
      await views.reach()
      return Promise.all(
        book.environments().map(async (definition) => ({
          ...definition,
          opening: await openingOf(definition, project),
          freezeOrder: await queries.freeze(project, definition.name),
        })),
      )
    },

    /** Nothing new is deployed there until `until` (milliseconds since 1970; null: until it is lifted). */
    freeze: async (
      project: ProjectName,
      environment: EnvironmentName,
      order: { reason: string; until: number | null },
      by: string,
    ): Promise<void> => {
      mustFind(environment)
      if (order.until !== null && order.until <= clock.now()) throw freezeOver(order.until)
      const payload = { project, environment, ...order }
      await ledger.append([
        fact(environmentFrozen, { subject: freezeSubject(project, environment), actor: by, payload }),
      ])
      await look()
    },
    unfreeze: async (project: ProjectName, environment: EnvironmentName, reason: string, by: string): Promise<void> => {
      mustFind(environment)
      await views.reach()
      if ((await queries.freeze(project, environment)) === null) throw notFrozen(environment)
      const payload = { project, environment, reason }
      await ledger.append([
        fact(environmentUnfrozen, { subject: freezeSubject(project, environment), actor: by, payload }),
      ])
      await look()
    },
  }
}
export type Environments = ReturnType<typeof createEnvironments>
