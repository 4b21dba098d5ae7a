import { readFileSync } from 'node:fs'
import { open, rename } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { effect } from '../effect.ts'
import { parseMirrorExtras, parseRouteExtras } from './extras.ts'
import {
  type EdgeEndpoint,
  type EdgeMirror,
  type EdgePool,
  type EdgeRoute,
  type EdgeTable,
  mirroredMethods,
} from './protocol.ts'

/** Nothing is routed yet; every table is newer. */
export const emptyTable: EdgeTable = { generation: -1, routes: [] }

/** A table in unknown JSON, or a TypeError that names the place of the first fault. The edge loads no schema library. */
export const parseTable = (value: unknown): EdgeTable => {
  const table = record(value, 'table')
  return {
    generation: integer(table.generation, 'generation', -1, Number.MAX_SAFE_INTEGER),
    routes: list(table.routes, 'routes').map(parseRoute),
  }
}

const parseRoute = (value: unknown, index: number): EdgeRoute => {
  const at = `routes[${index}]`
  const route = record(value, at)
  return {
    hosts: list(route.hosts, `${at}.hosts`).map((host) => text(host, `${at}.hosts`).toLowerCase().replace(/\.$/, '')),
    service: text(route.service, `${at}.service`),
    pools: list(route.pools, `${at}.pools`).map((pool, place) => parsePool(pool, `${at}.pools[${place}]`)),
    ...(route.mirror === undefined ? {} : { mirror: parseMirror(route.mirror, `${at}.mirror`) }),
    ...parseRouteExtras(route, at),
  }
}

const parseMirror = (value: unknown, at: string): EdgeMirror => {
  const mirror = record(value, at)
  return {
    methods: mirroredMethods,
    ...parseMirrorExtras(mirror, at),
    endpoints: parseEndpoints(mirror.endpoints, `${at}.endpoints`),
  }
}

const parsePool = (value: unknown, at: string): EdgePool => {
  const pool = record(value, at)
  const weight = pool.weight
  if (typeof weight !== 'number' || !Number.isFinite(weight) || weight < 0)
    throw new TypeError(`${at}.weight is not a number of at least 0`)
  return {
    version: text(pool.version, `${at}.version`),
    weight,
    endpoints: parseEndpoints(pool.endpoints, `${at}.endpoints`),
  }
}

const parseEndpoints = (value: unknown, at: string): EdgeEndpoint[] =>
  list(value, at).map((one, place) => parseEndpoint(one, `${at}[${place}]`))

const parseEndpoint = (value: unknown, at: string): EdgeEndpoint => {
  const endpoint = record(value, at)
  if (typeof endpoint.healthy !== 'boolean') throw new TypeError(`${at}.healthy is not true or false`)
  return {
    instance: text(endpoint.instance, `${at}.instance`),
    port: integer(endpoint.port, `${at}.port`, 1, 65_535),
    healthy: endpoint.healthy,
    ...(endpoint.host === undefined ? {} : { host: address(endpoint.host, `${at}.host`) }),
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const record = (value: unknown, at: string): Readonly<Record<string, unknown>> => {
  if (!isRecord(value)) throw new TypeError(`${at} is not an object`)
  return value
}

const list = (value: unknown, at: string): readonly unknown[] => {
  if (!Array.isArray(value)) throw new TypeError(`${at} is not a list`)
  return value
}

const address = (value: unknown, at: string): string => {
  if (typeof value !== 'string' || isIP(value) === 0) throw new TypeError(`${at} is no numeric address`)
  return value
}

const text = (value: unknown, at: string): string => {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${at} is not a text of at least one character`)
  return value
}

const integer = (value: unknown, at: string, least: number, most: number): number => {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most)
    throw new TypeError(`${at} is not a whole number from ${least} to ${most}`)
  return value
}

/** Keeps the last table on disk, so that an edge that starts while nobody is there routes at once. */
export type TableFile = {
  /** The table kept last; the empty one when there is none or it cannot be read. */
  load(): EdgeTable
  /** Durable when it resolves. Of tables that wait for the disk only the newest is written. */
  save(table: EdgeTable): Promise<void>
}

export const tablePath = (directory: string): string => join(directory, 'edge-table.json')

export const tableFile = (directory: string, say: (line: string) => void): TableFile => {
  const file = tablePath(directory)
  let writing: Promise<void> = Promise.resolve()
  let newest = emptyTable
  let onDisk: EdgeTable | null = null
  return {
    load: () => {
      try {
        return parseTable(JSON.parse(readFileSync(file, 'utf8')))
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT'))
          say(`edge: ${file} cannot be read and is left aside: ${String(error)}`)
        return emptyTable
      }
    },
    save: (table) => {
      newest = table
      writing = writing
        .catch(() => {}) // whoever waited for that one has heard of it
        .then(async () => {
          if (onDisk === newest) return
          const written = newest
          await replaceDurably(file, JSON.stringify(written))
          onDisk = written
        })
      return writing
    },
  }
}

const replaceDurably = async (file: string, content: string): Promise<void> => {
  const temporary = `${file}.${process.pid}.tmp` // two edges may live at once
  await effect('edge.table-write', async () => {
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(content)
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
  await effect('edge.table-rename', () => rename(temporary, file))
  const parent = await open(dirname(file), 'r')
  try {
    await parent.sync()
  } finally {
    await parent.close()
  }
}
