import type { DeploymentRow } from '../tables.ts'

/** A deployment that counts, as those of its lane see it. */
export type Standing = Pick<DeploymentRow, 'id' | 'lane' | 'state' | 'kind' | 'revision'> & { readonly live_at: number }
/** A place in the order of a lane: by when it took traffic, then as it was told. */
export type Order = Pick<Standing, 'live_at' | 'id'>

/** The newest deployments of a lane that count, in their order: all of them, or all from a place on. */
export type Spine = { readonly standings: Standing[]; from: Order | null }

/** What a spine knows: `unknown` is what may lie before its beginning. */
export type Found = Standing | undefined | 'unknown'

export const isBefore = (one: Order, two: Order): boolean =>
  one.live_at < two.live_at || (one.live_at === two.live_at && one.id < two.id)

/** The last one before a place that is as wanted. */
export const lastBefore = (spine: Spine, place: Order, isWanted: (one: Standing) => boolean): Found => {
  for (let at = firstFrom(spine, place) - 1; at >= 0; at -= 1) {
    const one = spine.standings[at]
    if (one && isWanted(one)) return one
  }
  return spine.from === null ? undefined : 'unknown'
}

/** The first one after a place that is as wanted. */
export const firstAfter = (spine: Spine, place: Order, isWanted: (one: Standing) => boolean): Found => {
  if (spine.from !== null && isBefore(place, spine.from)) return 'unknown'
  for (let at = firstFrom(spine, place); at < spine.standings.length; at += 1) {
    const one = spine.standings[at]
    if (one && isBefore(place, one) && isWanted(one)) return one
  }
  return undefined
}

/** Puts one where it stands now, and away from where it stood; null: it stood, or stands, nowhere. */
export const restand = (spine: Spine, was: Order | null, now: Standing | null): void => {
  if (was) {
    const at = firstFrom(spine, was)
    if (spine.standings[at]?.id === was.id) spine.standings.splice(at, 1)
  }
  if (now && (spine.from === null || !isBefore(now, spine.from))) spine.standings.splice(firstFrom(spine, now), 0, now)
}

/** Forgets all but the newest. */
export const shorten = (spine: Spine, most: number): void => {
  if (spine.standings.length <= most) return
  spine.standings.splice(0, spine.standings.length - most)
  const [first] = spine.standings
  if (first) spine.from = { live_at: first.live_at, id: first.id }
}

const firstFrom = ({ standings }: Spine, place: Order): number => {
  let [low, high] = [0, standings.length]
  while (low < high) {
    const middle = (low + high) >> 1
    const one = standings[middle]
    if (one && isBefore(one, place)) low = middle + 1
    else high = middle
  }
  return low
}
