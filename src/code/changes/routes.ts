import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import { BranchName } from '../ref-names.ts'
import { bodyOf, ChangeBody, ChangeDetailsBody, DifferenceBody, summaryOf } from './bodies.ts'
import { CommentPlace } from './facts.ts'
import type { Changes } from './index.ts'
import { longestTitle } from './options.ts'
import { queueRoutes } from './queue-routes.ts'
import { ruleRoutes } from './rule-routes.ts'

const Title = z.string().trim().min(1).max(longestTitle)
const Text = z.string().max(64 * 1024)
const Path = z
  .string()
  .min(1)
  .max(4000)
  .refine((path) => !path.includes('\0'), 'this cannot be a path')

const inProject = z.object({ project: ProjectName })
const ofRepository = inProject.extend({ repository: RepositoryName })
const ofChange = ofRepository.extend({ number: z.coerce.number().int().positive() })
const developer = { role: 'developer', in: 'project' } as const
const viewer = { role: 'viewer', in: 'project' } as const
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const changes = '/projects/{project}/repositories/{repository}/changes'
const one = `${changes}/{number}` as const
const shown = { 200: json(ChangeDetailsBody, 'The change as it is then.') }

const routes = {
  list: route(viewer, {
    method: 'get',
    path: '/projects/{project}/changes',
    summary: 'Changes of a project, by repository, the newest first',
    request: {
      params: inProject,
      query: z.object({
        repository: RepositoryName.optional(),
        status: z.enum(['open', 'merged', 'abandoned']).optional(),
        limit: z.coerce.number().int().min(1).max(500).default(50),
      }),
    },
    responses: { 200: json(z.object({ changes: z.array(ChangeBody) }), 'The changes.') },
  }),
  open: route(developer, {
    method: 'post',
    path: changes,
    summary: 'Propose a branch',
    request: {
      params: ofRepository,
      body: body(
        z.object({
          branch: BranchName,
          /** Left out: the branch that is deployed. */
          target: BranchName.optional(),
          /** Left out: what the first commit of the branch says. */
          title: Title.optional(),
          body: Text.default(''),
        }),
      ),
    },
    responses: {
      200: json(ChangeDetailsBody, 'There is an open change for this branch already: this one.'),
      201: json(ChangeDetailsBody, 'The new change.'),
    },
  }),
  show: route(viewer, {
    method: 'get',
    path: one,
    summary: 'A change with its checks, approvals, comments and what stands in its way',
    request: { params: ofChange },
    responses: shown,
  }),
  describe: route(developer, {
    method: 'patch',
    path: one,
    summary: 'Change the title or the text',
    request: { params: ofChange, body: body(z.object({ title: Title.optional(), body: Text.optional() })) },
    responses: shown,
  }),
  eraseDescription: route(developer, {
    method: 'delete',
    path: `${one}/description`,
    summary: 'Forget title and text for good: by who has opened the change, or an administrator',
    request: { params: ofChange },
    responses: { 204: { description: 'They are in no file any more.' } },
  }),
  diff: route(viewer, {
    method: 'get',
    path: `${one}/diff`,
    summary: 'What a version changes: files, and a unified diff',
    request: {
      params: ofChange,
      query: z.object({ version: z.coerce.number().int().positive().optional(), file: Path.optional() }),
    },
    responses: { 200: json(DifferenceBody, 'What differs from where the branch has left its target.') },
  }),
  comment: route(developer, {
    method: 'post',
    path: `${one}/comments`,
    summary: 'Say something, about the whole or about a line',
    request: {
      params: ofChange,
      body: body(
        z.object({
          body: Text.min(1),
          /** Left out: the newest. */
          version: z.number().int().positive().optional(),
          place: CommentPlace.extend({ file: Path }).optional(),
        }),
      ),
    },
    responses: { 201: json(z.object({ comment: z.string() }), 'It is said.') },
  }),
  eraseComment: route(developer, {
    method: 'delete',
    path: `${one}/comments/{comment}`,
    summary: 'Forget a comment for good: by who has written it, or an administrator',
    request: { params: ofChange.extend({ comment: z.uuid() }) },
    responses: { 204: { description: 'It is in no file any more.' } },
  }),
  approve: route(developer, {
    method: 'post',
    path: `${one}/approvals`,
    summary: 'Approve the newest version; nobody approves what is partly their own',
    request: { params: ofChange },
    responses: shown,
  }),
  withdrawApproval: route(developer, {
    method: 'delete',
    path: `${one}/approvals`,
    summary: "Take back one's approval",
    request: { params: ofChange },
    responses: shown,
  }),
  merge: route(developer, {
    method: 'post',
    path: `${one}/merge`,
    summary: 'Have it merged as soon as nothing stands in the way',
    request: {
      params: ofChange,
      body: body(
        z.object({
          /** Refused when the change is elsewhere by now. */
          head: CommitId.optional(),
          /** It mends a red target, which therefore does not hold it; for operators. */
          mends: z.boolean().default(false),
        }),
      ),
    },
    responses: shown,
  }),
  withdrawMerge: route(developer, {
    method: 'delete',
    path: `${one}/merge`,
    summary: 'Take it out of the queue',
    request: { params: ofChange },
    responses: shown,
  }),
  abandon: route(developer, {
    method: 'post',
    path: `${one}/abandon`,
    summary: 'End it without a merge',
    request: { params: ofChange, body: body(z.object({ why: z.string().max(500).optional() })) },
    responses: shown,
  }),
  reopen: route(developer, {
    method: 'post',
    path: `${one}/reopen`,
    summary: 'Go on with an abandoned one',
    request: { params: ofChange },
    responses: shown,
  }),
  retest: route(developer, {
    method: 'post',
    path: `${one}/retest`,
    summary: 'Make the merge result anew and run its checks',
    request: { params: ofChange },
    responses: shown,
  }),
  revert: route(developer, {
    method: 'post',
    path: '/projects/{project}/repositories/{repository}/reverts',
    summary: 'Take back a merged change, or a commit, as a new change or directly',
    request: {
      params: ofRepository,
      body: body(
        z
          .object({
            number: z.number().int().positive().optional(),
            commit: CommitId.optional(),
            /** The branch that the commit is in; left out: the one that is deployed. */
            target: BranchName.optional(),
            /** Right on the target, untested, where whoever asks may push there. */
            directly: z.boolean().default(false),
          })
          .refine(({ number, commit }) => (number === undefined) !== (commit === undefined), {
            message: 'either a number or a commit',
          }),
      ),
    },
    responses: {
      201: json(
        z.object({ change: ChangeDetailsBody.nullable(), commit: z.string().nullable() }),
        'The new change, or the commit that the target is at now.',
      ),
    },
  }),
}

/** Changes: seen by viewers, proposed, discussed, approved and merged by developers; with what waits to be merged, and the rules. */
export const changeRoutes = (room: Changes) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(routes.list, async (context) => {
      const found = await room.list({ ...context.req.valid('param'), ...context.req.valid('query') })
      return context.json({ changes: found.map(summaryOf) }, 200)
    })
    .openapi(routes.open, async (context) => {
      const { branch, target, title, body: text } = context.req.valid('json')
      const proposal = { branch, target: target ?? null, title: title ?? null, body: text }
      const { change, isNew } = await room.open(context.req.valid('param'), proposal, context.get('identity'))
      return isNew ? context.json(bodyOf(change), 201) : context.json(bodyOf(change), 200)
    })
    .openapi(routes.show, async (context) => context.json(bodyOf(await room.show(context.req.valid('param'))), 200))
    .openapi(routes.describe, async (context) => {
      const { title = null, body: text = null } = context.req.valid('json')
      const change = await room.describe(context.req.valid('param'), { title, body: text }, context.get('identity'))
      return context.json(bodyOf(change), 200)
    })
    .openapi(routes.eraseDescription, async (context) => {
      await room.eraseDescription(context.req.valid('param'), context.get('identity'))
      return context.body(null, 204)
    })
    .openapi(routes.diff, async (context) => {
      const { version, file } = context.req.valid('query')
      const { files, ...rest } = await room.diff(context.req.valid('param'), version ?? null, file)
      return context.json({ files: [...files], ...rest }, 200)
    })
    .openapi(routes.comment, async (context) => {
      const { body: text, version = null, place = null } = context.req.valid('json')
      const said = { body: text, version, place }
      return context.json(
        { comment: await room.comment(context.req.valid('param'), said, context.get('identity')) },
        201,
      )
    })
    .openapi(routes.eraseComment, async (context) => {
      const { comment, ...key } = context.req.valid('param')
      await room.eraseComment(key, comment, context.get('identity'))
      return context.body(null, 204)
    })
    .openapi(routes.approve, async (context) =>
      context.json(bodyOf(await room.approve(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(routes.withdrawApproval, async (context) =>
      context.json(bodyOf(await room.withdrawApproval(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(routes.merge, async (context) => {
      const { head = null, mends } = context.req.valid('json')
      const change = await room.merge(context.req.valid('param'), { head, mends }, context.get('identity'))
      return context.json(bodyOf(change), 200)
    })
    .openapi(routes.withdrawMerge, async (context) =>
      context.json(bodyOf(await room.withdrawMerge(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(routes.abandon, async (context) => {
      const { why = null } = context.req.valid('json')
      return context.json(bodyOf(await room.abandon(context.req.valid('param'), context.get('identity'), why)), 200)
    })
    .openapi(routes.reopen, async (context) =>
      context.json(bodyOf(await room.reopen(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(routes.retest, async (context) =>
      context.json(bodyOf(await room.retest(context.req.valid('param'), context.get('identity'))), 200),
    )
    .openapi(routes.revert, async (context) => {
      const { number, commit, target, directly } = context.req.valid('json')
      const what = number === undefined ? { commit: commit ?? '', target: target ?? null } : { number }
      const done = await room.revert(context.req.valid('param'), what, directly, context.get('identity'))
      return context.json({ change: done.change && bodyOf(done.change), commit: done.commit }, 201)
    })
    .route('/', queueRoutes(room))
    .route('/', ruleRoutes(room))
