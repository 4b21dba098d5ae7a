import { checkJobs } from './check.ts'
import { unknownReferences } from './names.ts'
import { readTemplate, type WorkflowFault } from './read.ts'
import { literalEntries, type Template, textOf, textsOf, valueAt } from './template.ts'
import type { Condition, Job, RunDefaults, Step, Strategy, Trigger, Workflow } from './workflow.ts'

export type WorkflowParsing =
  /** The notes are for people: what is probably not meant so. */
  | { readonly kind: 'parsed'; readonly workflow: Workflow; readonly notes: readonly string[] }
  | { readonly kind: 'invalid'; readonly faults: readonly [WorkflowFault, ...WorkflowFault[]] }

/**
 * Parses a workflow of GitHub Actions' syntax. What is wrong, or right but not supported here, comes back as faults with their
 * places, all of them at once.
 */
export const parseWorkflow = (file: string, text: string): WorkflowParsing => {
  const reading = readTemplate(file, text)
  if (reading.kind === 'refused') return { kind: 'invalid', faults: reading.faults }
  const { root } = reading
  const jobs = literalEntries(valueAt(root, 'jobs'))
  const workflow: Workflow = {
    file,
    name: textOf(valueAt(root, 'name')) ?? file,
    on: triggersOf(valueAt(root, 'on')),
    env: valueAt(root, 'env'),
    defaults: defaultsOf(root),
    jobs: jobs.map(({ name, key, value }) => jobOf(name, key, value)),
  }
  const [first, ...others] = [...unsupported(jobs), ...checkJobs(workflow.jobs)]
  if (first) return { kind: 'invalid', faults: [first, ...others] }
  return { kind: 'parsed', workflow, notes: unknownReferences(workflow) }
}

const triggersOf = (on: Template | undefined): Trigger[] => {
  const names = textsOf(on)
  if (names) return names.map((event) => triggerOf(event, undefined))
  return literalEntries(on).map(({ name, value }) => triggerOf(name, value))
}

const triggerOf = (event: string, filters: Template | undefined): Trigger => ({
  event,
  branches: textsOf(valueAt(filters, 'branches')),
  branchesIgnore: textsOf(valueAt(filters, 'branches-ignore')),
  tags: textsOf(valueAt(filters, 'tags')),
  tagsIgnore: textsOf(valueAt(filters, 'tags-ignore')),
  paths: textsOf(valueAt(filters, 'paths')),
  pathsIgnore: textsOf(valueAt(filters, 'paths-ignore')),
})

const jobOf = (id: string, key: Template, job: Template): Job => ({
  id,
  at: key.at,
  name: valueAt(job, 'name'),
  needs: textsOf(valueAt(job, 'needs')) ?? [],
  if: conditionOf(valueAt(job, 'if')),
  env: valueAt(job, 'env'),
  outputs: valueAt(job, 'outputs'),
  defaults: defaultsOf(job),
  timeoutMinutes: valueAt(job, 'timeout-minutes'),
  continueOnError: valueAt(job, 'continue-on-error'),
  strategy: strategyOf(valueAt(job, 'strategy')),
  steps: stepsOf(valueAt(job, 'steps')),
})

const strategyOf = (strategy: Template | undefined): Strategy | undefined =>
  strategy && {
    matrix: valueAt(strategy, 'matrix'),
    failFast: valueAt(strategy, 'fail-fast'),
    maxParallel: valueAt(strategy, 'max-parallel'),
  }

const defaultsOf = (owner: Template): RunDefaults => {
  const run = valueAt(valueAt(owner, 'defaults'), 'run')
  return { shell: valueAt(run, 'shell'), workingDirectory: valueAt(run, 'working-directory') }
}

const stepsOf = (steps: Template | undefined): Step[] =>
  steps?.kind === 'sequence' ? steps.items.flatMap((step) => stepOf(step) ?? []) : []

const stepOf = (step: Template): Step | undefined => {
  const common = {
    at: step.at,
    id: textOf(valueAt(step, 'id')) ?? null,
    name: valueAt(step, 'name'),
    if: conditionOf(valueAt(step, 'if')),
    env: valueAt(step, 'env'),
    timeoutMinutes: valueAt(step, 'timeout-minutes'),
    continueOnError: valueAt(step, 'continue-on-error'),
  }
  const script = valueAt(step, 'run')
  if (script) {
    const shell = valueAt(step, 'shell')
    return { ...common, kind: 'run', script, shell, workingDirectory: valueAt(step, 'working-directory') }
  }
  const action = textOf(valueAt(step, 'uses'))
  return action === undefined ? undefined : { ...common, kind: 'uses', action, with: valueAt(step, 'with') }
}

/** `if: x` and `if: ${{ x }}` mean the same. */
const conditionOf = (template: Template | undefined): Condition | undefined => {
  if (template?.kind === 'expression') return { expression: template.expression, at: template.at }
  const expression = textOf(template)?.trim()
  return template && expression ? { expression, at: template.at } : undefined
}

const notYet: Readonly<Record<string, string>> = {
  uses: 'a reusable workflow as a job (uses:)',
  services: 'service containers (services:)',
  container: 'a job in a container (container:)',
  snapshot: 'a snapshot of the runner (snapshot:)',
}

const unsupported = (jobs: readonly { name: string; value: Template }[]): WorkflowFault[] =>
  jobs.flatMap(({ name, value }) =>
    literalEntries(value).flatMap(({ name: key, key: { at } }) =>
      notYet[key] === undefined ? [] : [{ detail: `job ${name} asks for ${notYet[key]}, which is not supported`, at }],
    ),
  )
