import type { ProjectName } from '../names.ts'
import type { Command } from '../processes/command.ts'
import { type CarriedCommit, commitsAtOnce } from './facts.ts'

/** Two commits of a repository, and the folder of it that counts (`.`: all). */
export type Range = {
  readonly project: ProjectName
  readonly repository: string
  /** Null: from the beginning. */
  readonly since: string | null
  readonly until: string
  readonly path: string
}
export type Carried = { readonly commits: readonly CarriedCommit[]; readonly lines: number | null }

export type GitPorts = {
  repositoryPath(project: string, repository: string): string
  run(command: Command): Promise<{ readonly exitCode: number | null; readonly stdout: Buffer }>
}

/** More commits than these are not told one by one; nobody deploys them as one change. */
const mostCommits = 20_000

/**
 * What a range of commits brings: those that touch the folder, with when they were committed and what they revert, and how many lines they
 * add and remove together. Null where the repository does not hold both ends (any more).
 */
export const carriedBy = async (range: Range, { repositoryPath, run }: GitPorts): Promise<Carried | null> => {
  const directory = repositoryPath(range.project, range.repository)
  const between = range.since === null ? range.until : `${range.since}..${range.until}`
  const paths = range.path === '.' ? [] : ['--', range.path]
  const format = '--format=%H%x00%ct%x00%P%x00%B'
  const listed = await run(
    gitCommand(directory, ['log', '-z', format, '-n', String(mostCommits), '--end-of-options', between, ...paths]),
  )
  if (listed.exitCode !== 0) return null
  const commits = commitsIn(listed.stdout.toString('utf8'), range.repository)
  if (range.since === null) return { commits, lines: null }
  const changed = await run(
    gitCommand(directory, ['diff', '--shortstat', '--end-of-options', range.since, range.until, ...paths]),
  )
  return { commits, lines: changed.exitCode === 0 ? linesIn(changed.stdout.toString('utf8')) : null }
}

/** What a change or a push added to its target: its own commits, merges left aside, and the lines that it added and removed. */
export type Measure = { readonly committedAt: number | null; readonly commits: number; readonly lines: number | null }

/**
 * Measures what was on `head` and not on the target at `before`, which was moved to `after`. Rebased and squashed commits are as new as their merge:
 * those that were proposed are what took somebody's time. Null where the repository does not hold all of them.
 */
export const measureOf = async (
  of: Pick<Range, 'project' | 'repository'> & {
    readonly before: string
    readonly head: string
    readonly after: string
  },
  { repositoryPath, run }: GitPorts,
): Promise<Measure | null> => {
  const directory = repositoryPath(of.project, of.repository)
  const range = `${of.before}..${of.head}`
  const listed = await run(
    gitCommand(directory, ['log', '--no-merges', '--format=%ct', '-n', String(mostCommits), '--end-of-options', range]),
  )
  if (listed.exitCode !== 0) return null
  const times = listed.stdout.toString('utf8').split('\n').filter(Boolean).map(Number)
  const changed = await run(gitCommand(directory, ['diff', '--shortstat', '--end-of-options', of.before, of.after]))
  return {
    committedAt: times.length === 0 ? null : Math.max(0, Math.min(...times)) * 1000,
    commits: times.length,
    lines: changed.exitCode === 0 ? linesIn(changed.stdout.toString('utf8')) : null,
  }
}

const commitsIn = (text: string, repository: string): CarriedCommit[] => {
  const fields = text.split('\0')
  const commits: CarriedCommit[] = []
  for (let at = 0; at + 3 < fields.length; at += 4) {
    const [commit = '', seconds = '', parents = '', message = ''] = fields.slice(at, at + 4)
    commits.push({
      repository,
      commit,
      committedAt: Number(seconds) > 0 ? Number(seconds) * 1000 : null,
      isMerge: parents.includes(' '),
      // As `git revert` writes it.
      reverts: /^This reverts commit ([0-9a-f]{40,64})\b/m.exec(message)?.[1] ?? null,
    })
  }
  return commits
}

const linesIn = (text: string): number =>
  [...text.matchAll(/(\d+) (?:insertion|deletion)/g)].reduce((sum, [, count]) => sum + Number(count), 0)

/** In parts that a fact can hold; lines are told with the first. */
export const inParts = ({ commits, lines }: Carried): { commits: CarriedCommit[]; lines: number | null }[] => {
  const parts = [{ commits: commits.slice(0, commitsAtOnce), lines }]
  for (let at = commitsAtOnce; at < commits.length; at += commitsAtOnce)
    parts.push({ commits: commits.slice(at, at + commitsAtOnce), lines: null })
  return parts
}

/** Nothing of whoever started Headway reaches Git. */
export const gitCommand = (directory: string, args: readonly string[]): Command => ({
  argv: ['git', '-c', 'safe.directory=*', '--git-dir', directory, ...args],
  env: {
    PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
    ...{ HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null', GIT_NO_REPLACE_OBJECTS: '1' },
    LC_ALL: 'C',
  },
  cwd: directory,
})
