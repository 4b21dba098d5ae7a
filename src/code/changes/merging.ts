import { effect } from '../../effect.ts'
import type { CommitId } from '../../names.ts'
import { CommitId as Commit } from '../../names.ts'
import type { CommandOutcome } from '../../processes/command.ts'
import { run, runOk } from '../../processes/run.ts'
import { git } from '../git.ts'
import { emptyTree } from './diff.ts'
import type { MergeMethod } from './rules.ts'

/** The merge result of a proposal on a base, not yet anybody's branch. */
export type Merging =
  | { readonly kind: 'made'; readonly candidate: CommitId }
  | { readonly kind: 'conflict'; readonly files: readonly string[]; readonly detail: string }

export type Proposal = {
  /** Where the result will stand on. */
  readonly base: CommitId
  readonly head: CommitId
  readonly method: MergeMethod
  /** The message of the commit that brings it in, where the method makes one. */
  readonly message: string
  /** `Name <address>`: the author of the commit with two parents. */
  readonly author: string
  /** Milliseconds since 1970. */
  readonly at: number
}

const timeoutMs = 60_000
const mostReplayed = 250
const committer = 'Headway <headway@localhost>'

/** Makes the merge result as objects of the repository; no branch moves. What Git cannot do is a conflict with the reason. */
export const makeMerge = async (directory: string, proposal: Proposal): Promise<Merging> => {
  const { base, head, method, message, author, at } = proposal
  if (await contains(directory, base, head)) return refused('there is nothing in it that its target does not have')
  if (method === 'rebase') return replay(directory, proposal)
  const merged = await mergeTree(directory, base, head)
  if (merged.kind === 'conflict') return merged
  const stamp = `${Math.floor(at / 1000)} +0000`
  const parents = method === 'merge' ? [base, head] : [base]
  const by = method === 'merge' ? `${author} ${stamp}` : await authorOf(directory, head)
  const candidate = await writeCommit(directory, { tree: merged.tree, parents, author: by, stamp, message })
  return { kind: 'made', candidate }
}

/** A commit on `tip` that takes back what went from `before` to `after`. The same arguments make the same commit. */
export const makeRevert = async (
  directory: string,
  {
    tip,
    before,
    after,
    message,
    author,
  }: Record<'tip' | 'before' | 'after', CommitId> & { message: string; author: string },
): Promise<Merging> => {
  const merged = await mergeThree(
    directory,
    await treeOf(directory, after),
    await treeOf(directory, tip),
    await treeOf(directory, before),
  )
  if (merged.kind === 'conflict') return merged
  if (merged.tree === (await treeOf(directory, tip))) return refused('there is nothing left of it to take back')
  const stamp = (await textOf(directory, ['log', '-1', '--format=%ct +0000', tip])).trim()
  const commit = { tree: merged.tree, parents: [tip], author: `${author} ${stamp}`, stamp, message }
  return { kind: 'made', candidate: await writeCommit(directory, commit) }
}

/** The commits of the proposal one by one on the base; as they are where the base is their history already. */
const replay = async (directory: string, { base, head, at }: Proposal): Promise<Merging> => {
  if ((await contains(directory, head, base)) && !(await hasMerges(directory, base, head)))
    return { kind: 'made', candidate: head }
  const listing = await textOf(directory, ['rev-list', '--reverse', '--no-merges', '--topo-order', `${base}..${head}`])
  const commits = listing.split('\n').filter(Boolean)
  if (commits.length > mostReplayed)
    return refused(`${commits.length} commits are more than the ${mostReplayed} that are rebased; squash it`)
  const stamp = `${Math.floor(at / 1000)} +0000`
  let tip = base
  for (const commit of commits) {
    const tree = await treeOf(directory, tip)
    const own = await treeOf(directory, commit)
    const before = await parentTree(directory, commit)
    const merged = await mergeThree(directory, before, tree, own)
    if (merged.kind === 'conflict')
      return { ...merged, detail: `its commit ${commit.slice(0, 7)} cannot be rebased: it conflicts` }
    if (merged.tree === tree && own !== before) continue // it is there already
    const { author, message } = await readCommit(directory, commit)
    tip = await writeCommit(directory, { tree: merged.tree, parents: [tip], author, stamp, message })
  }
  return tip === base
    ? refused('there is nothing in it that its target does not have')
    : { kind: 'made', candidate: tip }
}

type MergedTree = { readonly kind: 'merged'; readonly tree: string } | Extract<Merging, { kind: 'conflict' }>

/** Merges two commits from their common history. */
const mergeTree = async (directory: string, ours: string, theirs: string): Promise<MergedTree> => {
  const args = ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', ours, theirs]
  const outcome = await effect('code.merge-trees', () =>
    run(git(directory, ['-c', 'core.fsync=committed', '-c', 'core.bigFileThreshold=32m', ...args], { timeoutMs })),
  )
  const [tree = '', ...files] = outcome.stdout.toString('utf8').split('\0').filter(Boolean)
  if (outcome.exitCode === 0) return { kind: 'merged', tree }
  if (outcome.exitCode === 1) return { kind: 'conflict', files: files.slice(0, mostFiles), detail: '' }
  return refused(whyNot(outcome))
}
const mostFiles = 200

const whyNot = ({ timedOut, stderr }: CommandOutcome): string => {
  if (timedOut) return `merging it took more than ${timeoutMs / 1000} s`
  if (/unrelated histories/.test(stderr)) return 'it has no history in common with its target'
  throw new Error(`git merge-tree: ${stderr.trim().slice(-500)}`)
}

/**
 * Merges what went from one tree to another into a third. Written as commits of their own, because `merge-tree` knows a base that is
 * named only since Git 2.40.
 */
const mergeThree = async (directory: string, base: string, ours: string, theirs: string): Promise<MergedTree> => {
  const plain = { author: `${committer} 0 +0000`, stamp: '0 +0000', message: 'merge' }
  const root = await writeCommit(directory, { ...plain, tree: base, parents: [] })
  const [one, other] = [ours, theirs].map((tree, side) => ({
    ...plain,
    tree,
    parents: [root],
    message: `side ${side}`,
  }))
  if (!one || !other) throw new Error('two sides')
  return mergeTree(directory, await writeCommit(directory, one), await writeCommit(directory, other))
}

type NewCommit = {
  readonly tree: string
  readonly parents: readonly string[]
  /** `Name <address> <seconds> <zone>` */
  readonly author: string
  readonly stamp: string
  readonly message: string
}

/** Written as it stands: Git's own command would refuse some names that older commits bear. */
const writeCommit = async (
  directory: string,
  { tree, parents, author, stamp, message }: NewCommit,
): Promise<CommitId> => {
  const lines = [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${author}`,
    `committer ${committer} ${stamp}`,
  ]
  const input = `${lines.join('\n')}\n\n${message.replaceAll('\0', '').trimEnd()}\n`
  const args = ['-c', 'core.fsync=committed', 'hash-object', '-t', 'commit', '-w', '--stdin']
  const written = await effect('code.write-commit', () => runOk(git(directory, args, { input }), 'writing a commit'))
  return Commit.parse(written.toString('utf8').trim())
}

const readCommit = async (directory: string, commit: string): Promise<{ author: string; message: string }> => {
  const text = await textOf(directory, ['cat-file', 'commit', commit])
  const end = text.indexOf('\n\n')
  const author = /^author (.*)$/m.exec(text.slice(0, end))?.[1] ?? `${committer} 0 +0000`
  return { author, message: text.slice(end + 2) }
}
const authorOf = async (directory: string, commit: string): Promise<string> =>
  (await readCommit(directory, commit)).author

const treeOf = async (directory: string, commit: string): Promise<string> =>
  (await textOf(directory, ['rev-parse', '--verify', '--end-of-options', `${commit}^{tree}`])).trim()

const parentTree = async (directory: string, commit: string): Promise<string> => {
  const outcome = await run(
    git(directory, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${commit}^1^{tree}`]),
  )
  if (outcome.exitCode === 0) return outcome.stdout.toString('utf8').trim()
  return emptyTree(directory)
}

/** Whether `commit` is part of the history of `of`. */
export const contains = async (directory: string, of: string, commit: string): Promise<boolean> =>
  (await run(git(directory, ['merge-base', '--is-ancestor', commit, of]))).exitCode === 0

/** Where two histories parted; null when they have nothing in common. */
export const mergeBase = async (directory: string, one: string, other: string): Promise<CommitId | null> => {
  const outcome = await run(git(directory, ['merge-base', one, other]))
  return outcome.exitCode === 0 ? Commit.parse(outcome.stdout.toString('utf8').trim()) : null
}

const hasMerges = async (directory: string, base: string, head: string): Promise<boolean> =>
  (await textOf(directory, ['rev-list', '--merges', '-n', '1', `${base}..${head}`])) !== ''

const textOf = async (directory: string, args: readonly string[]): Promise<string> =>
  (await runOk(git(directory, args), 'reading a repository')).toString('utf8')

const refused = (detail: string): Extract<Merging, { kind: 'conflict' }> => ({ kind: 'conflict', files: [], detail })
