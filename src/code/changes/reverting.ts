import type { Actor } from '../../ledger/fact.ts'
import type { CommitId } from '../../names.ts'
import { CommitId as Commit, shortCommit } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { run } from '../../processes/run.ts'
import type { RepositoryKey } from '../address.ts'
import { git } from '../git.ts'
import type { Recorder } from '../recorder.ts'
import type { Change } from './change.ts'
import { contains, makeRevert } from './merging.ts'
import type { createOpening } from './opening.ts'
import { makeBranch, moveBranch, readRef } from './refs.ts'

export type RevertingParts = {
  readonly recorder: Recorder
  readonly opening: ReturnType<typeof createOpening>
  pathOf(key: RepositoryKey): string
  alone<Result>(key: RepositoryKey, act: () => Promise<Result>): Promise<Result>
}

/** What is taken back from a branch: what went in from `before` to `after`. */
export type Reversal = RepositoryKey & {
  readonly target: string
  readonly before: CommitId
  readonly after: CommitId
  /** The change that brought it in; null where nobody knows. */
  readonly number: number | null
  readonly title: string
  readonly user: string
  readonly actor: Actor
}

/** Takes back what was merged, in one step. */
export const createReverting = ({ recorder, opening, pathOf, alone }: RevertingParts) => {
  /** As a new change, from a branch that it makes. */
  const propose = async (wanted: Reversal): Promise<Change> => {
    const { project, repository, target, before, after, number, title, user, actor } = wanted
    const name = number === null ? shortCommit(after) : String(number)
    const branch = await alone(wanted, async () => {
      const made = await revertCommit(wanted)
      for (let attempt = 1; ; attempt += 1) {
        const free = `revert-${name}${attempt === 1 ? '' : `-${attempt}`}`
        const ref = `refs/heads/${free}`
        const there = await readRef(pathOf(wanted), ref)
        if (there === made) return free // by this very request, before a crash
        if (there !== null) continue
        if (!(await makeBranch(pathOf(wanted), ref, made))) throw new Error(`${ref} could not be made`)
        await recorder.pushed({ project, repository }, [{ ref, before: null, after: made }], { actor, options: [] })
        return free
      }
    })
    const reverts = { before, after, number }
    const text = { title: `Revert "${title}"`, body: bodyOf(wanted) }
    const opened = await opening.open({ project, repository, branch, target, ...text, author: user, actor, reverts })
    return opened.change
  }

  /** On the target itself, as a push of whoever asks would: nothing has tested it. */
  const directly = (wanted: Reversal): Promise<CommitId> =>
    alone(wanted, async () => {
      const { project, repository, target, actor } = wanted
      const made = await revertCommit(wanted)
      const ref = `refs/heads/${target}`
      const before = await readRef(pathOf(wanted), ref)
      if (before === null || !(await moveBranch(pathOf(wanted), ref, { before, after: made })))
        throw new Error(`${ref} could not be moved`)
      await recorder.pushed({ project, repository }, [{ ref, before, after: made }], { actor, options: [] })
      return made
    })

  /** The same as long as the target stands where it stands. */
  const revertCommit = async (wanted: Reversal): Promise<CommitId> => {
    const { target, before, after, title, user, number } = wanted
    const directory = pathOf(wanted)
    const tip = await readRef(directory, `refs/heads/${target}`)
    if (tip === null || !(await contains(directory, tip, after)))
      throw new Problem({
        kind: 'nothing-to-revert',
        status: 409,
        detail: `${shortCommit(after)} is not in ${target}`,
        next: `headway changes list shows what was merged where`,
      })
    const message = `Revert "${title}"\n\n${bodyOf(wanted)}`
    const author = `${user} <${user}@localhost>`
    const made = await makeRevert(directory, { tip, before, after, message, author })
    if (made.kind === 'made') return made.candidate
    const files = made.files.length === 0 ? '' : ` (${made.files.slice(0, 5).join(', ')})`
    throw new Problem({
      kind: 'revert-conflicts',
      status: 409,
      detail:
        made.detail ||
        `what came after ${number === null ? shortCommit(after) : `change ${number}`} stands in the way of taking it back${files}`,
      next: `git revert it in a branch, mend what conflicts, and push that: git push headway my-revert -o change`,
    })
  }

  return { propose, directly }
}

const bodyOf = ({ number, after }: Reversal): string =>
  number === null ? `This takes back ${after}.` : `This takes back change ${number}, which was merged as ${after}.`

/** What a commit of a branch brought in: the range from its first parent, and what it says in its first line. */
export const rangeOf = async (
  directory: string,
  named: string,
): Promise<{ before: CommitId; after: CommitId; subject: string } | null> => {
  const args = ['log', '-1', '--format=%H%n%P%n%s', '--end-of-options', named]
  const outcome = await run(git(directory, args))
  const [after, parents, subject = ''] = outcome.stdout.toString('utf8').split('\n')
  const [first] = (parents ?? '').split(' ')
  if (outcome.exitCode !== 0 || !after || !first) return null
  return { before: Commit.parse(first), after: Commit.parse(after), subject }
}
