import { atLeast } from '../../access/access.ts'
import type { Role } from '../../access/facts.ts'
import type { Clock } from '../../clock.ts'
import { fact } from '../../ledger/fact.ts'
import type { Views } from '../../ledger/ledger.ts'
import type { CommitId, ProjectName } from '../../names.ts'
import type { RepositoryKey } from '../address.ts'
import type { Announcing } from './announcing.ts'
import type { Book } from './book.ts'
import { type Change, userOf } from './change.ts'
import { abandon, isFinal, keyOf, update, withdrawMerge } from './decide.ts'
import { differs } from './diff.ts'
import { changeConflicted, changeMerged, changeQueued, changeSubject, changeTestRequested } from './facts.ts'
import { blockersOf, type Surroundings } from './gates.ts'
import type { createLanding } from './landing.ts'
import { contains, makeMerge, mergeBase } from './merging.ts'
import type { createOpening } from './opening.ts'
import type { Branch, ChangeQueries } from './queries.ts'
import { nextStep, type QueueStep } from './queue.ts'
import { containedChanges, keepCandidate, keepVersion } from './refs.ts'

export type ConductParts = {
  readonly views: Views
  readonly clock: Clock
  readonly queries: ChangeQueries
  readonly book: Book
  readonly announcing: Announcing
  readonly opening: ReturnType<typeof createOpening>
  readonly landing: ReturnType<typeof createLanding>
  pathOf(key: RepositoryKey): string
  roleOf(user: string, project: ProjectName): Promise<Role | null>
  /** Asks a run to end whose outcome nobody waits for any more. */
  cancelRun(project: ProjectName, run: string): Promise<unknown>
  report(message: string): void
}
export type Conduct = ReturnType<typeof createConduct>

const mostSteps = 100
/** What says how a change is checked. */
const pipelinePaths = ['.github/workflows', ':(glob)**/headway.yaml']

/** Brings every open change to where branches, tests, approvals and the queue say that it should be. */
export const createConduct = (parts: ConductParts) => {
  const { views, clock, queries, book, announcing, opening, landing, pathOf } = parts
  /** For which head and tip something was found out that no fact says, so that it is so once: by subject. */
  const retried = new Map<string, string>()
  const apart = new Map<string, string>()

  /** One round over all that is unfinished. Doing it again without anything new does nothing. What fails holds up nobody else. */
  const look = async (): Promise<void> => {
    const failures: unknown[] = []
    const attempt = (what: string, act: () => Promise<void>): Promise<void> =>
      act().catch((cause: unknown) => void failures.push(new Error(what, { cause })))
    await views.reach()
    for (const wish of await queries.wishes()) await attempt(`the push ${wish.push}`, () => opening.answer(wish))
    await views.reach()
    const open = await queries.open()
    const known = { contained: containedOnce(), branches: branchesOnce() }
    for (const change of open) await attempt(changeSubject(change), () => follow(change, known))
    await views.reach()
    for (const [key, target] of queuesOf(await queries.open()))
      await attempt(`the queue of ${target} in ${key.project}/${key.repository}`, () => advance(key, target))
    const subjects = new Set(open.map(changeSubject))
    for (const known of [retried, apart])
      for (const subject of known.keys()) if (!subjects.has(subject)) known.delete(subject)
    if (failures.length > 0) throw failures[0]
  }

  const follow = async (change: Change, known: Known): Promise<void> => {
    if (change.status !== 'open') return
    const branches = await known.branches(change)
    const branch = branches.get(change.branch)
    if (!branch) return end(change, 'its branch was deleted')
    if (branch.object !== change.head) return follow(await renew(change, branch), known)
    const target = branches.get(change.target)
    if (!target) return end(change, 'its target was deleted')
    if (await isPartOf(change, target.object, known.contained)) return mergedByPush(change, target)
    if (change.queuedSeq !== null) return
    if (isUntested(change, target.object)) await test(change, target.object, 'change')
    if (change.wish) await queueWhenReady(change)
  }

  /** A new version of what is proposed. */
  const renew = async (change: Change, branch: Branch): Promise<Change> => {
    const directory = pathOf(change)
    const head = branch.object
    const target = await queries.branch(change, change.target)
    const base = target && (await mergeBase(directory, target.object, head))
    const forced = !(await contains(directory, head, change.head))
    const rules = await queries.rules(change)
    const pushed = { head, base, user: userOf(branch.actor), push: branch.push, forced }
    const next = await book.write(change, async (now) => {
      if (now.status !== 'open' || now.head === head) return []
      await keepVersion(directory, now.number, now.version + 1, head)
      return update(now, branch.actor, pushed, rules)
    })
    await endTest(change)
    return next
  }

  const isPartOf = async (change: Change, tip: CommitId, contained: Contained): Promise<boolean> => {
    const pair = `${change.head} ${tip}`
    if (apart.get(changeSubject(change)) === pair) return false
    const isPart =
      (await contained(change, tip)).has(change.number) && (await contains(pathOf(change), tip, change.head))
    if (!isPart) apart.set(changeSubject(change), pair)
    return isPart
  }

  const mergedByPush = async (change: Change, target: { object: CommitId; actor: string }): Promise<void> => {
    const { actor, object: after } = target
    const merge = { before: change.test?.base ?? null, after, method: 'push' as const, user: userOf(actor) }
    await book.write(change, async (now) => {
      if (now.status !== 'open') return []
      const { event, raised } = await announcing.closed(now, actor, { merged: merge })
      const payload = { ...keyOf(now), ...merge, version: now.version, head: now.head, target: now.target, event }
      return [fact(changeMerged, { subject: changeSubject(now), actor, payload }), raised]
    })
    await endTest(change)
  }

  const end = async (change: Change, why: string): Promise<void> => {
    await book.write(change, async (now) => {
      if (now.status !== 'open' || now.landing) return []
      const { event, raised } = await announcing.closed(now, 'system:code', { merged: null })
      return [...abandon(now, 'system:code', { why, event }), raised]
    })
    await endTest(change)
  }

  const isUntested = (change: Change, tip: CommitId): boolean => {
    const { test: tested, conflict, isOfJob } = change
    if (conflict) return conflict.base !== tip && retried.get(changeSubject(change)) !== `${change.head} ${tip}`
    // What was tested behind others in a queue that it has left says nothing about it alone.
    if (tested === null) return !isOfJob
    return tested.purpose === 'queue' && tested.base !== tip
  }

  /** Makes the merge result on a base and has it tested; or records why there is none. */
  const test = async (change: Change, base: CommitId, purpose: 'change' | 'queue'): Promise<void> => {
    const directory = pathOf(change)
    const rules = await queries.rules(change)
    const { number, head, title, author, version } = change
    const name = title ?? change.branch
    const made = await makeMerge(directory, {
      ...{ base, head, method: rules.method },
      message: rules.method === 'squash' ? `${name} (#${number})` : `Merge change ${number}: ${name}`,
      author: `${author} <${author}@localhost>`,
      at: clock.now(),
    })
    if (made.kind === 'conflict') {
      retried.set(changeSubject(change), `${head} ${base}`)
      const { files, detail } = made
      await book.write(change, (now) => {
        const isKnown = now.conflict?.version === version && now.conflict.base === base
        if (now.status !== 'open' || now.version !== version || isKnown) return []
        const payload = { ...keyOf(now), version, base, files: [...files], detail }
        return [fact(changeConflicted, { subject: changeSubject(now), actor: 'system:code', payload })]
      })
      return endTest(change)
    }
    const { candidate } = made
    const isTrusted = rules.trustDevelopers && (await isDeveloper(change.versions.at(-1)?.user ?? null, change.project))
    const changesChecks =
      (await queries.haveBeenChecked(change, change.target)) &&
      (await differs(directory, { from: base, to: candidate }, pipelinePaths))
    await keepCandidate(directory, number, candidate)
    await book.write(change, async (now) => {
      if (now.status !== 'open' || now.version !== version) return []
      const { event, raised } = await announcing.tested(now, { base, candidate, isTrusted })
      const payload = { ...keyOf(now), version, event, base, candidate, method: rules.method, purpose, changesChecks }
      return [fact(changeTestRequested, { subject: changeSubject(now), actor: 'system:code', payload }), raised]
    })
    await endTest(change)
  }

  const queueWhenReady = async ({ project, repository, number }: Change): Promise<void> => {
    const change = await book.read({ project, repository, number })
    if (!change.wish || change.queuedSeq !== null || change.status !== 'open') return
    if (blockersOf(change, await surroundings(change)).length > 0) return
    await book.write(change, (now) =>
      now.seq === change.seq
        ? [
            fact(changeQueued, {
              subject: changeSubject(now),
              actor: 'system:code',
              payload: { ...keyOf(now), version: now.version },
            }),
          ]
        : [],
    )
  }

  /** Goes through a queue until something has to be waited for. */
  const advance = async (key: RepositoryKey, target: string): Promise<void> => {
    for (let count = 0; count < mostSteps; count += 1) {
      await views.reach()
      const tip = await queries.branch(key, target)
      const step = tip && nextStep(tip.object, await queries.queue(key, target), await queries.rules(key))
      if (!step || !(await take(step))) return
    }
  }

  /** False where it is to be waited. */
  const take = async (step: QueueStep): Promise<boolean> => {
    const { change } = step
    if (step.kind === 'test') await test(change, step.base, 'queue')
    else if (step.kind === 'remove') await remove(change, step.why)
    else {
      const blockers = blockersOf(change, await surroundings(change))
      const lost = blockers.find((one) => isFinal(one) || one.kind === 'approvals')
      if (lost) await remove(change, lost.detail)
      else if (blockers.length > 0) return false
      else {
        await landing.land(change, step.base, step.candidate)
        const { status } = await book.read(change)
        return status !== 'open' // else a push came in between, which is looked at next
      }
    }
    return true
  }

  const remove = async (change: Change, why: string): Promise<void> => {
    await book.write(change, (now) =>
      now.status === 'open' ? withdrawMerge({ ...now, landing: null }, 'system:code', why) : [],
    )
  }

  /** Ends the runs of a test that another one has taken the place of. */
  const endTest = async ({ test: old, project }: Change): Promise<void> => {
    for (const { run, job, status } of old?.checks ?? [])
      if (job === null && status !== 'finished')
        await parts.cancelRun(project, run).catch((error: unknown) => parts.report(`cancelling ${run}: ${error}`))
  }

  const isDeveloper = async (user: string | null, project: ProjectName): Promise<boolean> =>
    user !== null && atLeast(await parts.roleOf(user, project), 'developer')

  /** What the gates look at besides the change itself. */
  const surroundings = async (change: Change): Promise<Surroundings> => {
    const developers = new Set<string>()
    for (const { user } of change.approvals) if (await isDeveloper(user, change.project)) developers.add(user)
    const [rules, isTargetRed] = [await queries.rules(change), await queries.isRed(change, change.target)]
    return { rules, developers, isTargetRed }
  }

  const branchesOnce = (): Known['branches'] => {
    const found = new Map<string, Promise<Map<string, Branch>>>()
    return (key) => {
      const place = `${key.project}/${key.repository}`
      const branches = found.get(place) ?? queries.branches(key)
      found.set(place, branches)
      return branches
    }
  }

  const containedOnce = (): Contained => {
    const found = new Map<string, Promise<Set<number>>>()
    return (key, tip) => {
      const place = `${key.project}/${key.repository} ${tip}`
      const numbers = found.get(place) ?? containedChanges(pathOf(key), tip)
      found.set(place, numbers)
      return numbers
    }
  }

  return { look, test, surroundings }
}

type Known = {
  readonly contained: Contained
  branches(key: RepositoryKey): Promise<Map<string, Branch>>
}
type Contained = (key: RepositoryKey, tip: CommitId) => Promise<Set<number>>

const queuesOf = (changes: readonly Change[]): (readonly [RepositoryKey, string])[] => {
  const queued = changes.filter(({ queuedSeq }) => queuedSeq !== null)
  const queues = queued.map(({ project, repository, target }) => [{ project, repository }, target] as const)
  return [...new Map(queues.map((queue) => [JSON.stringify(queue), queue])).values()]
}
