import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, ProblemBody, route } from './route.ts'

/** What of an OpenAPI document the reference page shows. */
export type Document = ReturnType<OpenAPIHono['getOpenAPI31Document']>

const made = new WeakMap<object, Document>()

/** The API in OpenAPI 3.1, made from the schemas when first asked for. */
// biome-ignore lint/suspicious/noExplicitAny: any app with its routes can be described
export const describe = (app: OpenAPIHono<any, any, any>, version: string): Document => {
  const known = made.get(app)
  if (known) return known
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', { type: 'http', scheme: 'bearer' })
  app.openAPIRegistry.register('Problem', ProblemBody)
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Headway',
      version,
      description:
        'The DevOps loop as one system. Send a token as `Authorization: Bearer hw_...`. An error is a problem (RFC 9457): what, where, what next.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
  })
  for (const path of Object.values(document.paths ?? {}))
    for (const operation of Object.values(path ?? {}))
      if (operation && typeof operation === 'object' && 'responses' in operation)
        operation.responses.default = {
          description: 'What went wrong, where, and what to do next.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        }
  made.set(app, document)
  return document
}

/** The document itself. */
export const documentRoutes = (document: () => Promise<Document>) =>
  new OpenAPIHono<ApiEnv>().openapi(
    route('anyone', {
      method: 'get',
      path: '/openapi.json',
      summary: 'This description',
      responses: { 200: json(z.looseObject({ openapi: z.string() }), 'The API in OpenAPI 3.1.') },
    }),
    async (context) => context.json(JSON.parse(JSON.stringify(await document())), 200),
  )
