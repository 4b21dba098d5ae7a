import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { isPreview } from '../names.ts'
import { serviceRemoved } from './facts.ts'
import type { Target } from './target.ts'
import type { DeployQueries } from './views.ts'

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
