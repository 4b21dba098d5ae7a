import { readFileSync } from 'node:fs'
import { type EdgeEndpoint, type EdgeMirror, type EdgeRoute, mirroredMethods } from '../edge/protocol.ts'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { parseRouteTable } from './parse.ts'
import type { Route, RouteTable } from './protocol.ts'

export type Routes = {
  table(): RouteTable
  /** Durable when it returns; a Problem (409) when it is older than the last one. */
  replace(table: RouteTable): void
}

export const openRoutes = (file: string): Routes => {
  let table = load(file)
  return {
    table: () => table,
    replace: (next) => {
      if (next.generation < table.generation)
        throw new Problem({
          kind: 'routes-outdated',
          status: 409,
          detail: `routes of generation ${next.generation} came after those of generation ${table.generation}`,
          next: 'read the routes and decide again',
        })
      effectSync('agent.routes-save', () => writeDurably(file, JSON.stringify(next)))
      table = next
    },
  }
}

const load = (file: string): RouteTable => {
  try {
    return parseRouteTable(JSON.parse(readFileSync(file, 'utf8')))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return { generation: 0, routes: [] }
    throw error
  }
}

/** Where an instance takes requests; null for one that takes none any more or is not known. */
export type EndpointOf = (instance: string) => { readonly port: number; readonly healthy: boolean } | null

/** The table as the edge needs it: instances become ports. */
export const edgeRoutes = ({ routes }: RouteTable, endpointOf: EndpointOf): EdgeRoute[] => {
  const endpointsOf = (instances: readonly string[]): EdgeEndpoint[] =>
    instances.flatMap((instance) => {
      const endpoint = endpointOf(instance)
      return endpoint ? [{ instance, port: endpoint.port, healthy: endpoint.healthy }] : []
    })
  return routes.flatMap(({ pools, mirror, shared, ...alone }) => {
    const route = {
      ...alone,
      pools: pools.map(({ version, weight, instances }) => ({ version, weight, endpoints: endpointsOf(instances) })),
      ...(mirror ? { mirror: mirrorOf(mirror, endpointsOf(mirror.instances)) } : {}),
    }
    return shared ? [route, { ...route, ...shared }] : [route]
  })
}

const mirrorOf = (
  { version, share, methods }: NonNullable<Route['mirror']>,
  endpoints: EdgeEndpoint[],
): EdgeMirror => ({
  version,
  share,
  methods: methods ?? mirroredMethods,
  endpoints,
})
