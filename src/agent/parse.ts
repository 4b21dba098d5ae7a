import { isAbsolute, normalize } from 'node:path'
import { parseMirrorExtras, parseRouteExtras } from '../edge/extras.ts'
import { parseMatch } from '../edge/rules.ts'
import { atLeastZero, fields, finite, list, Malformed, oneOf, orNull, text, whole } from './check.ts'
import type { Exit, HealthCheck, InstanceSpec, LogQuery, Owner, Route, RouteTable } from './protocol.ts'

// What protocol.ts says as schemas, checked by hand: loading the schema library would cost the agent more memory than all of it.

/** Ids become names of files, directories and cgroups. */
export const parseId = (value: unknown, at = 'id'): string => {
  const id = text(value, at)
  if (!/^[a-z0-9][a-z0-9.-]{0,120}$/.test(id))
    throw new Malformed(`${at} is not 1 to 121 lower-case letters, digits, dots and dashes, a letter or digit first`)
  return id
}

export const parseSpec = (value: unknown): InstanceSpec => {
  const spec = fields(value, 'spec')
  const stop = fields(spec.stop, 'stop')
  const limits = fields(spec.limits, 'limits')
  const argv = list(spec.argv, 'argv', text)
  if (argv.length === 0) throw new Malformed('argv is empty')
  return {
    id: parseId(spec.id),
    owner: parseOwner(spec.owner),
    files: orNull(spec.files, 'files', absolutePath),
    workingDirectory: pathBeneath(spec.workingDirectory, 'workingDirectory'),
    argv,
    env: parseEnvironment(spec.env),
    port: orNull(spec.port, 'port', port),
    health: parseHealthCheck(spec.health),
    readyTimeoutMs: atLeastZero(spec.readyTimeoutMs, 'readyTimeoutMs'),
    stop: {
      signal: oneOf(stop.signal, 'stop.signal', ['SIGTERM', 'SIGINT', 'SIGQUIT']),
      drainMs: atLeastZero(stop.drainMs, 'stop.drainMs'),
      graceMs: atLeastZero(stop.graceMs, 'stop.graceMs'),
    },
    limits: {
      memoryBytes: orNull(limits.memoryBytes, 'limits.memoryBytes', aboveZero),
      cpus: orNull(limits.cpus, 'limits.cpus', aboveZero),
      processes: orNull(limits.processes, 'limits.processes', aboveZero),
    },
    user: orNull(spec.user, 'user', parseUser),
  }
}

export const parseOwner = (value: unknown): Owner => {
  const owner = fields(value, 'owner')
  return {
    project: text(owner.project, 'owner.project'),
    service: text(owner.service, 'owner.service'),
    environment: text(owner.environment, 'owner.environment'),
    release: text(owner.release, 'owner.release'),
    commit: text(owner.commit, 'owner.commit'),
  }
}

const parseEnvironment = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields(value, 'env')).map(([name, setting]): [string, string] => {
      if (name === '' || /[=\0]/.test(name)) throw new Malformed(`env: ${JSON.stringify(name)} is no variable's name`)
      return [name, text(setting, `env.${name}`)]
    }),
  )

const parseHealthCheck = (value: unknown): HealthCheck => {
  const health = fields(value, 'health')
  const pace = {
    intervalMs: aboveZero(health.intervalMs, 'health.intervalMs'),
    timeoutMs: aboveZero(health.timeoutMs, 'health.timeoutMs'),
    failures: whole(health.failures, 'health.failures'),
  }
  if (oneOf(health.kind, 'health.kind', ['http', 'tcp']) === 'tcp') return { kind: 'tcp', ...pace }
  const path = text(health.path, 'health.path')
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw new Malformed('health.path is no path of a URL: it starts with /')
  return { kind: 'http', path, ...pace }
}

const parseUser = (value: unknown, at: string): { uid: number; gid: number } => {
  const user = fields(value, at)
  const [uid, gid] = [whole(user.uid, `${at}.uid`), whole(user.gid, `${at}.gid`)]
  if (uid < 1 || gid < 1) throw new Malformed(`${at} is not an unprivileged user`)
  return { uid, gid }
}

const aboveZero = (value: unknown, at: string): number => {
  const number = finite(value, at)
  if (number <= 0) throw new Malformed(`${at} is not above 0`)
  return number
}

const port = (value: unknown, at: string): number => {
  const number = whole(value, at)
  if (number < 1 || number > 65_535) throw new Malformed(`${at} is no port`)
  return number
}

const absolutePath = (value: unknown, at: string): string => {
  const path = text(value, at)
  if (!isAbsolute(path)) throw new Malformed(`${at} is not an absolute path`)
  return normalize(path)
}

const pathBeneath = (value: unknown, at: string): string => {
  const path = normalize(text(value, at) || '.')
  if (isAbsolute(path) || path === '..' || path.startsWith('../'))
    throw new Malformed(`${at} leads out of the instance's own directory`)
  return path
}

export const parseRouteTable = (value: unknown): RouteTable => {
  const table = fields(value, 'table')
  return { generation: whole(table.generation, 'generation'), routes: list(table.routes, 'routes', parseRoute) }
}

const parseRoute = (value: unknown, at: string): Route => {
  const route = fields(value, at)
  const hosts = list(route.hosts, `${at}.hosts`, text)
  if (hosts.length === 0) throw new Malformed(`${at}.hosts is empty`)
  return {
    hosts,
    service: text(route.service, `${at}.service`),
    pools: list(route.pools, `${at}.pools`, (one, place) => {
      const pool = fields(one, place)
      return {
        version: text(pool.version, `${place}.version`),
        weight: atLeastZero(pool.weight, `${place}.weight`),
        instances: list(pool.instances, `${place}.instances`, parseId),
      }
    }),
    ...(route.mirror === undefined ? {} : { mirror: parseMirror(route.mirror, `${at}.mirror`) }),
    ...(route.shared === undefined ? {} : { shared: parseShared(route.shared, `${at}.shared`) }),
    ...parseRouteExtras(route, at),
  }
}

const parseShared = (value: unknown, at: string): NonNullable<Route['shared']> => {
  const { hosts, match } = fields(value, at)
  return { hosts: list(hosts, `${at}.hosts`, text), match: parseMatch(match, `${at}.match`) }
}

const parseMirror = (value: unknown, at: string): NonNullable<Route['mirror']> => {
  const { instances, ...mirror } = fields(value, at)
  return { ...parseMirrorExtras(mirror, at), instances: list(instances, `${at}.instances`, parseId) }
}

export const parseExit = (value: unknown, at: string): Exit => {
  const exit = fields(value, at)
  return {
    exitCode: orNull(exit.exitCode, `${at}.exitCode`, whole),
    signal: orNull(exit.signal, `${at}.signal`, text),
    outOfMemory: exit.outOfMemory === true,
    at: finite(exit.at, `${at}.at`),
  }
}

/** A log query from the parameters of a URL; refuses numbers that are none. */
export const parseLogQuery = (parameters: URLSearchParams): LogQuery => {
  const given = (name: string): string | undefined => parameters.get(name) ?? undefined
  const number = (name: string): number | undefined => {
    const value = given(name)
    return value === undefined ? undefined : finite(value.trim() === '' ? Number.NaN : Number(value), name)
  }
  const limit = number('limit')
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0 && limit <= 100_000))
    throw new Malformed('limit is not a whole number from 0 to 100000')
  return {
    project: text(given('project'), 'project'),
    service: text(given('service'), 'service'),
    environment: given('environment'),
    instance: given('instance'),
    since: number('since'),
    until: number('until'),
    search: given('search'),
    limit,
    follow: given('follow') === undefined ? undefined : oneOf(given('follow'), 'follow', ['true', 'false']),
  }
}
