import { hash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { Clock } from '../clock.ts'
import { type EdgeRoute, type EdgeSamples, latencyEdgesMs, type VersionSample } from './protocol.ts'

/** How one request ended, as the judge needs it. */
export type Sampled = {
  readonly service: string
  readonly version: string
  readonly status: number
  readonly failed: boolean
  readonly durationMs: number
  readonly client: string
  readonly method: string
  /** With or without its query, which does not count. */
  readonly path: string
  /** A copy that a mirror sent. */
  readonly mirrored: boolean
}

/** Beyond it, errors of a service are not counted until its window has passed: rather too few than a storm that is counted twice. */
export const rememberedErrors = 20_000
/** Versions that no table names any more are forgotten beyond it, the oldest first. */
const keptVersions = 64
const keptServices = 256

type Cell = { requests: number; errors: number; mirrored: number; leftOut: number; readonly slower: number[] }
type Service = {
  /** Null: nobody judges it now. Its counts are kept, since within an epoch they only rise. */
  errorWindowMs: number | null
  versions: Map<string, Cell>
  /** When an error was counted last, by client and route; the oldest first. */
  readonly counted: Map<string, number>
}

/** Counts for the judge, of services whose route asks for it: see EdgeSamples. */
export class Samples {
  readonly #epoch: string
  readonly #clock: Clock
  readonly #services = new Map<string, Service>()

  constructor(epoch: string, clock: Clock) {
    this.#epoch = epoch
    this.#clock = clock
  }

  /** Counts from now on what these routes ask for. */
  judge(routes: readonly EdgeRoute[]): void {
    for (const service of this.#services.values()) service.errorWindowMs = null
    for (const { service, sample, pools, mirror } of routes) {
      if (!sample) continue
      const kept = this.#services.get(service) ?? { errorWindowMs: null, versions: new Map(), counted: new Map() }
      kept.errorWindowMs = Math.max(kept.errorWindowMs ?? 0, sample.errorWindowMs)
      const live = new Set([...pools, ...(mirror ? [mirror] : [])].map(({ version }) => version))
      for (const version of live) cellOf(kept, version)
      forgetOldest(kept.versions, keptVersions, (version) => live.has(version))
      this.#services.set(service, kept)
    }
    forgetOldest(this.#services, keptServices, (name) => this.#services.get(name)?.errorWindowMs !== null)
  }

  /** Whether anybody asks for what becomes of its requests. */
  isJudged(service: string): boolean {
    const judged = this.#services.get(service)
    return judged !== undefined && judged.errorWindowMs !== null
  }

  count(sampled: Sampled): void {
    const service = this.#services.get(sampled.service)
    if (!service || service.errorWindowMs === null) return
    const cell = cellOf(service, sampled.version)
    cell.requests += 1
    if (sampled.mirrored) cell.mirrored += 1
    for (let edge = 0; edge < latencyEdgesMs.length; edge += 1) {
      if (sampled.durationMs <= (latencyEdgesMs[edge] ?? 0)) break
      cell.slower[edge] = (cell.slower[edge] ?? 0) + 1
    }
    if ((sampled.failed || sampled.status >= 500) && this.#isNewError(service, service.errorWindowMs, sampled))
      cell.errors += 1
  }

  /** A copy that its mirror did not send. */
  leaveOut(service: string, version: string): void {
    const counted = this.#services.get(service)
    if (counted && counted.errorWindowMs !== null) cellOf(counted, version).leftOut += 1
  }

  snapshot(): EdgeSamples {
    const judged = [...this.#services].filter(([, { errorWindowMs }]) => errorWindowMs !== null)
    const services = judged.map(([service, { versions }]) => ({
      service,
      versions: [...versions].map(([version, cell]): VersionSample => ({ version, ...cell, slower: [...cell.slower] })),
    }))
    return { epoch: this.#epoch, at: this.#clock.now(), services }
  }

  #isNewError({ counted }: Service, windowMs: number, { client, method, path, mirrored }: Sampled): boolean {
    const nowMs = this.#clock.monotonicMs()
    for (const [key, atMs] of counted) {
      if (nowMs - atMs < windowMs) break
      counted.delete(key)
    }
    const [route = ''] = path.split('?', 1)
    const key = hash('sha1', `${mirrored ? 'copy' : ''}\n${identityOf(client)}\n${method} ${route}`, 'base64')
    if (counted.has(key) || counted.size >= rememberedErrors) return false
    counted.set(key, nowMs)
    return true
  }
}

/** One client holds many IPv6 addresses: all that begin with the same 64 bits are one. */
const identityOf = (address: string): string => {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  return [...left, ...Array<string>(zeros).fill('0'), ...right].slice(0, 4).join(':')
}

const cellOf = ({ versions }: Service, version: string): Cell => {
  let cell = versions.get(version)
  if (!cell) {
    cell = { requests: 0, errors: 0, mirrored: 0, leftOut: 0, slower: Array<number>(latencyEdgesMs.length).fill(0) }
    versions.set(version, cell)
  }
  return cell
}

const forgetOldest = (kept: Map<string, unknown>, most: number, isNeeded: (name: string) => boolean): void => {
  for (const name of kept.keys()) {
    if (kept.size <= most) return
    if (!isNeeded(name)) kept.delete(name)
  }
}
