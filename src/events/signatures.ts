import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { signatureOf } from '../webhook.ts'

export type Headers = { get(name: string): string | null }

/** What a delivery has to show for itself. `replayed`: rightly signed, but too long ago. */
export type Signed = 'right' | 'wrong' | 'replayed'
export type Check = (request: {
  readonly headers: Headers
  readonly body: Uint8Array
  readonly secret: string
  /** Milliseconds since 1970. */
  readonly now: number
}) => Signed

/** How far a signed time may be from ours. */
const toleranceMs = 5 * 60_000

/** HMAC-SHA256 of the body in hexadecimal after `sha256=`, as GitHub (x-hub-signature-256) and Flux (x-signature) send it. */
export const bodyHmac =
  (header: string): Check =>
  ({ headers, body, secret }) =>
    isSame(headers.get(header) ?? '', `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`)
      ? 'right'
      : 'wrong'

/** PagerDuty's: several `v1=<hexadecimal>` while a secret is changed, of which one is enough. */
export const pagerDuty: Check = ({ headers, body, secret }) => {
  const ours = `v1=${createHmac('sha256', secret).update(body).digest('hex')}`
  const theirs = (headers.get('x-pagerduty-signature') ?? '').split(',').slice(0, 10)
  return theirs.map((one) => isSame(one.trim(), ours)).includes(true) ? 'right' : 'wrong'
}

/** The secret itself in this header. */
export const plainToken =
  (header: string): Check =>
  ({ headers, secret }) =>
    isSame(headers.get(header) ?? '', secret) ? 'right' : 'wrong'

/** The secret as a bearer token, or as the password of HTTP Basic. */
export const authorization: Check = ({ headers, secret }) => {
  const [scheme = '', value = ''] = (headers.get('authorization') ?? '').split(/ +(.*)/s)
  if (/^bearer$/i.test(scheme)) return isSame(value.trim(), secret) ? 'right' : 'wrong'
  if (!/^basic$/i.test(scheme)) return 'wrong'
  const [, password = ''] = Buffer.from(value.trim(), 'base64').toString('utf8').split(/:(.*)/s)
  return isSame(password, secret) ? 'right' : 'wrong'
}

/** As standardwebhooks.com has it, which is also what Headway sends: the id, the time and the body are signed. */
export const standardWebhook: Check = ({ headers, body, secret, now }) => {
  const id = headers.get('webhook-id') ?? ''
  const at = headers.get('webhook-timestamp') ?? ''
  const ours = signatureOf(secret, id, at, body)
  const theirs = (headers.get('webhook-signature') ?? '').split(' ').slice(0, 10)
  if (id === '' || !/^\d{1,12}$/.test(at) || !theirs.map((one) => isSame(one, ours)).includes(true)) return 'wrong'
  return Math.abs(now - Number(at) * 1000) <= toleranceMs ? 'right' : 'replayed'
}

/** Any of these ways; the best answer counts. Every one is tried, so that the time says nothing. */
export const anyOf =
  (...checks: readonly Check[]): Check =>
  (request) => {
    const answers = checks.map((check) => check(request))
    return answers.includes('right') ? 'right' : answers.includes('replayed') ? 'replayed' : 'wrong'
  }

/** In a time that does not depend on where they differ, nor on how long they are. */
export const isSame = (one: string, other: string): boolean => {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
