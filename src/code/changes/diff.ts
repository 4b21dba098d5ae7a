import type { CommitId } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { run, runOk } from '../../processes/run.ts'
import { git } from '../git.ts'

/** A file that differs. `additions` and `deletions` are null for what is no text. */
export type FileDifference = {
  readonly path: string
  /** What it was called before; null where that has not changed. */
  readonly previous: string | null
  readonly status: 'added' | 'deleted' | 'modified' | 'renamed' | 'type changed'
  readonly additions: number | null
  readonly deletions: number | null
}

export type Difference = {
  readonly files: readonly FileDifference[]
  /** Whether there are more files than are listed. */
  readonly areMore: boolean
  /** Unified; null where it is larger than 1 MiB: single files can be asked for. */
  readonly text: string | null
}

const mostFiles = 3_000
const largestTextBytes = 1024 * 1024
const timeoutMs = 30_000
/** Nothing that a repository holds makes Git run a program; renames are looked for among at most so many files. */
const plain = ['-r', '-M', '-l400', '--no-ext-diff', '--no-textconv', '--no-color', '--end-of-options']

/** What a version changes: from where it left its target (null: from nothing) to its head; of one file where a path is given. */
export const readDifference = async (
  directory: string,
  range: { base: CommitId | null; head: CommitId },
  path?: string,
): Promise<Difference> => {
  const from = range.base ?? (await emptyTree(directory))
  const paths = path === undefined ? [] : ['--', path]
  const diff = (...how: string[]) =>
    git(directory, ['--literal-pathspecs', 'diff-tree', ...how, ...plain, from, range.head, ...paths], {
      timeoutMs,
      maxOutputBytes: largestTextBytes * 16,
    })
  const listing = await runOk(diff('--raw', '--numstat', '-z'), 'comparing two commits')
  const files = parseFiles(listing.toString('utf8'))
  const patch = await run({ ...diff('-p'), maxOutputBytes: largestTextBytes }).catch((error: unknown) => {
    if (error instanceof Problem && error.kind === 'output-too-large') return null
    throw error
  })
  return {
    files: files.slice(0, mostFiles),
    areMore: files.length > mostFiles,
    text: patch?.exitCode === 0 ? patch.stdout.toString('utf8') : null,
  }
}

/** Whether one of these paths differs between two commits. */
export const differs = async (
  directory: string,
  { from, to }: { from: CommitId; to: CommitId },
  pathspecs: readonly string[],
): Promise<boolean> => {
  const args = ['diff-tree', '-r', '--quiet', '--end-of-options', from, to, '--', ...pathspecs]
  const { exitCode } = await run(git(directory, args, { timeoutMs }))
  return exitCode !== 0
}

/** How many lines a file has in a commit; null where there is no such file of at most 4 MiB. */
export const countLines = async (directory: string, commit: CommitId, path: string): Promise<number | null> => {
  const command = git(directory, ['cat-file', 'blob', `${commit}:${path}`], { maxOutputBytes: 4 * 1024 * 1024 })
  const outcome = await run(command).catch(() => null)
  if (outcome?.exitCode !== 0) return null
  const text = outcome.stdout
  let lines = text.length > 0 && text.at(-1) !== 10 ? 1 : 0
  for (const byte of text) if (byte === 10) lines += 1
  return lines
}

/**
 * `--raw --numstat -z`: first `:<modes> <objects> <status>\0<path>\0` for each file (two paths for a rename), then
 * `<additions>\t<deletions>\t<path>\0`, or `...\t\0<from>\0<to>\0` for a rename.
 */
const parseFiles = (listing: string): FileDifference[] => {
  const words = listing.split('\0')
  const files = new Map<string, FileDifference>()
  let at = 0
  const next = (): string => words[at++] ?? ''
  while (at < words.length) {
    const word = next()
    if (word.startsWith(':')) {
      const status = word.split(' ').at(-1) ?? ''
      const isRenamed = /^[RC]/.test(status)
      const first = next()
      const path = isRenamed ? next() : first
      const previous = isRenamed ? first : null
      files.set(path, {
        path,
        previous,
        status: statuses[status[0] ?? ''] ?? 'modified',
        additions: null,
        deletions: null,
      })
      continue
    }
    const [additions, deletions, name] = word.split('\t')
    if (deletions === undefined) continue
    const first = name === '' ? next() : name
    const path = name === '' ? next() : (first ?? '')
    const file = files.get(path)
    if (file) files.set(path, { ...file, additions: countOf(additions), deletions: countOf(deletions) })
  }
  return [...files.values()]
}

const statuses: Readonly<Record<string, FileDifference['status']>> = {
  A: 'added',
  D: 'deleted',
  M: 'modified',
  R: 'renamed',
  C: 'added',
  T: 'type changed',
}

const countOf = (text: string | undefined): number | null => (text === undefined || text === '-' ? null : Number(text))

/** The name of the empty tree, which Git knows without having it. */
export const emptyTree = async (directory: string): Promise<string> => {
  const outcome = await runOk(git(directory, ['hash-object', '-t', 'tree', '--stdin'], { input: '' }), 'naming nothing')
  return outcome.toString('utf8').trim()
}
