import type { CommitId } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Command, CommandOutcome } from '../processes/command.ts'

/** The one runner of programs (`run` of src/processes). */
export type Run = (command: Command, signal?: AbortSignal) => Promise<CommandOutcome>

/** A file of a commit. Submodules are not files, and are left out. */
export type SourceFile = {
  readonly path: string
  readonly kind: 'file' | 'executable' | 'link'
  readonly object: string
  readonly sizeBytes: number
}

/** A commit as it stands in a bare repository, read by plumbing that runs no hook and knows no attribute: bytes as they were committed. */
export type Source = {
  readonly commit: CommitId
  readonly files: readonly SourceFile[]
  readonly committedAtSeconds: number
  read(files: readonly SourceFile[]): Promise<Buffer[]>
}

/** What one commit may hold in sum; it passes through memory. */
const largestSourceBytes = 512 * 1024 ** 2

const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_NO_REPLACE_OBJECTS: '1',
  LC_ALL: 'C',
}

export const openSource = async (run: Run, gitDirectory: string, commit: CommitId): Promise<Source> => {
  const objects = async (names: readonly string[]): Promise<Buffer[]> => {
    const input = names.map((name) => `${name}\n`).join('')
    return parseBatch(await git(run, gitDirectory, ['cat-file', '--batch'], input), names)
  }
  const [listing, [header]] = await Promise.all([
    git(run, gitDirectory, ['ls-tree', '-r', '-z', '-l', '--full-tree', commit]),
    objects([commit]),
  ])
  const files = parseListing(listing.toString('utf8'))
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0)
  if (sizeBytes > largestSourceBytes)
    throw new Problem({
      kind: 'source-too-large',
      status: 422,
      detail: `the files of ${commit.slice(0, 7)} are ${Math.ceil(sizeBytes / 1024 ** 2)} MiB, and at most ${largestSourceBytes / 1024 ** 2} MiB are packaged`,
      next: 'keep large files outside of Git, and fetch them when the service starts',
    })
  return {
    commit,
    files,
    committedAtSeconds: Number(/^committer .* (\d+) [+-]\d{4}$/m.exec(header?.toString('utf8') ?? '')?.[1] ?? 0),
    read: (wanted) => (wanted.length === 0 ? Promise.resolve([]) : objects(wanted.map(({ object }) => object))),
  }
}

/** The texts of some files of a commit, as planning asks for them; those that are not there, links and huge ones are left out. */
export const textsOf = async (source: Source, paths: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const wanted = new Set(paths)
  const files = source.files.filter(
    ({ path, kind, sizeBytes }) => wanted.has(path) && kind !== 'link' && sizeBytes <= 1024 ** 2,
  )
  const contents = await source.read(files)
  return new Map(files.map(({ path }, index) => [path, contents[index]?.toString('utf8') ?? '']))
}

/** The branch that releases are made of: the one that the repository's HEAD names; null when it names none. */
export const defaultBranch = async (run: Run, gitDirectory: string): Promise<string | null> => {
  const outcome = await run(gitCommand(gitDirectory, ['symbolic-ref', '--quiet', 'HEAD']))
  return outcome.exitCode === 0 ? outcome.stdout.toString('utf8').trim() : null
}

const gitCommand = (gitDirectory: string, args: readonly string[], input = ''): Command => ({
  argv: ['git', '--git-dir', gitDirectory, ...args],
  cwd: '/',
  env: gitEnvironment,
  input,
  timeoutMs: 120_000,
  maxOutputBytes: largestSourceBytes + 64 * 1024 ** 2,
})

const git = async (run: Run, gitDirectory: string, args: readonly string[], input = ''): Promise<Buffer> => {
  const outcome = await run(gitCommand(gitDirectory, args, input))
  if (outcome.exitCode !== 0) throw new Error(`git ${args[0]} in ${gitDirectory} failed: ${outcome.stderr.trim()}`)
  return outcome.stdout
}

/** Lines of `<mode> <type> <object> <size>\t<path>`, each ended by NUL. */
const parseListing = (listing: string): SourceFile[] =>
  listing.split('\0').flatMap((line): SourceFile[] => {
    const tab = line.indexOf('\t')
    const [mode = '', , object = '', size = ''] = line.slice(0, tab).split(/ +/)
    const kind = kinds[mode]
    return kind ? [{ path: line.slice(tab + 1), kind, object, sizeBytes: Number(size) }] : []
  })

const kinds: Readonly<Record<string, SourceFile['kind']>> = {
  '100644': 'file',
  '100664': 'file',
  '100755': 'executable',
  '120000': 'link',
}

/** The answer of `git cat-file --batch`: `<object> <type> <size>\n<content>\n` for each name, in the order asked. */
const parseBatch = (answer: Buffer, names: readonly string[]): Buffer[] => {
  let at = 0
  return names.map((name) => {
    const end = answer.indexOf(10, at)
    const size = Number(/^[0-9a-f]+ \w+ (\d+)$/.exec(answer.toString('latin1', at, end))?.[1] ?? Number.NaN)
    if (Number.isNaN(size)) throw new Error(`object ${name} is missing in the repository`)
    const content = answer.subarray(end + 1, end + 1 + size)
    at = end + 1 + size + 1
    return content
  })
}
