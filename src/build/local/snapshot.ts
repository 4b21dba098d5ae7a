import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../../effect.ts'
import { CommitId } from '../../names.ts'
import { Problem } from '../../problem.ts'

/** A working tree as it stood at one moment, as a commit in a bare repository of its own. */
export type Snapshot = {
  /** The commit that is checked out there, when nothing was changed since; else a new one on top of it. */
  readonly commit: CommitId
  /** `refs/heads/` and the branch that is checked out; `main` where there is none. */
  readonly ref: string
  /** What a push would start from: the upstream's commit, else the one before; null when there is none. */
  readonly before: CommitId | null
  /** Whether the tree holds what is not committed. */
  readonly hasChanges: boolean
  /** The root of the working tree. */
  readonly root: string
}

const largestAnswerBytes = 16 * 1024 * 1024

/**
 * Takes a snapshot of the working tree that a directory belongs to (or of the directory alone, where Git does not know it): what
 * is committed, and what is not, but for what `.gitignore` leaves out. It goes into the new bare repository `bare`; the objects of
 * the tree's own repository are borrowed, not copied, and nothing of it is changed.
 */
export const takeSnapshot = async (directory: string, bare: string): Promise<Snapshot> => {
  const own = await ownRepository(directory)
  const root = own?.root ?? directory
  const branch = own?.branch ?? 'main'
  await makeBare(bare, branch, own)
  const inTree = (...args: string[]): Promise<string> => runGit(root, ['--git-dir', bare, '--work-tree', root, ...args])
  if (own?.head) await inTree('read-tree', own.head)
  await inTree('-c', 'advice.addEmbeddedRepo=false', 'add', '--all', '--', '.')
  const tree = await inTree('write-tree')
  const headTree = own?.head ? await inTree('rev-parse', `${own.head}^{tree}`) : null
  const hasChanges = tree !== headTree
  const parents = own?.head ? ['-p', own.head] : []
  const commit =
    own?.head && !hasChanges ? own.head : await inTree('commit-tree', tree, ...parents, '-m', 'Uncommitted changes')
  const ref = `refs/heads/${branch}`
  await inTree('update-ref', ref, commit)
  const before = own === null ? null : await beforeOf(own, hasChanges, inTree)
  return { commit: CommitId.parse(commit), ref, before, hasChanges, root }
}

type OwnRepository = {
  readonly root: string
  /** Where the objects are; shared by all its working trees. */
  readonly directory: string
  readonly branch: string | null
  readonly head: string | null
}

const ownRepository = async (directory: string): Promise<OwnRepository | null> => {
  const places = ['rev-parse', '--path-format=absolute', '--show-toplevel', '--git-common-dir']
  const found = await runGit(directory, places).catch((error: unknown) => {
    if (error instanceof Error && /not a git repository|must be run in a work tree/.test(error.message)) return null
    throw new Problem(
      {
        kind: 'unreadable-repository',
        status: 400,
        detail: `the repository of ${directory} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        next: 'run this as the user that the repository belongs to',
      },
      { cause: error },
    )
  })
  if (found === null) return null
  const [root = directory, common = join(directory, '.git')] = found.split('\n')
  const orNull = (answer: Promise<string>): Promise<string | null> => answer.catch(() => null)
  const branch = await orNull(runGit(root, ['symbolic-ref', '--quiet', '--short', 'HEAD']))
  const head = await orNull(runGit(root, ['rev-parse', '--quiet', '--verify', 'HEAD^{commit}']))
  return { root, directory: common, branch, head }
}

const makeBare = async (bare: string, branch: string, own: OwnRepository | null): Promise<void> => {
  await effect('build.snapshot-repository', async () => {
    await mkdir(bare, { recursive: true, mode: 0o700 })
    await runGit(bare, ['init', '--quiet', '--bare', '--template=', `--initial-branch=${branch}`, bare])
    await mkdir(join(bare, 'info'), { recursive: true })
    const excluded = own ? await readFile(join(own.directory, 'info/exclude'), 'utf8').catch(() => '') : ''
    await writeFile(join(bare, 'info/exclude'), `${excluded}\n.headway/\n`)
    if (own === null) return
    await writeFile(join(bare, 'objects/info/alternates'), `${join(own.directory, 'objects')}\n`)
    const shallow = await readFile(join(own.directory, 'shallow'), 'utf8').catch(() => null)
    if (shallow !== null) await writeFile(join(bare, 'shallow'), shallow)
  })
}

const beforeOf = async (
  { root, head }: OwnRepository,
  hasChanges: boolean,
  inTree: (...args: string[]) => Promise<string>,
): Promise<CommitId | null> => {
  if (head === null) return null
  const upstream = await runGit(root, ['rev-parse', '--quiet', '--verify', '@{upstream}^{commit}']).catch(() => null)
  if (upstream !== null && (hasChanges || upstream !== head)) return CommitId.parse(upstream)
  if (hasChanges) return CommitId.parse(head)
  const parent = await inTree('rev-parse', '--quiet', '--verify', `${head}^`).catch(() => null)
  return parent === null ? null : CommitId.parse(parent)
}

/** The settings of whoever runs it count (what they ignore everywhere); hooks and filters of the repository do not. */
const runGit = (cwd: string, args: readonly string[]): Promise<string> =>
  effect('build.snapshot-git', () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    execFile('git', [...args], { cwd, env: environment(), maxBuffer: largestAnswerBytes }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr.trim() || error.message, { cause: error }))
      else resolve(stdout.trim())
    })
    return promise
  })

const author = { NAME: 'Headway', EMAIL: 'headway@localhost' }
const environment = (): Record<string, string> => ({
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: process.env.HOME ?? '/nonexistent',
  LC_ALL: 'C',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: author.NAME,
  GIT_AUTHOR_EMAIL: author.EMAIL,
  GIT_COMMITTER_NAME: author.NAME,
  GIT_COMMITTER_EMAIL: author.EMAIL,
})
