import { z } from 'zod'
import type { EdgeMatch, EdgeRules } from '../edge/rules.ts'
import { amountOfBytes, bytesOf, milliseconds, time } from './units.ts'

const expectedToken = 'expected a name of letters, digits and dashes'
const token = z.string({ error: expectedToken }).regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, expectedToken)
const expectedPath = 'expected the beginning of a path such as /api'
const values = z.record(token, z.string().min(1).max(512), { error: 'expected names and values such as X-Tenant: one' })

/** Which requests of its hosts somebody gets: all of these must hold. */
export const MatchKey = z.strictObject({
  path: z
    .string({ error: expectedPath })
    .regex(/^\/[\x21-\x22\x24-\x3e\x40-\x7e]*$/, expectedPath)
    .max(200)
    .optional()
    .describe('Whole segments: /api is for /api, /api/x and /api?x, not for /apis.'),
  headers: values.optional().describe('Headers of exactly these values.'),
  cookies: values.optional().describe('Cookies of exactly these values.'),
})
export type MatchKey = z.infer<typeof MatchKey>

const expectedHsts = 'expected true, or { maxAge: 365d, subdomains: true, preload: true }'
const expectedPerClient = 'expected a number of requests each second, or { perSecond: 20, burst: 40 }'
const perSecond = z.number({ error: expectedPerClient }).positive(expectedPerClient).max(1e6, expectedPerClient)
const message = z.string().trim().min(1).max(1000)
const expectedMaintenance = 'expected a message, or { message: Back at noon., retryAfter: 10m }'
const expectedConcurrency = 'expected a number of requests, or { limit: 200, queue: 100, wait: 2s }'
const concurrent = z.int({ error: expectedConcurrency }).min(1, expectedConcurrency).max(1e6, expectedConcurrency)
const atLeastMs = (least: number, written: string | number): boolean => !(milliseconds(written) < least)

/** What the edge does for a service beside reaching it. */
export const ruleKeys = {
  timeout: time
    .refine((written) => atLeastMs(1, written), 'expected a time of at least 1ms')
    .optional()
    .describe('From the end of a request until the answer begins; then 504. Default 60s.'),
  requestTimeout: time
    .refine((written) => !(milliseconds(written) < 1), 'expected a time of at least 1ms')
    .optional()
    .describe('Until the body of a request is complete; then 408. Default 1h, and a minute without a byte.'),
  totalTimeout: time
    .refine((written) => !(milliseconds(written) < 1), 'expected a time of at least 1ms')
    .optional()
    .describe('Until an answer is complete; then it is broken off. Default: no limit.'),
  retries: z
    .int()
    .min(0)
    .max(5)
    .optional()
    .describe('How often a request that may be repeated is sent again when its connection broke. Default 1.'),
  balance: z
    .enum(['least-requests', 'round-robin'])
    .optional()
    .describe('Which instance of a version gets a request. Default: the one with the fewest open requests.'),
  slowStart: time
    .refine((written) => milliseconds(written) <= 3_600_000, 'expected a time of at most 1h')
    .optional()
    .describe('For so long an instance that came beside others gets less than its part, more and more. Default 0.'),
  concurrency: z
    .union(
      [
        concurrent,
        z.strictObject({
          limit: concurrent,
          queue: z.int().min(0).max(10_000).optional().describe('How many may wait. Default 100.'),
          wait: time
            .refine((written) => milliseconds(written) <= 30_000, 'expected a time of at most 30s')
            .optional()
            .describe('For how long. Default 2s.'),
        }),
      ],
      { error: expectedConcurrency },
    )
    .optional()
    .describe('Requests open at once in each edge process; a few more wait, beyond it 503.'),
  body: amountOfBytes('expected a size such as 10MB or 512K')
    .optional()
    .describe('The largest body of a request; beyond it 413. Default: no limit.'),
  compress: z
    .boolean()
    .optional()
    .describe('Whether answers of text are compressed (zstd or gzip) for those who take it. Default false.'),
  hsts: z
    .union(
      [
        z.boolean(),
        z.strictObject({
          maxAge: time.optional().describe('Default 365d.'),
          subdomains: z.boolean().optional(),
          preload: z.boolean().optional(),
        }),
      ],
      { error: expectedHsts },
    )
    .optional()
    .describe('Tells browsers, over TLS, never to come by plain HTTP again.'),
  perClient: z
    .union([perSecond, z.strictObject({ perSecond, burst: z.int().min(1).max(1e6).optional() })], {
      error: expectedPerClient,
    })
    .optional()
    .describe('Requests of one client address: so many each second, so many at once; beyond it 429.'),
  maintenance: z
    .union([message, z.strictObject({ message, retryAfter: time.optional() })], { error: expectedMaintenance })
    .optional()
    .describe('What everybody is told (503) in place of the service.'),
} as const
export const RuleKeys = z.strictObject(ruleKeys)

/** `edge:` in a headway.yaml. It is part of the desired state as it is written. */
export const EdgeKey = z.strictObject({
  only: MatchKey.optional().describe(
    'Of the requests for its hosts only those that fit; the others are for other services of the project with these hosts. Its own host leads to it wholly.',
  ),
  ...ruleKeys,
})
export type EdgeKey = z.infer<typeof EdgeKey>
export type RuleKeys = z.infer<typeof RuleKeys>

/** The rules that the keys stand for; null where nothing is asked for, which costs no request anything. */
export const defineRules = (keys: RuleKeys): EdgeRules | null => {
  const { timeout, body, compress, hsts, perClient, maintenance } = keys
  const rules: EdgeRules = {
    ...(timeout === undefined ? {} : { answerMs: Math.round(milliseconds(timeout)) }),
    ...(keys.requestTimeout === undefined ? {} : { requestMs: Math.round(milliseconds(keys.requestTimeout)) }),
    ...(keys.totalTimeout === undefined ? {} : { wholeMs: Math.round(milliseconds(keys.totalTimeout)) }),
    ...(keys.retries === undefined ? {} : { retries: keys.retries }),
    ...(keys.balance === 'round-robin' ? { balance: keys.balance } : {}),
    ...(keys.slowStart === undefined || milliseconds(keys.slowStart) < 1
      ? {}
      : { slowStartMs: Math.round(milliseconds(keys.slowStart)) }),
    ...(keys.concurrency === undefined ? {} : { concurrency: concurrencyOf(keys.concurrency) }),
    ...(body === undefined ? {} : { bodyBytes: bytesOf(body) }),
    ...(compress === true ? { compress } : {}),
    ...(hsts === undefined || hsts === false ? {} : { hsts: hstsOf(hsts === true ? {} : hsts) }),
    ...(perClient === undefined ? {} : { rate: rateOf(perClient) }),
    ...(maintenance === undefined ? {} : { maintenance: maintenanceOf(maintenance) }),
  }
  return Object.keys(rules).length === 0 ? null : rules
}

export const defineMatch = ({ path, headers, cookies }: MatchKey): EdgeMatch => ({
  ...(path === undefined ? {} : { path }),
  ...(headers === undefined ? {} : { headers: named(headers) }),
  ...(cookies === undefined ? {} : { cookies: named(cookies) }),
})

const named = (given: Readonly<Record<string, string>>) =>
  Object.entries(given).map(([name, value]) => ({ name, value }))

const hstsOf = ({
  maxAge = '365d',
  subdomains = false,
  preload = false,
}: Exclude<NonNullable<RuleKeys['hsts']>, boolean>): string =>
  `max-age=${Math.round(milliseconds(maxAge) / 1000)}${subdomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`

const concurrencyOf = (given: NonNullable<RuleKeys['concurrency']>): NonNullable<EdgeRules['concurrency']> => {
  const { limit, queue = 100, wait = '2s' } = typeof given === 'number' ? { limit: given } : given
  return { limit, queue, waitMs: Math.max(1, Math.round(milliseconds(wait))) }
}

const rateOf = (given: NonNullable<RuleKeys['perClient']>): NonNullable<EdgeRules['rate']> => {
  const { perSecond: each, burst } = typeof given === 'number' ? { perSecond: given, burst: undefined } : given
  return { perSecond: each, burst: burst ?? Math.max(1, Math.ceil(each * 2)) }
}

const maintenanceOf = (given: NonNullable<RuleKeys['maintenance']>): NonNullable<EdgeRules['maintenance']> => {
  const { message: said, retryAfter = '1m' } = typeof given === 'string' ? { message: given } : given
  return { message: said, retryAfterSeconds: Math.max(1, Math.round(milliseconds(retryAfter) / 1000)) }
}
