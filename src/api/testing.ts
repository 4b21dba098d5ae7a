import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { passkeyRoutes } from '../access/passkeys/routes.ts'
import { accessRoutes } from '../access/routes.ts'
import { sessionRoutes } from '../access/sessions/routes.ts'
import { openTestAccess, type TestAccess } from '../access/testing.ts'
import type { FactDefinition } from '../ledger/fact.ts'
import type { Views } from '../ledger/ledger.ts'
import { type Api, type ApiOptions, createApi } from './index.ts'
import type { LateRoutes, Routes } from './late.ts'
import { ledgerRoutes } from './ledger-routes.ts'

export type TestApi = AsyncDisposable &
  Omit<TestAccess, keyof AsyncDisposable> & {
    readonly api: Api
    /** Where it listens, on loopback. */
    readonly url: string
    readonly reported: unknown[]
    /** The body of an answer, as JSON of which the test knows the shape. */
    // biome-ignore lint/suspicious/noExplicitAny: tests compare what they get, whatever it is
    read(token: string | null, method: string, path: string, body?: unknown): Promise<any>
    call(token: string | null, method: string, path: string, body?: unknown): Promise<Response>
  }

/** The words that are no parameters in the path of each route. */
export const wordsOf = ({ routes }: Routes): string[][] =>
  routes.map(({ path }) => path.split('/').filter((word) => word !== '' && !word.startsWith(':')))

/** Routes that are there already, as those are given that are loaded late. */
export const late = (routes: Routes): LateRoutes => ({ words: wordsOf(routes).flat(), load: async () => routes })

/** The API with access, ledger and these routes, listening on a free port. */
export const openTestApi = async (
  options: {
    routes?: readonly (Routes | LateRoutes)[]
    definitions?: readonly FactDefinition[]
    api?: Partial<ApiOptions>
    /** What the routes of the ledger have instead of the views' own. */
    views?: Partial<Views>
  } = {},
): Promise<TestApi> => {
  const opened = await openTestAccess({ definitions: options.definitions ?? [] })
  const { access, ledger, clock } = opened
  await access.start()
  const reported: unknown[] = []
  const api = createApi({
    access,
    sessions: access.sessions,
    ledger,
    clock,
    version: '1.2.3',
    routes: [
      accessRoutes(access),
      sessionRoutes(access.sessions, clock, []),
      passkeyRoutes(access.passkeys, []),
      ledgerRoutes({
        ...opened,
        views: { ...opened.views, ...options.views },
        log: { problem: (_, error) => reported.push(error) },
      }),
      ...(options.routes ?? []),
    ].map((routes) => ('load' in routes ? routes : late(routes))),
    git: null,
    isReady: () => true,
    hostNames: [],
    report: (error) => reported.push(error),
    ...options.api,
  })
  const server = createServer((request, response) => void api.handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  const call: TestApi['call'] = (token, method, path, body) =>
    fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return {
    ...opened,
    api,
    url,
    reported,
    call,
    read: async (...asked) => JSON.parse(await (await call(...asked)).text()),
    [Symbol.asyncDispose]: async () => {
      api.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await opened[Symbol.asyncDispose]()
    },
  }
}
