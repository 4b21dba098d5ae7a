import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Action } from '../jobs/actions.ts'
import { linkPrograms, readInWorkspace } from '../jobs/workspace.ts'
import { describeMissing, type Toolchain } from '../toolchain.ts'
import { restorePackages } from './package-cache.ts'
import { type CacheOf, goCache, nodeCache, pythonCache } from './setup-cache.ts'

type SetupKind = {
  readonly program: string
  /** What comes with it: the name to give it, and the names that it may have, in order of preference. */
  readonly brings: Readonly<Record<string, readonly string[]>>
  /** The input that names the version, and the one that names a file with it. */
  readonly version: string
  readonly file: string
  /** The name of the output with the version. */
  readonly output: string
  /** The range of versions in that file. */
  readonly read: (text: string) => string | null
  readonly cache: CacheOf
}

const firstLine = (text: string): string | null => text.split('\n')[0]?.trim().replace(/^v/, '') || null

export const setupKinds: Readonly<Record<string, SetupKind>> = {
  'actions/setup-node': {
    program: 'node',
    brings: { npm: ['npm'], npx: ['npx'], corepack: ['corepack'], yarn: ['yarn'], pnpm: ['pnpm'] },
    version: 'node-version',
    file: 'node-version-file',
    output: 'node-version',
    read: (text) => /"node"\s*:\s*"([^"]+)"/.exec(text)?.[1] ?? firstLine(text),
    cache: nodeCache,
  },
  'actions/setup-python': {
    program: 'python3',
    brings: { python: ['python3'], pip: ['pip3', 'pip'], pip3: ['pip3'], pipx: ['pipx'] },
    version: 'python-version',
    file: 'python-version-file',
    output: 'python-version',
    read: (text) => /requires-python\s*=\s*"([^"]+)"/.exec(text)?.[1] ?? firstLine(text),
    cache: pythonCache,
  },
  'actions/setup-go': {
    program: 'go',
    brings: { gofmt: ['gofmt'] },
    version: 'go-version',
    file: 'go-version-file',
    output: 'go-version',
    // The go directive is the least version that the module needs.
    read: (text) => {
      const least = /^go\s+(\d+(?:\.\d+)*)/m.exec(text)?.[1]
      return least ? `>=${least}` : firstLine(text)
    },
    cache: goCache,
  },
}

/** `actions/setup-*` from what is on this machine: the newest version in the range that was asked for. */
export const setupAction =
  (kind: SetupKind, toolchain: Toolchain): Action =>
  async (call) => {
    const { inputs, workspace, user, tools, say } = call
    const file = inputs[kind.file]
    const range = inputs[kind.version] || (file ? kind.read(await readInWorkspace(workspace, file, user)) : null)
    const search = await toolchain.find(kind.program, range, user)
    if (search.kind === 'missing') throw new Error(describeMissing(kind.program, range, search))
    const { directory, version } = search.tool
    tools.set(kind.program, version)
    say(`${kind.program} ${version} in ${directory}`)
    const folder = await linkPrograms(workspace, kind.program, {
      [kind.program]: join(directory, kind.program),
      ...brought(kind, directory),
    })
    const cache = await kind.cache(call, version)
    const { isHit, ...restored } = cache ? await restorePackages(cache, call) : { isHit: false }
    return { outputs: { [kind.output]: version, 'cache-hit': String(isHit) }, paths: [folder], ...restored }
  }

const brought = ({ brings }: SetupKind, directory: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(brings).flatMap(([name, candidates]) => {
      const program = candidates.map((candidate) => join(directory, candidate)).find((path) => existsSync(path))
      return program === undefined ? [] : [[name, program]]
    }),
  )
