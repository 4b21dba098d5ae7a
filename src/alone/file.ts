import { isIP } from 'node:net'
import { z } from 'zod'
import type { EdgeEndpoint, EdgeMirror, EdgePool, EdgeRoute } from '../edge/protocol.ts'
import { mirroredMethods } from '../edge/protocol.ts'
import { type Refused, readChecked, type Wording } from '../golden/checked-yaml.ts'
import { defineMatch, defineRules, MatchKey, ruleKeys } from '../golden/edge.ts'
import { affinityKey, affinityOf, overrideKey, overrideOf } from '../golden/release.ts'
import { percent } from '../golden/units.ts'

const expectedHost = 'expected a host name such as shop.example.com, or *.example.com'
const host = z
  .string({ error: expectedHost })
  .max(253)
  .regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$|^[0-9.]+$/,
    expectedHost,
  )
const expectedAddress = 'expected a port of this machine, or a numeric address with a port such as 10.0.0.7:8000'
const address = z.union(
  [
    z.int().min(1, expectedAddress).max(65_535, expectedAddress),
    z.string().refine((text) => endpointOf(text) !== null, expectedAddress),
  ],
  {
    error: expectedAddress,
  },
)
const addresses = z.union([address, z.array(address).min(1).max(1000)], { error: expectedAddress })
const name = z.string().trim().min(1).max(100)
const expectedMethod = 'expected methods such as GET or POST'

const RouteKeys = z.strictObject({
  hosts: z.array(host).min(1).max(1000).describe('Names by which clients ask for it.'),
  service: name.optional().describe('What it is called in counters and log. Default: its first host.'),
  to: addresses.optional().describe('Where its instances are.'),
  versions: z
    .array(
      z.strictObject({
        version: name,
        weight: z.number().min(0).max(1e6).describe('Its share of the requests, beside those of the others.'),
        to: addresses,
      }),
    )
    .min(1)
    .max(20)
    .optional()
    .describe('Where the instances of several versions are, in place of to.'),
  only: MatchKey.optional().describe('Only requests that fit; several routes of a host are told apart so.'),
  affinity: affinityKey.optional().describe('Whether a client stays with the version that it met, by a cookie.'),
  override: overrideKey
    .optional()
    .describe('Requests with this header or query parameter go to the version that its value names.'),
  mirror: z
    .strictObject({
      to: addresses,
      version: name.optional(),
      share: percent(0.1, 100).optional().describe('Of the requests, in per cent. Default 100.'),
      methods: z
        .array(z.enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'], { error: expectedMethod }))
        .min(1)
        .optional(),
    })
    .optional()
    .describe('Where copies go, whose answers are thrown away.'),
  ...ruleKeys,
})
type RouteKeys = z.infer<typeof RouteKeys>

/** A file of routes for `headway edge`. */
export const RoutesFile = z.strictObject({
  routes: z
    .array(
      RouteKeys.refine(({ to, versions }) => (to === undefined) !== (versions === undefined), {
        error: 'expected either to or versions',
      }).refine((route) => overrideLeads(route), {
        path: ['override'],
        error: 'expected a value that is a version of this route',
      }),
    )
    .max(10_000)
    .refine((routes) => twice(routes) === null, {
      error: (issue) => `two routes are for the same requests of ${twice(asRoutes(issue.input))}`,
    }),
})
export type RoutesFile = z.infer<typeof RoutesFile>

/** Nobody would hear of an override that leads to no version. */
const overrideLeads = ({ override, versions = [] }: RouteKeys): boolean => {
  const wanted = override && overrideOf(override).value
  return wanted === undefined || versions.some(({ version }) => version === wanted)
}

const asRoutes = (value: unknown): readonly RouteKeys[] => (Array.isArray(value) ? value : [])

/** A host of which two routes want the same requests. */
const twice = (routes: readonly RouteKeys[]): string | null => {
  const seen = new Set<string>()
  for (const { hosts, only } of routes)
    for (const one of hosts) {
      const key = JSON.stringify([one, only ?? null])
      if (seen.has(key)) return one
      seen.add(key)
    }
  return null
}

const wording: Wording & { readonly mostBytes: number } = {
  called: 'file of routes',
  several: 'a file of routes holds one document; remove the --- and what follows',
  begin: 'start with: routes: [{ hosts: [shop.localhost], to: 8000 }]',
  examples: { routes: 'routes: [{ hosts: [shop.localhost], to: 8000 }]' },
  mostBytes: 4 << 20,
}

/** The routes that a file stands for; everything that is wrong with it at once, with line and column. */
export const readRoutes = (
  text: string,
  file: string,
): { readonly kind: 'ok'; readonly routes: readonly EdgeRoute[] } | Refused => {
  const read = readChecked(RoutesFile, text, file, wording)
  return read.kind === 'ok' ? { kind: 'ok', routes: read.value.routes.map(routeOf) } : read
}

const routeOf = (keys: RouteKeys): EdgeRoute => {
  const { hosts, service = hosts[0] ?? '', to, versions, only, affinity = false, override, mirror } = keys
  const pools: EdgePool[] = (versions ?? [{ version: 'current', weight: 1, to: to ?? [] }]).map((one) => ({
    version: one.version,
    weight: one.weight,
    endpoints: endpointsOf(one.to),
  }))
  const rules = defineRules(keys)
  const kept = affinityOf(affinity)
  return {
    hosts,
    service,
    pools,
    ...(only && Object.keys(only).length > 0 ? { match: defineMatch(only) } : {}),
    ...(kept ? { affinity: kept } : {}),
    ...(override ? { overrides: [overridden(overrideOf(override))] } : {}),
    ...(mirror ? { mirror: mirrorOf(mirror) } : {}),
    ...(rules ? { rules } : {}),
  }
}

const overridden = (override: ReturnType<typeof overrideOf>) => ({ ...override, version: override.value })

const mirrorOf = ({ to, version, share, methods }: NonNullable<RouteKeys['mirror']>): EdgeMirror => ({
  version: version ?? 'mirror',
  share: (share ?? 100) / 100,
  methods: methods ?? mirroredMethods,
  endpoints: endpointsOf(to),
})

const endpointsOf = (to: string | number | readonly (string | number)[]): EdgeEndpoint[] =>
  [to].flat().flatMap((one) => endpointOf(one) ?? [])

/** `8000`, `10.0.0.7:8000`, `[2001:db8::1]:8000`, `localhost:8000`; names would have to be looked up, and are none. */
const endpointOf = (given: string | number): EdgeEndpoint | null => {
  const written = String(given)
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]:|([0-9.]+|localhost):)?([0-9]{1,5})$/i.exec(written) ?? []
  const port = Number(digits ?? 0)
  if (port < 1 || port > 65_535) return null
  const at = bracketed ?? (plain === 'localhost' ? '127.0.0.1' : plain) ?? '127.0.0.1'
  if (isIP(at) === 0) return null
  const instance = isIP(at) === 6 ? `[${at}]:${port}` : `${at}:${port}`
  return { instance, port, healthy: true, ...(at === '127.0.0.1' ? {} : { host: at }) }
}
