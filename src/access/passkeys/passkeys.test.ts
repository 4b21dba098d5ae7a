import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { request } from 'node:http'
import { test } from 'node:test'
import { openTestApi, type TestApi } from '../../api/testing.ts'
import { root } from '../testing.ts'
import { partyOf } from './party.ts'

type Answer = { status: number; body: Record<string, unknown> & unknown[]; cookies: string[] }

/** A browser at a name of loopback, which `fetch` would not let a test choose. */
const browserAt = (opened: TestApi, name = 'localhost') => {
  const { port } = new URL(opened.url)
  const origin = `http://${name}:${port}`
  const cookies = new Map<string, string>()
  const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body)
      const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join('; ')
      const headers = { host: `${name}:${port}`, origin, 'content-length': Buffer.byteLength(text), cookie }
      const type = body === undefined ? {} : { 'content-type': 'application/json' }
      const asked = request(
        { host: '127.0.0.1', port, method, path: `/api/v1${path}`, headers: { ...headers, ...type } },
        async (response) => {
          let answer = ''
          for await (const chunk of response) answer += chunk
          for (const set of response.headers['set-cookie'] ?? []) {
            const [key = '', value = ''] = (set.split(';')[0] ?? '').split('=')
            cookies.set(key, value)
          }
          resolve({
            status: response.statusCode ?? 0,
            body: JSON.parse(answer),
            cookies: response.headers['set-cookie'] ?? [],
          })
        },
      )
      asked.once('error', reject)
      asked.end(text)
    })
  return { ask, origin, cookies }
}

/** A device that keeps one passkey (ES256, attestation "none", as FIDO2 lays the bytes out). */
const newDevice = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const id = randomBytes(16)
  const jwk = publicKey.export({ format: 'jwk' })
  const point = (part: string | undefined) => Buffer.from(part ?? '', 'base64url')
  const cose = Buffer.concat([
    Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
    ...[point(jwk.x), Buffer.from([0x22, 0x58, 0x20]), point(jwk.y)],
  ])
  const hash = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest()
  const data = (host: string, flags: number, counter: number) => {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter)
    return Buffer.concat([hash(host), Buffer.from([flags]), count])
  }
  const client = (type: string, challenge: unknown, origin: string) =>
    Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }))
  const about = {
    id: id.toString('base64url'),
    rawId: id.toString('base64url'),
    type: 'public-key',
    clientExtensionResults: {},
  }
  return {
    register: (challenge: unknown, origin: string, host = 'localhost', flags = 0x45) => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(id.length)
      const authData = Buffer.concat([data(host, flags, 1), Buffer.alloc(16), length, id, cose])
      const attestationObject = Buffer.concat([
        Buffer.from([0xa3, 0x63]),
        Buffer.from('fmt'),
        Buffer.from([0x64]),
        Buffer.from('none'),
        Buffer.from([0x67]),
        Buffer.from('attStmt'),
        Buffer.from([0xa0, 0x68]),
        Buffer.from('authData'),
        Buffer.from([0x58, authData.length]),
        authData,
      ])
      const clientDataJSON = client('webauthn.create', challenge, origin).toString('base64url')
      return { ...about, response: { clientDataJSON, attestationObject: attestationObject.toString('base64url') } }
    },
    signIn: (challenge: unknown, origin: string, counter: number, host = 'localhost', flags = 0x05) => {
      const clientData = client('webauthn.get', challenge, origin)
      const authenticatorData = data(host, flags, counter)
      const signature = sign('sha256', Buffer.concat([authenticatorData, hash(clientData)]), privateKey)
      return {
        ...about,
        response: {
          clientDataJSON: clientData.toString('base64url'),
          authenticatorData: authenticatorData.toString('base64url'),
          signature: signature.toString('base64url'),
        },
      }
    },
  }
}

/** Ada, signed in by an invitation at localhost. */
const open = async () => {
  const opened = await openTestApi()
  await opened.access.users.create('ada', root.actor)
  await opened.access.users.grant('ada', { role: 'developer', project: null }, root.actor)
  const { code } = await opened.access.sessions.invite('ada', root.actor)
  const ada = browserAt(opened)
  const signedIn = await ada.ask('POST', '/sessions', { kind: 'invitation', code, password: 'correct horse battery' })
  assert.equal(signedIn.status, 201)
  return { opened, ada }
}

test('a passkey is added, signs in as its user, is listed, and is revoked with the sessions that it opened', async () => {
  const { opened, ada } = await open()
  await using _ = opened
  const device = newDevice()
  const offer = await ada.ask('POST', '/passkey-offers')
  assert.deepEqual(
    [offer.body.rp, offer.body.attestation, offer.body.authenticatorSelection],
    [
      { name: 'Headway', id: 'localhost' },
      'none',
      { residentKey: 'required', userVerification: 'required', requireResidentKey: true },
    ],
  )
  const response = device.register(offer.body.challenge, ada.origin)
  const added = await ada.ask('POST', '/passkeys', { name: 'my key', response })
  assert.deepEqual([added.status, added.body.name, added.body.host], [201, 'my key', 'localhost'])

  const stranger = browserAt(opened)
  const asked = await stranger.ask('POST', '/sign-in-challenges')
  assert.match(asked.cookies[0] ?? '', /-passkey=hws_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=300$/)
  const answer = { kind: 'passkey', response: device.signIn(asked.body.challenge, ada.origin, 2) }
  assert.deepEqual((await stranger.ask('POST', '/sessions', answer)).body, { user: 'ada' })
  assert.equal((await stranger.ask('GET', '/me')).body.user, 'ada')
  assert.equal((await stranger.ask('POST', '/sessions', answer)).status, 403, 'an answer counts once')

  const [listed] = (await ada.ask('GET', '/passkeys')).body
  assert.deepEqual(Object.keys(listed as object), ['passkey', 'user', 'name', 'host', 'addedAt', 'usedAt'])
  const other = await opened.token('developer', null)
  assert.deepEqual(await opened.read(other, 'GET', '/api/v1/passkeys?all=true'), [])
  assert.equal((await opened.call(other, 'DELETE', `/api/v1/passkeys/${added.body.passkey}`)).status, 404)
  assert.equal((await ada.ask('DELETE', `/passkeys/${added.body.passkey}`)).status, 200)
  assert.equal((await stranger.ask('GET', '/me')).status, 401)
  assert.equal((await ada.ask('GET', '/me')).status, 200)
  const again = await stranger.ask('POST', '/sign-in-challenges')
  const late = { kind: 'passkey', response: device.signIn(again.body.challenge, ada.origin, 3) }
  assert.equal((await stranger.ask('POST', '/sessions', late)).status, 403)
})

test('an answer counts only for its own question, browser, page, host and user, and while the device counts on', async () => {
  const { opened, ada } = await open()
  await using _ = opened
  const device = newDevice()
  const add = async (make: (challenge: unknown) => unknown) => {
    const { body } = await ada.ask('POST', '/passkey-offers')
    return (await ada.ask('POST', '/passkeys', { name: 'key', response: make(body.challenge) })).status
  }
  const other = randomBytes(32).toString('base64url')
  assert.equal(await add(() => device.register(other, ada.origin)), 400, 'another question')
  assert.equal(await add((asked) => device.register(asked, 'http://evil.localhost')), 400, 'another page')
  assert.equal(await add((asked) => device.register(asked, ada.origin, 'evil.test')), 400, 'another host')
  assert.equal(await add((asked) => device.register(asked, ada.origin, 'localhost', 0x41)), 400, 'nobody shown')
  assert.equal(await add((asked) => device.register(asked, ada.origin)), 201)
  assert.equal(await add((asked) => device.register(asked, ada.origin)), 400, 'known already')

  const signIn = async (make: (challenge: unknown) => unknown, from = browserAt(opened)) => {
    const { body } = await from.ask('POST', '/sign-in-challenges')
    return (await from.ask('POST', '/sessions', { kind: 'passkey', response: make(body.challenge) })).status
  }
  const at = ada.origin
  assert.equal(await signIn((asked) => device.signIn(asked, at, 5)), 201)
  assert.equal(await signIn((asked) => device.signIn(asked, at, 5)), 403, 'a copy of the device')
  assert.equal(await signIn((asked) => device.signIn(asked, at, 4)), 403, 'an older copy of the device')
  assert.equal(await signIn(() => device.signIn(other, at, 6)), 403, 'another question')
  assert.equal(await signIn((asked) => device.signIn(asked, 'http://evil.localhost', 6)), 403, 'another page')
  assert.equal(await signIn((asked) => device.signIn(asked, at, 6, 'evil.test')), 403, 'another host')
  assert.equal(await signIn((asked) => device.signIn(asked, at, 6, 'localhost', 0x01)), 403, 'nobody shown')
  assert.equal(await signIn((asked) => newDevice().signIn(asked, at, 6)), 403, 'another device')
  const elsewhere = browserAt(opened, 'hq.localhost')
  assert.equal(await signIn((asked) => device.signIn(asked, elsewhere.origin, 6), elsewhere), 403, 'another name')

  const asked = await browserAt(opened).ask('POST', '/sign-in-challenges')
  const stolen = { kind: 'passkey', response: device.signIn(asked.body.challenge, at, 6) }
  assert.equal((await browserAt(opened).ask('POST', '/sessions', stolen)).status, 403, 'another browser')
  const slow = browserAt(opened)
  const early = await slow.ask('POST', '/sign-in-challenges')
  await opened.clock.advance(5 * 60_000)
  const tooLate = { kind: 'passkey', response: device.signIn(early.body.challenge, at, 6) }
  assert.equal((await slow.ask('POST', '/sessions', tooLate)).status, 403, 'after five minutes')
  await opened.clock.advance(15 * 60_000)
  assert.equal(await signIn((challenge) => device.signIn(challenge, at, 6)), 201)
  const facts = await opened.ledger.read({ types: ['passkey.used'], limit: 10 })
  assert.deepEqual(
    facts.map(({ payload }) => (payload as { counter: number }).counter),
    [5, 6],
  )
})

test('a session of a token that may little makes no passkey, nor does a token, nor a page at an address or a foreign name', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('developer', null)
  const { secret } = await opened.access.tokens.issue(
    { user: 'developer1', name: 'little', scope: { role: 'viewer', project: null }, expiresAt: null },
    root,
  )
  const little = browserAt(opened)
  assert.equal((await little.ask('POST', '/sessions', { kind: 'token', token: secret })).status, 201)
  assert.equal((await little.ask('POST', '/passkey-offers')).status, 403)
  assert.equal((await opened.call(token, 'POST', '/api/v1/passkey-offers')).status, 400)

  const asking = { method: 'POST', fetchSite: undefined, cookie: undefined }
  const at = (origin: string, names: readonly string[] = []) =>
    partyOf({ ...asking, origin, host: new URL(origin).host }, names)
  assert.deepEqual(at('http://localhost:4400'), { origin: 'http://localhost:4400', host: 'localhost' })
  assert.deepEqual(at('https://hq.example', ['hq.example']), { origin: 'https://hq.example', host: 'hq.example' })
  assert.throws(() => at('http://127.0.0.1:4400'), { kind: 'no-passkeys-here', next: 'open http://localhost:4400' })
  assert.throws(() => at('https://[::1]:4400'), { kind: 'no-passkeys-here' })
  assert.throws(() => at('http://hq.example', ['hq.example']), { kind: 'no-passkeys-here' })
  assert.throws(() => at('https://other.example', ['hq.example']), { kind: 'no-passkeys-here' })
  assert.throws(() => partyOf({ ...asking, origin: 'http://localhost', host: 'hq.localhost' }, []), {
    kind: 'no-passkeys-here',
  })
})
