import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openCertificates } from '../../edge/tls/certificates.ts'
import { makeCertificate } from '../../edge/tls/testing.ts'
import { afterFailure, isDue, orderable } from './due.ts'
import { openShelf } from './shelf.ts'

const dayMs = 86_400_000

test('a certificate is ordered when there is none, and again when a third of its life is left', () => {
  const held = { from: 0, until: 90 * dayMs }
  const dueOn = (day: number) => isDue(held, null, 1 / 3, day * dayMs)
  assert.deepEqual([dueOn(0), dueOn(59), dueOn(61), dueOn(100)], [false, false, true, true])
  assert.equal(isDue(null, null, 1 / 3, 0), true)
})

test('after failures it is tried ever more seldom, once a day at least', () => {
  let tries = afterFailure(null, 'no', 0)
  const pauses = [tries.notBefore]
  for (let turn = 0; turn < 12; turn += 1) {
    tries = afterFailure(tries, 'no', 0)
    pauses.push(tries.notBefore)
  }
  assert.deepEqual(
    pauses.slice(0, 3).map((ms) => ms / 60_000),
    [5, 10, 20],
  )
  assert.equal(pauses.at(-1), dayMs)
  assert.deepEqual([isDue(null, tries, 1 / 3, dayMs - 1), isDue(null, tries, 1 / 3, dayMs)], [false, true])
})

test('names that no authority can ask are not asked for', () => {
  const names = [
    'Shop.example.com',
    'shop.example.com',
    'shop.localhost',
    'localhost',
    '*.example.com',
    '10.0.0.1',
    '[::1]',
    '../x',
    'a..b',
  ]
  assert.deepEqual(orderable(names), ['shop.example.com'])
})

test('a certificate and its key change together, privately, and the one before is cleared away', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-acme-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const shelf = openShelf(directory)
  assert.equal(shelf.held('shop.example'), null)
  shelf.noteFailure('shop.example', { failures: 2, notBefore: 7, why: 'no' })
  assert.deepEqual(shelf.tries('shop.example'), { failures: 2, notBefore: 7, why: 'no' })
  const certificates = openCertificates([join(directory, 'certificates')], (line) => assert.fail(line))
  for (const days of [30, 90]) {
    const { cert, key } = await makeCertificate(['shop.example'], days)
    shelf.keep('shop.example', { certificate: cert, key: Buffer.from(key) })
    await certificates.reload()
    const left = ((shelf.held('shop.example')?.until ?? 0) - Date.now()) / dayMs
    assert.ok(Math.abs(left - days) < 1, `${left} days are left`)
    assert.equal(certificates.find('shop.example')?.expiresAt, shelf.held('shop.example')?.until)
  }
  assert.equal(shelf.tries('shop.example'), null)
  const [issued = '', ...others] = readdirSync(join(directory, 'issued'))
  assert.deepEqual(others, [])
  const modes = ['', 'issued', `issued/${issued}`, `issued/${issued}/privkey.pem`].map(
    (path) => statSync(join(directory, path)).mode & 0o77,
  )
  assert.deepEqual(modes, [0, 0, 0, 0])
  const made = await shelf.accountKey(async () => Buffer.from('key'))
  assert.equal(String(await shelf.accountKey(async () => assert.fail('it is there'))), String(made))
  assert.equal(statSync(join(directory, 'account.key')).mode & 0o777, 0o600)
  assert.throws(() => shelf.answerChallenge('../../evil', 'x'))
  shelf.answerChallenge('token', 'answer')
  shelf.dropChallenges()
  assert.deepEqual(readdirSync(join(directory, 'challenges')), [])
})
