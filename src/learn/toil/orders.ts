import { fact, type NewFact } from '../../ledger/fact.ts'
import type { ProjectName, ServiceName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { toilCapacitySet, toilLogged, toilRemoved } from '../facts.ts'
import type { OrderPorts } from '../incidents/orders.ts'
import type { DoraTables } from '../tables.ts'

export type NewToil = {
  readonly project: ProjectName
  readonly service: ServiceName | null
  readonly what: string
  readonly minutes: number
  /** Milliseconds since 1970; null: now. */
  readonly at: number | null
}

/** What people tell of work by hand. */
export const createToilOrders = ({ ledger, store, views, clock, ids }: OrderPorts) => {
  const append = async (told: NewFact): Promise<void> => {
    await ledger.append([told])
    await views.reach()
  }
  return {
    /** Resolves to the name of the entry. */
    add: async ({ at, ...told }: NewToil, actor: string): Promise<string> => {
      if (at !== null && at > clock.now() + 60_000)
        throw new Problem({ kind: 'in-the-future', status: 400, detail: 'at has not come yet', where: { path: 'at' } })
      const toil = ids('toil')
      const payload = { toil, ...told, by: actor, at: at ?? clock.now() }
      await append(fact(toilLogged, { subject: `project:${told.project}`, actor, payload }))
      return toil
    },
    remove: async (project: ProjectName, toil: string, actor: string): Promise<void> => {
      await views.reach()
      const rows = store.tables<DoraTables>().selectFrom('learn_toil').select('toil').where('project', '=', project)
      if (!(await rows.where('toil', '=', toil).executeTakeFirst()))
        throw new Problem({
          ...{ kind: 'toil-not-found', status: 404, detail: `there is no entry ${toil}` },
          next: 'headway toil lists them',
        })
      await append(fact(toilRemoved, { subject: `project:${project}`, actor, payload: { toil, project, by: actor } }))
    },
    setCapacity: (project: ProjectName, hoursPerWeek: number, actor: string): Promise<void> =>
      append(fact(toilCapacitySet, { subject: `project:${project}`, actor, payload: { project, hoursPerWeek } })),
  }
}
