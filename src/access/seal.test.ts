import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Problem } from '../problem.ts'
import { createKeyring, loadKeyring } from './seal.ts'
import { SettingName } from './setting-names.ts'

const unreadable = (error: unknown) => error instanceof Problem && error.kind === 'sealed-value-unreadable'

test('what is sealed opens under its own name, and the same value never looks the same', () => {
  const ring = createKeyring([randomBytes(32)])
  const sealed = ring.seal('shop/web//KEY', Buffer.from('value'))
  assert.equal(Buffer.from(ring.open('shop/web//KEY', sealed)).toString(), 'value')
  assert.notDeepEqual(ring.seal('shop/web//KEY', Buffer.from('value')), sealed)
  assert.equal(ring.open('empty', ring.seal('empty', Buffer.of())).length, 0)
})

test('any changed byte, any cut and another name or key is noticed', () => {
  const ring = createKeyring([randomBytes(32)])
  const sealed = ring.seal('name', Buffer.from('value'))
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] ?? 0) ^ 1
    assert.throws(() => ring.open('name', changed), unreadable, `byte ${at}`)
    assert.throws(() => ring.open('name', sealed.subarray(0, at)), unreadable, `cut at ${at}`)
  }
  assert.throws(() => ring.open('other', sealed), unreadable)
  assert.throws(() => createKeyring([randomBytes(32)]).open('name', sealed), unreadable)
})

test('a re-wrapped value opens by the new key alone', () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)]
  const sealed = createKeyring([older]).seal('name', Buffer.from('value'))
  const both = createKeyring([newer, older])
  assert.equal(both.isCurrent(sealed), false)
  const rewrapped = both.rewrap('name', sealed)
  assert.equal(both.isCurrent(rewrapped), true)
  assert.equal(Buffer.from(createKeyring([newer]).open('name', rewrapped)).toString(), 'value')
  assert.throws(() => both.rewrap('other', sealed), unreadable)
})

test('a file that holds no key is refused rather than replaced', () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-seal-'))
  const file = join(directory, 'master-key')
  writeFileSync(file, 'not a key\n')
  assert.throws(
    () => loadKeyring(file),
    (error) => error instanceof Problem && error.kind === 'master-key-unreadable',
  )
  rmSync(directory, { recursive: true })
})

test('names that Headway itself gives are refused with the reason', () => {
  const message = (name: string) => SettingName.safeParse(name).error?.issues[0]?.message ?? null
  assert.deepEqual(['API_KEY', 'PORT', 'HEADWAY_X', 'LD_PRELOAD', 'lower', '1X', ''].map(message), [
    null,
    'PORT is reserved: Headway allots the port',
    'HEADWAY_X is reserved: names that start with HEADWAY_ are what Headway tells a service about itself',
    'LD_PRELOAD is reserved: names that start with LD_ change how programs are loaded',
    ...Array.from(
      { length: 3 },
      () => 'a name is upper-case letters, digits and underscores, not starting with a digit',
    ),
  ])
})
