import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPackageBench, releasedIn } from './testing.ts'

const directory = mkdtempSync(join(tmpdir(), 'headway-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=0711', 'tmpfs', directory]).status === 0

test('on a full disk nothing is released, it is said why, and the next push succeeds', async (context) => {
  context.after(() => {
    if (mounted) execFileSync('umount', [directory])
    rmSync(directory, { recursive: true, force: true })
  })
  if (!mounted) return context.diagnostic('needs the right to mount a file system: as root only')
  chmodSync(directory, 0o711)
  const small = { 'headway.yaml': 'name: shop\nlanguage: node\n', 'server.js': '1\n' }
  // Hardly compresses in Git, and is written twice: into the repository and into the layer.
  const large = Array.from({ length: 400_000 }, (_, index) => (index * 7919 * 104_729).toString(36)).join('')
  await using bench = await openPackageBench({ directory })
  const first = releasedIn((await bench.push(small)).facts)
  const { facts, push } = await bench.push({ ...small, 'large.txt': large })
  const detail = facts[0]?.payload && Reflect.get(facts[0].payload, 'detail')
  assert.match(String(detail), /^the disk of .* is full; nothing that was released before is touched$/)
  assert.deepEqual(facts.at(-1)?.payload, { push, released: [], failed: ['shop'] })
  assert.ok((await bench.stage.open(first)) && (await bench.stage.unpack(first)))
  const leftovers = readdirSync(join(bench.home.blobs, 'images/blobs/sha256')).filter((name) => name.endsWith('.tmp'))
  assert.deepEqual([leftovers, statfsSync(directory).bavail > 0], [[], true])
  releasedIn((await bench.push({ ...small, 'server.js': '2\n' })).facts)
})
