import { changeMerged, refUpdated } from '../code/facts.ts'
import { deploymentFinished } from '../deploy/facts.ts'
import { openCursor } from '../ledger/cursor.ts'
import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { releaseCreated } from '../package/facts.ts'
import { describeError } from '../problem.ts'
import type { Store } from '../store/store.ts'
import type { GitPorts } from './carry.ts'
import { commitsAtOnce, deliveryCarried, deliveryChange, deliveryMeasured } from './facts.ts'
import { incidentCauses, incidentsOf } from './incidents/opening.ts'
import type { DoraTables } from './tables.ts'

export type FollowPorts = GitPorts & {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  onError(message: string): void
}

const types = [...incidentCauses, changeMerged.type, releaseCreated.type]
const actor = 'system:learn'

/**
 * Tells the ledger what only Git knows of Headway's own deployments and changes, and opens and closes the incidents that Headway sees by
 * itself. What was told once is not told again: each thing is told under a subject of its own, which must have nothing yet.
 */
export const createFollower = (ports: FollowPorts) => {
  const { ledger, store, views } = ports
  const cursor = openCursor(store, 'learn:follow')
  const db = store.tables<DoraTables>()
  let following: Promise<void> | null = null
  let again = false
  let stopped = false
  let unsubscribe = (): void => undefined

  const follow = async (): Promise<void> => {
    while (again && !stopped) {
      again = false
      let after = await cursor.read()
      const { seq: head } = await ledger.head()
      for (let facts = await read(after); facts.length > 0 && !stopped; facts = await read(after))
        for (const one of facts) {
          if (stopped) return
          await tell(one)
          after = one.seq
          await cursor.commitAlone(after)
        }
      if (!stopped && head > after) await cursor.commitAlone(head)
    }
  }

  const read = (after: number): Promise<RecordedFact[]> => ledger.read({ after, types, limit: 100 })

  const tell = async (seen: RecordedFact): Promise<void> => {
    if (isFact(releaseCreated, seen)) return tellPush(seen)
    if (isFact(changeMerged, seen)) {
      await tellChange(seen)
      const { before, head, after } = seen.payload
      return tellMeasured(seen, { before, head, after })
    }
    await views.reach(seen.seq)
    if (isFact(deploymentFinished, seen) && seen.payload.outcome === 'succeeded') await tellCarried(seen)
    const deployment = isFact(deploymentFinished, seen) ? await rowOf(seen.payload.deployment) : undefined
    const incident = incidentsOf(seen, deployment?.live_at ?? null)
    if (incident) await once(incident.subject, incident.isNew, incident.facts)
  }

  /** An incident is opened once; it is resolved where it is open, by whomever. */
  const once = async (subject: string, isNew: boolean, facts: readonly NewFact[]): Promise<void> => {
    const [newest] = await ledger.read({ subject, newestFirst: true, limit: 1 })
    if (isNew ? newest === undefined : newest !== undefined && newest.type !== 'incident.resolved')
      await ledger.append(facts, { expect: { subject, seq: newest?.seq ?? 0 } })
  }

  const rowOf = (deployment: string) =>
    db.selectFrom('learn_deployments').selectAll().where('key', '=', deployment).executeTakeFirst()

  /** The first of a service in an environment brings what was there already: nothing is told of it. */
  const tellCarried = async (seen: Finished): Promise<void> => {
    const { deployment, project, service, release, commit } = seen.payload
    const row = await rowOf(deployment)
    if (!row || row.live_at === null) return
    const previous = await db
      .selectFrom('learn_deployments')
      .select('revision')
      .where('lane', '=', row.lane)
      .where('counted', '=', 1)
      .where('state', '!=', 'rolled-back')
      .where('live_at', '<=', row.live_at)
      .where('id', '!=', row.id)
      .orderBy('live_at', 'desc')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst()
    const made = await releaseOf(project, service, release)
    const before = previous?.revision ? await releaseOf(project, service, previous.revision) : undefined
    if (!made || !before || before.repository !== made.repository) return
    const { carriedBy, inParts } = await import('./carry.ts')
    const range = { project, repository: made.repository, since: before.commit_id, until: commit, path: made.path }
    const carried = await carriedBy(range, ports)
    if (!carried) return
    const subject = `delivery:${deployment}`
    const facts = inParts(carried).map((part) =>
      fact(deliveryCarried, { subject, actor, causes: [seen.seq], payload: { deployment, ...part } }),
    )
    await ledger.append(facts, { expect: { subject, seq: 0 } })
  }

  const releaseOf = (project: string, service: string, digest: string) =>
    db
      .selectFrom('learn_releases')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .where('digest', '=', digest)
      .executeTakeFirst()

  /** What was squashed is one commit on its target; its own commits are what took somebody's time. */
  const tellChange = async (seen: Merged): Promise<void> => {
    const { project, repository, number, method, before, after: mergedAs, head } = seen.payload
    if (method !== 'squash' || before === null) return
    const { carriedBy } = await import('./carry.ts')
    const carried = await carriedBy({ project, repository, since: before, until: head, path: '.' }, ports)
    if (!carried || carried.commits.length === 0 || carried.commits.length > commitsAtOnce) return
    const key = `headway:${project}/${repository}/${number}`
    const subject = `delivery:${key}`
    const told = fact(deliveryChange, {
      ...{ subject, actor, causes: [seen.seq] },
      payload: {
        ...{ key, source: 'headway', received: null, project, repository, state: 'merged' as const, at: seen.at },
        ...{ commits: [...carried.commits], mergedAs, lines: carried.lines },
      },
    })
    const [newest] = await ledger.read({ subject, newestFirst: true, limit: 1 })
    if (newest?.causes[0] !== seen.seq) await ledger.append([told], { expect: { subject, seq: newest?.seq ?? 0 } })
  }

  /** A push that something was released of; what was merged as this commit is measured already. */
  const tellPush = async (seen: Released): Promise<void> => {
    const { push, commit } = seen.payload
    const [pushed] = await ledger.read({ subject: `push:${push}`, types: [refUpdated.type], limit: 1 })
    if (!pushed || !isFact(refUpdated, pushed) || pushed.payload.after !== commit) return
    await tellMeasured(seen, { before: pushed.payload.before, head: commit, after: commit })
  }

  /** Without a commit before it, it is how a repository began, which is nobody's change. */
  const tellMeasured = async (
    seen: Released | Merged,
    { before, head, after }: { readonly before: string | null; readonly head: string; readonly after: string },
  ): Promise<void> => {
    const { project, repository } = seen.payload
    const subject = `measured:${project}/${repository}/${after}`
    const [known] = await ledger.read({ subject, newestFirst: true, limit: 1 })
    if (before === null || known) return
    const { measureOf } = await import('./carry.ts')
    const measure = await measureOf({ project, repository, before, head, after }, ports)
    if (!measure) return
    const payload = { project, repository, commit: after, ...measure }
    await ledger.append([fact(deliveryMeasured, { subject, actor, causes: [seen.seq], payload })], {
      expect: { subject, seq: 0 },
    })
  }

  const wake = (): void => {
    again = true
    following ??= follow()
      .catch((error: unknown) => {
        if (!stopped) ports.onError(`learning from what happened: ${describeError(error)}`)
      })
      .finally(() => {
        following = null
        if (again && !stopped) wake()
      })
  }

  return {
    start: (): void => {
      unsubscribe = ledger.onAppend(wake, types)
      wake()
    },
    stop: async (): Promise<void> => {
      stopped = true
      unsubscribe()
      await following
    },
    /** Resolves when all that the ledger holds now was dealt with. */
    settled: async (): Promise<void> => {
      wake()
      while (following) await following
    },
  }
}

type Finished = RecordedFact<'deployment.finished', ReturnType<typeof deploymentFinished.payload.parse>>
type Merged = RecordedFact<'change.merged', ReturnType<typeof changeMerged.payload.parse>>
type Released = RecordedFact<'release.created', ReturnType<typeof releaseCreated.payload.parse>>
