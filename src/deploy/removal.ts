import type { Ids } from '../clock.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { isPreview, type ServiceKey } from '../names.ts'
import { Problem } from '../problem.ts'
import type { EnvironmentView } from './environment-book.ts'
import type { Environments } from './environments.ts'
import { serviceRemoved } from './facts.ts'
import type { Lanes } from './lanes.ts'
import type { Migrations } from './migrations/index.ts'
import type { Orders } from './orders.ts'
import type { Reconciler } from './reconcile.ts'
import { desiredPath, type Target, targetLabel } from './target.ts'
import { type DeployQueries, targetOfRow } from './views.ts'

export type RemovalPorts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly ids: Ids
  readonly queries: DeployQueries
  readonly environments: Environments
  readonly book: EnvironmentView
  readonly migrations: Pick<Migrations, 'forgetLogs'>
}

/** Takes services out of where they stand: out of Git first, then out of the world. */
export const createRemoval = (
  ports: RemovalPorts,
  { orders, lanes, reconciler }: { readonly orders: Orders; readonly lanes: Lanes; readonly reconciler: Reconciler },
) => {
  const { views, ids, queries, environments, book, migrations } = ports

  const removeFrom = async (target: Target, by: string): Promise<void> => {
    const row = await queries.service(target)
    if (!row || row.removed_at !== null) throw unknownService(target)
    await orders.abandon(target, by)
    await lanes.exclusive(target, async (signal) => {
      const path = desiredPath(target)
      const head = await environments.head()
      const [file] = head ? await environments.readAll([`${head}:${path}`]) : []
      const trailer = `Headway-Intent: ${ids('removal')}`
      if (file) await environments.commit({ path, text: null, subject: `Remove ${targetLabel(target)}`, trailer })
      await views.reach()
      await reconciler.settle(target, signal, by)
      await views.reach()
      // One that never ran leaves nothing behind for which the reconciler would say so.
      if ((await queries.service(target))?.removed_at === null) await recordRemoval(ports, target, by)
    })
  }

  return {
    /** Takes a service out of one environment with all that is kept for it there. Nothing where it is gone. */
    takeDown: async (target: Target, by: string): Promise<void> => {
      await views.reach()
      const row = await queries.service(target)
      if (row && row.removed_at === null) await removeFrom(target, by)
      for (const { id } of await queries.allOf(target)) migrations.forgetLogs(id)
    },

    /** Takes a service out of every environment but its previews, which belong to their changes. Its database stays until it is removed by itself. */
    remove: async (key: ServiceKey, by: string): Promise<void> => {
      await views.reach()
      const rows = (await queries.services(key.project)).filter((row) => row.service === key.service)
      const there = rows
        .filter(({ removed_at, environment }) => removed_at === null && !isPreview(environment))
        .map(targetOfRow)
      if (there.length === 0) throw unknownService({ ...key, environment: book.main() })
      for (const target of there) await removeFrom(target, by)
    },
  }
}

const unknownService = ({ project, service, environment }: Target): Problem =>
  new Problem({
    kind: 'service-not-found',
    status: 404,
    detail: `there is no ${project}/${service} in ${environment}`,
    next: 'headway status lists the services',
  })

/**
 * Records that a service stands in an environment no more. Whether that was the last one is decided about everything that was recorded
 * before: two that leave their last environments at once see one after the other.
 */
export const recordRemoval = async (
  { ledger, views, queries }: { ledger: Ledger; views: Views; queries: DeployQueries },
  target: Target,
  by: string,
): Promise<void> => {
  const { project, service, environment } = target
  const subject = `service:${project}/${service}`
  for (;;) {
    const [newest] = await ledger.read({ subject, newestFirst: true, limit: 1 })
    await views.reach()
    const rows = (await queries.services(project)).filter((row) => row.service === service && row.removed_at === null)
    const isGone =
      !isPreview(environment) && !rows.some((row) => row.environment !== environment && !isPreview(row.environment))
    const made = fact(serviceRemoved, { subject, actor: by, payload: { ...target, isGone } })
    const outcome = await ledger.append([made], { expect: { subject, seq: newest?.seq ?? 0 } })
    if (outcome.kind === 'appended') return
  }
}
