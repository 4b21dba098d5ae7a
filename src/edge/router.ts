import { Backend } from './backend.ts'
import { noPreference, type Preference, type Preferring, placeAfter, places } from './preference.ts'
import type { EdgeEndpoint, EdgeInFlight, EdgeMirror, EdgePool, EdgeRoute, EdgeTable } from './protocol.ts'
import { bySpecificity, type EdgeMatch, type EdgeRules, fitsMatch, Rules } from './rules.ts'
import { emptyTable } from './table.ts'
import type { Taken } from './taken.ts'

/** Where a host leads: pools by weight, in each pool the healthy endpoints. */
export type Destination = Preferring & {
  readonly service: string
  readonly pools: readonly Pool[]
  readonly mirror: Mirrored | null
  /** How many clients have been given a place. */
  turn: number
  /** The version that answers for what no instance took. */
  readonly mainVersion: string
  /** Null for a service that asks for nothing more. */
  readonly rules: Rules | null
}
type Way = { readonly match: EdgeMatch; readonly destination: Destination }
type Pool = {
  readonly version: string
  readonly weight: number
  readonly backends: readonly Backend[]
  /** Smooth weighted round robin: rises by the weight each turn, falls by the sum of weights when chosen. */
  credit: number
  next: number
  readonly inTurn: boolean
  /** 0 where an instance that is new gets its part at once. */
  readonly slowStartMs: number
}
/** Where copies go, and the part of the next one that is due. */
type Mirrored = {
  readonly version: string
  readonly backends: readonly Backend[]
  readonly share: number
  readonly methods: ReadonlySet<string>
  due: number
}
export type Copy = { readonly version: string; readonly backend: Backend | null }
export type Choice = { readonly version: string; readonly backend: Backend }

/** Decides where requests go. Everything is synchronous: once `replace` returns, no request is routed by the table before. */
export class Router {
  table: EdgeTable = emptyTable
  readonly #backends = new Map<string, Backend>()
  #destinations = new Map<string, Destination>()
  /** Of hosts that have routes for some of their requests only: the most specific first. Empty for most. */
  #crossings = new Map<string, Way[]>()
  #hasWild = false
  readonly #random: () => number
  readonly #mostIdle: number | undefined

  /** By `random` turns begin somewhere: were it the same place in each of several edges, the small weights would come too late in all. */
  constructor(random: () => number = () => 0, mostIdle?: number) {
    this.#random = random
    this.#mostIdle = mostIdle
  }

  replace(table: EdgeTable): void {
    const isFirst = this.table === emptyTable
    this.table = table
    const before = this.#destinations
    const waysBefore = [...this.#crossings.values()].flat()
    this.#updateBackends(table, isFirst)
    this.#destinations = new Map()
    this.#crossings = new Map()
    this.#hasWild = table.routes.some(({ hosts }) => hosts.some((host) => host.startsWith('*.')))
    for (const route of table.routes) {
      const { match, hosts, service } = route
      if (match) {
        const destination = this.#destination(
          route,
          waysBefore.find((way) => isSameWay(way, service, match))?.destination,
        )
        for (const host of hosts)
          this.#crossings.set(host, [...(this.#crossings.get(host) ?? []), { match, destination }])
        continue
      }
      const earlier = hosts.map((host) => before.get(host)).find((one) => one?.service === service)
      const destination = this.#destination(route, earlier)
      for (const host of hosts) this.#destinations.set(host, destination)
    }
    for (const ways of this.#crossings.values()) ways.sort((left, right) => bySpecificity(left.match, right.match))
  }

  /** The destination for a host name in lower case without port and trailing dot. */
  find(host: string, asked: Routed = anything): Destination | undefined {
    if (this.#crossings.size > 0) {
      const crossing = this.#crossings.get(host) ?? this.#crossings.get(wildOf(host))
      const way = crossing?.find(({ match }) => fitsMatch(match, asked.path, asked.heading.pairs))
      if (way) return way.destination
    }
    return this.#destinations.get(host) ?? (this.#hasWild ? this.#destinations.get(wildOf(host)) : undefined)
  }

  /**
   * A connection to an instance failed before it answered: after five in a row it gets nothing for ten seconds, then each time it fails again twice
   * as long, five minutes at most; never the last one of its pool that is left.
   */
  noteFailure(backend: Backend, nowMs: number): void {
    backend.failures += 1
    if (backend.failures < ejectedAfter || backend.isEjected || !this.#hasOthers(backend)) return
    backend.ejections += 1
    backend.ejectedUntilMs = nowMs + Math.min(longestEjectionMs, firstEjectionMs * 2 ** (backend.ejections - 1))
  }

  #hasOthers(backend: Backend): boolean {
    for (const { pools } of [
      ...this.#destinations.values(),
      ...[...this.#crossings.values()].flat().map(({ destination }) => destination),
    ])
      for (const { backends } of pools)
        if (backends.includes(backend) && !backends.some((one) => one !== backend && one.healthy && !one.isEjected))
          return false
    return true
  }

  inFlight(instance: string): EdgeInFlight {
    const backend = this.#backends.get(instance)
    return { requests: backend?.requests ?? 0, connections: backend?.connections ?? 0 }
  }

  /** Takes an open request onto the books of its instance; to be given back by `release`, once. */
  hold(backend: Backend): void {
    backend.requests += 1
  }

  release(backend: Backend): void {
    backend.requests -= 1
    this.#forgetWhenOver(backend)
  }

  /** What clients had of rates since this was asked last, after what they had elsewhere is counted. */
  exchangeTaken(elsewhere: readonly Taken[], nowMs: number): Taken[] {
    const limited = new Map<string, Rules>()
    for (const [host, { rules }] of this.#destinations) if (rules?.rules.rate) limited.set(host, rules)
    for (const [host, ways] of this.#crossings)
      for (const { match, destination } of ways)
        if (destination.rules?.rules.rate) limited.set(`${host} ${JSON.stringify(match)}`, destination.rules)
    for (const { route, client, requests } of elsewhere) limited.get(route)?.takeElsewhere(client, requests, nowMs)
    const asked = new Set<Rules>() // one of several hosts is asked once, by the first of them
    const taken: Taken[] = []
    for (const [route, rules] of limited) {
      if (asked.has(rules)) continue
      asked.add(rules)
      for (const [client, requests] of rules.takenSince()) taken.push({ route, client, requests })
    }
    return taken
  }

  /** Closes kept connections that nobody used for too long. */
  sweep(nowMs: number): void {
    for (const backend of this.#backends.values()) {
      backend.pool.closeIdle(nowMs)
      if (backend.ageMs !== Number.POSITIVE_INFINITY) backend.growOlder(nowMs)
      if (!backend.isEjected || nowMs < backend.ejectedUntilMs) continue
      backend.ejectedUntilMs = 0
      backend.failures = ejectedAfter - 1 // one more failure is enough
    }
  }

  end(): void {
    for (const backend of this.#backends.values()) backend.closeIdle()
  }

  #updateBackends(table: EdgeTable, isFirst: boolean): void {
    const named = new Set<Backend>()
    for (const endpoint of table.routes.flatMap(endpointsOf)) {
      const known = this.#backends.get(endpoint.instance)
      const backend = known ?? new Backend(endpoint.instance, endpoint.port, endpoint.host, this.#mostIdle)
      if (!isFirst && (!known || known.port !== endpoint.port || (!known.healthy && endpoint.healthy))) backend.begin()
      this.#backends.set(endpoint.instance, backend)
      backend.listed = true
      if (!backend.healthy && endpoint.healthy) backend.readmit()
      backend.healthy = endpoint.healthy
      backend.moveTo(endpoint.port)
      named.add(backend)
    }
    for (const backend of this.#backends.values()) {
      if (named.has(backend)) continue
      backend.leave()
      this.#forgetWhenOver(backend)
    }
  }

  #forgetWhenOver(backend: Backend): void {
    if (!backend.listed && backend.requests === 0) this.#backends.delete(backend.instance)
  }

  #destination(route: EdgeRoute, earlier: Destination | undefined): Destination {
    const { service, affinity = null, overrides = [], mirror } = route
    const fresh = route.pools.map((pool) => this.#pool(pool, route.rules))
    const pools = withCredits(fresh, earlier?.pools ?? []) ?? begunSomewhere(fresh, this.#random)
    const heaviest = pools.reduce<Pool | null>((most, pool) => (pool.weight > (most?.weight ?? -1) ? pool : most), null)
    const destination: Destination = {
      service,
      pools,
      affinity,
      overrides,
      mirror: mirror ? this.#mirrored(mirror, earlier?.mirror ?? null) : null,
      turn: earlier?.turn ?? Math.floor(this.#random() * places),
      newPlace: () => {
        destination.turn += 1
        return placeAfter(destination.turn)
      },
      mainVersion: heaviest?.version ?? 'none',
      rules: route.rules ? rulesFor(route.rules, earlier?.rules ?? null) : null,
    }
    return destination
  }

  #pool({ version, weight, endpoints }: EdgePool, rules: EdgeRules = {}): Pool {
    return {
      version,
      weight,
      backends: this.#backendsOf(endpoints),
      credit: 0,
      next: Math.floor(this.#random() * endpoints.length),
      inTurn: rules.balance === 'round-robin',
      slowStartMs: rules.slowStartMs ?? 0,
    }
  }

  #mirrored({ version, endpoints, share, methods }: EdgeMirror, earlier: Mirrored | null): Mirrored {
    const due = earlier?.version === version ? earlier.due : this.#random()
    return { version, share, due, backends: this.#backendsOf(endpoints), methods: new Set(methods) }
  }

  #backendsOf(endpoints: readonly EdgeEndpoint[]): Backend[] {
    return endpoints.flatMap(({ instance }) => this.#backends.get(instance) ?? [])
  }
}

const endpointsOf = ({ pools, mirror }: EdgeRoute): EdgeEndpoint[] => [
  ...pools.flatMap(({ endpoints }) => endpoints),
  ...(mirror?.endpoints ?? []),
]

/** What of a request decides where it goes, beside its host. */
type Routed = { readonly path: string; readonly heading: { readonly pairs: readonly string[] } }
const anything: Routed = { path: '/', heading: { pairs: [] } }

const firstEjectionMs = 10_000
const longestEjectionMs = 300_000
const ejectedAfter = 5

const wildOf = (host: string): string => `*.${host.slice(host.indexOf('.') + 1)}`

const isSameWay = ({ match, destination }: Way, service: string, wanted: EdgeMatch): boolean =>
  destination.service === service && JSON.stringify(match) === JSON.stringify(wanted)

/** What clients have asked for lately counts on. */
const rulesFor = (rules: EdgeRules, earlier: Rules | null): Rules => {
  if (!earlier) return new Rules(rules)
  earlier.change(rules)
  return earlier
}

const sumOf = (pools: readonly Pool[]): number => pools.reduce((sum, { weight }) => sum + weight, 0)

/**
 * Takes over whose turn it is, else every change of the table would begin with the heaviest again. Credits add up to nothing, so they
 * are taken over only where the versions are the same; where weights changed, in proportion.
 */
const withCredits = (pools: readonly Pool[], earlier: readonly Pool[]): readonly Pool[] | null => {
  const was = new Map(earlier.map((pool) => [pool.version, pool]))
  if (was.size !== pools.length || earlier.length !== pools.length) return null
  if (!pools.every(({ version }) => was.has(version))) return null
  const total = sumOf(earlier)
  const scale = total === 0 ? 0 : sumOf(pools) / total
  return pools.map((pool) => {
    const { credit = 0, next = 0 } = was.get(pool.version) ?? {}
    return { ...pool, credit: pool.weight === 0 ? 0 : credit * scale, next }
  })
}

/** As after a number of turns by chance. */
const begunSomewhere = (pools: readonly Pool[], random: () => number): readonly Pool[] => {
  const total = sumOf(pools)
  for (let turns = Math.floor(random() * mostTurnsAhead); turns > 0 && total > 0; turns -= 1) {
    let due = pools[0]
    for (const pool of pools) {
      pool.credit += pool.weight
      if (due && pool.credit > due.credit) due = pool
    }
    if (due) due.credit -= total
  }
  return pools
}
/** Weights are rarely finer than a thousandth. */
const mostTurnsAhead = 1_000

const isAvailable = (backend: Backend, refusing: ReadonlySet<Backend> | null): boolean =>
  backend.healthy && backend.ejectedUntilMs === 0 && !refusing?.has(backend)

/**
 * The pool that the request prefers, or else the one whose turn it is among those with a healthy endpoint; in it the endpoint with the
 * fewest open requests, in turns where several have as few. Null when none is left. `refusing` are those that this very request has
 * found closed.
 */
export const choose = (
  destination: Destination,
  refusing: ReadonlySet<Backend> | null,
  { version, place }: Preference = noPreference,
): Choice | null => {
  if (version !== null) {
    const named = destination.pools.find((pool) => pool.version === version)
    if (named) return choiceIn(named, refusing)
  } else if (place !== null) {
    const own = poolAt(destination, place)
    if (own && hasAvailable(own.backends, refusing)) return choiceIn(own, refusing)
  }
  const due = poolInTurn(destination, refusing)
  return due && choiceIn(due, refusing)
}

const choiceIn = (pool: Pool, refusing: ReadonlySet<Backend> | null): Choice | null => {
  const backend = leastBusy(pool, refusing)
  return backend && { version: pool.version, backend }
}

const poolInTurn = ({ pools }: Destination, refusing: ReadonlySet<Backend> | null): Pool | null => {
  let total = 0
  let chosen: Pool | null = null
  for (const pool of pools) {
    if (pool.weight === 0 || !hasAvailable(pool.backends, refusing)) continue
    pool.credit += pool.weight
    total += pool.weight
    if (chosen === null || pool.credit > chosen.credit) chosen = pool
  }
  if (chosen) chosen.credit -= total
  return chosen
}

/** Versions hold stretches of the places as long as their weights, in the order of their names, so that a change of weights moves few. */
const poolAt = ({ pools }: Destination, place: number): Pool | null => {
  let left = (sumOf(pools) * (place + 0.5)) / places
  for (const pool of pools.toSorted((one, other) => (one.version < other.version ? -1 : 1))) {
    if (left < pool.weight) return pool
    left -= pool.weight
  }
  return null
}

/** Where this request's copy is due to go, with no backend when none is healthy; null when none is due. */
export const copyDue = ({ mirror }: Destination, method: string): Copy | null => {
  if (!mirror?.methods.has(method)) return null
  mirror.due += mirror.share
  if (mirror.due < 1 - 1e-9) return null // ten times a tenth is a little less than one
  mirror.due -= 1
  let best: Backend | null = null
  for (const backend of mirror.backends)
    if (backend.healthy && (best === null || backend.requests < best.requests)) best = backend
  return { version: mirror.version, backend: best }
}

const hasAvailable = (backends: readonly Backend[], refusing: ReadonlySet<Backend> | null): boolean => {
  for (const backend of backends) if (isAvailable(backend, refusing)) return true
  return false
}

const leastBusy = (pool: Pool, refusing: ReadonlySet<Backend> | null): Backend | null => {
  const best = pool.inTurn ? nextOf(pool, refusing) : leastOpen(pool, refusing)
  if (best === null || pool.slowStartMs === 0 || best.ageMs >= pool.slowStartMs) return best
  best.due += Math.max(leastShare, best.ageMs / pool.slowStartMs)
  if (best.due < 1 - 1e-9) return warmest(pool, refusing) ?? best
  best.due -= 1
  return best
}

/** Of what would be its part a new instance gets at least this: without requests it would never be warm. */
const leastShare = 0.1

/** Of those that are new no more the one with the fewest open requests; null while all are new. */
const warmest = ({ backends, slowStartMs }: Pool, refusing: ReadonlySet<Backend> | null): Backend | null => {
  let best: Backend | null = null
  for (const backend of backends)
    if (
      backend.ageMs >= slowStartMs &&
      isAvailable(backend, refusing) &&
      (best === null || backend.requests < best.requests)
    )
      best = backend
  return best
}

const nextOf = (pool: Pool, refusing: ReadonlySet<Backend> | null): Backend | null => {
  const { backends } = pool
  for (let step = 0; step < backends.length; step += 1) {
    const place = (pool.next + step) % backends.length
    const backend = backends[place]
    if (!backend || !isAvailable(backend, refusing)) continue
    pool.next = (place + 1) % backends.length
    return backend
  }
  return null
}

const leastOpen = (pool: Pool, refusing: ReadonlySet<Backend> | null): Backend | null => {
  const { backends } = pool
  let best: Backend | null = null
  for (let step = 0; step < backends.length; step += 1) {
    const backend = backends[(pool.next + step) % backends.length]
    if (backend && isAvailable(backend, refusing) && (best === null || backend.requests < best.requests)) best = backend
  }
  pool.next = (pool.next + 1) % backends.length
  return best
}
