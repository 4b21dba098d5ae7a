import { join } from 'node:path'
import type { NewFact } from '../ledger/fact.ts'
import { describeError } from '../problem.ts'
import type { Conduct, ConductorTools, JobSettings, RunSignals } from './conductor.ts'
import { declaredReports } from './declared-reports.ts'
import type { Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import type { CommitReader } from './git.ts'
import { conductJobs } from './graph.ts'
import { headerOf } from './header.ts'
import type { RunSource } from './jobs/contexts.ts'
import { debugSettings } from './jobs/debug.ts'
import { wellKnownReports } from './jobs/reports.ts'
import { removeWorkspace } from './jobs/workspace.ts'
import { planRun } from './plan.ts'
import { decide, evolve, type RunInput, type RunState } from './run.ts'
import type { OpenRepository, WorkflowTree } from './workflow/call.ts'
import { namesInWorkflow } from './workflow/names.ts'
import { withOnlyJob } from './workflow/select.ts'

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
      // Recorded by whoever asked for it, not here.
      if (signals.cancel.aborted) state = { ...state, isCancelRequested: true }
      const facts: NewFact[] = []
      for (const input of inputs) facts.push(...decide(state, input))
      if (facts.length === 0) return
      facts.push(...((await tools.surroundings?.consequences(state, facts)) ?? []))
      const outcome = await tools.ledger.append(facts)
      if (outcome.kind === 'appended') for (const recorded of outcome.facts) state = evolve(state, recorded) ?? state
    })
    appending = next.catch(() => undefined)
    return next
  }

  // Cancelled while it waited to begin: none of its jobs ever runs.
  if (state.isCancelRequested && state.starts === 0) return tell({ kind: 'settled', refusal: null })
  await tell({ kind: 'begin', isolation: tools.isolation })
  if (state.status === 'finished') return
  const open = tools.surroundings?.openRepository ?? noOther
  const plan = await planRun(reader, start.queued.workflow, open).catch(refusedFor)
  if (plan.kind === 'refused') return tell({ kind: 'settled', refusal: plan.failure })

  const only = tools.onlyJob?.(source) ?? null
  const tree = only === null ? plan.tree : { ...plan.tree, workflow: withOnlyJob(plan.tree.workflow, only) }
  const given = await settingsFor(tree, source, tools.settings).catch(refusedFor)
  if (given.kind === 'refused') return tell({ kind: 'settled', refusal: given.failure })
  const header = await headerOf(tree.workflow, source, given.vars, tools.serverUrl()).catch(refusedFor)
  if ('kind' in header) return tell({ kind: 'settled', refusal: header.failure })
  const context: Conduct = {
    state: () => state,
    tell,
    tree,
    workflow: tree.workflow,
    source,
    secrets: given.secrets,
    vars: given.vars,
    inputs: source.event.inputs,
    ceiling: null,
    prefix: '',
    label: '',
    neededByCaller: [],
    reports: await declaredReports(reader).catch(() => wellKnownReports),
    isByAdministrator: await tools.isAdministrator(source.actor),
    tools,
    signals,
    cleaning: [],
    conductCalled: conductJobs,
  }
  try {
    await conductJobs(context, false)
    await tell({ kind: 'settled', refusal: null })
  } finally {
    // Nobody waits for this; what it fails to remove goes with the next start.
    await Promise.all(context.cleaning)
    await removeWorkspace(join(tools.home.workspaces, source.run)).catch(() => undefined)
  }
}

const noOther: OpenRepository = async () => 'there is no Git host here that has it'

type Refused = { readonly kind: 'refused'; readonly failure: Failure }
const refusedFor = (error: unknown): Refused => ({
  kind: 'refused',
  failure: failureFor(describeError(error)),
})

const settingsFor = async (tree: WorkflowTree, source: RunSource, settings: JobSettings) => {
  const names = namesInTree(tree)
  const secrets = source.isTrusted ? await settings.secrets(source, names.secrets) : {}
  return { kind: 'given' as const, secrets, vars: await settings.variables(source, names.vars) }
}

const namesInTree = ({ workflow, calls }: WorkflowTree): { secrets: string[]; vars: string[] } => {
  const all = [namesInWorkflow(workflow), ...Array.from(calls.values(), namesInTree)]
  return {
    secrets: [...new Set([...all.flatMap(({ secrets }) => secrets), ...debugSettings])],
    vars: [...new Set([...all.flatMap(({ vars }) => vars), ...debugSettings])],
  }
}
