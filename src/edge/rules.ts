import { type Fields, fields, finite, flag, list, Malformed, oneOf, text, whole } from '../agent/check.ts'
import { type Concurrency, Gate } from './gate.ts'
import { networkOf } from './per-address.ts'
import type { Refusal } from './refusal.ts'
import { mostTaken } from './taken.ts'

/** What a service asks of the edge beside being reached. All of it is optional, and costs nothing where it is left out. */
export type EdgeRules = {
  /** In place of the service, for everybody. */
  readonly maintenance?: { readonly message: string; readonly retryAfterSeconds: number }
  /** From the end of a request until the answer begins. */
  readonly answerMs?: number
  /** From a request's head until its body is complete. */
  readonly requestMs?: number
  /** From a request's head until its answer is complete. */
  readonly wholeMs?: number
  /** How often a request that may be repeated is sent again after its connection broke before an answer; once where nothing is said. */
  readonly retries?: number
  /** Among the instances of a version, where nothing is said, the one with the fewest open requests. */
  readonly balance?: 'round-robin'
  /** For so long an instance that came beside others gets less than its part of the requests, more and more. */
  readonly slowStartMs?: number
  readonly concurrency?: Concurrency
  readonly bodyBytes?: number
  /** Requests of one client address: so many each second on average, so many at once. Several edges tell each other what they gave. */
  readonly rate?: { readonly perSecond: number; readonly burst: number }
  /** The value of Strict-Transport-Security, over TLS. */
  readonly hsts?: string
  readonly compress?: boolean
}

export const parseRules = (value: unknown, at: string): EdgeRules => {
  const rules = fields(value, at)
  const has = (name: string): boolean => rules[name] !== undefined
  return {
    ...(has('maintenance')
      ? { maintenance: parseMaintenance(fields(rules.maintenance, `${at}.maintenance`), at) }
      : {}),
    ...(has('answerMs') ? { answerMs: within(rules.answerMs, `${at}.answerMs`, 1, 86_400_000) } : {}),
    ...(has('requestMs') ? { requestMs: within(rules.requestMs, `${at}.requestMs`, 1, 86_400_000) } : {}),
    ...(has('wholeMs') ? { wholeMs: within(rules.wholeMs, `${at}.wholeMs`, 1, 86_400_000) } : {}),
    ...(has('retries') ? { retries: within(rules.retries, `${at}.retries`, 0, 5) } : {}),
    ...(has('balance') ? { balance: oneOf(rules.balance, `${at}.balance`, ['round-robin']) } : {}),
    ...(has('slowStartMs') ? { slowStartMs: within(rules.slowStartMs, `${at}.slowStartMs`, 1, 3_600_000) } : {}),
    ...(has('concurrency')
      ? { concurrency: parseConcurrency(fields(rules.concurrency, `${at}.concurrency`), `${at}.concurrency`) }
      : {}),
    ...(has('bodyBytes') ? { bodyBytes: within(rules.bodyBytes, `${at}.bodyBytes`, 0, Number.MAX_SAFE_INTEGER) } : {}),
    ...(has('rate') ? { rate: parseRate(fields(rules.rate, `${at}.rate`), `${at}.rate`) } : {}),
    ...(has('hsts') ? { hsts: parseHsts(rules.hsts, `${at}.hsts`) } : {}),
    ...(has('compress') ? { compress: flag(rules.compress, `${at}.compress`) } : {}),
  }
}

const parseConcurrency = ({ limit, queue, waitMs }: Fields, at: string): Concurrency => ({
  limit: within(limit, `${at}.limit`, 1, 1e6),
  queue: within(queue, `${at}.queue`, 0, 10_000),
  waitMs: within(waitMs, `${at}.waitMs`, 1, 30_000),
})

const parseMaintenance = (given: Fields, at: string): NonNullable<EdgeRules['maintenance']> => {
  const message = text(given.message, `${at}.maintenance.message`)
  if (message.length > 1000) throw new Malformed(`${at}.maintenance.message is longer than 1000 characters`)
  const retryAfterSeconds = within(given.retryAfterSeconds, `${at}.maintenance.retryAfterSeconds`, 1, 86_400 * 30)
  return { message, retryAfterSeconds }
}

const parseRate = (given: Fields, at: string): NonNullable<EdgeRules['rate']> => {
  const perSecond = finite(given.perSecond, `${at}.perSecond`)
  if (perSecond <= 0 || perSecond > 1e6) throw new Malformed(`${at}.perSecond is not above 0 and at most 1000000`)
  return { perSecond, burst: within(given.burst, `${at}.burst`, 1, 1e6) }
}

const parseHsts = (value: unknown, at: string): string => {
  const given = text(value, at)
  if (!/^max-age=\d{1,10}(; includeSubDomains)?(; preload)?$/.test(given))
    throw new Malformed(`${at} is not such as max-age=31536000; includeSubDomains`)
  return given
}

const within = (value: unknown, at: string, least: number, most: number): number => {
  const number = whole(value, at)
  if (number < least || number > most) throw new Malformed(`${at} is not from ${least} to ${most}`)
  return number
}

/** Which requests of its hosts a route is for: all of these must hold. */
export type EdgeMatch = {
  /** Whole segments: `/api` is for `/api`, `/api/x` and `/api?x`, not for `/apis`. */
  readonly path?: string
  readonly headers?: readonly NamedValue[]
  readonly cookies?: readonly NamedValue[]
}
export type NamedValue = { readonly name: string; readonly value: string }

export const parseMatch = (value: unknown, at: string): EdgeMatch => {
  const match = fields(value, at)
  const path = match.path === undefined ? undefined : text(match.path, `${at}.path`)
  if (path !== undefined && !/^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/.test(path))
    throw new Malformed(`${at}.path is not the beginning of a path such as /api`)
  return {
    ...(path === undefined ? {} : { path }),
    ...(match.headers === undefined ? {} : { headers: list(match.headers, `${at}.headers`, parseNamed) }),
    ...(match.cookies === undefined ? {} : { cookies: list(match.cookies, `${at}.cookies`, parseNamed) }),
  }
}

const parseNamed = (value: unknown, at: string): NamedValue => {
  const named = fields(value, at)
  const name = text(named.name, `${at}.name`)
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/.test(name))
    throw new Malformed(`${at}.name is no name of a header or cookie`)
  return { name, value: text(named.value, `${at}.value`) }
}

/** The longer the path, the earlier it is asked; then the one that asks for more. */
export const bySpecificity = (left: EdgeMatch, right: EdgeMatch): number =>
  (right.path?.length ?? 0) - (left.path?.length ?? 0) || conditionsOf(right) - conditionsOf(left)
const conditionsOf = ({ headers = [], cookies = [] }: EdgeMatch): number => headers.length + cookies.length

/** Whether a request fits. Paths are compared as they were sent: what is percent-encoded is another path. */
export const fitsMatch = ({ path, headers, cookies }: EdgeMatch, target: string, pairs: readonly string[]): boolean =>
  (path === undefined || isBeneath(target, path)) &&
  (headers === undefined || headers.every((one) => valuesOf(one.name, pairs).includes(one.value))) &&
  (cookies === undefined || cookies.every((one) => cookieValues(one.name, pairs).includes(one.value)))

const isBeneath = (target: string, path: string): boolean => {
  if (!target.startsWith(path)) return false
  const next = target[path.length]
  return path.endsWith('/') || next === undefined || next === '/' || next === '?'
}

const valuesOf = (name: string, pairs: readonly string[]): string[] => {
  const lower = name.toLowerCase()
  const values: string[] = []
  for (let at = 0; at < pairs.length; at += 2)
    if (pairs[at]?.length === lower.length && pairs[at]?.toLowerCase() === lower) values.push(pairs[at + 1] ?? '')
  return values
}

const cookieValues = (name: string, pairs: readonly string[]): string[] =>
  valuesOf('cookie', pairs)
    .flatMap((header) => header.split(';'))
    .flatMap((pair) => {
      const mark = pair.indexOf('=')
      return mark !== -1 && pair.slice(0, mark).trim() === name ? [pair.slice(mark + 1).trim()] : []
    })

/** Beyond it those that were seen least lately are forgotten, so that many addresses cannot fill the memory. */
const mostClients = 50_000

/** Rules as they are applied: what clients have asked for lately is kept over changes of the table. */
export class Rules {
  rules: EdgeRules
  /** Null where any number may be open. */
  gate: Gate | null
  /** By address, what was had since somebody asked last; null while nobody does, as there is no other edge. */
  #taken: Map<string, number> | null = null
  /** By address: what is left of the burst, and when that was so. */
  readonly #clients = new Map<string, { left: number; atMs: number }>()

  constructor(rules: EdgeRules) {
    this.rules = rules
    this.gate = rules.concurrency ? new Gate(rules.concurrency) : null
  }

  /** What is open and what was asked for lately counts on. */
  change(rules: EdgeRules): void {
    this.rules = rules
    if (!rules.concurrency || !this.gate) this.gate = rules.concurrency ? new Gate(rules.concurrency) : null
    else {
      this.gate.rule = rules.concurrency
      this.gate.admit()
    }
  }

  /** Why a request is not passed on; null when it is. `lengthBytes` is null for a body of unknown length. */
  refusal(client: string, lengthBytes: number | null, nowMs: number): Refusal | null {
    const { maintenance, bodyBytes, rate } = this.rules
    if (maintenance) return inMaintenance(maintenance.message, maintenance.retryAfterSeconds)
    if (bodyBytes !== undefined && lengthBytes !== null && lengthBytes > bodyBytes) return tooLarge(bodyBytes)
    return rate && !this.#take(client, rate, nowMs) ? tooMany(Math.ceil(1 / rate.perSecond)) : null
  }

  #take(client: string, { perSecond, burst }: NonNullable<EdgeRules['rate']>, nowMs: number): boolean {
    const key = networkOf(client)
    const seen = this.#clients.get(key) ?? { left: burst, atMs: nowMs }
    const left = Math.min(burst, seen.left + ((nowMs - seen.atMs) / 1000) * perSecond)
    this.#clients.delete(key) // to the end of the order
    this.#clients.set(key, { left: left >= 1 ? left - 1 : left, atMs: nowMs })
    if (this.#clients.size > mostClients)
      for (const oldest of this.#clients.keys()) {
        this.#clients.delete(oldest)
        break
      }
    if (left >= 1 && this.#taken && (this.#taken.has(key) || this.#taken.size < mostTaken))
      this.#taken.set(key, (this.#taken.get(key) ?? 0) + 1)
    return left >= 1
  }

  /** What clients had here since this was asked last; the first time nothing. */
  takenSince(): ReadonlyMap<string, number> {
    const taken = this.#taken
    this.#taken = new Map()
    return taken ?? new Map()
  }

  /** What a client had of another edge. It owes no more than one burst, or a storm elsewhere would shut it out for long. */
  takeElsewhere(key: string, requests: number, nowMs: number): void {
    const { rate } = this.rules
    if (!rate) return
    const { perSecond, burst } = rate
    const seen = this.#clients.get(key) ?? { left: burst, atMs: nowMs }
    const left = Math.min(burst, seen.left + ((nowMs - seen.atMs) / 1000) * perSecond)
    this.#clients.set(key, { left: Math.max(-burst, left - requests), atMs: nowMs })
  }
}

const inMaintenance = (message: string, retryAfterSeconds: number): Refusal => ({
  status: 503,
  kind: 'maintenance',
  detail: message,
  next: 'Try again later.',
  retryAfterSeconds,
})

export const tooLarge = (bytes: number): Refusal => ({
  status: 413,
  kind: 'body-too-large',
  detail: `The request's body is larger than the ${bytes} bytes that this service takes.`,
  next: 'Send less at once.',
})

export const overloaded: Refusal = {
  status: 503,
  kind: 'service-busy',
  detail: 'The service has as many requests open as it takes at once.',
  next: 'Try again in a few seconds.',
  retryAfterSeconds: 1,
}

const tooMany = (retryAfterSeconds: number): Refusal => ({
  status: 429,
  kind: 'too-many-requests',
  detail: 'Your address has sent more requests than this service takes from one.',
  next: 'Wait, and send fewer.',
  retryAfterSeconds,
})
