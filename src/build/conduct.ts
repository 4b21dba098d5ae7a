import { join } from 'node:path'
import type { NewFact } from '../ledger/fact.ts'
import { describeError } from '../problem.ts'
import type { Conduct, ConductorTools, JobEnd, JobSettings, RunSignals } from './conductor.ts'
import type { Conclusion, Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import type { CommitReader } from './git.ts'
import { githubContext, type RunSource } from './jobs/contexts.ts'
import { removeWorkspace } from './jobs/workspace.ts'
import { planRun } from './plan.ts'
import { conductRows, nothing, rowsFor } from './rows.ts'
import { decide, evolve, type RunInput, type RunState } from './run.ts'
import { holds, type Json, type Scope } from './workflow/expression.ts'
import { namesInWorkflow } from './workflow/names.ts'
import type { Job, Workflow } from './workflow/workflow.ts'

/**
 * Carries a run from where its facts left it to its end: each job once those that it needs are over, several at a time. Rejects only
 * when Headway itself is at fault or `kill` aborts (the server stops); the next start goes on then.
 */
export const conductRun = async (
  start: RunState,
  source: RunSource,
  reader: CommitReader,
  tools: ConductorTools,
  signals: RunSignals,
): Promise<void> => {
  let state = start
  let appending: Promise<unknown> = Promise.resolve()
  /** Decisions are made one after another, each on what the one before recorded. */
  const tell = (...inputs: RunInput[]): Promise<void> => {
    const next = appending.then(async () => {
      signals.kill.throwIfAborted()
      const facts: NewFact[] = []
      for (const input of inputs) facts.push(...decide(state, input))
      if (facts.length === 0) return
      const outcome = await tools.ledger.append(facts)
      if (outcome.kind === 'appended') for (const recorded of outcome.facts) state = evolve(state, recorded) ?? state
    })
    appending = next.catch(() => undefined)
    return next
  }

  await tell({ kind: 'begin', isolation: tools.isolation })
  if (state.status === 'finished') return
  const plan = await planRun(reader, start.queued.workflow).catch(refusedFor)
  if (plan.kind === 'refused') return tell({ kind: 'settled', refusal: plan.failure })

  const { workflow } = plan
  const given = await settingsFor(workflow, source, tools.settings).catch(refusedFor)
  if (given.kind === 'refused') return tell({ kind: 'settled', refusal: given.failure })
  const { secrets, vars } = given
  const context: Conduct = {
    state: () => state,
    tell,
    workflow,
    source,
    secrets,
    vars,
    notes: plan.notes,
    isByAdministrator: await tools.isAdministrator(source.actor),
    tools,
    signals,
    cleaning: [],
  }
  try {
    await conductJobs(context)
    await tell({ kind: 'settled', refusal: null })
  } finally {
    // Nobody waits for this; what it fails to remove goes with the next start.
    await Promise.all(context.cleaning)
    await removeWorkspace(join(tools.home.workspaces, source.run)).catch(() => undefined)
  }
}

type Refused = { readonly kind: 'refused'; readonly failure: Failure }
const refusedFor = (error: unknown): Refused => ({
  kind: 'refused',
  failure: failureFor(describeError(error)),
})

const settingsFor = async (workflow: Workflow, source: RunSource, settings: JobSettings) => {
  const names = namesInWorkflow(workflow)
  const secrets = await settings.secrets(source, names.secrets)
  return { kind: 'given' as const, secrets, vars: await settings.variables(source, names.vars) }
}

const conductJobs = async (conduct: Conduct): Promise<void> => {
  const { jobs } = conduct.workflow
  const jobNamed = new Map(jobs.map((job) => [job.id.toLowerCase(), job]))
  const ends = new Map<string, Promise<JobEnd>>()
  const endOf = (job: Job): Promise<JobEnd> => {
    const known = ends.get(job.id) ?? start(job)
    ends.set(job.id, known)
    return known
  }
  const needed = (job: Job): Job[] => job.needs.flatMap((need) => jobNamed.get(need.toLowerCase()) ?? [])
  const ancestors = (job: Job): Set<Job> => new Set(needed(job).flatMap((need) => [need, ...ancestors(need)]))
  const start = async (job: Job): Promise<JobEnd> => {
    const needs: Record<string, Json> = {}
    for (const need of needed(job)) {
      const { conclusion, outputs } = await endOf(need)
      needs[need.id] = { result: conclusion, outputs }
    }
    const before = await Promise.all(Array.from(ancestors(job), async (one) => (await endOf(one)).conclusion))
    return conductJob(conduct, job, needs, before)
  }
  // All are waited for even when one is at fault: none may go on behind the caller's back.
  const settled = await Promise.allSettled(jobs.map(endOf))
  for (const end of settled) if (end.status === 'rejected') throw end.reason
}

const conductJob = async (
  conduct: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly Conclusion[],
): Promise<JobEnd> => {
  const { signals, tell, state } = conduct
  const scope = scopeOf(conduct, job, needs, before)
  try {
    const isWanted = await holds(job.if?.expression, scope)
    if (!isWanted) {
      const conclusion = signals.cancel.aborted ? 'cancelled' : 'skipped'
      await tell({ kind: 'job-ended', result: { ...nothing, job: job.id, conclusion } })
      return { conclusion, outputs: {} }
    }
    const rows = await rowsFor(job, scope)
    return await conductRows(conduct, job, needs, rows, scope)
  } catch (error) {
    if (signals.kill.aborted) throw error
    const failure = failureFor(describeError(error), { job: job.id })
    await tell({ kind: 'job-ended', result: { ...nothing, job: job.id, conclusion: 'failure', failure } })
    return { conclusion: state().jobs.get(job.id)?.finished?.conclusion ?? 'failure', outputs: {} }
  }
}

/** What a job's `if`, name and strategy can see. */
const scopeOf = (
  { source, vars, signals, tools }: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly Conclusion[],
): Scope => {
  const isCancelled = signals.cancel.aborted
  const about = { job: job.id, workspace: '', serverUrl: tools.serverUrl(), eventPath: '' }
  return {
    contexts: { github: githubContext(source, about), needs, vars, inputs: {} },
    status: {
      success: !isCancelled && before.every((conclusion) => conclusion === 'success'),
      failure: !isCancelled && before.includes('failure'),
      cancelled: isCancelled,
    },
  }
}
