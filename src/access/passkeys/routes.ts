import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, askingOf, json, route } from '../../api/route.ts'
import { ceremonyCookie } from '../sessions/cookie.ts'
import { partyOf } from './party.ts'
import type { Passkeys } from './passkeys.ts'
import { PasskeyName, Registration, RegistrationOptions, SignInOptions } from './responses.ts'

const PasskeyBody = z
  .object({
    passkey: z.string(),
    user: z.string(),
    name: z.string(),
    host: z.string(),
    addedAt: z.number(),
    usedAt: z.number().nullable(),
  })
  .meta({ id: 'Passkey' })

/** Passkeys: those that there are, a new one, and the question by which one signs in. */
export const passkeyRoutes = (passkeys: Passkeys, hostNames: readonly string[]) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route('somebody', {
        method: 'get',
        path: '/passkeys',
        summary: 'Passkeys that sign in',
        request: { query: z.object({ all: z.enum(['true', 'false']).optional() }) },
        responses: { 200: json(z.array(PasskeyBody), "One's own; with `all`, an administrator sees everybody's.") },
      }),
      async (context) => {
        const { user, roleIn } = context.get('identity')
        const isAll = context.req.valid('query').all === 'true' && roleIn(null) === 'administrator'
        return context.json(await passkeys.list(isAll ? null : user), 200)
      },
    )
    .openapi(
      route('somebody', {
        method: 'post',
        path: '/passkey-offers',
        summary: 'What a browser needs to make a passkey',
        responses: { 201: json(RegistrationOptions, 'It is good for five minutes and once.') },
      }),
      async (context) =>
        context.json(await passkeys.offer(context.get('identity'), partyOf(askingOf(context), hostNames)), 201),
    )
    .openapi(
      route('somebody', {
        method: 'post',
        path: '/passkeys',
        summary: 'Add a passkey',
        request: {
          body: {
            content: { 'application/json': { schema: z.object({ name: PasskeyName, response: Registration }) } },
          },
        },
        responses: { 201: json(PasskeyBody, 'It signs its user in from now on.') },
      }),
      async (context) => {
        const { name, response } = context.req.valid('json')
        const party = partyOf(askingOf(context), hostNames)
        return context.json(await passkeys.add(name, response, context.get('identity'), party), 201)
      },
    )
    .openapi(
      route('somebody', {
        method: 'delete',
        path: '/passkeys/{passkey}',
        summary: 'Revoke a passkey',
        description: 'The sessions that it opened end with it.',
        request: { params: z.object({ passkey: z.string().min(1).max(100) }) },
        responses: { 200: json(z.object({ done: z.literal(true) }), 'It opens nothing any more.') },
      }),
      async (context) => {
        await passkeys.revoke(context.req.valid('param').passkey, context.get('identity'))
        return context.json({ done: true } as const, 200)
      },
    )
    .openapi(
      route('anyone', {
        method: 'post',
        path: '/sign-in-challenges',
        summary: 'What a browser needs to sign in by a passkey',
        description: 'Sets a cookie: the answer counts once, within five minutes, and from this browser only.',
        responses: { 201: json(SignInOptions, 'Any passkey of this host may answer.') },
      }),
      async (context) => {
        const asking = askingOf(context)
        const { options, ceremony } = passkeys.challenge(partyOf(asking, hostNames))
        context.header('set-cookie', ceremonyCookie(asking, ceremony))
        return context.json(options, 201)
      },
    )
