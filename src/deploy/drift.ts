import type { Instance } from '../agent/protocol.ts'
import type { Digest } from '../names.ts'
import type { Deployment } from './rollout.ts'

/** How what runs differs from what should: by name, so that it can be said and mended. */
export type Drift = {
  readonly missing: readonly string[]
  readonly extra: readonly string[]
  /** There under the right name, but of another release. */
  readonly changed: readonly string[]
  readonly wronglyRouted: boolean
}

/** Compares one target's instances and route with the deployment that should run (null: none); null when they agree. */
export const findDrift = (
  current: Deployment | null,
  actual: readonly Instance[],
  routedAsWished: boolean,
): Drift | null => {
  const instances = current?.instances ?? []
  const wanted = new Map(current ? instances.map((id) => [id, current.release]) : [])
  return driftBetween({ wanted, allowed: new Set(instances) }, actual, routedAsWished)
}

/** The instances that must be there, with their releases, and all that may be. */
export type Expected = { readonly wanted: ReadonlyMap<string, Digest>; readonly allowed: ReadonlySet<string> }

/** The same for what a rollout expects, where old and new ones run side by side. */
export const driftBetween = (
  { wanted, allowed }: Expected,
  actual: readonly Instance[],
  routedAsWished: boolean,
): Drift | null => {
  const alive = new Set(actual.filter(({ state }) => state !== 'failed').map(({ id }) => id))
  const drift = {
    missing: [...wanted.keys()].filter((id) => !alive.has(id)),
    extra: actual.filter(({ id, state }) => !allowed.has(id) && state !== 'stopping').map(({ id }) => id),
    changed: actual
      .filter(({ id, owner }) => alive.has(id) && wanted.has(id) && owner.release !== wanted.get(id))
      .map(({ id }) => id),
    wronglyRouted: !routedAsWished,
  }
  return drift.missing.length > 0 || drift.extra.length > 0 || drift.changed.length > 0 || drift.wronglyRouted
    ? drift
    : null
}

export const describeDrift = ({ missing, extra, changed, wronglyRouted }: Drift): string =>
  [
    missing.length > 0 && `missing: ${missing.join(', ')}`,
    extra.length > 0 && `runs without being wanted: ${extra.join(', ')}`,
    changed.length > 0 && `not of the release that should run: ${changed.join(', ')}`,
    wronglyRouted && 'its route is not the one wanted',
  ]
    .filter(Boolean)
    .join('; ')

/** The object names of a target's file: at main, as the running deployment wrote it, as the newest deployment wrote it. */
export type Blobs = {
  readonly head: string | null
  readonly current: string | null
  readonly latest: string | null
}

/**
 * What main says about a target for which no deployment is under way. Main may ask for what runs; for what was tried and failed (then it
 * is set back, once); for nothing any more; or for something that somebody else wrote there.
 */
export const compareDesired = (
  blobs: Blobs,
  latest: Deployment | null,
  wasSetBack: boolean,
): 'in-order' | 'set-back' | 'removed' | 'wanted' => {
  if (blobs.head === blobs.current) return 'in-order'
  const tried = latest?.finished && latest.finished.outcome !== 'succeeded' && latest.desired
  if (tried && blobs.head === blobs.latest && !wasSetBack) return 'set-back'
  return blobs.head === null ? 'removed' : 'wanted'
}
