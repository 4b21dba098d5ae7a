import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type ByteSource, checkedName, entriesOf, type ZipInput, zipOf } from './zip.ts'

async function* inputs(files: Readonly<Record<string, Buffer>>): AsyncGenerator<ZipInput> {
  for (const [name, content] of Object.entries(files)) {
    const chunks = async function* () {
      for (let at = 0; at < content.length; at += 1000) yield content.subarray(at, at + 1000)
    }
    yield { name, sizeBytes: content.length, modifiedAt: new Date(2026, 0, 2, 3, 4, 6), content: chunks() }
  }
}

const packed = async (files: Readonly<Record<string, Buffer>>, level: number): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of zipOf(inputs(files), level)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const sourceOf = (bytes: Buffer): ByteSource => ({
  mime: 'application/zip',
  sizeBytes: bytes.length,
  read: async (start, end) => bytes.subarray(start, end),
  stream: async () =>
    (async function* () {
      for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777)
    })(),
})

const unpacked = async (bytes: Buffer): Promise<Record<string, Buffer>> => {
  const files: Record<string, Buffer> = {}
  for await (const { name, content } of entriesOf(sourceOf(bytes))) {
    const chunks: Buffer[] = []
    for await (const chunk of content) chunks.push(chunk)
    files[name] = Buffer.concat(chunks)
  }
  return files
}

const files = {
  'a.txt': Buffer.from('hello\n'),
  empty: Buffer.alloc(0),
  'sub/ümlaut.bin': randomBytes(50_000),
  'sub/zeros': Buffer.alloc(300_000),
}

for (const level of [0, 6, 9])
  test(`an archive of level ${level} holds what was packed, and python reads it as well`, async () => {
    const bytes = await packed(files, level)
    assert.deepEqual(await unpacked(bytes), files)
    const root = mkdtempSync(join(tmpdir(), 'headway-zip-'))
    try {
      writeFileSync(join(root, 'x.zip'), bytes)
      const script = "import zipfile;z=zipfile.ZipFile('x.zip');assert z.testzip() is None;z.extractall('out')"
      execFileSync('python3', ['-c', script], { cwd: root })
      for (const [name, content] of Object.entries(files))
        assert.deepEqual(readFileSync(join(root, 'out', name)), content)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })

test('an archive that python has written with stored and deflated entries and folders is read', async () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-zip-'))
  try {
    const script = [
      'import zipfile',
      "z=zipfile.ZipFile('x.zip','w')",
      "z.writestr('folder/','')",
      "z.writestr('folder/stored','abc'*1000)",
      "z.writestr('deflated','abc'*1000,zipfile.ZIP_DEFLATED)",
      "f=z.open('large','w',force_zip64=True);f.write(b'x'*5000);f.close()",
      'z.close()',
    ].join('\n')
    execFileSync('python3', ['-c', script], { cwd: root })
    assert.deepEqual(await unpacked(readFileSync(join(root, 'x.zip'))), {
      folder: Buffer.alloc(0),
      'folder/stored': Buffer.from('abc'.repeat(1000)),
      deflated: Buffer.from('abc'.repeat(1000)),
      large: Buffer.from('x'.repeat(5000)),
    })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('an archive that was altered anywhere gives other names or an error, never other contents', async () => {
  const bytes = await packed({ 'a.txt': Buffer.from('hello'.repeat(100)) }, 6)
  for (let at = 0; at < bytes.length; at += 1) {
    const altered = Buffer.from(bytes)
    altered[at] = (altered[at] ?? 0) ^ 0xff
    const read = await unpacked(altered).catch(() => null)
    for (const content of Object.values(read ?? {}))
      assert.deepEqual(content.toString(), 'hello'.repeat(100), `byte ${at}`)
  }
})

test('names that lead out of the place where they are unpacked are refused', () => {
  for (const name of ['../a', 'a/../../b', '/etc/passwd', 'a//b', 'a/./b', '', '..', 'a\0b'])
    assert.throws(() => checkedName(name), /is no path below the place/, name)
  assert.deepEqual(['a', 'a/b/', './a', '..a/b..', 'a b'].map(checkedName), ['a', 'a/b', 'a', '..a/b..', 'a b'])
})
