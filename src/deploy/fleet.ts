import type { Instance, InstanceSpec, Route, RouteTable } from '../agent/protocol.ts'
import { effect } from '../effect.ts'
import { defineMatch, defineRules, type EdgeKey } from '../golden/edge.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { defaultHost, type Target, targetLabel } from './target.ts'
import type { Traffic } from './traffic.ts'

/** Whose traffic goes where: the route of one target, before it is part of a table. */
export type Serving = Traffic & Door & { readonly target: Target }
/** By which names a target is reached, and what the edge does for it. */
export type Door = { readonly hosts: readonly string[]; readonly edge: EdgeKey | null }

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
  holderOf(door: Door, except: Target): { host: string; holder: string } | null
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
    serve: ({ target, hosts, edge, ...traffic }) => {
      wished.set(targetLabel(target), { service: targetLabel(target), ...behind(target, { hosts, edge }), ...traffic })
    },
    forget: (target) => {
      wished.delete(targetLabel(target))
    },
    holderOf: (door, except) => {
      const claim = behind(except, door)
      for (const [holder, taken] of wished) {
        const host = holder === targetLabel(except) ? undefined : clash(claim, taken, isNeighbour(holder, except))
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

type Claim = Pick<Route, 'hosts' | 'shared' | 'rules'>

/** Where a service wants only some of the requests for its further hosts, its own host leads to it wholly all the same. */
const behind = (target: Target, { hosts, edge }: Door): Claim => {
  const rules = edge ? defineRules(edge) : null
  const match = edge?.only && Object.keys(edge.only).length > 0 ? defineMatch(edge.only) : null
  const further = hosts.filter((host) => host !== defaultHost(target))
  return {
    ...(match && further.length > 0
      ? { hosts: [defaultHost(target)], shared: { hosts: further, match } }
      : { hosts: [...hosts] }),
    ...(rules ? { rules } : {}),
  }
}

/** A host that both want. In one project and environment a host may be shared by those that want different requests of it. */
const clash = (one: Claim, other: Claim, areNeighbours: boolean): string | undefined => {
  const claimsOf = ({ hosts, shared }: Claim) => [
    ...hosts.map((host) => ({ host, match: 'all' })),
    ...(shared?.hosts ?? []).map((host) => ({ host, match: JSON.stringify(shared?.match) })),
  ]
  const taken = claimsOf(other)
  return claimsOf(one).find((wanted) =>
    taken.some(({ host, match }) => host === wanted.host && (match === wanted.match || !areNeighbours)),
  )?.host
}

const isNeighbour = (label: string, { project, environment }: Target): boolean => {
  const [itsProject, , itsEnvironment] = label.split('/')
  return itsProject === project && itsEnvironment === environment
}

const byService = (left: Route, right: Route): number => (left.service < right.service ? -1 : 1)

const sameRoute = (left: Route | undefined, right: Route | undefined): boolean => canonical(left) === canonical(right)

const canonical = (route: Route | undefined): string =>
  route
    ? JSON.stringify([
        [...route.hosts].sort(),
        route.pools.map(({ version, weight, instances }) => [version, weight, [...instances].sort()]),
        ...[route.affinity ?? null, route.overrides ?? null, route.sample ?? null],
        // Field by field: the agent gives them back in another order.
        ...[route.mirror?.version ?? null, route.mirror?.share ?? null, route.mirror?.methods ?? null],
        [...(route.mirror?.instances ?? [])].sort(),
        ...[route.shared ?? null, route.rules ?? null],
      ])
    : ''
