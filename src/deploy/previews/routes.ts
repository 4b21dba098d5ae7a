import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName, previewEnvironment, RepositoryName } from '../../names.ts'
import type { Preview, Previews } from './index.ts'
import { describeEnd, expiryOf } from './move.ts'
import { stands } from './preview.ts'
import { PreviewRules } from './rules.ts'

const PreviewBody = z
  .object({
    project: z.string(),
    repository: z.string(),
    /** The change that it is of. */
    number: z.number().int(),
    environment: z.string(),
    /**
     * `none` (its checks have not passed yet), `held` (see `detail`), `packaging`, `deploying`, `ready`, `failed` (an older version may
     * still answer), `ending`, `removed`.
     */
    status: z.enum(['none', 'held', 'packaging', 'deploying', 'ready', 'failed', 'ending', 'removed']),
    detail: z.string().nullable(),
    lastLines: z.array(z.string()),
    next: z.string().nullable(),
    /** The version of the change that answers, and where; null: none does. */
    version: z.number().int().nullable(),
    services: z.array(z.object({ service: z.string(), url: z.string() })),
    /** When it is taken down unless something is pushed; null: nothing stands. */
    expiresAt: z.number().nullable(),
  })
  .meta({ id: 'Preview' })

const RulesBody = PreviewRules.meta({ id: 'PreviewRules' })
const inProject = z.object({ project: ProjectName })
const ofChange = inProject.extend({
  repository: RepositoryName,
  number: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31 - 1),
})
const onePreview = '/projects/{project}/repositories/{repository}/changes/{number}/preview'

/** The previews of open changes. */
export const previewRoutes = (previews: Previews) => {
  const bodyOf = async (preview: Preview) => previewBody(preview, await previews.rules(preview.project))
  return new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/previews',
          request: { params: inProject },
          responses: {
            200: json(z.array(PreviewBody), 'Those of open changes, and others of which something is left.'),
          },
        },
      ),
      async (context) => {
        const found = await previews.list(context.req.valid('param').project)
        return context.json(await Promise.all(found.map(bodyOf)), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: onePreview,
          request: { params: ofChange },
          responses: { 200: json(PreviewBody, 'How the preview of the change stands.') },
        },
      ),
      async (context) => context.json(await bodyOf(await previews.read(context.req.valid('param'))), 200),
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: onePreview,
          request: { params: ofChange },
          responses: { 200: json(PreviewBody, 'It begins when the checks have passed and the quota has room.') },
        },
      ),
      async (context) =>
        context.json(await bodyOf(await previews.ask(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'delete',
          path: onePreview,
          request: { params: ofChange },
          responses: { 200: json(PreviewBody, 'Taken down, until the next push of the change or until asked for.') },
        },
      ),
      async (context) =>
        context.json(
          await bodyOf(await previews.remove(context.req.valid('param'), context.get('identity').actor)),
          200,
        ),
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/preview-rules',
          request: { params: inProject },
          responses: { 200: json(RulesBody, 'What guards the previews of the project.') },
        },
      ),
      async (context) => context.json(await previews.rules(context.req.valid('param').project), 200),
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/preview-rules',
          request: { params: inProject, body: { content: { 'application/json': { schema: RulesBody.partial() } } } },
          responses: { 200: json(RulesBody, 'What is not said stays as it is.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        const said = Object.entries(context.req.valid('json')).filter(([, value]) => value !== undefined)
        const rules = PreviewRules.parse({ ...(await previews.rules(project)), ...Object.fromEntries(said) })
        await previews.setRules(project, rules, context.get('identity').actor)
        return context.json(await previews.rules(project), 200)
      },
    )
}

const previewBody = (preview: Preview, rules: PreviewRules): z.infer<typeof PreviewBody> => {
  const { project, repository, number, status, held, failure, ready, ending } = preview
  const isHeld = held !== null && status !== 'packaging' && status !== 'deploying'
  const answers = stands(preview) && status !== 'ending' ? ready : null
  const ended = status === 'removed' && ending ? describeEnd(ending, rules) : null
  return {
    ...{ project, repository, number },
    environment: previewEnvironment(number),
    status: isHeld ? 'held' : status,
    detail: (isHeld ? held.detail : failure?.detail) ?? ended,
    lastLines: [...(isHeld ? [] : (failure?.lastLines ?? []))],
    next: (isHeld ? held.next : failure?.next) ?? null,
    version: answers?.version ?? null,
    services: answers ? answers.services.map(({ service, url }) => ({ service, url })) : [],
    expiresAt: expiryOf(preview, rules),
  }
}
