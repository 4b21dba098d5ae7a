import { effect } from '../../effect.ts'
import { CommitId } from '../../names.ts'
import { run, runOk } from '../../processes/run.ts'
import { git } from '../git.ts'

const headRef = (number: number): string => `refs/changes/${number}/head`
const mergeRef = (number: number): string => `refs/changes/${number}/merge`

/** Keeps the commits of a change from being collected: for everybody to fetch the newest, for Headway all versions. */
export const keepVersion = (directory: string, number: number, version: number, head: CommitId): Promise<void> =>
  effect('code.keep-version', () =>
    update(directory, [
      `update ${headRef(number)} ${head}`,
      `update refs/headway/changes/${number}/${version} ${head}`,
    ]),
  )

export const keepCandidate = (directory: string, number: number, candidate: CommitId): Promise<void> =>
  effect('code.keep-candidate', () => update(directory, [`update ${mergeRef(number)} ${candidate}`]))

const update = async (directory: string, lines: readonly string[]): Promise<void> => {
  const input = `${lines.join('\n')}\n`
  await runOk(git(directory, ['-c', 'core.fsync=committed', 'update-ref', '--stdin'], { input }), 'keeping a change')
}

/** What a ref points to on disk; null where there is none. */
export const readRef = async (directory: string, ref: string): Promise<CommitId | null> => {
  const outcome = await run(git(directory, ['rev-parse', '--verify', '--quiet', '--end-of-options', ref]))
  return outcome.exitCode === 0 ? CommitId.parse(outcome.stdout.toString('utf8').trim()) : null
}

/** Moves a branch if it is still where it is thought to be; false when it is not. */
export const moveBranch = async (
  directory: string,
  ref: string,
  { before, after }: { before: CommitId; after: CommitId },
): Promise<boolean> => (await effect('code.move-branch', () => swap(directory, ref, before, after))) === 0

/** Makes a branch unless there is one of this name; false when there is. */
export const makeBranch = async (directory: string, ref: string, at: CommitId): Promise<boolean> =>
  (await effect('code.make-branch', () => swap(directory, ref, '0'.repeat(at.length), at))) === 0

const swap = async (directory: string, ref: string, before: string, after: string): Promise<number | null> =>
  (await run(git(directory, ['-c', 'core.fsync=committed', 'update-ref', ref, after, before]))).exitCode

/** The numbers of the changes whose newest head is part of a commit's history. */
export const containedChanges = async (directory: string, commit: CommitId): Promise<Set<number>> => {
  const args = ['for-each-ref', '--format=%(refname)', `--merged=${commit}`, 'refs/changes/*/head']
  const listing = (await runOk(git(directory, args), 'looking for merged changes')).toString('utf8')
  return new Set([...listing.matchAll(/^refs\/changes\/(\d+)\/head$/gm)].map(([, number]) => Number(number)))
}
