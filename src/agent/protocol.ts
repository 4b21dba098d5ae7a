import { z } from 'zod'
import type { EdgeMatch, EdgeRules } from '../edge/rules.ts'

/**
 * What is said between the control plane and the machine's agent: JSON over HTTP on the Unix socket `agent.sock` (mode 0600).
 * The agent knows instances and routes, nothing of stages. Every verb may be repeated; the second time changes nothing.
 *
 *   GET    /health                         AgentHealth
 *   PUT    /instances/:id    InstanceSpec  Instance: written down durably first, then started; the same spec again is a no-op
 *   GET    /instances                      Instance[]
 *   GET    /instances/:id                  Instance, 404 when unknown
 *   GET    /instances/:id/settled?timeoutMs=  Instance once it is healthy, has failed to become so, or the time is over
 *   DELETE /instances/:id                  StopOutcome once it is gone: out of the routes, drained, SIGTERM, after the grace
 *                                          SIGKILL, its process group and its directory gone too; { kind: 'absent' } when unknown
 *   PUT    /routes           RouteTable    { generation } once the edge routes so; refused (409) when older than the last one
 *   GET    /routes                         RouteTable
 *   GET    /events?after=N&waitMs=         { events: AgentEvent[], next: N }: long poll; kept until acknowledged by `after`
 *   GET    /traffic?after=N                TrafficMinutes: finished and current minutes, cumulative within a minute
 *   GET    /samples                        { samples: EdgeSamples[] }: of every edge, also of those that ended in the last ten minutes
 *   GET    /logs?...LogQuery               NDJSON of LogLine; with follow=true the answer stays open
 *   POST   /edge/replace                   { pid } of a new edge that has taken over the listening socket
 *   POST   /shutdown         { instances: 'keep' | 'stop' }
 */
export const InstanceId = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,120}$/)
export type InstanceId = z.infer<typeof InstanceId>

/** Whose instance it is; labels that the agent carries but does not interpret. */
export const Owner = z.object({
  project: z.string(),
  service: z.string(),
  environment: z.string(),
  release: z.string(),
  commit: z.string(),
})
export type Owner = z.infer<typeof Owner>

export const HealthCheck = z.discriminatedUnion('kind', [
  /** Healthy is any answer below 500. */
  z.object({
    kind: z.literal('http'),
    path: z.string().startsWith('/'),
    intervalMs: z.number(),
    timeoutMs: z.number(),
    failures: z.number().int(),
  }),
  z.object({ kind: z.literal('tcp'), intervalMs: z.number(), timeoutMs: z.number(), failures: z.number().int() }),
])
export type HealthCheck = z.infer<typeof HealthCheck>

export const InstanceSpec = z.object({
  id: InstanceId,
  owner: Owner,
  /** A directory that is cloned (hard links where the user differs, else copies) to be the instance's own, or null for an empty one. */
  files: z.string().nullable(),
  /** Run in the instance's own directory, or in this folder beneath it. */
  workingDirectory: z.string(),
  argv: z.array(z.string()).min(1),
  /** Complete but for PORT, HOST, HOME and TMPDIR, which the agent adds. Kept sealed at rest. */
  env: z.record(z.string(), z.string()),
  /** A fixed port, or null for one that the agent allots and keeps over restarts. */
  port: z.number().int().nullable(),
  health: HealthCheck,
  /** From start until it counts as failed to become healthy. */
  readyTimeoutMs: z.number(),
  stop: z.object({ signal: z.enum(['SIGTERM', 'SIGINT', 'SIGQUIT']), drainMs: z.number(), graceMs: z.number() }),
  limits: z.object({
    memoryBytes: z.number().nullable(),
    cpus: z.number().nullable(),
    processes: z.number().int().nullable(),
  }),
  /** Unprivileged user, or null to run as the agent's own. */
  user: z.object({ uid: z.number().int(), gid: z.number().int() }).nullable(),
})
export type InstanceSpec = z.infer<typeof InstanceSpec>

export const Exit = z.object({
  exitCode: z.number().int().nullable(),
  signal: z.string().nullable(),
  outOfMemory: z.boolean(),
  at: z.number(),
})
export type Exit = z.infer<typeof Exit>

export const Instance = z.object({
  id: InstanceId,
  owner: Owner,
  /** `failed`: did not become healthy within readyTimeoutMs of its first start; it is not restarted any more. */
  state: z.enum(['starting', 'healthy', 'unhealthy', 'backing-off', 'failed', 'stopping']),
  port: z.number().int(),
  pid: z.number().int().nullable(),
  startedAt: z.number().nullable(),
  restarts: z.number().int(),
  lastExit: Exit.nullable(),
  /** The last probe in words: `GET / answered 200 in 3 ms`, `connect ECONNREFUSED`, `listens on 8000, PORT is 40123`. */
  lastProbe: z.string().nullable(),
  memoryBytes: z.number().nullable(),
})
export type Instance = z.infer<typeof Instance>

export const StopOutcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('absent') }),
  z.object({ kind: z.literal('stopped'), drained: z.boolean(), killed: z.boolean(), exit: Exit.nullable() }),
])
export type StopOutcome = z.infer<typeof StopOutcome>

/** Routes name instances; the agent tells the edge which of them are healthy and on which port. The rest is said in edge/protocol.ts. */
export const Route = z.object({
  hosts: z.array(z.string()).min(1),
  service: z.string(),
  pools: z.array(z.object({ version: z.string(), weight: z.number().min(0), instances: z.array(InstanceId) })),
  affinity: z.object({ cookie: z.string(), seconds: z.number().int().min(1) }).exactOptional(),
  overrides: z
    .array(z.object({ in: z.enum(['header', 'query']), name: z.string(), value: z.string(), version: z.string() }))
    .readonly()
    .exactOptional(),
  mirror: z
    .object({
      version: z.string(),
      instances: z.array(InstanceId),
      share: z.number().min(0).max(1),
      methods: z.array(z.string()).readonly().exactOptional(),
    })
    .exactOptional(),
  sample: z.object({ errorWindowMs: z.number().int().min(0) }).exactOptional(),
  /** Further hosts, of which only those requests are for it that fit. */
  shared: z.object({ hosts: z.array(z.string()).min(1), match: z.custom<EdgeMatch>() }).exactOptional(),
  rules: z.custom<EdgeRules>().exactOptional(),
})
export type Route = z.infer<typeof Route>
export const RouteTable = z.object({ generation: z.number().int(), routes: z.array(Route) })
export type RouteTable = z.infer<typeof RouteTable>

export const AgentEvent = z.object({
  seq: z.number().int(),
  at: z.number(),
  instance: InstanceId,
  owner: Owner,
  kind: z.enum(['exited', 'healthy', 'unhealthy', 'failed']),
  exit: Exit.nullable(),
  restartInMs: z.number().nullable(),
})
export type AgentEvent = z.infer<typeof AgentEvent>

// It stands with the edge, which counts by it and must not load this file's schemas.
export { latencyEdgesMs } from '../edge/protocol.ts'

/** What went through the edge for one version of one service in one minute. */
export const TrafficMinute = z.object({
  /** Start of the minute, milliseconds since 1970. */
  minute: z.number(),
  service: z.string(),
  version: z.string(),
  requests: z.number().int(),
  /** By status class: informational and upgrades, 2xx, 3xx, 4xx, 5xx; `failed` are those that the edge itself had to answer. */
  classes: z.object({
    c1: z.number(),
    c2: z.number(),
    c3: z.number(),
    c4: z.number(),
    c5: z.number(),
    failed: z.number(),
  }),
  /** One count per bucket of latencyEdgesMs and one more for what lies beyond. */
  latency: z.array(z.number().int()),
})
export type TrafficMinute = z.infer<typeof TrafficMinute>

export const LogQuery = z.object({
  project: z.string(),
  service: z.string(),
  environment: z.string().optional(),
  instance: z.string().optional(),
  since: z.coerce.number().optional(),
  until: z.coerce.number().optional(),
  /** Only lines that contain this text, ignoring case. */
  search: z.string().optional(),
  /** The newest this many lines of what matches. Default 100. */
  limit: z.coerce.number().int().max(100_000).optional(),
  follow: z.enum(['true', 'false']).optional(),
})
export type LogQuery = z.infer<typeof LogQuery>

export const LogLine = z.object({
  at: z.number(),
  instance: z.string(),
  stream: z.enum(['stdout', 'stderr']),
  text: z.string(),
})
export type LogLine = z.infer<typeof LogLine>

export const AgentHealth = z.object({
  version: z.string(),
  pid: z.number(),
  startedAt: z.number(),
  edge: z.object({
    pid: z.number().nullable(),
    port: z.number(),
    host: z.string(),
    tls: z.object({ port: z.number(), host: z.string() }).nullable().default(null),
  }),
})
export type AgentHealth = z.infer<typeof AgentHealth>
