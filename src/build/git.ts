import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { effect, effectSync } from '../effect.ts'
import { CommitId, type ProjectName, type RepositoryName } from '../names.ts'
import type { CommitSummary } from './jobs/contexts.ts'

/** Where a bare repository stands. */
export type RepositoryPath = (project: ProjectName, repository: RepositoryName) => string

const largestAnswerBytes = 64 * 1024 * 1024

/** What the build reads of a bare repository, by plumbing that runs no hook and obeys no configuration but Headway's. */
export type CommitReader = {
  /** The paths of files below a folder at the commit, from the repository's root; `.` for all. */
  list(folder: string): Promise<string[]>
  /** The text of a file; null when there is no such file, or it is larger than 1 MiB or a link. */
  read(path: string): Promise<string | null>
}

export const gitEnvironment = {
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
}

/** Runs one plumbing command and resolves to what it prints. */
export const git = (gitDirectory: string, ...args: readonly string[]): Promise<string> =>
  effect('build.read-repository', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const options = { env: gitEnvironment, maxBuffer: largestAnswerBytes, encoding: 'utf8' as const }
    execFile('git', ['--git-dir', gitDirectory, ...args], options, (error, stdout, stderr) => {
      if (error) reject(new Error(`git ${args[0]}: ${stderr.trim() || error.message}`, { cause: error }))
      else resolve(stdout)
    })
    return promise
  })

/** Lists the whole commit once, and reads single files as they are asked for. */
export const readCommit = (gitDirectory: string, commit: CommitId): CommitReader => {
  let listing: Promise<ReadonlyMap<string, Entry>> | undefined
  const entries = (): Promise<ReadonlyMap<string, Entry>> => {
    listing ??= git(gitDirectory, 'ls-tree', '-r', '-l', '-z', commit).then(parseListing)
    return listing
  }
  return {
    list: async (folder) => {
      const paths = [...(await entries()).keys()]
      return folder === '.' ? paths : paths.filter((path) => path.startsWith(`${folder}/`))
    },
    read: async (path) => {
      const entry = (await entries()).get(path)
      if (!entry?.mode.startsWith('100') || entry.sizeBytes > 1024 * 1024) return null
      return git(gitDirectory, 'cat-file', 'blob', entry.object)
    },
  }
}

type Entry = { readonly mode: string; readonly object: string; readonly sizeBytes: number }

const parseListing = (listing: string): ReadonlyMap<string, Entry> =>
  new Map(
    listing
      .split('\0')
      .filter((line) => line !== '')
      .map((line): [string, Entry] => {
        const tab = line.indexOf('\t')
        const [mode = '', , object = '', size = ''] = line.slice(0, tab).split(/ +/)
        return [line.slice(tab + 1), { mode, object, sizeBytes: Number(size) || 0 }]
      }),
  )

/** The paths that differ between two commits; all of the second's when there is no first. */
export const changedPaths = async (
  gitDirectory: string,
  before: CommitId | null,
  after: CommitId,
): Promise<string[]> => {
  const text = before
    ? await git(gitDirectory, 'diff-tree', '-r', '-z', '--no-renames', '--name-only', before, after)
    : await git(gitDirectory, 'ls-tree', '-r', '-z', '--name-only', after)
  return text.split('\0').filter((path) => path !== '')
}

/** Null where the repository has nothing by that name that leads to a commit. */
export const resolveCommit = async (gitDirectory: string, name: string): Promise<CommitId | null> => {
  // A branch is nearly always a file of its own, which is read in a hundredth of the time that a program takes.
  const isBranch = /^refs\/heads\/[\w.-]+$/.test(name)
  const loose = isBranch ? await readFile(join(gitDirectory, name), 'utf8').catch(() => '') : ''
  const known = CommitId.safeParse(loose.trim())
  if (known.success) return known.data
  const text = await git(
    gitDirectory,
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${name}^{commit}`,
  ).catch(() => '')
  return CommitId.safeParse(text.trim()).data ?? null
}

/** The branch that the repository's HEAD names, without `refs/heads/`. */
export const defaultBranchOf = async (gitDirectory: string): Promise<string> => {
  const head = await readFile(join(gitDirectory, 'HEAD'), 'utf8').catch(() => '')
  return /^ref: refs\/heads\/(.+)$/m.exec(head)?.[1] ?? 'main'
}

/** What a commit says of itself; null when it is not there. */
export const summaryOf = async (gitDirectory: string, commit: CommitId): Promise<CommitSummary | null> => {
  const format = '--format=%an%x00%ae%x00%aI%x00%B'
  const text = await git(gitDirectory, 'show', '--no-patch', '--no-show-signature', format, commit).catch(() => null)
  const [authorName = '', authorEmail = '', authoredAt = '', message = ''] = text?.split('\0') ?? []
  return text === null ? null : { authorName, authorEmail, authoredAt, message: message.trimEnd() }
}

/** The newest commits that came with a push, oldest first, and whether it threw others away. */
export const pushedCommits = async (
  gitDirectory: string,
  before: CommitId | null,
  after: CommitId,
): Promise<{ readonly commits: readonly (CommitSummary & { readonly id: string })[]; readonly isForced: boolean }> => {
  const range = before === null ? ['-1', after] : [`-${mostCommits}`, `${before}..${after}`]
  const format = '--format=%x01%H%x00%an%x00%ae%x00%aI%x00%B'
  const [text, isForced] = await Promise.all([
    git(gitDirectory, 'log', '--no-show-signature', format, ...range).catch(() => ''),
    before === null
      ? false
      : git(gitDirectory, 'merge-base', '--is-ancestor', before, after).then(
          () => false,
          () => true,
        ),
  ])
  const commits = text
    .split('\x01')
    .slice(1)
    .map((entry) => {
      const [id = '', authorName = '', authorEmail = '', authoredAt = '', message = ''] = entry.split('\0')
      return { id, authorName, authorEmail, authoredAt, message: message.trimEnd() }
    })
  return { commits: commits.reverse(), isForced }
}
const mostCommits = 20

/** The newest commit that both have in their history; null when there is none. */
export const mergeBase = async (gitDirectory: string, one: CommitId, other: CommitId): Promise<CommitId | null> => {
  const text = await git(gitDirectory, 'merge-base', one, other).catch(() => '')
  return CommitId.safeParse(text.trim()).data ?? null
}

/** A pack of these commits with all that is in them, on the program's stdout; for whoever may not read the repository. */
export const packCommits = (
  gitDirectory: string,
  commits: readonly string[],
  isWholeHistory: boolean,
): { readonly pack: ChildProcess; readonly done: Promise<void> } => {
  const revisions = isWholeHistory ? [] : ['--no-walk=unsorted']
  const list = effectSync('build.list-objects', () =>
    spawn('git', ['--git-dir', gitDirectory, 'rev-list', '--objects', ...revisions, '--stdin'], {
      env: gitEnvironment,
      stdio: ['pipe', 'pipe', 'ignore'],
    }),
  )
  list.stdin.end(`${commits.join('\n')}\n`)
  const pack = effectSync('build.pack-objects', () =>
    spawn('git', ['--git-dir', gitDirectory, 'pack-objects', '--stdout', '-q', '--delta-base-offset'], {
      env: gitEnvironment,
      stdio: [list.stdout, 'pipe', 'ignore'],
    }),
  )
  list.stdout.destroy() // the pack's own now
  const ended = (child: ChildProcess, what: string): Promise<void> =>
    new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (exitCode) =>
        exitCode === 0 ? resolve() : reject(new Error(`git ${what} ended with ${exitCode}`)),
      )
    })
  const done = Promise.all([ended(list, 'rev-list'), ended(pack, 'pack-objects')]).then(() => undefined)
  done.catch(() => undefined) // waited for after the reader
  return { pack, done }
}

/** All files of a commit as a tar, on the program's stdout; what `.gitattributes` says of `export-ignore` counts, as at GitHub. */
export const archiveCommit = (
  gitDirectory: string,
  commit: CommitId,
): { readonly tar: ChildProcess; readonly done: Promise<void> } => {
  const tar = effectSync('build.archive-commit', () =>
    spawn('git', ['--git-dir', gitDirectory, 'archive', '--format=tar', commit], {
      env: gitEnvironment,
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  )
  const done = new Promise<void>((resolve, reject) => {
    tar.once('error', reject)
    tar.once('exit', (exitCode) =>
      exitCode === 0 ? resolve() : reject(new Error(`git archive ended with ${exitCode}`)),
    )
  })
  done.catch(() => undefined) // waited for after the reader
  return { tar, done }
}
