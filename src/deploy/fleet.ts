import type { Instance, InstanceSpec, Route, RouteTable } from '../agent/protocol.ts'
import { effect } from '../effect.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { type Target, targetLabel } from './target.ts'
import type { Traffic } from './traffic.ts'

/** Whose traffic goes where: the route of one target, before it is part of a table. */
export type Serving = Traffic & { readonly target: Target; readonly hosts: readonly string[] }

/** What a target has when nothing is on its way: everything goes to one version. */
export const wholly = (version: string, instances: readonly string[]): Traffic => ({
  pools: [{ version, weight: 1, instances: [...instances] }],
})

/** What deploy does to the world: instances come and go, routes change. Every verb may be repeated. */
export type Fleet = {
  /** Starts what is not there yet. */
  start(specs: readonly InstanceSpec[]): Promise<void>
  stop(ids: readonly string[]): Promise<void>
  instancesOf(target: Target): Promise<Instance[]>
  /** Learns what is routed now. */
  learnRoutes(): Promise<void>
  /** What this target's traffic should go to; takes effect with `route`. */
  serve(serving: Serving): void
  forget(target: Target): void
  /** Another target that has one of these hosts. */
  holderOf(hosts: readonly string[], except: Target): { host: string; holder: string } | null
  /** Resolves once the edge routes as wished; several wishes that come together go in one table. */
  route(): Promise<void>
  /** Whether the runtime routes this target as wished. */
  isRouted(target: Target, table: RouteTable): boolean
}

export const createFleet = (runtime: Runtime): Fleet => {
  const wished = new Map<string, Route>()
  let generation = 0
  let turn: Promise<void> | null = null
  let following: Promise<void> | null = null

  const put = async (): Promise<void> => {
    const table = { generation: generation + 1, routes: [...wished.values()].sort(byService) }
    try {
      await effect('deploy.route', () => runtime.route(table))
      generation = table.generation
    } catch (error) {
      generation = (await runtime.routes()).generation // an older control plane may have got further than we know
      throw error
    }
  }

  const route = async (): Promise<void> => {
    if (turn) {
      following ??= turn
        .catch(() => {})
        .then(() => {
          following = null
          return route()
        })
      return following
    }
    turn = put().catch(() => put())
    try {
      await turn
    } finally {
      turn = null
    }
  }

  return {
    start: async (specs) => {
      const known = new Set((await runtime.instances()).map((instance) => instance.id))
      const missing = specs.filter((spec) => !known.has(spec.id))
      await Promise.all(missing.map((spec) => effect('deploy.start', () => runtime.start(spec))))
    },
    stop: async (ids) => {
      await Promise.all(ids.map((id) => effect('deploy.stop', () => runtime.stop(id))))
    },
    instancesOf: async (target) =>
      (await runtime.instances()).filter(
        ({ owner }) => targetLabel(target) === `${owner.project}/${owner.service}/${owner.environment}`,
      ),
    learnRoutes: async () => {
      const table = await runtime.routes()
      generation = Math.max(generation, table.generation)
      for (const known of table.routes) wished.set(known.service, known)
    },
    serve: ({ target, hosts, ...traffic }) => {
      wished.set(targetLabel(target), { service: targetLabel(target), hosts: [...hosts], ...traffic })
    },
    forget: (target) => {
      wished.delete(targetLabel(target))
    },
    holderOf: (hosts, except) => {
      for (const [holder, { hosts: taken }] of wished) {
        const host = holder === targetLabel(except) ? undefined : hosts.find((one) => taken.includes(one))
        if (host !== undefined) return { host, holder }
      }
      return null
    },
    route,
    isRouted: (target, table) => {
      const actual = table.routes.find(({ service }) => service === targetLabel(target))
      return sameRoute(actual, wished.get(targetLabel(target)))
    },
  }
}

const byService = (left: Route, right: Route): number => (left.service < right.service ? -1 : 1)

const sameRoute = (left: Route | undefined, right: Route | undefined): boolean => canonical(left) === canonical(right)

const canonical = (route: Route | undefined): string =>
  route
    ? JSON.stringify([
        [...route.hosts].sort(),
        route.pools.map(({ version, weight, instances }) => [version, weight, [...instances].sort()]),
        ...[route.affinity ?? null, route.overrides ?? null, route.mirror ?? null, route.sample ?? null],
      ])
    : ''
