import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Clock } from '../clock.ts'
import type { Home } from '../home.ts'
import { Checkpoint, openCheckpointKey, signCheckpoint } from '../ledger/checkpoint.ts'
import { exportLedger } from '../ledger/export.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { verifyLedger } from '../ledger/verify.ts'
import type { Log } from '../log.ts'
import type { Store } from '../store/store.ts'
import { asNdjson, streamOf, telling } from './ndjson.ts'
import { problemBody, problemOf } from './refusal.ts'
import { type ApiEnv, json, route } from './route.ts'

const FactBody = z
  .object({
    seq: z.number().int(),
    at: z.number(),
    type: z.string(),
    version: z.number().int(),
    subject: z.string(),
    actor: z.string(),
    causes: z.array(z.number().int()),
    /** Null once it was erased. */
    payload: z.any().meta({ type: ['object', 'null'] }),
  })
  .meta({ id: 'Fact' })

const VerdictBody = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('whole'), facts: z.number().int(), seq: z.number().int(), hash: z.string() }),
    z.object({
      kind: z.literal('broken'),
      seq: z.number().int(),
      what: z.enum(['altered', 'removed', 'inserted', 'truncated', 'rewritten']),
      detail: z.string(),
    }),
  ])
  .meta({ id: 'ChainVerdict' })

const CheckpointBody = Checkpoint.meta({ id: 'Checkpoint' })
type RebuildLine =
  | { readonly applied: number; readonly total: number }
  | { readonly equal: boolean }
  | { readonly problem: ReturnType<typeof problemBody> }

const sequence = z.coerce.number().int().min(0)
const viewer = { role: 'viewer', in: 'instance' } as const
const administrator = { role: 'administrator', in: 'instance' } as const

/** Everything that happened, and the proof that nothing of it was altered. */
export const ledgerRoutes = (options: {
  ledger: Ledger
  views: Views
  store: Store
  home: Home
  clock: Clock
  log: Pick<Log, 'problem'>
}) => {
  const { ledger, views, store, home, clock, log } = options
  return new OpenAPIHono<ApiEnv>()
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/ledger',
        summary: 'Facts',
        request: {
          query: z.object({
            after: sequence.optional().describe('Only those after this sequence number (before, when newest first)'),
            limit: z.coerce.number().int().min(1).max(1000).default(100),
            types: z.string().optional().describe('Only these types, with commas between'),
            subject: z.string().optional(),
            order: z.enum(['oldest', 'newest']).default('oldest'),
          }),
        },
        responses: { 200: json(z.array(FactBody), 'In the order of their sequence numbers, or the newest first.') },
      }),
      async (context) => {
        const { after, limit, types, subject, order } = context.req.valid('query')
        const facts = await ledger.read({
          limit,
          newestFirst: order === 'newest',
          ...(after === undefined ? {} : { after }),
          ...(types === undefined ? {} : { types: types.split(',') }),
          ...(subject === undefined ? {} : { subject }),
        })
        return context.json(
          facts.map((fact) => ({
            ...fact,
            causes: [...fact.causes],
            payload: z.json().nullable().parse(fact.payload),
          })),
          200,
        )
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/ledger/head',
        summary: 'Where the chain stands',
        responses: { 200: json(z.object({ seq: z.number().int(), hash: z.string() }), 'The newest fact.') },
      }),
      async (context) => context.json(await ledger.head(), 200),
    )
    .openapi(
      route(viewer, {
        method: 'post',
        path: '/ledger/verify',
        summary: 'Verify the chain',
        request: {
          body: {
            content: {
              'application/json': {
                schema: z.object({
                  checkpoints: z.array(CheckpointBody).max(10_000).default([]),
                  publicKey: z.string().optional(),
                }),
              },
            },
          },
        },
        responses: {
          200: json(
            VerdictBody,
            'Whole, or the first fact that is not as it was recorded; also against checkpoints kept elsewhere.',
          ),
        },
      }),
      async (context) => {
        const { checkpoints, publicKey } = context.req.valid('json')
        return context.json(await verifyLedger(store, { checkpoints, ...(publicKey ? { publicKey } : {}) }), 200)
      },
    )
    .openapi(
      route(administrator, {
        method: 'post',
        path: '/ledger/views/rebuild',
        summary: 'Build all views anew from the ledger',
        responses: {
          200: {
            // Said without a content type, as the library's types know no streams.
            description:
              'NDJSON: lines `{"applied": <facts>, "total": <facts>}` while it goes on, and last `{"equal": <boolean>}`: whether they came out as they were; false means that something besides the ledger had changed them. Where it failed the last is `{"problem": {...}}`, and the views are as they were. It goes on when nobody reads any more.',
          },
        },
      }),
      async (context) => {
        const rebuilding = telling<RebuildLine>(async (tell) => {
          try {
            return { equal: await equalsRebuild(ledger, views, (applied, total) => tell({ applied, total })) }
          } catch (error) {
            const request = randomUUID()
            const problem = problemOf(error, request)
            if (problem.status >= 500) log.problem('building views anew', error, { request })
            return { problem: problemBody(problem) }
          }
        })
        return context.body(asNdjson(rebuilding), 200, { 'content-type': 'application/x-ndjson' })
      },
    )
    .openapi(
      route(administrator, {
        method: 'post',
        path: '/ledger/checkpoint',
        summary: 'Sign where the chain stands',
        responses: { 200: json(CheckpointBody, 'To be kept elsewhere: it shows truncation and rewriting.') },
      }),
      async (context) => {
        const key = openCheckpointKey(join(home.root, 'checkpoint-key'))
        return context.json(await signCheckpoint({ ledger, key, clock }, context.get('identity').actor), 200)
      },
    )
    .openapi(
      route(administrator, {
        method: 'get',
        path: '/ledger/export',
        summary: 'The whole ledger',
        responses: {
          200: {
            // Said without a content type, as the library's types know no streams.
            description: 'application/x-ndjson: one fact a line, with the exact text that the chain covers.',
          },
        },
      }),
      async (context) =>
        context.body(webStream(Readable.from(exportLedger(store))), 200, { 'content-type': 'application/x-ndjson' }),
    )
    .openapi(
      route(administrator, {
        method: 'post',
        path: '/ledger/{seq}/erase',
        summary: "Forget a fact's payload for good",
        request: {
          params: z.object({ seq: z.coerce.number().int().min(1) }),
          body: { content: { 'application/json': { schema: z.object({ why: z.string().min(1).max(500) }) } } },
        },
        responses: { 200: json(z.object({ erased: z.number().int() }), 'The envelope stays, and the chain verifies.') },
      }),
      async (context) => {
        const { seq } = context.req.valid('param')
        await ledger.erase(seq, context.req.valid('json').why, context.get('identity').actor)
        return context.json({ erased: seq }, 200)
      },
    )
}

/** Compares the views with a rebuild of the same facts: what was recorded meanwhile would make another picture, so then it is tried again. */
const equalsRebuild = async (
  ledger: Ledger,
  views: Views,
  progress: (applied: number, total: number) => void,
): Promise<boolean> => {
  for (;;) {
    const { seq } = await ledger.head()
    const before = await views.digest()
    await views.rebuild(progress)
    const equal = (await views.digest()) === before
    if (equal || (await ledger.head()).seq === seq) return equal
  }
}

export const webStream = (stream: Readable): ReadableStream<Uint8Array> =>
  streamOf(stream.map((chunk: string | Uint8Array) => (typeof chunk === 'string' ? Buffer.from(chunk) : chunk)))
