import { spawn } from 'node:child_process'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Fault, faults } from '../../conformance/faults.ts'
import type { Say } from './kills.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const copied = new Set(['src', 'conformance', 'package.json', 'tsconfig.json'])

/** A copy of the repository with the fault in it; what is not looked into is linked. */
const seeded = async ({ file, find, replace }: Fault): Promise<string> => {
  const copy = await mkdtemp(join(tmpdir(), 'headway-fault-'))
  for (const name of await readdir(repository))
    if (copied.has(name)) await cp(join(repository, name), join(copy, name), { recursive: true })
    else if (name !== '.git') await symlink(join(repository, name), join(copy, name))
  const path = join(copy, 'src/build', file)
  const source = await readFile(path, 'utf8')
  await writeFile(
    path,
    source.replace(find, () => replace),
  )
  return copy
}

type Counted = { readonly passed: number; readonly failed: number; readonly unended: number; readonly text: string }

const play = (copy: string, words: readonly string[]): Promise<Counted> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', 'conformance/suite.ts'], {
      cwd: copy,
      env: { ...process.env, HEADWAY_CONFORMANCE: JSON.stringify(words) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let text = ''
    const keep = (chunk: Buffer): void => {
      text += chunk.toString()
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.once('error', reject)
    const counted = (what: string): number => Number(new RegExp(`^(?:ℹ|#) ${what} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
    child.once('close', () =>
      resolve({ passed: counted('pass'), failed: counted('fail'), unended: counted('cancelled'), text }),
    )
  })

/** Noticed when a case fails while the engine as such still plays others: a fault that breaks everything shows nothing. */
const noticed = async (fault: Fault, say: Say): Promise<void> => {
  const began = performance.now()
  const copy = await seeded(fault)
  try {
    const { passed, failed, unended, text } = await play(copy, fault.words)
    const took = ((performance.now() - began) / 1000).toFixed(0)
    // A case that did not end in its time may as well be a slow machine.
    const holds = failed > 0 && passed > 0
    say(holds, `${fault.breaks} (${fault.file}): ${failed} of ${passed + failed + unended} cases fail (${took} s)`)
    if (passed === 0) console.log(text.slice(0, 600))
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** Each fault of `conformance/faults.ts`, two at a time, or those that contain one of the words. */
export const seedFaults = async (words: readonly string[], say: Say): Promise<void> => {
  const left = faults.filter(
    ({ breaks, file }) => words.length === 0 || words.some((word) => `${file} ${breaks}`.includes(word)),
  )
  const work = async (): Promise<void> => {
    for (let fault = left.shift(); fault !== undefined; fault = left.shift()) await noticed(fault, say)
  }
  await Promise.all([work(), work()])
}
