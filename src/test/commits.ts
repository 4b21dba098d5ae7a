import { createHash } from 'node:crypto'
import { parseServiceFile, serviceFolders } from '../golden/index.ts'
import type { QualityRules } from '../golden/service.ts'
import { runOk } from '../processes/run.ts'

/** What is read of a commit, in a bare repository, by plumbing that runs no hook. */
export type Commit = {
  /** The Git tree: the same for commits of the same content. */
  readonly tree: string
  readonly paths: readonly string[]
  /** Whether a file of the commit is this very text. */
  holds(path: string, text: string): boolean
  /** What its `headway.yaml` files ask for; one that cannot be read names no service. */
  gates(): Promise<readonly Gate[]>
}
export type Gate = {
  readonly service: string
  /** The service's folder; `.` for the root. */
  readonly path: string
  /** Null: nothing is asked for. */
  readonly rules: QualityRules | null
}

const environment = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_OPTIONAL_LOCKS: '0',
  LC_ALL: 'C',
}

/** More services than this in one repository have no gates. */
const mostServices = 200

export const openCommit = async (gitDirectory: string, commit: string): Promise<Commit> => {
  const git = async (...args: readonly string[]): Promise<string> => {
    const command = { argv: ['git', '--git-dir', gitDirectory, ...args] as const, env: environment }
    return (await runOk(command, 'reading what was tested')).toString('utf8')
  }
  const [tree, listing] = await Promise.all([
    git('rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`),
    git('ls-tree', '-r', '-z', '--full-tree', commit),
  ])
  const objects = new Map(
    listing
      .split('\0')
      .filter((line) => line.startsWith('100'))
      .map((line): [string, string] => {
        const tab = line.indexOf('\t')
        return [line.slice(tab + 1), line.slice(0, tab).split(' ')[2] ?? '']
      }),
  )
  return {
    tree: tree.trim(),
    paths: [...objects.keys()],
    holds: (path, text) => {
      const object = objects.get(path)
      return object !== undefined && object === objectOf(text, object.length === 64 ? 'sha256' : 'sha1')
    },
    gates: async () => {
      const gates: Gate[] = []
      for (const path of serviceFolders([...objects.keys()]).slice(0, mostServices)) {
        const object = objects.get(path === '.' ? 'headway.yaml' : `${path}/headway.yaml`)
        const parsed = parseServiceFile(await git('cat-file', 'blob', object ?? ''), 'headway.yaml')
        if (parsed.kind === 'ok') gates.push({ service: parsed.service.name, path, rules: parsed.service.quality })
      }
      return gates
    },
  }
}

/** The name that Git gives to a file of this content. */
const objectOf = (text: string, algorithm: 'sha1' | 'sha256'): string => {
  const bytes = Buffer.from(text)
  return createHash(algorithm).update(`blob ${bytes.length}\0`).update(bytes).digest('hex')
}
