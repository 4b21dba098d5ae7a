import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Clock } from '../clock.ts'
import { systemClock } from '../clock.ts'
import type { NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Digest, ProjectName, ServiceName } from '../names.ts'
import { allPids, environmentOf } from '../processes/tree.ts'
import { commitTo, fakeNpm, openPackageBench, verified } from './testing.ts'

// A control plane that packages two versions of a service, keeps the newest, and says what then stands on the disk. The crash
// test kills it at each mark and starts it again on the same directory.
const directory = process.argv[2] ?? ''
const journal = join(directory, 'facts.jsonl')
const clock: Clock = { ...systemClock, now: () => 1_800_000_000_000 }

/** Facts survive in a journal, so that the test needs nothing of the real ledger's own recovery. */
const journaled = (ledger: Ledger): Ledger => ({
  ...ledger,
  append: async (facts, options) => {
    appendFileSync(journal, facts.map((one) => `${JSON.stringify(one)}\n`).join(''))
    return ledger.append(facts, options)
  },
  read: (query) => ledger.read(query),
  head: () => ledger.head(),
  onAppend: (listener) => ledger.onAppend(listener),
  erase: (seq, why, actor) => ledger.erase(seq, why, actor),
})

const earlier: NewFact[] = existsSync(journal)
  ? readFileSync(journal, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line): NewFact => JSON.parse(line))
  : []

await using bench = await openPackageBench({
  ...{ directory, clock, tools: { npm: fakeNpm }, wrapLedger: journaled, earlier },
  needs: { keptReleases: 1 },
})
const bare = join(bench.home.repositories, 'default', 'shop.git')
mkdirSync(dirname(bare), { recursive: true })
const scripts = { start: 'node dist/built.js', build: 'tsc' }
for (const version of [1, 2]) {
  const push = `push-${version}`
  const commit = commitTo(bare, {
    'headway.yaml': 'name: shop\nlanguage: node\n',
    'package.json': JSON.stringify({ scripts, devDependencies: { typescript: '5' } }),
    'package-lock.json': `{"lockfileVersion":${version}}`,
    'src/server.js': `console.log(${version})\n`,
  })
  if (!readFileIfAny(journal).includes(`"push":"${push}"`)) await bench.ledger.append([verified(push, 'shop', commit)])
  await bench.concluded(push)
  const [newest] = await bench.stage.list(ProjectName.parse('default'), ServiceName.parse('shop'))
  if (newest) await bench.stage.unpack(Digest.parse(newest.digest))
}
await bench.stage.collect()
const names = (folder: string) => readdirSync(folder).sort()
const facts = (await bench.facts()).map(({ type, payload }) => ({ type, payload }))
console.log(
  JSON.stringify({
    facts,
    blobs: names(join(bench.home.blobs, 'images/blobs/sha256')),
    layout: names(join(bench.home.blobs, 'images')),
    images: readdirSync(bench.home.images, { recursive: true, encoding: 'utf8' }).sort(),
    workspaces: namesIfAny(join(bench.home.work, 'packaging')),
    layerCache: names(join(bench.home.caches, 'layers')),
    processes: allPids().filter((pid) => environmentOf(pid).some((entry) => entry.startsWith(`HOME=${directory}/`)))
      .length,
  }),
)

function namesIfAny(folder: string): string[] {
  return existsSync(folder) ? names(folder) : []
}

function readFileIfAny(file: string): string {
  return existsSync(file) ? readFileSync(file, 'utf8') : ''
}
