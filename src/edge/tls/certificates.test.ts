import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { covers, openCertificates } from './certificates.ts'
import { certificateDirectory, makeCertificate, writePair } from './testing.ts'

const open = async (t: TestContext) => {
  const directory = certificateDirectory(t)
  const said: string[] = []
  return { directory, said, certificates: openCertificates([directory], (line) => said.push(line)) }
}

test('the certificate of a name, else the one with an asterisk for it, else the default one', async (t) => {
  const { directory, certificates, said } = await open(t)
  writePair(directory, 'one', await makeCertificate(['shop.example', 'www.shop.example']))
  writePair(directory, 'wild', await makeCertificate(['*.shop.example']))
  mkdirSync(join(directory, 'certbot'))
  const certbot = await makeCertificate(['pay.example'])
  writeFileSync(join(directory, 'certbot/fullchain.pem'), certbot.cert)
  writeFileSync(join(directory, 'certbot/privkey.pem'), certbot.key)
  mkdirSync(join(directory, 'secret'))
  const secret = await makeCertificate(['api.example'])
  writeFileSync(join(directory, 'secret/tls.crt'), secret.cert)
  writeFileSync(join(directory, 'secret/tls.key'), secret.key)
  await certificates.reload()
  const labelOf = (name: string | null) => certificates.find(name)?.label.slice(directory.length + 1) ?? null
  const asked = [
    'shop.example',
    'WWW.shop.example.',
    'a.shop.example',
    'a.b.shop.example',
    'pay.example',
    'api.example',
  ]
  assert.deepEqual(asked.map(labelOf), ['one', 'one', 'wild', null, 'certbot', 'secret'])
  const hostile = [
    '',
    '.',
    '..',
    '*.shop.example',
    '__proto__',
    'constructor',
    '../one',
    'a\0b.example',
    `${'a'.repeat(300)}.example`,
  ]
  assert.deepEqual(
    [...hostile, null].map(labelOf),
    [...hostile, null].map(() => null),
  )
  writePair(directory, 'default', await makeCertificate(['fallback.example']))
  await certificates.reload()
  assert.deepEqual(
    [labelOf(null), labelOf('unknown.example'), labelOf('a.b.shop.example')],
    ['default', 'default', 'default'],
  )
  assert.deepEqual(said, [])
})

test('a certificate that has changed is used from the next look on, a broken one is told once and leaves the old one', async (t) => {
  const { directory, certificates, said } = await open(t)
  writePair(directory, 'shop', await makeCertificate(['shop.example'], 30))
  await certificates.reload()
  const first = certificates.find('shop.example')
  await certificates.reload()
  assert.equal(certificates.find('shop.example'), first)
  writeFileSync(join(directory, 'shop.crt'), 'no certificate at all')
  await certificates.reload()
  await certificates.reload()
  assert.equal(certificates.find('shop.example'), first)
  assert.equal(said.length, 1)
  assert.match(said[0] ?? '', /shop\.crt cannot be used, the one before stays in use/)
  const next = await makeCertificate(['shop.example'], 90)
  writeFileSync(join(directory, 'shop.crt'), next.cert) // its key follows a moment later
  await certificates.reload()
  assert.match(said[1] ?? '', /its key is that of another certificate/)
  assert.equal(certificates.find('shop.example'), first)
  writeFileSync(join(directory, 'shop.next'), next.key)
  renameSync(join(directory, 'shop.next'), join(directory, 'shop.key'))
  await certificates.reload()
  assert.notEqual(certificates.find('shop.example'), first)
  assert.equal(said.length, 2)
  rmSync(join(directory, 'shop.key'))
  await certificates.reload()
  assert.ok(certificates.find('shop.example'), 'half a pair is one that is being replaced')
  rmSync(join(directory, 'shop.crt'))
  await certificates.reload()
  assert.equal(certificates.find('shop.example'), null)
})

test('of two certificates for a name the one that lives longer counts, and one without names is left aside', async (t) => {
  const { directory, certificates, said } = await open(t)
  writePair(directory, 'a', await makeCertificate(['shop.example'], 90))
  writePair(directory, 'b', await makeCertificate(['shop.example'], 30))
  writePair(directory, 'c', await makeCertificate([]))
  await certificates.reload()
  assert.equal(certificates.find('shop.example')?.label, `${directory}/a`)
  assert.match(said.join('\n'), /c\.crt cannot be used, it is left aside: it is valid for no name/)
})

test('a directory that cannot be listed takes nothing away', async (t) => {
  const { directory, certificates, said } = await open(t)
  writePair(directory, 'shop', await makeCertificate(['shop.example']))
  await certificates.reload()
  renameSync(directory, `${directory}.away`)
  t.after(() => rmSync(`${directory}.away`, { recursive: true, force: true }))
  await certificates.reload()
  await certificates.reload()
  assert.ok(certificates.find('shop.example'))
  assert.equal(said.length, 1)
})

test('a name is covered by itself or with one label in place of the asterisk', async (t) => {
  const { directory, certificates } = await open(t)
  writePair(directory, 'shop', await makeCertificate(['shop.example', '*.shop.example']))
  await certificates.reload()
  const found = certificates.find('shop.example')
  assert.ok(found)
  const names = ['shop.example', 'a.shop.example', 'a.b.shop.example', 'example', 'other.example']
  assert.deepEqual(
    names.map((name) => covers(found, name)),
    [true, true, false, false, false],
  )
})
