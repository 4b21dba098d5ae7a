import type { Readable } from 'node:stream'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { webStream } from './ledger-routes.ts'
import { type ApiEnv, route } from './route.ts'

/** Everything in one file. */
export const backupRoutes = (backup: (actor: string) => Readable) =>
  new OpenAPIHono<ApiEnv>().openapi(
    route(
      { role: 'administrator', in: 'instance' },
      {
        method: 'get',
        path: '/backup',
        summary: 'All of Headway in one file',
        responses: {
          200: {
            description: 'A gzipped tar for `headway restore`. It holds the keys: keep it as you keep those.',
            content: { 'application/gzip': { schema: z.string() } },
          },
        },
      },
    ),
    async (context) =>
      context.body(webStream(backup(context.get('identity').actor)), 200, {
        'content-type': 'application/gzip',
        'content-disposition': 'attachment; filename="headway-backup.tar.gz"',
      }),
  )
