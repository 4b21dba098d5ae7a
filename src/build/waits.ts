import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { isFact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { ProjectName } from '../names.ts'
import type { Store } from '../store/store.ts'
import { endedBecause } from './ended-because.ts'
import { jobWaiting } from './facts.ts'
import type { BuildTables } from './tables.ts'

/** Lets jobs wait for their turn in a concurrency group and for approvals. What they wait for is in the ledger, not here. */
export type Waits = {
  /** Resolves once the job holds its group or never will. The claim must be recorded. Rejects when the signal aborts. */
  turn(
    claim: { readonly run: string; readonly job: string; readonly group: string },
    signal: AbortSignal,
  ): Promise<Turn>
  /** Resolves once somebody has said yes or no, or the time for it is over. Rejects when the signal aborts. */
  approval(
    about: { readonly run: string; readonly attempt: number; readonly job: string },
    signal: AbortSignal,
  ): Promise<Approval>
  /** Null: anybody may use the environment. */
  protectionOf(project: ProjectName, environment: string): Promise<Protection | null>
  /** Looks who may go on; called when facts were recorded. */
  look(): Promise<void>
}

export type Turn =
  /** `cancelled` aborts when a newer one wants its end. */
  | { readonly kind: 'held'; readonly cancelled: AbortSignal }
  | { readonly kind: 'superseded'; readonly by: string }
  /** What holds the group contains the claimant, so that it would wait for itself. */
  | { readonly kind: 'deadlock' }

export type Approval =
  | { readonly kind: 'approved' }
  | { readonly kind: 'rejected'; readonly by: string; readonly comment: string | null }
  | { readonly kind: 'expired' }

export type Protection = {
  readonly needsApproval: boolean
  readonly allowsOwnApproval: boolean
  readonly refs: readonly string[] | null
}

/** As GitHub: a job that nobody approves fails after 30 days. */
const approvalMs = 30 * 24 * 60 * 60_000
/** A timer of Node's cannot be set for longer than 24 days. */
const longestSleepMs = 24 * 60 * 60_000

type Waiter = { readonly check: () => Promise<boolean> }

export const createWaits = ({
  ledger,
  store,
  views,
  clock,
}: {
  readonly ledger: Pick<Ledger, 'read'>
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
}): Waits => {
  const tables = () => store.tables<BuildTables>()
  const waiters = new Set<Waiter>()
  const holders = new Map<string, AbortController>()
  const nameOf = (run: string, job: string, group: string): string => JSON.stringify([run, job, group])

  /** Asks at once and whenever something was recorded, until there is an answer. */
  const until = <Answer>(ask: () => Promise<Answer | null>, signal: AbortSignal): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const leave = (): void => {
        waiters.delete(waiter)
        signal.removeEventListener('abort', stop)
      }
      const stop = (): void => {
        leave()
        reject(signal.reason)
      }
      const waiter: Waiter = {
        check: async () => {
          const answer = await ask()
          if (answer === null) return false
          leave()
          resolve(answer)
          return true
        },
      }
      if (signal.aborted) return reject(signal.reason)
      signal.addEventListener('abort', stop, { once: true })
      waiters.add(waiter)
      views
        .reach()
        .then(waiter.check)
        .catch((error: unknown) => {
          leave()
          reject(error)
        })
    })

  const turnOf = async (run: string, job: string, group: string): Promise<Turn | null> => {
    const claim = await tables()
      .selectFrom('build_claims')
      .selectAll()
      .where('run', '=', run)
      .where('job', '=', job)
      .where('group_key', '=', group)
      .executeTakeFirst()
    if (!claim) return null
    if (claim.state === 'superseded') return { kind: 'superseded', by: claim.rival ?? 'a newer run' }
    if (claim.state === 'waiting') {
      const holder = await tables()
        .selectFrom('build_claims')
        .select(['run', 'job'])
        .where('project', '=', claim.project)
        .where('repository', '=', claim.repository)
        .where('group_key', '=', claim.group_key)
        .where('state', '=', 'holding')
        .executeTakeFirst()
      const contains = holder?.run === run && (holder.job === '' || job.startsWith(`${holder.job}.`))
      return contains ? { kind: 'deadlock' } : null
    }
    const held = new AbortController()
    holders.set(nameOf(run, job, group), held)
    if (claim.cancel_wanted === 1) held.abort(wantedBy(claim))
    return { kind: 'held', cancelled: held.signal }
  }

  const approvalOf = async (run: string, attempt: number, job: string): Promise<Approval | null> => {
    const said = await tables()
      .selectFrom('build_approvals')
      .selectAll()
      .where('run', '=', run)
      .where('attempt', '=', attempt)
      .where('job', '=', job)
      .executeTakeFirst()
    if (said)
      return said.is_approved ? { kind: 'approved' } : { kind: 'rejected', by: said.actor, comment: said.comment }
    return null
  }

  /** Nothing is recorded when the time for an approval is over: the clock has to say so. */
  const noApproval = async (run: string, job: string, signal: AbortSignal): Promise<void> => {
    const waited = await ledger.read({ subject: `run:${run}`, types: [jobWaiting.type], newestFirst: true })
    const since = waited.find((one) => isFact(jobWaiting, one) && one.payload.job === job)?.at ?? clock.now()
    for (let leftMs = since + approvalMs - clock.now(); leftMs > 0; leftMs = since + approvalMs - clock.now())
      await clock.sleep(Math.min(leftMs, longestSleepMs), signal)
  }

  const approval: Waits['approval'] = async ({ run, attempt, job }, signal) => {
    const answered = new AbortController()
    const either = AbortSignal.any([signal, answered.signal])
    const ask = (): Promise<Approval | null> => approvalOf(run, attempt, job)
    try {
      const expiry = noApproval(run, job, either).then(async () => (await ask()) ?? { kind: 'expired' as const })
      return await Promise.race([until(ask, either), expiry])
    } finally {
      answered.abort()
    }
  }

  return {
    turn: ({ run, job, group }, signal) => until(() => turnOf(run, job, group.toLowerCase()), signal),
    approval,
    protectionOf: async (project, environment) => {
      await views.reach()
      const row = await tables()
        .selectFrom('build_environments')
        .selectAll()
        .where('project', '=', project)
        .where('environment', '=', environment)
        .executeTakeFirst()
      return row ? protectionIn(row) : null
    },
    look: async () => {
      for (const waiter of waiters) await waiter.check()
      if (holders.size === 0) return
      const claims = await tables().selectFrom('build_claims').selectAll().execute()
      const known = new Map(claims.map((claim) => [nameOf(claim.run, claim.job, claim.group_key), claim]))
      for (const [name, held] of holders) {
        const claim = known.get(name)
        if (claim?.cancel_wanted === 1) held.abort(wantedBy(claim))
        if (claim?.cancel_wanted !== 0) holders.delete(name)
      }
    },
  }
}

const wantedBy = ({ rival, group_key }: BuildTables['build_claims']) =>
  endedBecause(`${rival ?? 'a newer run'} took its place in the concurrency group ${group_key}`)

export const protectionIn = (row: BuildTables['build_environments']): Protection => ({
  needsApproval: row.needs_approval === 1,
  allowsOwnApproval: row.allows_own_approval === 1,
  refs: row.refs === null ? null : z.array(z.string()).parse(JSON.parse(row.refs)),
})
