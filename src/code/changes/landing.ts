import { fact } from '../../ledger/fact.ts'
import type { CommitId } from '../../names.ts'
import type { RepositoryKey } from '../address.ts'
import type { Recorder } from '../recorder.ts'
import type { Announcing } from './announcing.ts'
import type { Book } from './book.ts'
import type { Change } from './change.ts'
import { keyOf, withdrawMerge } from './decide.ts'
import { changeMerged, changeSubject, landingStarted } from './facts.ts'
import { contains } from './merging.ts'
import type { ChangeQueries } from './queries.ts'
import { moveBranch, readRef } from './refs.ts'

export type LandingParts = {
  readonly queries: ChangeQueries
  readonly book: Book
  readonly recorder: Recorder
  readonly announcing: Announcing
  pathOf(key: RepositoryKey): string
  /** Nobody else changes a ref of the repository meanwhile. */
  alone<Result>(key: RepositoryKey, act: () => Promise<Result>): Promise<Result>
}

/**
 * Moves a target to a tested merge result: the intent is recorded, the branch is moved if it is still where the test stood on, and
 * that is recorded as a push and as the end of the change. Killed anywhere between, the next start finds the intent, and in the
 * repository whether the branch was moved.
 */
export const createLanding = ({ queries, book, recorder, announcing, pathOf, alone }: LandingParts) => {
  const land = async (change: Change, base: CommitId, candidate: CommitId): Promise<void> => {
    const intended = await book.write(change, (now) => {
      const isSame = now.status === 'open' && now.queuedSeq === change.queuedSeq && now.test?.candidate === candidate
      if (!isSame || now.landing?.candidate === candidate) return []
      const payload = { ...keyOf(now), version: now.version, base, candidate }
      return [fact(landingStarted, { subject: changeSubject(now), actor: 'system:code', payload })]
    })
    if (intended.landing?.candidate !== candidate) return
    const outcome = await alone(change, () => move(intended, base, candidate))
    if (outcome === 'landed') return
    // Whatever is there now is looked at anew.
    await book.write(change, (now) => withdrawMerge({ ...now, landing: null }, 'system:code', outcome))
  }

  const move = async (change: Change, base: CommitId, candidate: CommitId): Promise<string> => {
    const directory = pathOf(change)
    const [branch, target] = [`refs/heads/${change.branch}`, `refs/heads/${change.target}`]
    if ((await readRef(directory, target)) === base) {
      // What was tested is not what is proposed any more.
      if ((await readRef(directory, branch)) !== change.head)
        return 'its branch was pushed or deleted while it was merged'
      if (!(await moveBranch(directory, target, { before: base, after: candidate })))
        throw new Error(`${target} could not be moved`)
    }
    await settle(change)
    return 'landed'
  }

  /** Records a landing that has happened in the repository; nothing where it has not. The caller is alone there. */
  const settle = async (change: Change): Promise<void> => {
    if (!change.landing) return
    const directory = pathOf(change)
    const tip = await readRef(directory, `refs/heads/${change.target}`)
    if (tip !== null && (await contains(directory, tip, change.landing.candidate))) await acknowledge(change)
  }

  const acknowledge = async (change: Change): Promise<void> => {
    const { landing, wish, target, head, test } = change
    if (!landing) return
    const actor = wish?.actor ?? 'system:code'
    const { base: before, candidate: after, version } = landing
    const merge = { before, after, method: test?.method ?? 'merge', user: wish?.user ?? null }
    const { event, raised } = await announcing.closed(change, actor, { merged: merge })
    const payload = { ...keyOf(change), ...merge, version, head, target, event }
    const also = [fact(changeMerged, { subject: changeSubject(change), actor, payload }), raised]
    const known = await queries.branch(change, target)
    const updates = known?.object === before ? [{ ref: `refs/heads/${target}`, before, after }] : [] // it was found already, and recorded without a name
    await recorder.pushed(
      { project: change.project, repository: change.repository },
      updates,
      { actor, options: [] },
      also,
    )
  }

  return {
    land,
    /** Before anybody else looks at the repository: ends the landings that a crash has interrupted. */
    recover: async (): Promise<void> => {
      for (const change of await queries.open()) if (change.landing) await alone(change, () => settle(change))
    },
  }
}
