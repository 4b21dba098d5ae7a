/** An environment as a push sees it. */
export type Stop = {
  readonly environment: string
  /** `push`, or the environment in which a release must have succeeded. */
  readonly from: string
  /** Whether releases come in without anybody's doing and without a soak. */
  readonly isAutomatic: boolean
}
export type Stops = readonly [Stop, ...Stop[]]

/** The environments that a push reaches by itself, in order of promotion; where there is none, the first one. */
export const usualWay = (stops: Stops): readonly Stop[] => {
  const way: Stop[] = []
  for (const stop of stops) if (stop.isAutomatic && isReached(stop, way)) way.push(stop)
  return way.length > 0 ? way : [stops[0]]
}

/** The way of a push to one environment, that one last; null where there is no such environment. */
export const wayTo = (environment: string, stops: Stops): readonly Stop[] | null => {
  const last = stops.find((stop) => stop.environment === environment)
  if (!last) return null
  const before = last.from === 'push' ? [] : (wayTo(last.from, stops) ?? [])
  return [...before, last]
}

/** An environment and all that is reached from it. */
export const onwardsFrom = (environment: string, way: readonly Stop[]): readonly string[] => {
  const lost = [environment]
  for (const stop of way) if (lost.includes(stop.from)) lost.push(stop.environment)
  return lost
}

const isReached = ({ from }: Stop, way: readonly Stop[]): boolean =>
  from === 'push' || way.some(({ environment }) => environment === from)
