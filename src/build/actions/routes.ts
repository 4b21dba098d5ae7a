import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { Problem } from '../../problem.ts'
import type { ActionShelf } from './shelf.ts'

const administrator = { role: 'administrator', in: 'instance' } as const

const Mirrored = z
  .object({
    name: z.string(),
    versions: z.array(z.string()),
    from: z.string().nullable(),
    by: z.string().nullable(),
    at: z.number().nullable(),
  })
  .meta({ id: 'MirroredAction' })

const named = z.object({
  owner: z.string().regex(/^[A-Za-z0-9-]{1,39}$/),
  repository: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
})
const allowed = z
  .string()
  .regex(/^(\*|[A-Za-z0-9-]{1,39}(\/[A-Za-z0-9._-]{1,100})?)$/, 'an owner, owner/repository or *')
const Upstream = z
  .object({
    /** Null: what is missing is fetched from nowhere. */
    url: z
      .string()
      .max(500)
      .refine((text) => {
        const url = URL.canParse(text) ? new URL(text) : null
        return (
          url !== null &&
          ['http:', 'https:', 'file:'].includes(url.protocol) &&
          url.username === '' &&
          url.password === ''
        )
      }, 'an http, https or file URL without a user in it')
      .nullable(),
    allowed: z.array(allowed).max(1000),
  })
  .meta({ id: 'ActionUpstream' })

const listRoute = route(
  { role: 'viewer', in: 'instance' },
  {
    method: 'get',
    path: '/actions',
    summary: 'The actions that were brought here, and from where others may come',
    responses: {
      200: json(
        z.object({ actions: z.array(Mirrored), upstream: Upstream }),
        'Those that come with Headway are not listed',
      ),
    },
  },
)

const mirrorRoute = route(administrator, {
  method: 'put',
  path: '/actions/{owner}/{repository}',
  summary: "Bring an action's repository here, or what is new of it",
  request: {
    params: named,
    body: {
      content: {
        'application/json': {
          schema: z.object({
            /** A URL, or a path on the server's machine. */
            from: z.string().min(1).max(1000).nullable().default(null),
            ref: z.string().min(1).max(200).nullable().default(null),
          }),
        },
      },
    },
  },
  responses: { 200: json(Mirrored, 'It is here') },
})

const removeRoute = route(administrator, {
  method: 'delete',
  path: '/actions/{owner}/{repository}',
  summary: 'Remove the mirror of an action',
  request: { params: named },
  responses: { 200: json(z.object({ removed: z.string() }), 'It is gone') },
})

const upstreamRoute = route(administrator, {
  method: 'put',
  path: '/actions/upstream',
  summary: 'Say from where missing actions may be fetched by themselves, and whose',
  request: { body: { content: { 'application/json': { schema: Upstream } } } },
  responses: { 200: json(Upstream, 'What holds from now on') },
})

/** The actions of others that workflows here may use. */
export const actionRoutes = (actions: ActionShelf) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(listRoute, async (context) => {
      const upstream = (await actions.upstream()) ?? { url: null, allowed: [] }
      const mirrored = await actions.list()
      return context.json(
        {
          actions: mirrored.map((one) => ({ ...one, versions: [...one.versions] })),
          upstream: { ...upstream, allowed: [...upstream.allowed] },
        },
        200,
      )
    })
    .openapi(upstreamRoute, async (context) => {
      const { url, allowed: whose } = context.req.valid('json')
      const wanted = { url, allowed: whose.map((one) => one.toLowerCase()) }
      await actions.setUpstream(url === null ? null : { ...wanted, url }, context.get('identity').actor)
      return context.json(wanted, 200)
    })
    .openapi(mirrorRoute, async (context) => {
      const { owner, repository } = context.req.valid('param')
      const { from, ref } = context.req.valid('json')
      const name = `${owner}/${repository}`
      const mirrored = await actions.mirror({ name, from, ref }, context.get('identity').actor)
      return context.json({ ...mirrored, versions: [...mirrored.versions] }, 200)
    })
    .openapi(removeRoute, async (context) => {
      const { owner, repository } = context.req.valid('param')
      const name = `${owner}/${repository}`
      if (!(await actions.remove(name, context.get('identity').actor)))
        throw new Problem({
          kind: 'action-not-found',
          status: 404,
          detail: `${name} is not mirrored here`,
          next: 'headway actions lists those that are',
        })
      return context.json({ removed: name }, 200)
    })
