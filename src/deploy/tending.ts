import { fact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Digest } from '../names.ts'
import { describeError } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { describeDrift, driftBetween, type Expected } from './drift.ts'
import type { EnvironmentBook } from './environment-book.ts'
import { driftFound, driftMended } from './facts.ts'
import type { Fleet } from './fleet.ts'
import { type Deployment, isLastStep, startedBy } from './rollout.ts'
import { targetLabel } from './target.ts'
import { type Others, remaining } from './traffic.ts'

const actor = 'system:deploy'

/**
 * Drift while a deployment has a part of the traffic: what its facts ask for is compared with what there is, recorded, and mended or only
 * reported, as the environment says. A new instance that is lost is no drift: it undoes the rollout. Whatever goes wrong here is told and tried
 * again; it never ends a rollout.
 */
export const createTending = (ports: {
  readonly ledger: Ledger
  readonly runtime: Runtime
  readonly fleet: Fleet
  readonly book: Pick<EnvironmentBook, 'find'>
  onError?(message: string): void
}) => {
  const { ledger, runtime, fleet, book } = ports
  /** What was said of a deployment and is not mended yet. */
  const said = new Map<string, string>()

  /** `startAgain` starts those of the given instances that are not there. Does not wait for their health: the judge must not wait. */
  const look = async (
    deployment: Deployment,
    others: Others,
    startAgain: (ids: readonly string[]) => Promise<void>,
  ): Promise<void> => {
    const { id, target } = deployment
    const actual = await fleet.instancesOf(target)
    const isRouted = fleet.isRouted(target, await runtime.routes())
    const drift = driftBetween(expectedOf(deployment, others), actual, isRouted)
    const about = (detail: string) => ({
      ...{ subject: `service:${target.project}/${target.service}`, actor },
      payload: { ...target, detail },
    })
    const before = said.get(id)
    if (!drift) {
      said.delete(id)
      if (before !== undefined) await ledger.append([fact(driftMended, about(before))])
      return
    }
    const detail = describeDrift(drift)
    if (before !== detail) await ledger.append([fact(driftFound, about(detail))])
    said.set(id, detail)
    if (book.find(target.environment)?.drift === 'report') return
    const givenUp = actual.filter(({ state }) => state === 'failed').map((one) => one.id)
    await fleet.stop([...drift.changed, ...givenUp.filter((one) => drift.missing.includes(one))])
    await startAgain([...drift.missing, ...drift.changed])
    if (drift.wronglyRouted) await fleet.route()
    await fleet.stop(drift.extra)
  }

  return async (...asked: Parameters<typeof look>): Promise<void> => {
    await look(...asked).catch((error: unknown) =>
      ports.onError?.(`comparing ${targetLabel(asked[0].target)} with its rollout: ${describeError(error)}`),
    )
  }
}
export type Tending = ReturnType<typeof createTending>

/** The old version's instances that must be there, by the release that they are of, and all that may be. */
const expectedOf = (deployment: Deployment, { old, fresh }: Others): Expected => {
  const { rollout } = deployment
  const before: Digest | null = rollout?.baseline?.release ?? null
  const compared = rollout?.freshBaseline && !isLastStep(deployment) ? fresh : []
  return {
    wanted: new Map(
      [...remaining(deployment, old), ...compared].flatMap((id) => (before ? [[id, before] as const] : [])),
    ),
    allowed: new Set([...old, ...startedBy(deployment)]),
  }
}
