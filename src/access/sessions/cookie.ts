import { Problem } from '../../problem.ts'

/** What of a request decides about its session. Names of headers are lower case. */
export type Asking = {
  readonly method: string
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly fetchSite: string | undefined
  readonly cookie: string | undefined
}

/** Cookies know no ports: two Headways on one machine would take each other's. */
const nameFor = (host: string | undefined): string => `headway-session-${/:(\d+)$/.exec(host ?? '')?.[1] ?? 'web'}`

/** The secret of the session that came with a request; null where none came. */
export const sessionIn = (asking: Pick<Asking, 'cookie' | 'host'>): string | null =>
  valueIn(asking, nameFor(asking.host))

/** The secret of this browser's attempt to sign in by a passkey; null where it has begun none. */
export const ceremonyIn = (asking: Pick<Asking, 'cookie' | 'host'>): string | null =>
  valueIn(asking, ceremonyNameFor(asking.host))
const ceremonyNameFor = (host: string | undefined): string => `${nameFor(host)}-passkey`

const valueIn = ({ cookie }: Pick<Asking, 'cookie'>, name: string): string | null => {
  for (const pair of (cookie ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2)
    if (key === name && value) return value
  }
  return null
}

/**
 * Whether a page of ours asks, or one that somebody else put before the user: a browser says where a request comes from whenever it
 * could change something. Reading is safe, as no other page is given the answer.
 */
export const isOwnPage = ({ method, origin, fetchSite, host }: Asking): boolean => {
  if (method === 'GET' || method === 'HEAD') return true
  if (origin === undefined) return fetchSite === 'same-origin'
  return URL.canParse(origin) && new URL(origin).host === host
}

/** Sets the session of this browser, or forgets it (`secret` null). No script can read it, no other site can send it. */
export const sessionCookie = (asking: Asking, secret: string | null, maxAgeSeconds: number): string =>
  cookieOf(nameFor(asking.host), asking, secret, maxAgeSeconds)

/** Ties a question to the browser that asked for it, for as long as the question is good. */
export const ceremonyCookie = (asking: Asking, secret: string): string =>
  cookieOf(ceremonyNameFor(asking.host), asking, secret, 300)

const cookieOf = (name: string, asking: Asking, secret: string | null, maxAgeSeconds: number): string =>
  [
    `${name}=${secret ?? ''}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Strict',
    `Max-Age=${secret === null ? 0 : Math.max(0, Math.floor(maxAgeSeconds))}`,
    ...(asking.origin?.startsWith('https:') ? ['Secure'] : []),
  ].join('; ')

export const foreignPage = (): Problem =>
  new Problem({
    kind: 'foreign-page',
    status: 403,
    detail: 'this request does not come from a page of this Headway',
    next: 'open the web of this Headway and do it there; a program sends a token',
  })
