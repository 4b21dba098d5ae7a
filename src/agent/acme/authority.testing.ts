import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { generate } from 'selfsigned'
import { z } from 'zod'
import { makeCertificate } from '../../edge/tls/testing.ts'

/**
 * A certificate authority of a test's own (RFC 8555, P-256 only): it checks nonces and signatures, asks for each name by http-01 through
 * `ask`, refuses the names in `refused`, and signs what was asked for. It remembers nothing of a valid name, so that each order is proved.
 */
export const startAuthority = async (options: {
  readonly ask: (name: string, token: string) => Promise<string | null>
  readonly refused: readonly string[]
}) => {
  const own = await makeCertificate(['authority.test'])
  const nonces = new Set<string>()
  const accounts = new Map<string, string>()
  const orders: Order[] = []
  let url = ''

  const signed = (body: unknown): Signed => {
    const jws = Jws.parse(body)
    const head = Head.parse(JSON.parse(decoded(jws.protected)))
    if (!nonces.delete(head.nonce)) throw new Refused('badNonce', 'this nonce was not given, or is used')
    const jwk = head.jwk ?? accountAt(head.kid)
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const signature = Buffer.from(jws.signature, 'base64url')
    const text = Buffer.from(`${jws.protected}.${jws.payload}`)
    if (!verify('sha256', text, { key, dsaEncoding: 'ieee-p1363' }, signature))
      throw new Refused('unauthorized', 'not signed by the account')
    return { thumbprint: thumbprintOf(jwk), jwk, payload: jws.payload === '' ? null : JSON.parse(decoded(jws.payload)) }
  }

  const accountAt = (kid: string | undefined): Jwk => {
    const known = accounts.get(kid?.split('/').at(-1) ?? '')
    if (known === undefined) throw new Refused('accountDoesNotExist', 'there is no such account')
    return Jwk.parse(JSON.parse(known))
  }

  const newAccount = ({ jwk, thumbprint }: Signed): Answer => {
    const isNew = !accounts.has(thumbprint)
    accounts.set(thumbprint, JSON.stringify(jwk))
    return { status: isNew ? 201 : 200, location: `${url}/account/${thumbprint}`, body: { status: 'valid' } }
  }

  const newOrder = ({ payload }: Signed): Answer => {
    const [{ value: name }] = NewOrder.parse(payload).identifiers
    if (options.refused.includes(name)) throw new Refused('rejectedIdentifier', `nobody gets ${name}`)
    const token = randomBytes(16).toString('base64url')
    orders.push({ name, token, isProved: false, certificate: null })
    return { status: 201, location: `${url}/order/${orders.length - 1}`, body: orderAt(orders.length - 1) }
  }

  const found = (at: number): Order => {
    const order = orders[at]
    if (!order) throw new Refused('malformed', 'there is no such order')
    return order
  }

  const orderAt = (at: number) => {
    const { name, isProved, certificate } = found(at)
    return {
      status: certificate !== null ? 'valid' : isProved ? 'ready' : 'pending',
      identifiers: [{ type: 'dns', value: name }],
      authorizations: [`${url}/authorization/${at}`],
      finalize: `${url}/finalize/${at}`,
      ...(certificate === null ? {} : { certificate: `${url}/certificate/${at}` }),
    }
  }

  const challengeAt = (at: number) => ({
    ...{ type: 'http-01', url: `${url}/challenge/${at}`, token: found(at).token },
    status: found(at).isProved ? 'valid' : 'pending',
  })

  const prove = async (at: number, { thumbprint, payload }: Signed): Promise<Answer> => {
    const order = found(at)
    if (payload !== null && !order.isProved) {
      const answer = await options.ask(order.name, order.token)
      if (answer !== `${order.token}.${thumbprint}`) throw new Refused('unauthorized', `${order.name} said ${answer}`)
      order.isProved = true
    }
    return { status: 200, body: challengeAt(at) }
  }

  const finalize = async (at: number, { payload }: Signed): Promise<Answer> => {
    const order = found(at)
    if (!order.isProved) throw new Refused('orderNotReady', 'nothing was proved')
    const request = Buffer.from(z.object({ csr: z.string() }).parse(payload).csr, 'base64url')
    order.certificate ??= await signFor(order.name, publicKeyIn(request), own)
    return { status: 200, body: orderAt(at) }
  }

  const answerTo = (path: string, asked: Signed): Answer | Promise<Answer> => {
    const [, what = '', which = ''] = path.split('/')
    const at = Number(which)
    if (what === 'new-account') return newAccount(asked)
    if (what === 'account') return { status: 200, body: { status: 'valid' } }
    if (what === 'new-order') return newOrder(asked)
    if (what === 'order') return { status: 200, body: orderAt(at) }
    if (what === 'challenge') return prove(at, asked)
    if (what === 'finalize') return finalize(at, asked)
    if (what === 'certificate') return { status: 200, body: found(at).certificate ?? '' }
    if (what !== 'authorization') throw new Refused('malformed', `nothing is at ${path}`)
    const { status } = challengeAt(at)
    const identifier = { type: 'dns', value: found(at).name }
    return { status: 200, body: { status, identifier, challenges: [challengeAt(at)] } }
  }

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = new URL(request.url ?? '/', url).pathname
    const nonce = randomBytes(16).toString('base64url')
    nonces.add(nonce)
    response.setHeader('replay-nonce', nonce)
    const body = await textOf(request)
    if (request.method !== 'POST')
      return send(response, { status: 200, body: path === '/directory' ? places(url) : '' })
    try {
      send(response, await answerTo(path, signed(JSON.parse(body))))
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      send(response, { status: 400, body: { type: error.type, detail: error.message } })
    }
  }

  const server = createServer((request, response) => {
    serve(request, response).catch((error) => send(response, { status: 400, body: { detail: String(error) } }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`
  return {
    directory: `${url}/directory`,
    /** How many accounts were made. */
    accounts: () => accounts.size,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

type Order = { readonly name: string; readonly token: string; isProved: boolean; certificate: string | null }
type Signed = { readonly thumbprint: string; readonly jwk: Jwk; readonly payload: unknown }
type Answer = { readonly status: number; readonly location?: string; readonly body: unknown }

const Jws = z.object({ protected: z.string(), payload: z.string(), signature: z.string() })
const Jwk = z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: z.string(), y: z.string() })
type Jwk = z.infer<typeof Jwk>
const Head = z.object({ nonce: z.string(), jwk: Jwk.optional(), kid: z.string().optional() })
const NewOrder = z.object({ identifiers: z.tuple([z.object({ type: z.literal('dns'), value: z.string() })]) })

class Refused extends Error {
  readonly type: string
  constructor(kind: string, detail: string) {
    super(detail)
    this.type = `urn:ietf:params:acme:error:${kind}`
  }
}

const places = (url: string) => ({
  newNonce: `${url}/new-nonce`,
  newAccount: `${url}/new-account`,
  newOrder: `${url}/new-order`,
})

const send = (response: ServerResponse, { status, location, body }: Answer): void => {
  if (location !== undefined) response.setHeader('location', location)
  const isText = typeof body === 'string'
  response.writeHead(status, { 'content-type': isText ? 'application/pem-certificate-chain' : 'application/json' })
  response.end(isText ? body : JSON.stringify(body))
}

const textOf = async (request: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of request) text += chunk
  return text
}

const decoded = (text: string): string => Buffer.from(text, 'base64url').toString()

/** RFC 7638. */
const thumbprintOf = ({ crv, kty, x, y }: Jwk): string =>
  createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')

/** What begins the description of each public key on P-256 (RFC 5480), 91 bytes with the key. */
const keyOnP256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex')

const publicKeyIn = (request: Buffer): string => {
  const at = request.indexOf(keyOnP256)
  if (at < 0) throw new Refused('badCSR', 'the key is not on P-256')
  const key = createPublicKey({ key: request.subarray(at, at + 91), format: 'der', type: 'spki' })
  return String(key.export({ format: 'pem', type: 'spki' }))
}

const signFor = async (name: string, publicKey: string, own: { cert: string; key: string }): Promise<string> => {
  const made = await generate([{ name: 'commonName', value: name }], {
    ...{ keyType: 'ec', algorithm: 'sha256', notAfterDate: new Date(Date.now() + 90 * 86_400_000) },
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
    keyPair: { publicKey, privateKey: own.key }, // the private one is only given back
    ca: own,
  })
  return made.cert
}
