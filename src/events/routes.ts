import { OpenAPIHono, z } from '@hono/zod-openapi'
import { streamOf } from '../api/ndjson.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { readSignedBody } from '../api/signed-body.ts'
import { Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { Source, SourceName } from './facts.ts'
import type { Events } from './index.ts'
import { Mapping } from './records.ts'
import { SourceKind } from './sources/reading.ts'

const ReceiptBody = z
  .object({
    outcome: z.enum(['recorded', 'duplicate']),
    events: z.number().int(),
    facts: z.number().int(),
    /** What has no service or environment here. */
    unplaced: z.array(z.string()),
  })
  .meta({ id: 'EventReceipt' })

const SourceBody = Source.omit({ secret: true, project: true }).meta({ id: 'EventSource' })
const SourceWish = z.object({
  kind: SourceKind,
  service: ServiceName.nullable().default(null),
  environment: EnvironmentName.nullable().default(null),
  mappings: z.array(Mapping).max(200).default([]),
  deployJobs: z.array(z.string().min(1).max(200)).max(50).default([]),
  releases: z.boolean().default(false),
  incidentLabels: z.array(z.string().min(1).max(100)).max(50).default(['incident']),
  /** Left out: the one that it has, or a new one. */
  secret: z.string().min(16).max(500).optional(),
})
const ReceivedBody = z
  .object({
    seq: z.number().int(),
    at: z.number(),
    source: z.string(),
    type: z.string(),
    about: z.string().nullable(),
    facts: z.number().int(),
    unplaced: z.array(z.string()),
    digest: z.string(),
  })
  .meta({ id: 'ReceivedEvent' })
const SubscriptionBody = z
  .object({
    subscription: z.string(),
    host: z.string(),
    types: z.array(z.string()),
    /** The last fact that it was told of, or that does not concern it. */
    seq: z.number().int(),
    attempts: z.number().int(),
    retryAt: z.number().nullable(),
    detail: z.string().nullable(),
    dead: z.number().int(),
  })
  .meta({ id: 'EventSubscription' })
const DeadBody = z
  .object({ seq: z.number().int(), failedAt: z.number(), attempts: z.number().int(), detail: z.string() })
  .meta({ id: 'DeadLetter' })

const inProject = z.object({ project: ProjectName })
const ofSource = z.object({ project: ProjectName, source: SourceName })
const ofSubscription = z.object({ project: ProjectName, subscription: SourceName })
const viewer = { role: 'viewer', in: 'project' } as const
const operator = { role: 'operator', in: 'project' } as const
const administrator = { role: 'administrator', in: 'project' } as const
const SecretBody = z.object({ secret: z.string().nullable() })
const secretSaid = json(SecretBody, 'Its secret where one was made; it is shown this once.')

/** Events from elsewhere and to elsewhere. Bodies of events are read as bytes: they are kept and signed as such. */
export const eventDoorRoutes = (events: Events) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route('signature', {
        method: 'post',
        path: '/hooks/{project}/{source}',
        summary: 'A webhook of another system',
        description:
          'The body is what that system sends (JSON, 5 MiB at most, there within 30 s), signed as it signs: docs/events.md.',
        request: { params: ofSource },
        responses: { 200: json(ReceiptBody, 'What became of it. The same again changes nothing.') },
      }),
      async (context) => {
        const { project, source } = context.req.valid('param')
        const { incoming } = context.env
        if (!incoming) throw new Error('a delivery comes by HTTP')
        const body = await readSignedBody(incoming)
        return context.json(
          receiptOf(await events.deliver(project, source, { headers: context.req.raw.headers, body })),
          200,
        )
      },
    )
    .openapi(
      route(operator, {
        method: 'post',
        path: '/projects/{project}/events',
        summary: 'Tell of something that happened elsewhere',
        description:
          'CDEvents 0.5.1, in a CloudEvents envelope (structured, batched or binary) or without, or records of deployments, changes, runs and incidents: docs/events.md.',
        request: { params: inProject, query: z.object({ source: SourceName.default('api') }) },
        responses: { 200: json(ReceiptBody, 'What became of it. The same again changes nothing.') },
      }),
      async (context) => {
        const { project } = context.req.valid('param')
        const body = new Uint8Array(await context.req.arrayBuffer())
        const request = { headers: context.req.raw.headers, body }
        const { actor } = context.get('identity')
        return context.json(
          receiptOf(await events.tell(project, context.req.valid('query').source, request, actor)),
          200,
        )
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/events',
        summary: 'What happened in a project, as CDEvents',
        request: { params: inProject, query: z.object({ after: z.coerce.number().int().min(0).default(0) }) },
        responses: { 200: { description: 'application/x-ndjson: one CloudEvent a line, that holds a CDEvent.' } },
      }),
      (context) => {
        const told = events.export(context.req.valid('param').project, context.req.valid('query').after)
        const lines = async function* () {
          for await (const { body } of told) yield Buffer.from(`${body}\n`)
        }
        return context.body(streamOf(lines()), 200, { 'content-type': 'application/x-ndjson' })
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/events/received',
        summary: 'What other systems told of late',
        request: { params: inProject },
        responses: { 200: json(z.array(ReceivedBody), 'The newest first.') },
      }),
      async (context) => {
        const rows = await events.received(context.req.valid('param').project)
        const texts = z.array(z.string())
        const bodies = rows.map(({ seq, at, source, type, about, facts, digest, unplaced }) => ({
          ...{ seq, at, source, type, about, facts, digest, unplaced: texts.parse(JSON.parse(unplaced)) },
        }))
        return context.json(bodies, 200)
      },
    )
    .openapi(
      route(administrator, {
        method: 'get',
        path: '/projects/{project}/events/received/{digest}',
        summary: 'The bytes that another system sent',
        request: { params: z.object({ project: ProjectName, digest: Digest }) },
        responses: { 200: { description: 'application/octet-stream: as they came.' } },
      }),
      async (context) => {
        const { project, digest } = context.req.valid('param')
        const body = await events.body(project, digest)
        if (body === null) throw gone(digest)
        return context.body(new Uint8Array(body), 200, { 'content-type': 'application/octet-stream' })
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/event-sources',
        request: { params: inProject },
        responses: { 200: json(z.array(SourceBody), 'The systems that may tell of themselves; no secrets.') },
      }),
      async (context) => {
        const all = await events.sources(context.req.valid('param').project)
        return context.json(
          all.map(({ secret: _, project: __, ...shown }) => shown),
          200,
        )
      },
    )
    .openapi(
      route(administrator, {
        method: 'put',
        path: '/projects/{project}/event-sources/{source}',
        request: { params: ofSource, body: { content: { 'application/json': { schema: SourceWish } } } },
        responses: { 200: secretSaid },
      }),
      async (context) => {
        const { project, source } = context.req.valid('param')
        const { secret, ...wish } = context.req.valid('json')
        const { actor } = context.get('identity')
        return context.json(await events.setSource(project, source, wish, secret ?? null, actor), 200)
      },
    )
    .openapi(
      route(administrator, {
        method: 'delete',
        path: '/projects/{project}/event-sources/{source}',
        request: { params: ofSource },
        responses: { 200: json(z.object({ removed: z.string() }), 'It tells nothing any more.') },
      }),
      async (context) => {
        const { project, source } = context.req.valid('param')
        await events.removeSource(project, source, context.get('identity').actor)
        return context.json({ removed: source }, 200)
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/event-subscriptions',
        request: { params: inProject },
        responses: { 200: json(z.array(SubscriptionBody), 'Who is told, and how far.') },
      }),
      async (context) => {
        const all = await events.subscriptions(context.req.valid('param').project)
        return context.json(
          all.map(({ subscription, host, types, position, dead }) => ({
            ...{ subscription, host, types, dead, seq: position.seq, attempts: position.attempts },
            ...{ retryAt: position.retry_at, detail: position.detail },
          })),
          200,
        )
      },
    )
    .openapi(
      route(administrator, {
        method: 'put',
        path: '/projects/{project}/event-subscriptions/{subscription}',
        request: {
          params: ofSubscription,
          body: {
            content: {
              'application/json': {
                schema: z.object({
                  url: z.url({ protocol: /^https?$/ }).max(2_000),
                  /** Left out: a new one. */
                  secret: z.string().min(16).max(500).optional(),
                  /** Patterns of CDEvents types, such as `dev.cdevents.service.*`; none: everything. */
                  types: z.array(z.string().min(1).max(200)).max(50).default([]),
                  /** From after this fact on; left out: from now on. */
                  after: z.number().int().min(0).optional(),
                }),
              },
            },
          },
        },
        responses: { 200: secretSaid },
      }),
      async (context) => {
        const { project, subscription } = context.req.valid('param')
        const { url, secret = null, types, after = null } = context.req.valid('json')
        const { actor } = context.get('identity')
        return context.json(await events.subscribe(project, subscription, { url, secret, types, after }, actor), 200)
      },
    )
    .openapi(
      route(administrator, {
        method: 'delete',
        path: '/projects/{project}/event-subscriptions/{subscription}',
        request: { params: ofSubscription },
        responses: { 200: json(z.object({ removed: z.string() }), 'It is told nothing any more.') },
      }),
      async (context) => {
        const { project, subscription } = context.req.valid('param')
        await events.unsubscribe(project, subscription, context.get('identity').actor)
        return context.json({ removed: subscription }, 200)
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/event-subscriptions/{subscription}/dead',
        request: { params: ofSubscription },
        responses: { 200: json(z.array(DeadBody), 'The facts that were not taken, oldest first.') },
      }),
      async (context) => {
        const { project, subscription } = context.req.valid('param')
        const rows = await events.dead(project, subscription)
        return context.json(
          rows.map(({ seq, failed_at, attempts, detail }) => ({ seq, failedAt: failed_at, attempts, detail })),
          200,
        )
      },
    )
    .openapi(
      route(administrator, {
        method: 'post',
        path: '/projects/{project}/event-subscriptions/{subscription}/replay',
        request: {
          params: ofSubscription,
          body: {
            content: {
              'application/json': {
                schema: z.union([
                  z.object({ after: z.number().int().min(0) }).strict(),
                  /** What was not taken, or only one of it: the number of its fact. */
                  z.object({ dead: z.literal(true), seq: z.number().int().min(1).optional() }).strict(),
                ]),
              },
            },
          },
        },
        responses: { 200: json(z.object({ taken: z.number().int().nullable() }), 'How many dead letters were taken.') },
      }),
      async (context) => {
        const { project, subscription } = context.req.valid('param')
        const wish = context.req.valid('json')
        if ('dead' in wish)
          return context.json({ taken: await events.resend(project, subscription, wish.seq ?? null) }, 200)
        await events.replayFrom(project, subscription, wish.after)
        return context.json({ taken: null }, 200)
      },
    )

const receiptOf = ({ outcome, events, facts, unplaced }: Awaited<ReturnType<Events['deliver']>>) => ({
  ...{ outcome, events, facts, unplaced: [...unplaced] },
})

const gone = (digest: string): Problem =>
  new Problem({
    kind: 'event-not-found',
    status: 404,
    detail: `nothing that this project was told is kept under ${digest}`,
    next: 'headway events received shows what is',
  })
