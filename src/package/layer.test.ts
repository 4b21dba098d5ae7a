import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Header, pack } from 'tar-stream'
import { layerOf, wholeOf } from './layer.ts'
import { createLayout } from './layout.ts'
import { unpackLayer } from './unpack.ts'

const tarOf = (entries: readonly (Partial<Header> & { name: string })[]): Promise<Buffer> => {
  const tar = pack()
  for (const entry of entries) tar.entry(entry, entry.type === undefined || entry.type === 'file' ? 'text' : '')
  tar.finalize()
  return wholeOf(tar)
}
async function* piece(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}
const inFolder = async (work: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'headway-layer-'))
  chmodSync(folder, 0o711)
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a layer does not depend on the order in which its files come', async () => {
  const files = ['b/z', 'a', 'b/a', 'é'].map((path) => ({ path, kind: 'file' as const, content: Buffer.from(path) }))
  assert.deepEqual(await layerOf(files, 1), await layerOf(files.toReversed(), 1))
  assert.notDeepEqual(await layerOf(files, 1), await layerOf(files, 2))
})

test('hostile entries of a layer are refused and write nothing outside', async () => {
  const app = { name: 'app', type: 'directory' } as const
  const cases: Record<string, readonly (Partial<Header> & { name: string })[]> = {
    parent: [app, { name: '../escaped' }],
    inner: [app, { name: 'app/../../escaped' }],
    absolute: [app, { name: '/tmp/escaped' }],
    orphan: [app, { name: 'elsewhere/file' }],
    absoluteLink: [app, { name: 'app/link', type: 'symlink', linkname: '/etc' }],
    parentLink: [app, { name: 'app/link', type: 'symlink', linkname: '../..' }],
    detour: [app, { name: 'app/link', type: 'symlink', linkname: 'x/../../..' }],
    throughLink: [app, { name: 'app/link', type: 'symlink', linkname: 'other' }, { name: 'app/link/file' }],
    hardLink: [app, { name: 'app/link', type: 'link', linkname: 'app/other' }],
    device: [app, { name: 'app/device', type: 'character-device', devmajor: 1, devminor: 3 }],
    pipe: [app, { name: 'app/pipe', type: 'fifo' }],
    twice: [app, { name: 'app/file' }, { name: 'app/file' }],
  }
  for (const [name, entries] of Object.entries(cases))
    await inFolder(async (folder) => {
      const into = join(folder, 'into')
      mkdirSync(into)
      await assert.rejects(async () => unpackLayer(piece(await tarOf(entries)), into), /./, name)
      assert.deepEqual([name, readdirSync(folder), existsSync('/tmp/escaped')], [name, ['into'], false])
    })
})

test('a blob that was changed on the disk is not read', () =>
  inFolder(async (folder) => {
    const layout = createLayout(folder)
    await layout.open()
    using hold = layout.hold()
    const { digest } = await hold.write('text/plain', Buffer.from('whole'))
    assert.equal((await layout.read(digest)).toString(), 'whole')
    const { writeFileSync } = await import('node:fs')
    writeFileSync(join(folder, 'blobs/sha256', digest.slice(7)), 'other')
    await assert.rejects(layout.read(digest), { kind: 'blob-damaged' })
    rmSync(join(folder, 'blobs/sha256', digest.slice(7)))
    await assert.rejects(layout.read(digest), { kind: 'blob-damaged' })
  }))

test('what is held survives a sweep, and what is let go does not', () =>
  inFolder(async (folder) => {
    const layout = createLayout(folder)
    await layout.open()
    const hold = layout.hold()
    const { digest } = await hold.write('text/plain', Buffer.from('held'))
    await layout.sweep(new Set())
    assert.equal(await layout.has(digest), true)
    hold[Symbol.dispose]()
    assert.equal(await layout.sweep(new Set()), 4)
    assert.equal(await layout.has(digest), false)
  }))
