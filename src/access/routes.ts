import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Role } from './facts.ts'
import type { Access } from './index.ts'
import { SettingName, SettingValue } from './setting-names.ts'
import { SettingKind } from './settings.ts'
import { TokenName } from './tokens.ts'
import { UserName } from './users.ts'

const project = ProjectName.nullable().default(null)
const GrantBody = z.object({ role: Role, project: ProjectName.nullable() })
const UserBody = z.object({ user: z.string(), createdAt: z.number(), grants: z.array(GrantBody) }).meta({ id: 'User' })
const TokenBody = z
  .object({
    token: z.string(),
    user: z.string(),
    name: z.string(),
    scope: GrantBody,
    issuedAt: z.number(),
    expiresAt: z.number().nullable(),
    revokedAt: z.number().nullable(),
  })
  .meta({ id: 'Token' })
const SettingBody = z
  .object({
    name: z.string(),
    kind: SettingKind,
    service: z.string().nullable(),
    environment: z.string().nullable(),
    setAt: z.number(),
  })
  .meta({ id: 'Setting' })
const MeBody = z.object({ user: z.string(), actor: z.string(), role: Role.nullable() }).meta({ id: 'Me' })
const done = z.object({ done: z.literal(true) })

const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const ofUser = z.object({ user: UserName })
const place = z.object({ service: ServiceName.optional(), environment: EnvironmentName.optional() })

/** Users, tokens, roles, secrets and variables. */
export const accessRoutes = (access: Access) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route('somebody', {
        method: 'get',
        path: '/me',
        summary: 'Who the token speaks for',
        request: { query: z.object({ project: ProjectName.optional() }) },
        responses: {
          200: json(MeBody, 'The role is that in the project, or in the whole instance when none is named.'),
        },
      }),
      (context) => {
        const { user, actor, roleIn } = context.get('identity')
        return context.json({ user, actor, role: roleIn(context.req.valid('query').project ?? null) }, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'get',
          path: '/users',
          summary: 'Everybody and their roles',
          responses: { 200: json(z.array(UserBody), 'By name.') },
        },
      ),
      async (context) =>
        context.json(
          (await access.users.list()).map((user) => ({ ...user, grants: [...user.grants] })),
          200,
        ),
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'post',
          path: '/users',
          summary: 'Make a user',
          request: { body: body(z.object({ user: UserName, role: Role.optional(), project })) },
          responses: { 201: json(done, 'There is the user now, with the role when one was given.') },
        },
      ),
      async (context) => {
        const wanted = context.req.valid('json')
        const { actor } = context.get('identity')
        await access.users.create(wanted.user, actor)
        if (wanted.role) await access.users.grant(wanted.user, { role: wanted.role, project: wanted.project }, actor)
        return context.json({ done: true } as const, 201)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'put',
          path: '/users/{user}/role',
          summary: 'Give a role in the whole instance',
          request: { params: ofUser, body: body(z.object({ role: Role })) },
          responses: { 200: json(done, 'The user has this role now, and no other in the instance.') },
        },
      ),
      async (context) => {
        const { user } = context.req.valid('param')
        const { role } = context.req.valid('json')
        await access.users.grant(user, { role, project: null }, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'delete',
          path: '/users/{user}/role',
          summary: 'Take the role in the whole instance',
          request: { params: ofUser },
          responses: { 200: json(done, 'The user has no role in the instance; those in projects stay.') },
        },
      ),
      async (context) => {
        await access.users.revoke(context.req.valid('param').user, null, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/members/{user}',
          summary: 'Give a role in a project',
          request: { params: ofUser.extend({ project: ProjectName }), body: body(z.object({ role: Role })) },
          responses: { 200: json(done, 'The user has this role in the project now.') },
        },
      ),
      async (context) => {
        const { user, project } = context.req.valid('param')
        const { role } = context.req.valid('json')
        await access.users.grant(user, { role, project }, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/members/{user}',
          summary: 'Take the role in a project',
          request: { params: ofUser.extend({ project: ProjectName }) },
          responses: { 200: json(done, 'The user has no role in the project any more.') },
        },
      ),
      async (context) => {
        const { user, project } = context.req.valid('param')
        await access.users.revoke(user, project, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route('somebody', {
        method: 'get',
        path: '/tokens',
        summary: 'Tokens, without the tokens themselves',
        request: { query: z.object({ all: z.enum(['true', 'false']).optional() }) },
        responses: {
          200: json(z.array(TokenBody), "One's own; with `all`, an administrator of the instance sees everybody's."),
        },
      }),
      async (context) => {
        const identity = context.get('identity')
        const everybody = context.req.valid('query').all === 'true' && identity.roleIn(null) === 'administrator'
        return context.json(await access.tokens.list(everybody ? null : identity.user), 200)
      },
    )
    .openapi(
      route('somebody', {
        method: 'post',
        path: '/tokens',
        summary: 'Issue a token',
        request: {
          body: body(
            z.object({
              name: TokenName,
              /** Oneself, when left out. */
              user: UserName.optional(),
              role: Role,
              project,
              /** Milliseconds since 1970; null never expires. */
              expiresAt: z.number().int().nullable().default(null),
            }),
          ),
        },
        responses: { 201: json(TokenBody.extend({ secret: z.string() }), 'The `secret` is shown this once.') },
      }),
      async (context) => {
        const { name, user, role, project, expiresAt } = context.req.valid('json')
        const identity = context.get('identity')
        const wanted = { user: user ?? identity.user, name, scope: { role, project }, expiresAt }
        const { token, secret } = await access.tokens.issue(wanted, identity)
        return context.json({ ...token, secret }, 201)
      },
    )
    .openapi(
      route('somebody', {
        method: 'delete',
        path: '/tokens/{token}',
        summary: 'Revoke a token',
        request: { params: z.object({ token: z.string().max(100) }) },
        responses: { 200: json(done, 'It counts no more.') },
      }),
      async (context) => {
        await access.tokens.revoke(context.req.valid('param').token, context.get('identity'))
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/settings',
          summary: 'Names of secrets and variables',
          request: { params: z.object({ project: ProjectName }) },
          responses: { 200: json(z.array(SettingBody), 'What is set where; never a value.') },
        },
      ),
      async (context) => {
        const settings = await access.settings.list(context.req.valid('param').project)
        return context.json(
          settings.map(({ name, kind, setAt, scope }) => ({
            name,
            kind,
            service: scope.service,
            environment: scope.environment,
            setAt,
          })),
          200,
        )
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/settings/{name}',
          summary: 'Set or replace a secret or variable',
          request: {
            params: z.object({ project: ProjectName, name: SettingName }),
            body: body(
              z.object({
                value: SettingValue,
                kind: SettingKind.default('secret'),
                service: ServiceName.nullable().default(null),
                environment: EnvironmentName.nullable().default(null),
              }),
            ),
          },
          responses: { 200: json(done, 'Sealed. Instances get it with their next deployment.') },
        },
      ),
      async (context) => {
        const { project, name } = context.req.valid('param')
        const { value, kind, service, environment } = context.req.valid('json')
        const setting = { name, kind, value, scope: { project, service, environment } }
        await access.settings.set(setting, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/settings/{name}',
          summary: 'Remove a secret or variable',
          request: { params: z.object({ project: ProjectName, name: SettingName }), query: place },
          responses: { 200: json(done, 'It is not given any more from the next deployment on.') },
        },
      ),
      async (context) => {
        const { project, name } = context.req.valid('param')
        const { service, environment } = context.req.valid('query')
        const scope = { project, service: service ?? null, environment: environment ?? null }
        await access.settings.remove(name, scope, context.get('identity').actor)
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'post',
          path: '/master-key/rotate',
          summary: 'Seal with a new master key',
          responses: { 200: json(z.object({ rewrapped: z.number().int() }), 'How many values were re-wrapped.') },
        },
      ),
      async (context) => context.json(await access.rotateMasterKey(), 200),
    )
