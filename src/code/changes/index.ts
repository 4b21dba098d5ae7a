import { randomUUID } from 'node:crypto'
import { atLeast, type Identity } from '../../access/access.ts'
import type { Role } from '../../access/facts.ts'
import { roleGranted, roleRevoked } from '../../access/facts.ts'
import { pushVerified, runFinished, workflowEventConcluded } from '../../build/facts.ts'
import type { Clock, Ids } from '../../clock.ts'
import { fact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { createLooker } from '../../looker.ts'
import { type CommitId, type ProjectName, type RepositoryName, repositorySubject } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Store } from '../../store/store.ts'
import type { RepositoryKey } from '../address.ts'
import type { HookCall } from '../dialogue.ts'
import { refUpdated } from '../facts.ts'
import { mayPushDirectly, type Protection } from '../protection.ts'
import type { Recorder } from '../recorder.ts'
import { createAnnouncing } from './announcing.ts'
import { createBook } from './book.ts'
import { type Change, isJob } from './change.ts'
import { createConduct } from './conduct.ts'
import * as decide from './decide.ts'
import { countLines, type Difference, readDifference } from './diff.ts'
import { createErasing } from './erasing.ts'
import { type ChangeKey, type CommentPlace, changeFacts, proposalAnnounced, rulesSet } from './facts.ts'
import { type Blocker, blockersOf, countedApprovals } from './gates.ts'
import { createLanding } from './landing.ts'
import { createOpening } from './opening.ts'
import { titleOf, wantsChange } from './options.ts'
import { changeUrl } from './payload.ts'
import { type ChangeFilter, type Comment, createChangeQueries, type RulesKey } from './queries.ts'
import type { Queue } from './queues.ts'
import { createReverting, rangeOf } from './reverting.ts'
import type { Rules } from './rules.ts'

export type ChangesParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly recorder: Recorder
  readonly serverUrl: () => string
  pathOf(key: RepositoryKey): string
  /** `refs/heads/main` */
  defaultBranch(project: ProjectName, repository: RepositoryName): Promise<string>
  alone<Result>(key: RepositoryKey, act: () => Promise<Result>): Promise<Result>
  protectionOf(key: RepositoryKey): Promise<Protection>
  /** Rejects with a Problem where there is no such repository. */
  mustExist(key: RepositoryKey): Promise<void>
  roleOf(user: string, project: ProjectName): Promise<Role | null>
  cancelRun(project: ProjectName, run: string): Promise<unknown>
  /** Whether Headway itself writes the repository. */
  isOurs(key: RepositoryKey): boolean
  report(message: string): void
}

/** A change with what people want to know of it. */
export type ChangeDetails = Change & {
  readonly url: string
  readonly rules: Rules
  readonly blockers: readonly Blocker[]
  /** Those whose approval counts. */
  readonly approvers: readonly string[]
  readonly comments: readonly Comment[]
  /** Its place in the queue, from 1; null where it is in none. */
  readonly place: number | null
}

export type Changes = ReturnType<typeof createChanges>

/** Everything after which a change may have to go on. */
const awakening: readonly string[] = [
  ...changeFacts.map(({ type }) => type),
  ...[refUpdated, pushVerified, workflowEventConcluded, runFinished, roleGranted, roleRevoked].map(({ type }) => type),
]

/** Changes (pull requests): proposed, tested as they would land, approved, merged in order. */
export const createChanges = (parts: ChangesParts) => {
  const { ledger, views, clock, ids, pathOf, report } = parts
  const queries = createChangeQueries(parts.store)
  const book = createBook({ ledger, views, queries })
  const defaultBranch = async ({ project, repository }: RepositoryKey): Promise<string> =>
    (await parts.defaultBranch(project, repository)).replace('refs/heads/', '')
  const announcing = createAnnouncing({ ids, serverUrl: parts.serverUrl, defaultBranch })
  const opening = createOpening({ ...parts, queries, book, defaultBranch })
  const landing = createLanding({ ...parts, queries, book, announcing })
  const reverting = createReverting({ ...parts, opening })
  const erasing = createErasing({ ledger, book, queries })
  const conduct = createConduct({ ...parts, queries, book, announcing, opening, landing })
  const stopping = new AbortController()
  const looker = createLooker(conduct.look, report, clock, stopping.signal)
  let seen = 0
  let stopFollowing = (): void => undefined

  /** Looks only after facts that mean something here. */
  const awaken = async (): Promise<void> => {
    const facts = await ledger.read({ after: seen, types: awakening, limit: 1000 })
    seen = facts.at(-1)?.seq ?? seen
    if (facts.length > 0) void looker.look()
  }

  const who = ({ user, actor }: Identity) => ({ user, actor })

  const details = async (change: Change): Promise<ChangeDetails> => {
    const around = await conduct.surroundings(change)
    const queue = change.queuedSeq === null ? [] : await queries.queue(change, change.target)
    const place = queue.findIndex(({ number }) => number === change.number)
    return {
      ...change,
      url: changeUrl(parts.serverUrl(), change),
      rules: around.rules,
      blockers: change.status === 'open' ? blockersOf(change, around) : [],
      approvers: countedApprovals(change, around.rules, around.developers),
      comments: await queries.comments(change),
      place: place < 0 ? null : place + 1,
    }
  }
  const show = async (key: ChangeKey): Promise<ChangeDetails> => details(await book.read(key))

  const versionOf = (change: Change, version: number | null) => {
    const found = version === null ? change.versions.at(-1) : change.versions.find((one) => one.version === version)
    if (found) return found
    throw new Problem({
      kind: 'version-not-found',
      status: 404,
      detail: `${decide.nameOf(change)} has ${change.versions.length} versions, and no ${version}`,
      next: 'leave the version out for the newest',
    })
  }

  const mustStand = async (change: Change, version: number, place: CommentPlace): Promise<void> => {
    const { head, base } = versionOf(change, version)
    const commit = place.side === 'new' ? head : base
    const lines = commit && (await countLines(pathOf(change), commit, place.file))
    if (lines !== null && place.line <= lines) return
    throw new Problem({
      kind: 'no-such-line',
      status: 422,
      detail: `the ${place.side} text of version ${version} has no line ${place.line} in that file`,
      next: 'headway changes diff shows the lines',
    })
  }

  return {
    /** Ends what a crash has interrupted; before anybody looks at the repositories. */
    recover: landing.recover,
    start: async (): Promise<void> => {
      seen = (await ledger.head()).seq
      stopFollowing = ledger.onAppend(() => {
        awaken().catch((error: unknown) => looker.again(String(error)))
      }, awakening)
      void looker.look()
    },
    stop: async (): Promise<void> => {
      stopFollowing()
      stopping.abort()
      await looker.idle()
    },

    /** Records that a push asks for changes, before it is accepted; nothing where it does not. */
    announce: async (
      { project, repository }: RepositoryKey,
      { updates, options }: Pick<HookCall, 'updates' | 'options'>,
      actor: string,
    ): Promise<void> => {
      if (!wantsChange(options)) return
      const wanted = updates.flatMap(({ ref, after }) =>
        after !== null && ref.startsWith('refs/heads/') ? [{ ref, after }] : [],
      )
      const payload = { project, repository, updates: wanted, options: [...options] }
      const subject = repositorySubject(project, repository)
      await ledger.append([fact(proposalAnnounced, { subject, actor, payload })])
    },

    /** The open change that follows a branch; null where there is none. */
    openOn: async (key: RepositoryKey, branch: string): Promise<number | null> => {
      await views.reach()
      return (await queries.openOn(key, branch))[0]?.number ?? null
    },

    list: async (filter: ChangeFilter): Promise<Change[]> => {
      await views.reach()
      return queries.changes(filter)
    },
    show,
    queue: async (key: RepositoryKey, target: string): Promise<Change[]> => {
      await views.reach()
      return queries.queue(key, target)
    },
    /** What is on its way to each branch of a project, and what was put out. */
    queues: async (project: ProjectName): Promise<Queue[]> => {
      await views.reach()
      const { readQueues } = await import('./queues.ts')
      return readQueues(project, { queries, surroundings: conduct.surroundings })
    },

    open: async (
      key: RepositoryKey,
      { branch, target, title, body }: { branch: string; target: string | null; title: string | null; body: string },
      identity: Identity,
    ): Promise<{ change: ChangeDetails; isNew: boolean }> => {
      await parts.mustExist(key)
      const to = target ?? (await defaultBranch(key))
      const by = { author: identity.user, actor: identity.actor, reverts: null }
      const { change, isNew } = await opening.open({ ...key, branch, target: to, title, body, ...by })
      return { change: await details(change), isNew }
    },
    describe: async (key: ChangeKey, text: { title: string | null; body: string | null }, { actor }: Identity) =>
      details(
        await book.write(key, (change) =>
          decide.describe(change, actor, {
            title: titleOf(text.title ?? '') || (change.title ?? change.branch),
            body: text.body ?? change.body ?? '',
          }),
        ),
      ),
    comment: async (
      key: ChangeKey,
      said: { body: string; version: number | null; place: CommentPlace | null },
      identity: Identity,
    ): Promise<string> => {
      const comment = randomUUID()
      await book.write(key, async (change) => {
        const { version } = versionOf(change, said.version)
        if (said.place) await mustStand(change, version, said.place)
        return decide.comment(change, who(identity), { comment, body: said.body, version, place: said.place })
      })
      return comment
    },
    approve: async (key: ChangeKey, identity: Identity) =>
      details(await book.write(key, (change) => decide.approve(change, who(identity)))),
    withdrawApproval: async (key: ChangeKey, identity: Identity) =>
      details(await book.write(key, (change) => decide.withdrawApproval(change, who(identity)))),
    merge: async (key: ChangeKey, asked: { head: CommitId | null; mends: boolean }, identity: Identity) => {
      if (asked.mends && !atLeast(identity.roleIn(key.project), 'operator'))
        throw new Problem({
          kind: 'forbidden',
          status: 403,
          detail: 'only an operator of the project says that a change mends a red target',
          next: 'headway changes revert takes back what broke it',
        })
      return details(await book.write(key, (change) => decide.requestMerge(change, who(identity), asked)))
    },
    withdrawMerge: async (key: ChangeKey, { actor, user }: Identity) =>
      details(await book.write(key, (change) => decide.withdrawMerge(change, actor, `${user} has withdrawn it`))),
    abandon: async (key: ChangeKey, { actor, user }: Identity, why: string | null) =>
      details(
        await book.write(key, async (change) => {
          if (change.status === 'abandoned') return []
          const { event, raised } = await announcing.closed(change, actor, { merged: null })
          return [...decide.abandon(change, actor, { why: why ?? `abandoned by ${user}`, event }), raised]
        }),
      ),
    reopen: async (key: ChangeKey, { actor }: Identity) =>
      details(
        await book.write(key, async (change) => {
          const others = await queries.openOn(key, change.branch)
          if (!(await queries.branch(key, change.branch)) || others.some(({ target }) => target === change.target))
            throw new Problem({
              kind: 'cannot-reopen',
              status: 409,
              detail: `the branch of ${decide.nameOf(change)} is not there, or another change stands for it`,
              next: 'push the branch again',
            })
          return decide.reopen(change, actor)
        }),
      ),
    /** Makes the merge result anew on the newest target and tests that. */
    retest: async (key: ChangeKey, { actor }: Identity): Promise<ChangeDetails> => {
      const change = await book.read(key)
      if (isJob(actor))
        throw new Problem({
          kind: 'forbidden',
          status: 403,
          detail: 'a job cannot have a change tested, so that none starts itself for ever',
          next: 'use a token of a person: headway token create',
        })
      const target = await queries.branch(key, change.target)
      if (change.status !== 'open' || change.queuedSeq !== null || !target)
        throw new Problem({
          kind: 'cannot-test',
          status: 409,
          detail: `${decide.nameOf(change)} is ${change.queuedSeq === null ? change.status : 'in the queue, which tests it'}`,
        })
      await conduct.test(change, target.object, 'change')
      return show(key)
    },

    diff: async (key: ChangeKey, version: number | null, file?: string): Promise<Difference> => {
      const change = await book.read(key)
      return readDifference(pathOf(key), versionOf(change, version), file)
    },
    eraseComment: erasing.comment,
    eraseDescription: erasing.description,

    /** Takes back a merged change, or any commit of the target, as a new change or, where whoever asks may push there, directly. */
    revert: async (
      key: RepositoryKey,
      what: { number: number } | { commit: string; target: string | null },
      isDirect: boolean,
      identity: Identity,
    ): Promise<{ change: ChangeDetails | null; commit: CommitId | null }> => {
      await parts.mustExist(key)
      const wanted =
        'number' in what ? await mergedRange({ ...key, number: what.number }) : await commitRange(key, what)
      const reversal = { ...key, ...wanted, ...who(identity) }
      if (!isDirect) return { change: await details(await reverting.propose(reversal)), commit: null }
      const protection = await parts.protectionOf(key)
      if (!mayPushDirectly(protection, wanted.target, identity.roleIn(key.project)))
        throw new Problem({
          kind: 'push-refused',
          status: 403,
          detail: `${identity.user} may not push to ${wanted.target}: it takes changes`,
          next: 'take it back as a change: headway changes revert',
        })
      return { change: null, commit: await reverting.directly(reversal) }
    },

    rules: async (key: RulesKey): Promise<Rules> => {
      await views.reach()
      return queries.rules(key)
    },
    setRules: async ({ project, repository }: RulesKey, rules: Rules, { actor }: Identity): Promise<void> => {
      if (repository !== null) await parts.mustExist({ project, repository })
      const subject = repository === null ? `project:${project}` : repositorySubject(project, repository)
      await ledger.append([fact(rulesSet, { subject, actor, payload: { project, repository, rules } })])
    },
  }

  async function mergedRange(key: ChangeKey) {
    const change = await book.read(key)
    const { merged, target, title, branch } = change
    if (!merged?.before)
      throw new Problem({
        kind: 'not-merged',
        status: 409,
        detail: `${decide.nameOf(change)} is ${change.status === 'merged' ? 'merged by a push' : change.status}`,
        next: 'headway changes revert --commit <commit> takes back a single commit',
      })
    return { target, before: merged.before, after: merged.after, number: key.number, title: title ?? branch }
  }

  async function commitRange(key: RepositoryKey, { commit, target }: { commit: string; target: string | null }) {
    const range = await rangeOf(pathOf(key), commit)
    if (!range)
      throw new Problem({
        kind: 'commit-not-found',
        status: 404,
        detail: `there is no commit ${commit} with something before it in ${key.project}/${key.repository}`,
        next: 'git log headway/main lists them',
      })
    const { before, after, subject } = range
    return { target: target ?? (await defaultBranch(key)), before, after, number: null, title: subject }
  }
}
