import { Backend } from './backend.ts'
import type { EdgeInFlight, EdgePool, EdgeRoute, EdgeTable } from './protocol.ts'
import { emptyTable } from './table.ts'

/** Where a host leads: pools by weight, in each pool the healthy endpoints. */
export type Destination = {
  readonly service: string
  readonly pools: readonly Pool[]
  /** The version that answers for what no instance took. */
  readonly mainVersion: string
}
type Pool = {
  readonly version: string
  readonly weight: number
  readonly backends: readonly Backend[]
  /** Smooth weighted round robin: rises by the weight each turn, falls by the sum of weights when chosen. */
  credit: number
  next: number
}
export type Choice = { readonly version: string; readonly backend: Backend }

/** Decides where requests go. Everything is synchronous: once `replace` returns, no request is routed by the table before. */
export class Router {
  table: EdgeTable = emptyTable
  readonly #backends = new Map<string, Backend>()
  #destinations = new Map<string, Destination>()

  replace(table: EdgeTable): void {
    this.table = table
    const before = this.#destinations
    this.#updateBackends(table)
    this.#destinations = new Map()
    for (const route of table.routes) {
      const earlier = route.hosts.map((host) => before.get(host)).find((one) => one?.service === route.service)
      const destination = this.#destination(route, earlier)
      for (const host of route.hosts) this.#destinations.set(host, destination)
    }
  }

  /** The destination for a host name in lower case without port and trailing dot. */
  find(host: string): Destination | undefined {
    return this.#destinations.get(host)
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

  #updateBackends(table: EdgeTable): void {
    const named = new Set<Backend>()
    for (const endpoint of table.routes.flatMap((route) => route.pools.flatMap((pool) => pool.endpoints))) {
      const backend = this.#backends.get(endpoint.instance) ?? new Backend(endpoint.instance, endpoint.port)
      this.#backends.set(endpoint.instance, backend)
      backend.listed = true
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
    const sameWeights = earlier !== undefined && weightsOf(earlier.pools) === weightsOf(route.pools)
    const pools = route.pools.map((pool, index) => {
      const was = sameWeights ? earlier.pools[index] : undefined // else every change would begin with the heaviest again
      return { ...this.#pool(pool), credit: was?.credit ?? 0, next: was?.next ?? 0 }
    })
    const heaviest = pools.reduce<Pool | null>((most, pool) => (pool.weight > (most?.weight ?? -1) ? pool : most), null)
    return { service: route.service, pools, mainVersion: heaviest?.version ?? 'none' }
  }

  #pool({ version, weight, endpoints }: EdgePool) {
    const backends = endpoints.flatMap(({ instance }) => this.#backends.get(instance) ?? [])
    return { version, weight, backends }
  }
}

const weightsOf = (pools: readonly { version: string; weight: number }[]): string =>
  JSON.stringify(pools.map(({ version, weight }) => [version, weight]))

const isAvailable = (backend: Backend, refusing: ReadonlySet<Backend> | null): boolean =>
  backend.healthy && !refusing?.has(backend)

/**
 * The pool whose turn it is among those with a healthy endpoint, and in it the endpoint with the fewest open requests, in turns
 * where several have as few. Null when none is left. `refusing` are those that this very request has found closed.
 */
export const choose = (destination: Destination, refusing: ReadonlySet<Backend> | null): Choice | null => {
  let total = 0
  let chosen: Pool | null = null
  for (const pool of destination.pools) {
    if (pool.weight === 0 || !hasAvailable(pool.backends, refusing)) continue
    pool.credit += pool.weight
    total += pool.weight
    if (chosen === null || pool.credit > chosen.credit) chosen = pool
  }
  if (chosen === null) return null
  chosen.credit -= total
  const backend = leastBusy(chosen, refusing)
  return backend && { version: chosen.version, backend }
}

const hasAvailable = (backends: readonly Backend[], refusing: ReadonlySet<Backend> | null): boolean => {
  for (const backend of backends) if (isAvailable(backend, refusing)) return true
  return false
}

const leastBusy = (pool: Pool, refusing: ReadonlySet<Backend> | null): Backend | null => {
  const { backends } = pool
  let best: Backend | null = null
  for (let step = 0; step < backends.length; step += 1) {
    const backend = backends[(pool.next + step) % backends.length]
    if (backend && isAvailable(backend, refusing) && (best === null || backend.requests < best.requests)) best = backend
  }
  pool.next = (pool.next + 1) % backends.length
  return best
}
