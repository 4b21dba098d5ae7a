import type { Concurrency } from './facts.ts'
import { githubContext, type RunSource } from './jobs/contexts.ts'
import { flagFrom, textFrom } from './workflow/evaluate.ts'
import type { Scope } from './workflow/expression.ts'
import type { GroupTemplate, Workflow } from './workflow/workflow.ts'

/** What is settled of a run when it is queued: what people call it, and its concurrency group. */
export type RunHeader = { readonly title: string; readonly concurrency: Concurrency | null }

/** Evaluates what stands at a workflow's head. Throws an Error where that cannot be evaluated. */
export const headerOf = async (
  workflow: Workflow,
  source: RunSource,
  vars: Readonly<Record<string, string>>,
  serverUrl: string,
): Promise<RunHeader> => {
  const about = { job: '', workspace: '', serverUrl, eventPath: '' }
  const scope: Scope = {
    contexts: { github: githubContext(source, about), inputs: source.event.inputs, vars },
    status: { success: true, failure: false, cancelled: false },
  }
  const title = (await textFrom(workflow.runName, scope))?.trim() || titleOf(source)
  if (!workflow.concurrency) return { title, concurrency: null }
  const group = await groupNamed(workflow.concurrency, scope)
  const cancelInProgress = (await flagFrom(workflow.concurrency.cancelInProgress, scope)) ?? false
  return { title, concurrency: { group, cancelInProgress, queue: workflow.concurrency.queue } }
}

/** The name of a concurrency group. Throws an Error where there is none, or it is too long. */
export const groupNamed = async ({ group }: GroupTemplate, scope: Scope): Promise<string> => {
  const name = (await textFrom(group, scope)) ?? ''
  if (name === '') throw new Error('Concurrency group name cannot be empty')
  if (name.length > 400) throw new Error('Concurrency group name must be less than 400 characters')
  return name
}

/** Without a `run-name`: the commit's first line. */
export const titleOf = ({ head, workflowName }: Pick<RunSource, 'head' | 'workflowName'>): string =>
  head?.message.split('\n')[0] || workflowName
