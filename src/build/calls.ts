import { type Conduct, type JobEnd, neededFor, worstOf } from './conductor.ts'
import { failureFor } from './failure.ts'
import { takeTurn } from './gates.ts'
import type { RowOfJob } from './row.ts'
import type { RunInput } from './run.ts'
import type { WorkflowTree } from './workflow/call.ts'
import { evaluateTemplate, textFrom, textsFrom } from './workflow/evaluate.ts'
import type { Json, Scope } from './workflow/expression.ts'
import { readInputs } from './workflow/inputs.ts'
import { isRow } from './workflow/matrix.ts'
import type { Permissions } from './workflow/permissions.ts'
import type { Call } from './workflow/workflow.ts'

/**
 * Conducts the workflow that a job calls, as a part of the same run: its jobs have the caller's key and name before theirs, see the
 * caller's `github` context, and get no more secrets and permissions than they are given. Resolves to how the calling job ends.
 */
export const conductCall = async (
  row: RowOfJob,
  call: Call,
  name: string,
  permissions: Permissions,
): Promise<RunInput> => {
  const { conduct, job, key, scope } = row
  const ends = (
    result: Omit<Extract<RunInput, { kind: 'job-ended' }>['result'], 'job' | 'name' | 'steps'>,
  ): RunInput => ({
    kind: 'job-ended',
    result: { job: key, name, ...neededFor(conduct, job), steps: [], ...result },
  })
  const refused = (detail: string): RunInput => {
    const where = { file: conduct.workflow.file, ...call.at }
    return ends({ conclusion: 'failure', outputs: {}, failure: failureFor(detail, { job: name, where }) })
  }
  const tree = conduct.tree.calls.get(job.id)
  if (!tree?.workflow.callable) return refused(`${call.uses} was not found when the run was planned`)
  const { callable } = tree.workflow
  const given = await evaluateTemplate(call.with, scope)
  const defaults = { ...scope, contexts: { github: scope.contexts.github ?? null, vars: conduct.vars, inputs: {} } }
  const reading = await readInputs(callable.inputs, isRow(given) ? given : {}, defaults)
  if (reading.kind === 'refused') return refused(reading.faults.map(({ detail }) => detail).join('; '))
  const own = { ...scope, contexts: { ...defaults.contexts, inputs: reading.inputs } }
  const turn = await takeTurn(row, name, tree.workflow.concurrency, own)
  if (turn.kind === 'ended') return ends({ ...turn.end, outputs: {} })
  const called: Conduct = {
    ...conduct,
    tree,
    workflow: tree.workflow,
    inputs: reading.inputs,
    secrets: await secretsFor(conduct, call, scope),
    ceiling: permissions,
    prefix: `${key}.`,
    label: `${name} / `,
    neededByCaller: neededFor(conduct, job).needs ?? [],
    signals: { ...conduct.signals, cancel: turn.cancel },
  }
  const jobs = await conduct.conductCalled(called, row.isAnew)
  const states = [...jobs.values()]
  const isAsBefore = conduct.state().earlier?.has(key) && !row.isAnew && !states.some(({ isAnew }) => isAnew)
  if (isAsBefore) return { kind: 'job-kept', job: key }
  const conclusion = worstOf(states.map((end) => end.conclusion))
  return ends({ conclusion, outputs: await outputsOf(tree, jobs, called, scope) })
}

const secretsFor = async ({ secrets }: Conduct, call: Call, scope: Scope): Promise<Readonly<Record<string, string>>> =>
  call.secrets === 'inherit' ? secrets : textsFrom(call.secrets, { ...scope, contexts: { ...scope.contexts, secrets } })

const outputsOf = async (
  { workflow }: WorkflowTree,
  ends: ReadonlyMap<string, JobEnd>,
  { inputs, vars }: Conduct,
  scope: Scope,
): Promise<Record<string, string>> => {
  const jobs = Object.fromEntries(
    Array.from(ends, ([id, { conclusion, outputs }]): [string, Json] => [id, { result: conclusion, outputs }]),
  )
  const contexts = { github: scope.contexts.github ?? null, inputs, vars, jobs }
  const outputs: Record<string, string> = {}
  for (const { name, value } of workflow.callable?.outputs ?? [])
    outputs[name] = (await textFrom(value, { ...scope, contexts })) ?? ''
  return outputs
}
