import type { Actor } from '../../ledger/fact.ts'
import { fact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Problem } from '../../problem.ts'
import { run } from '../../processes/run.ts'
import { createMutex } from '../../store/mutex.ts'
import type { RepositoryKey } from '../address.ts'
import { git } from '../git.ts'
import { showRef } from '../ref-names.ts'
import type { Book } from './book.ts'
import { type Change, userOf } from './change.ts'
import { type ChangeKey, changeDescribed, changeOpened, changeSubject, proposalAnswered } from './facts.ts'
import { contains, mergeBase } from './merging.ts'
import { readChangeOptions, titleOf } from './options.ts'
import type { ChangeQueries, Wish } from './queries.ts'
import { keepVersion } from './refs.ts'

export type NewChange = RepositoryKey & {
  readonly branch: string
  readonly target: string
  /** Null: what the branch's first own commit says. */
  readonly title: string | null
  readonly body: string
  readonly author: string
  readonly actor: Actor
  readonly reverts: Change['reverts']
}

export type OpeningParts = {
  readonly ledger: Ledger
  readonly views: Views
  readonly queries: ChangeQueries
  readonly book: Book
  pathOf(key: RepositoryKey): string
  /** Whether Headway itself writes the repository. */
  isOurs(key: RepositoryKey): boolean
  /** The name of the branch that is deployed: `main`. */
  defaultBranch(key: RepositoryKey): Promise<string>
}

/** Makes changes of branches. */
export const createOpening = ({ ledger, views, queries, book, pathOf, defaultBranch, isOurs }: OpeningParts) => {
  const numbering = createMutex()

  /** The change that stands for the branch, new or open before. Rejects with a Problem where none can. */
  const open = async (wanted: NewChange): Promise<{ change: Change; isNew: boolean }> => {
    const leave = await numbering.enter()
    try {
      return await openNumbered(wanted)
    } finally {
      leave()
    }
  }

  const openNumbered = async (wanted: NewChange): Promise<{ change: Change; isNew: boolean }> => {
    const { project, repository, branch, target, author, actor, reverts, body } = wanted
    if (isOurs(wanted)) throw notTaken(wanted)
    await views.reach()
    const [from, to] = [await queries.branch(wanted, branch), await queries.branch(wanted, target)]
    if (!from) throw noBranch(wanted, branch)
    if (!to) throw noBranch(wanted, target)
    if (branch === target) throw needsBranch(target)
    const known = (await queries.openOn(wanted, branch)).find((change) => change.target === target)
    if (known) return { change: known, isNew: false }
    const directory = pathOf(wanted)
    if (await contains(directory, to.object, from.object)) throw nothingIn(branch, target)
    const key: ChangeKey = { project, repository, number: (await queries.lastNumber(wanted)) + 1 }
    const base = await mergeBase(directory, to.object, from.object)
    const title = titleOf(wanted.title ?? '') || titleOf(await firstSubject(directory, base, from.object)) || branch
    await keepVersion(directory, key.number, 1, from.object)
    const about = { subject: changeSubject(key), actor }
    const proposal = {
      branch,
      target,
      head: from.object,
      base,
      user: userOf(from.actor),
      pusher: from.actor,
      author,
      reverts,
    }
    const outcome = await ledger.append(
      [
        fact(changeOpened, { ...about, payload: { ...key, ...proposal } }),
        fact(changeDescribed, { ...about, payload: { ...key, title, body } }),
      ],
      { expect: { subject: about.subject, seq: 0 } },
    )
    if (outcome.kind === 'outdated') throw new Error(`change ${key.number} of ${repository} is there already`)
    return { change: await book.read(key), isNew: true }
  }

  /** Answers a push that asked for a change; the same push again gets the same one. */
  const answer = async (wish: Wish): Promise<void> => {
    const { push, project, repository, branch, actor, options } = wish
    const { title, target } = readChangeOptions(options)
    const outcome = await open({
      ...{ project, repository, branch, title, actor, body: '', reverts: null },
      target: target ?? (await defaultBranch(wish)),
      author: userOf(actor) ?? actor,
    }).catch((error: unknown) => {
      if (error instanceof Problem && error.status < 500) return error
      throw error
    })
    const isRefused = outcome instanceof Problem
    const fresh = titleOf(title ?? '')
    if (!isRefused && !outcome.isNew && fresh !== '')
      await book.write(outcome.change, (change) =>
        change.title === fresh
          ? []
          : [
              fact(changeDescribed, {
                subject: changeSubject(change),
                actor,
                payload: { project, repository, number: change.number, title: fresh, body: change.body ?? '' },
              }),
            ],
      )
    const payload = {
      ...{ push, ref: `refs/heads/${branch}`, project, repository },
      number: isRefused ? null : outcome.change.number,
      why: isRefused ? outcome.detail : null,
    }
    await ledger.append([fact(proposalAnswered, { subject: `push:${push}`, actor: 'system:code', payload })])
  }

  return { open, answer }
}

/** What the oldest commit of a branch says in its first line. */
const firstSubject = async (directory: string, base: string | null, head: string): Promise<string> => {
  const range = base === null ? head : `${base}..${head}`
  const args = ['log', '--reverse', '--no-merges', '--format=%s', '-n', '250', '--end-of-options', range]
  const outcome = await run(git(directory, args, { timeoutMs: 10_000 }))
  return outcome.stdout.toString('utf8').split('\n')[0] ?? ''
}

const notTaken = ({ project, repository }: RepositoryKey): Problem =>
  new Problem({
    kind: 'no-changes-here',
    status: 422,
    detail: `${project}/${repository} is written by Headway itself, and takes no changes`,
  })

const noBranch = ({ project, repository }: RepositoryKey, branch: string): Problem =>
  new Problem({
    kind: 'branch-not-found',
    status: 404,
    detail: `there is no branch ${showRef(branch)} in ${project}/${repository}`,
    next: `push it: git push headway ${showRef(branch)}`,
  })

const needsBranch = (target: string): Problem =>
  new Problem({
    kind: 'change-needs-branch',
    status: 422,
    detail: `a change for ${target} needs a branch of its own`,
    next: `git push headway ${target}:my-branch -o change`,
  })

const nothingIn = (branch: string, target: string): Problem =>
  new Problem({
    kind: 'nothing-to-merge',
    status: 422,
    detail: `${branch} holds nothing that ${target} does not have`,
    next: 'commit something to it and push again',
  })
