import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Identity } from '../access/access.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { EventStreams } from './events.ts'
import { type ApiEnv, route } from './route.ts'

const sequence = z.coerce.number().int().min(0)
const types = z
  .string()
  .transform((text) => text.split(',').filter((type) => type !== ''))
  .optional()

/** What changes, as server-sent events. */
export const eventRoutes = ({
  events,
  ledger,
  identify,
}: {
  events: EventStreams
  ledger: Ledger
  identify(context: Context): Promise<Identity | null>
}) =>
  new OpenAPIHono<ApiEnv & { Bindings: { outgoing?: { destroy(): void } } }>().openapi(
    route('somebody', {
      method: 'get',
      path: '/events',
      summary: 'Facts as they are recorded',
      description:
        'Those that the caller may see. Goes on after `Last-Event-ID` or `after`; else with what comes next.',
      request: {
        query: z.object({ after: sequence.optional(), types }),
        headers: z.object({ 'last-event-id': sequence.optional() }),
      },
      responses: {
        200: {
          description: 'Server-sent events: `id` is the sequence number, `event` the type, `data` the fact as JSON.',
          content: { 'text/event-stream': { schema: z.string() } },
        },
      },
    }),
    async (context) => {
      const query = context.req.valid('query')
      const after = context.req.valid('header')['last-event-id'] ?? query.after ?? (await ledger.head()).seq
      const stream = events.open({
        after,
        types: query.types,
        identify: () => identify(context),
        drop: () => context.env.outgoing?.destroy(),
      })
      return context.body(stream, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
    },
  )
