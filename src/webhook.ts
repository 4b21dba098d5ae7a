import { createHmac } from 'node:crypto'
import { lookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { plainHttp, secureHttp } from './http.ts'
import { describeError } from './problem.ts'

export type Webhook = {
  /** `http:` or `https:`. */
  readonly address: URL
  /** The same for every try, so that a receiver can tell a repetition. */
  readonly id: string
  readonly contentType: string
  readonly body: string
  /** Signed with it; null: not signed. */
  readonly key: string | null
  /** Seconds since 1970. */
  readonly atSeconds: number
}

/** What came of one try. `isPassing`: another try may go better. */
export type WebhookAnswer = {
  readonly outcome: 'done' | 'failed'
  readonly detail: string
  readonly isPassing: boolean
}

const answerWithinMs = 10_000

/**
 * Posts one webhook as standardwebhooks.com has it. Redirects are not followed: what was signed for one address is nobody else's. An
 * address that leads to this machine's link (where clouds serve credentials), to nowhere or to many is not called, whatever its name
 * resolves to at the moment of the call. Rejects only when the signal aborts. The caller marks the effect.
 */
export const postWebhook = async (webhook: Webhook, signal: AbortSignal): Promise<WebhookAnswer> => {
  try {
    const status = await post(webhook, AbortSignal.any([signal, AbortSignal.timeout(answerWithinMs)]))
    if (status >= 200 && status < 300) return { outcome: 'done', detail: `answered ${status}`, isPassing: false }
    const isPassing = status >= 500 || status === 429 || status === 408
    return { outcome: 'failed', detail: `answered ${status}`, isPassing }
  } catch (error) {
    signal.throwIfAborted()
    const isRefused = error instanceof NotCalled
    const detail = error instanceof Error && error.name === 'TimeoutError' ? 'no answer in 10 s' : describeError(error)
    return { outcome: 'failed', detail, isPassing: !isRefused }
  }
}

/**
 * HMAC-SHA256 over `<id>.<timestamp>.<body>`. A secret that begins with `whsec_` holds its key in base64, any other is the key.
 */
export const signatureOf = (secret: string, id: string, at: number | string, body: Uint8Array | string): string => {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  return `v1,${createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest('base64')}`
}

class NotCalled extends Error {}

const notCalled = new BlockList()
notCalled.addSubnet('0.0.0.0', 8, 'ipv4')
notCalled.addSubnet('169.254.0.0', 16, 'ipv4')
notCalled.addSubnet('224.0.0.0', 3, 'ipv4')
notCalled.addAddress('::', 'ipv6')
notCalled.addSubnet('fe80::', 10, 'ipv6')
notCalled.addSubnet('ff00::', 8, 'ipv6')
notCalled.addAddress('fd00:ec2::254', 'ipv6')

/** IPv4 in the clothes of IPv6 is the same place. */
const refuse = (address: string): Error | null => {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  return notCalled.check(plain, isIP(plain) === 6 ? 'ipv6' : 'ipv4')
    ? new NotCalled(`${address} is not called: it is no address of a receiver`)
    : null
}

/** Looks at the very address that is then connected to, so that a name cannot change in between. */
const careful: LookupFunction = (name, options, answer) =>
  lookup(name, { ...options, all: true }, (error, found) => {
    const [first] = found ?? []
    const refusal = error ?? found.map(({ address }) => refuse(address)).find((one) => one !== null) ?? null
    if (refusal !== null || first === undefined) return answer(refusal ?? new Error(`${name} has no address`), '', 4)
    if (options.all) return answer(null, found)
    answer(null, first.address, first.family)
  })

const post = ({ address, id, contentType, body, key, atSeconds }: Webhook, signal: AbortSignal): Promise<number> =>
  new Promise((resolve, reject) => {
    const host = address.hostname.replace(/^\[|\]$/g, '')
    const refusal = isIP(host) === 0 ? null : refuse(host)
    if (refusal) return reject(refusal)
    const send = (address.protocol === 'https:' ? secureHttp() : plainHttp()).request
    const request = send(address, {
      method: 'POST',
      agent: false,
      lookup: careful,
      signal,
      headers: {
        'content-type': contentType,
        'content-length': Buffer.byteLength(body),
        'user-agent': 'headway',
        'webhook-id': id,
        'webhook-timestamp': String(atSeconds),
        ...(key === null ? {} : { 'webhook-signature': signatureOf(key, id, atSeconds, body) }),
      },
    })
    request.on('error', (error) => reject(signal.aborted ? signal.reason : error))
    request.on('response', (response) => {
      resolve(response.statusCode ?? 0)
      response.destroy() // what a receiver has to say beyond its status is nothing to us
    })
    request.end(body)
  })
