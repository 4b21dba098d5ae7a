import { type RawBuilder, sql } from 'kysely'
import { refUpdated } from '../code/facts.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { applyToClaims } from './claims.ts'
import {
  environmentProtected,
  jobApprovalDecided,
  jobFinished,
  jobStarted,
  jobWaiting,
  mainBroken,
  mainMended,
  pushVerified,
  runCancelRequested,
  runFinished,
  runQueued,
  runRerunRequested,
  runStarted,
  schedulesSet,
  workflowEventConcluded,
  workflowEventRaised,
} from './facts.ts'
import { type BuildTables, createTables, dropTables, generated, type Tx } from './tables.ts'

export { type BuildTables, generated } from './tables.ts'

export const buildView: View<BuildTables> = {
  name: 'build',
  version: 5,
  create: createTables,
  drop: dropTables,
  apply: async (tx, fact) => {
    await applyToOrigins(tx, fact)
    await applyToClaims(tx, fact) // before the runs: a run that is queued again is looked up as it was
    await applyToRuns(tx, fact)
    await applyToJobs(tx, fact)
    await applyToSettings(tx, fact)
    await applyToMains(tx, fact)
  },
}

/** The subject of the facts of what a run is of. */
export const originOf = ({ push, event }: { readonly push: string | null; readonly event: string | null }): string =>
  push === null ? `event:${event}` : `push:${push}`

const applyToOrigins = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const add = (row: Omit<BuildTables['build_origins'], 'seq' | 'actor' | 'status' | 'conclusion'>) =>
    tx
      .insertInto('build_origins')
      .values({ ...row, seq: fact.seq, actor: fact.actor, status: 'new', conclusion: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  const change = (origin: string, ref: string | null, values: Partial<BuildTables['build_origins']>) => {
    const update = tx.updateTable('build_origins').set(values).where('origin', '=', origin)
    return (ref === null ? update : update.where('ref', '=', ref)).execute()
  }
  /** A run may have been asked to run again while the verdict was being made. */
  const statusAfter = async (origin: string, ref: string | null): Promise<'running' | 'concluded'> => {
    const runs = tx
      .selectFrom('build_runs')
      .select('run')
      .where('origin', '=', origin)
      .where('status', '!=', 'finished')
    const unfinished = await (ref === null ? runs : runs.where('ref', '=', ref)).executeTakeFirst()
    return unfinished ? 'running' : 'concluded'
  }
  if (isFact(refUpdated, fact)) {
    const { push, ref, project, repository, before, after } = fact.payload
    const isBuilt = ref.startsWith('refs/heads/') || ref.startsWith('refs/tags/')
    if (after === null || !isBuilt) return
    await add({ origin: `push:${push}`, ref, project, repository, before, commit_id: after, event_name: 'push' })
  } else if (isFact(workflowEventRaised, fact)) {
    const { event, name, ref, project, repository, commit } = fact.payload
    const place = { ref, project, repository, before: null, commit_id: commit }
    await add({ origin: `event:${event}`, event_name: name, ...place })
  } else if (isFact(runQueued, fact)) {
    await change(originOf(fact.payload), fact.payload.ref, { status: 'running' })
  } else if (isFact(runRerunRequested, fact)) {
    const run = await tx
      .selectFrom('build_runs')
      .select(['origin', 'ref'])
      .where('run', '=', fact.payload.run)
      .executeTakeFirst()
    if (run) await change(run.origin, run.ref, { status: 'running' })
  } else if (isFact(pushVerified, fact)) {
    const { push, ref, conclusion } = fact.payload
    await change(`push:${push}`, ref, { status: await statusAfter(`push:${push}`, ref), conclusion })
  } else if (isFact(workflowEventConcluded, fact)) {
    const { event, conclusion } = fact.payload
    await change(`event:${event}`, null, { status: await statusAfter(`event:${event}`, null), conclusion })
  }
}

const applyToRuns = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const change = (run: string, values: Partial<BuildTables['build_runs']>) =>
    tx.updateTable('build_runs').set(values).where('run', '=', run).execute()
  if (isFact(runQueued, fact)) {
    const { run, push, event, eventName, project, repository, ref, commit, workflow, name, number } = fact.payload
    const { concurrency, isTrusted, title = name } = fact.payload
    const origin = originOf(fact.payload)
    const cause = await tx
      .selectFrom('build_origins')
      .select('actor')
      .where('origin', '=', origin)
      .where('ref', '=', ref)
      .executeTakeFirst()
    const about = { push, event, event_name: eventName, project, repository, ref, commit_id: commit }
    const what = { workflow: workflow ?? generated, name, title, actor: cause?.actor ?? fact.actor, number }
    await tx
      .insertInto('build_runs')
      .values({
        run,
        seq: fact.seq,
        origin,
        ...about,
        ...what,
        ...newAttempt,
        attempt: 1,
        isolation: null,
        is_trusted: isTrusted ? 1 : 0,
        concurrency: concurrency && JSON.stringify(concurrency),
        queued_at: fact.at,
      })
      .execute()
  } else if (isFact(runRerunRequested, fact)) {
    const { run, attempt } = fact.payload
    await change(run, { ...newAttempt, attempt, queued_at: fact.at })
  } else if (isFact(runStarted, fact)) {
    const { run, isolation } = fact.payload
    await change(run, { status: 'running', isolation })
    await tx
      .updateTable('build_runs')
      .set({ started_at: fact.at })
      .where('run', '=', run)
      .where('started_at', 'is', null)
      .execute()
  } else if (isFact(runCancelRequested, fact)) {
    await change(fact.payload.run, { cancel_requested: 1 })
  } else if (isFact(runFinished, fact)) {
    const { run, conclusion, failure } = fact.payload
    const reason = failure && JSON.stringify(failure)
    await change(run, { status: 'finished', conclusion, failure: reason, finished_at: fact.at })
  }
}

const newAttempt = {
  status: 'queued' as const,
  conclusion: null,
  failure: null,
  cancel_requested: 0,
  started_at: null,
  finished_at: null,
}

const applyToJobs = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  /** One statement for each fact: a run may have thousands of them. */
  const put = async (
    { run, job, name }: { run: string; job: string; name: string },
    values: Partial<BuildTables['build_jobs']>,
    isStart = false,
  ): Promise<void> => {
    const attempt = attemptOf(run)
    const changed = { ...values, changed: fact.seq }
    const first = isStart ? { starts: 1, started_at: fact.at } : {}
    await tx
      .insertInto('build_jobs')
      .values({
        ...noJob,
        ran_in: attempt,
        status: 'waiting',
        ...changed,
        ...first,
        run,
        attempt,
        job,
        name,
        seq: fact.seq,
      })
      .onConflict((conflict) =>
        conflict.columns(['run', 'attempt', 'job']).doUpdateSet((row) => ({
          ...changed,
          ...(isStart
            ? {
                starts: row('build_jobs.starts', '+', 1),
                started_at: row.fn.coalesce('build_jobs.started_at', 'excluded.started_at'),
              }
            : {}),
        })),
      )
      .execute()
  }
  if (isFact(jobWaiting, fact)) {
    const { name, wait, needs } = fact.payload
    await put(fact.payload, { status: 'waiting', name, wait: JSON.stringify(wait), ...needsIn(needs) })
  } else if (isFact(jobApprovalDecided, fact)) {
    const { run, job, environment, isApproved, comment } = fact.payload
    const said = { environment, is_approved: isApproved ? 1 : 0, actor: fact.actor, comment }
    await tx
      .insertInto('build_approvals')
      .values({ run, job, attempt: attemptOf(run), ...said })
      .onConflict((conflict) => conflict.doNothing()) // the first word counts
      .execute()
  } else if (isFact(jobStarted, fact)) {
    const { run, job, name, needs } = fact.payload
    await put({ run, job, name }, { status: 'running', wait: null, name, ...needsIn(needs) }, true)
  } else if (isFact(jobFinished, fact)) {
    const { run, job, name, needs, conclusion, steps, failure, annotations = [], keptFrom, environment } = fact.payload
    await put(
      { run, job, name: name ?? job },
      {
        status: 'finished',
        wait: null,
        conclusion,
        steps: JSON.stringify(steps),
        failure: failure ? JSON.stringify(failure) : null,
        annotations: JSON.stringify(annotations),
        environment: environment ? JSON.stringify(environment) : null,
        finished_at: fact.at,
        ...(name === undefined ? {} : { name }),
        ...needsIn(needs),
        ...(keptFrom === undefined ? {} : { ran_in: keptFrom }),
      },
    )
  }
}

const attemptOf = (run: string): RawBuilder<number> =>
  sql`coalesce((select attempt from build_runs where run = ${run}), 1)`

const needsIn = (needs: readonly string[] | undefined): { needs?: string } =>
  needs === undefined ? {} : { needs: JSON.stringify(needs) }

const noJob = {
  needs: '[]',
  wait: null,
  conclusion: null,
  steps: '[]',
  failure: null,
  annotations: '[]',
  environment: null,
  starts: 0,
  started_at: null,
  finished_at: null,
}

const applyToSettings = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(schedulesSet, fact)) {
    const { project, repository, schedules } = fact.payload
    const known = await tx
      .deleteFrom('build_schedules')
      .where('project', '=', project)
      .where('repository', '=', repository)
      .returningAll()
      .execute()
    const rows = schedules.map(({ workflow, cron, timezone }) => {
      const same = known.find(
        (row) => row.workflow === workflow && row.cron === cron && row.timezone === (timezone ?? ''),
      )
      const since = { set_at: same?.set_at ?? fact.at, last_tick: same?.last_tick ?? null }
      return { project, repository, workflow, cron, timezone: timezone ?? '', actor: fact.actor, ...since }
    })
    if (rows.length > 0)
      await tx
        .insertInto('build_schedules')
        .values(rows)
        .onConflict((conflict) => conflict.doNothing())
        .execute()
  } else if (isFact(workflowEventRaised, fact) && fact.payload.name === 'schedule') {
    const { project, repository, workflow, payload } = fact.payload
    await tx
      .updateTable('build_schedules')
      .set({ last_tick: Number(payload.tick) })
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('workflow', '=', workflow ?? generated)
      .where('cron', '=', String(payload.schedule))
      .where('timezone', '=', String(payload.timezone ?? ''))
      .execute()
  } else if (isFact(environmentProtected, fact)) {
    const { project, environment, needsApproval, allowsOwnApproval, refs } = fact.payload
    const values = {
      needs_approval: needsApproval ? 1 : 0,
      allows_own_approval: allowsOwnApproval ? 1 : 0,
      refs: refs && JSON.stringify(refs),
    }
    await tx
      .insertInto('build_environments')
      .values({ project, environment, ...values })
      .onConflict((conflict) => conflict.columns(['project', 'environment']).doUpdateSet(values))
      .execute()
  }
}

const applyToMains = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const put = async (
    { project, repository, ref }: { project: string; repository: string; ref: string },
    broken: string | null,
  ): Promise<void> => {
    const values = { ref, broken }
    await tx
      .insertInto('build_mains')
      .values({ project, repository, ...values })
      .onConflict((conflict) => conflict.columns(['project', 'repository']).doUpdateSet(values))
      .execute()
  }
  if (isFact(mainBroken, fact)) await put(fact.payload, JSON.stringify(fact.payload))
  else if (isFact(mainMended, fact)) await put(fact.payload, null)
}
