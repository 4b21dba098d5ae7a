import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { noSettings, parseSettings } from '../edge/settings.ts'
import { settingsFromOptions } from './options.ts'

const host = '127.0.0.1'

test('options become settings that the edge can read', () => {
  const acme = 'https://acme.example/directory'
  const all = settingsFromOptions({
    host,
    edgeTlsPort: '4443',
    certificates: [tmpdir()],
    acme,
    trustedProxies: '10.0.0.7',
    proxyProtocol: true,
  })
  assert.deepEqual(parseSettings(JSON.parse(JSON.stringify(all))), all)
  assert.deepEqual(
    [all.tls?.port, all.tls?.acme?.directory, all.trusted, all.proxyProtocol],
    [4443, acme, '10.0.0.7', true],
  )
  assert.deepEqual(settingsFromOptions({ host, edgeTlsPort: 'off' }), noSettings)
  assert.equal(
    settingsFromOptions({ host, trustedProxies: '::1', trustedHeader: 'forwarded' }).trustedHeader,
    'forwarded',
  )
})

test('options that cannot be meant are refused by name', () => {
  const bad: readonly (readonly [object, RegExp])[] = [
    [{ edgeTlsPort: '70000' }, /--edge-tls-port is a port/],
    [{ edgeTlsPort: '4443' }, /has no certificates to show/],
    [{ certificates: [tmpdir()] }, /for a port on which TLS is spoken/],
    [{ edgeTlsPort: '4443', certificates: ['/nowhere'] }, /there is no directory \/nowhere/],
    [{ edgeTlsPort: '4443', acme: 'ftp://x' }, /--acme is the address/],
    [{ edgeTlsPort: '4443', acmeEmail: 'a@b' }, /go together with --acme/],
    [{ edgeTlsPort: '4443', acme: 'https://x', acmeName: ['*.a.b'] }, /--acme-name \*\.a\.b/],
    [{ trustedProxies: 'nonsense' }, /--trusted-proxies: "nonsense" is neither/],
    [{ proxyProtocol: true }, /go together with --trusted-proxies/],
    [{ trustedProxies: '::1', trustedHeader: 'via' }, /--trusted-header is/],
  ]
  for (const [options, message] of bad) assert.throws(() => settingsFromOptions({ host, ...options }), { message })
})
