import { isAbsolute, normalize } from 'node:path'
import { Problem } from '../problem.ts'
import type { InstanceSpec, LogQuery, RouteTable } from './protocol.ts'

/**
 * The agent checks by hand what the control plane checked by schema: it must stay small, and what could hurt it is little: names that become
 * paths, and shapes that it relies on.
 */
export const instanceSpec = (value: unknown, id: string): InstanceSpec => {
  const spec = value as InstanceSpec
  const holds =
    spec?.id === id &&
    /^[a-z0-9][a-z0-9.-]{0,120}$/.test(id) &&
    Array.isArray(spec.argv) &&
    spec.argv.length > 0 &&
    spec.argv.every((word) => typeof word === 'string' && !word.includes('\0')) &&
    typeof spec.workingDirectory === 'string' &&
    !normalize(spec.workingDirectory).startsWith('..') &&
    !isAbsolute(spec.workingDirectory) &&
    (spec.files === null || (typeof spec.files === 'string' && isAbsolute(spec.files))) &&
    typeof spec.env === 'object' &&
    Object.entries(spec.env).every(
      ([name, text]) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && typeof text === 'string' && !text.includes('\0'),
    ) &&
    (spec.port === null || (Number.isInteger(spec.port) && spec.port > 0 && spec.port < 65_536)) &&
    (spec.health?.kind === 'tcp' || (spec.health?.kind === 'http' && /^\/[\x21-\x7e]*$/.test(spec.health.path))) &&
    [spec.readyTimeoutMs, spec.stop?.drainMs, spec.stop?.graceMs].every((ms) => Number.isFinite(ms) && ms >= 0) &&
    typeof spec.owner?.service === 'string' &&
    typeof spec.limits === 'object' &&
    (spec.user === null || (Number.isInteger(spec.user?.uid) && spec.user.uid > 0))
  if (!holds)
    throw new Problem({
      kind: 'bad-instance',
      status: 400,
      detail: `the specification of instance ${JSON.stringify(id).slice(0, 140)} is not as the protocol says`,
    })
  return spec
}

export const routeTable = (value: unknown): RouteTable => {
  const table = value as RouteTable
  const holds =
    Number.isInteger(table?.generation) &&
    Array.isArray(table.routes) &&
    table.routes.every(
      (route) =>
        Array.isArray(route.hosts) &&
        route.hosts.every((host) => /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(host)) &&
        typeof route.service === 'string' &&
        Array.isArray(route.pools) &&
        route.pools.every(
          (pool) =>
            typeof pool.version === 'string' &&
            Number.isFinite(pool.weight) &&
            pool.weight >= 0 &&
            Array.isArray(pool.instances),
        ),
    )
  if (!holds) throw new Problem({ kind: 'bad-routes', status: 400, detail: 'the routes are not as the protocol says' })
  return table
}

export const logQuery = (search: URLSearchParams): LogQuery => {
  const text = (name: string): string | undefined => search.get(name) ?? undefined
  const number = (name: string): number | undefined => {
    const given = search.get(name)
    if (given === null) return undefined
    if (!Number.isFinite(Number(given)))
      throw new Problem({ kind: 'bad-query', status: 400, detail: `${name} is a number, not ${given.slice(0, 40)}` })
    return Number(given)
  }
  const all = {
    environment: text('environment'),
    instance: text('instance'),
    since: number('since'),
    until: number('until'),
    search: text('search'),
    limit: number('limit'),
  }
  const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return {
    project: text('project') ?? '',
    service: text('service') ?? '',
    ...given,
    ...(search.get('follow') === 'true' ? { follow: 'true' } : {}),
  }
}
