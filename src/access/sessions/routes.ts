import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, askingOf, json, route } from '../../api/route.ts'
import type { Clock } from '../../clock.ts'
import { Problem } from '../../problem.ts'
import { partyOf } from '../passkeys/party.ts'
import { SignInAnswer } from '../passkeys/responses.ts'
import { UserName } from '../users.ts'
import { ceremonyIn, foreignPage, isOwnPage, sessionCookie } from './cookie.ts'
import { Password } from './passwords.ts'
import type { Sessions, SignIn } from './sessions.ts'

const code = z.string().min(1).max(100)
const SignInBody = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('link'), code }),
  z.object({ kind: z.literal('token'), token: z.string().min(1).max(200) }),
  z.object({ kind: z.literal('password'), user: z.string().min(1).max(100), password: z.string().min(1).max(1000) }),
  z.object({ kind: z.literal('invitation'), code, password: Password }),
  z.object({ kind: z.literal('passkey'), response: SignInAnswer }),
])
const CodeBody = z.object({ code: z.string(), expiresAt: z.number() })
const SessionBody = z
  .object({
    session: z.string(),
    user: z.string(),
    way: z.string(),
    openedAt: z.number(),
    expiresAt: z.number(),
    /** The one that asks. */
    isThis: z.boolean(),
  })
  .meta({ id: 'Session' })
const done = z.object({ done: z.literal(true) })
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const administrator = { role: 'administrator', in: 'instance' } as const

/** Signing in and out of the web, and who is signed in. */
export const sessionRoutes = (sessions: Sessions, clock: Pick<Clock, 'now'>, hostNames: readonly string[]) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route('anyone', {
        method: 'post',
        path: '/sessions',
        summary: 'Sign in',
        description:
          'With the code of a link (`headway web`), a token, a password, an invitation and the password that one chooses, or a passkey. Sets a cookie.',
        request: { body: body(SignInBody) },
        responses: { 201: json(z.object({ user: z.string() }), 'Who one is now.') },
      }),
      async (context) => {
        const asking = askingOf(context)
        if (!isOwnPage(asking)) throw foreignPage()
        const given = context.req.valid('json')
        const what: SignIn =
          given.kind === 'passkey'
            ? { ...given, ceremony: ceremonyIn(asking), party: partyOf(asking, hostNames) }
            : given
        const outcome = await sessions.signIn(what, context.get('address'))
        if (outcome.kind === 'wait') throw tooMany(outcome.waitMs)
        if (outcome.kind === 'refused') throw noEntry(given.kind)
        const lastsSeconds = (outcome.expiresAt - clock.now()) / 1000
        context.header('set-cookie', sessionCookie(asking, outcome.secret, lastsSeconds))
        return context.json({ user: outcome.user }, 201)
      },
    )
    .openapi(
      route('somebody', {
        method: 'get',
        path: '/sessions',
        summary: 'Sessions of the web that are open',
        request: { query: z.object({ all: z.enum(['true', 'false']).optional() }) },
        responses: { 200: json(z.array(SessionBody), "One's own; with `all`, an administrator sees everybody's.") },
      }),
      async (context) => {
        const { user, roleIn, session } = context.get('identity')
        const isAll = context.req.valid('query').all === 'true' && roleIn(null) === 'administrator'
        const found = await sessions.list(isAll ? null : user)
        return context.json(
          found.map((one) => ({ ...one, isThis: one.session === session })),
          200,
        )
      },
    )
    .openapi(
      route('somebody', {
        method: 'delete',
        path: '/sessions/{session}',
        summary: 'End a session',
        request: { params: z.object({ session: z.string().min(1).max(100) }) },
        responses: { 200: json(done, 'It opens nothing any more.') },
      }),
      async (context) => {
        await sessions.end(context.req.valid('param').session, context.get('identity'))
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route('somebody', {
        method: 'delete',
        path: '/session',
        summary: 'Sign out',
        responses: { 200: json(done, 'The session has ended and the cookie is forgotten.') },
      }),
      async (context) => {
        const identity = context.get('identity')
        if (identity.session !== undefined) await sessions.end(identity.session, identity)
        context.header('set-cookie', sessionCookie(askingOf(context), null, 0))
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route('somebody', {
        method: 'post',
        path: '/sign-in-links',
        summary: 'A code that signs a browser in, once, with what this token may',
        responses: { 201: json(CodeBody, 'It is good for five minutes, at /sign-in#link=<code>.') },
      }),
      async (context) => {
        const token = /^Bearer +(\S+)$/i.exec(context.req.header('authorization') ?? '')?.[1]
        if (token === undefined) throw tokenNeeded()
        return context.json(await sessions.linkFor(token), 201)
      },
    )
    .openapi(
      route(administrator, {
        method: 'post',
        path: '/users/{user}/invitation',
        summary: 'A code with which a user chooses a password, once',
        request: { params: z.object({ user: UserName }) },
        responses: { 201: json(CodeBody, 'It is good for seven days, at /sign-in#invitation=<code>.') },
      }),
      async (context) =>
        context.json(await sessions.invite(context.req.valid('param').user, context.get('identity').actor), 201),
    )
    .openapi(
      route('somebody', {
        method: 'put',
        path: '/me/password',
        summary: "Set one's own password",
        request: {
          body: body(z.object({ current: z.string().max(1000).nullable().default(null), password: Password })),
        },
        responses: { 200: json(done, 'It counts from now on; sessions that are open stay open.') },
      }),
      async (context) => {
        await sessions.setPassword(context.req.valid('json'), context.get('identity'))
        return context.json({ done: true } as const, 200)
      },
    )

const tooMany = (waitMs: number): Problem =>
  new Problem({
    kind: 'too-many-attempts',
    status: 429,
    detail: 'too many attempts to sign in have failed',
    next: `wait ${Math.ceil(waitMs / 60_000)} min, or ask for a link: headway web`,
  })

const remedies = {
  link: 'a link is good for five minutes and once: headway web makes another',
  token: 'give one that is known, not expired and not revoked: headway token create <name>',
  password: 'check the name and the password; an administrator can invite you again: headway user invite <user>',
  passkey: 'it may have been revoked here; sign in another way, and add it again in the settings',
  invitation: 'an invitation is good for seven days and once: ask an administrator for another',
} as const

const noEntry = (kind: keyof typeof remedies): Problem =>
  new Problem({
    kind: 'sign-in-refused',
    status: 403,
    detail: `this ${kind} does not let you in`,
    next: remedies[kind],
  })

const tokenNeeded = (): Problem =>
  new Problem({
    kind: 'token-needed',
    status: 400,
    detail: 'a link vouches for the token that asks for it, and this request has none',
    next: 'run headway web',
  })
