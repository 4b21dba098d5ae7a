import { checkJobs } from './check.ts'
import { readTemplate, type WorkflowFault } from './read.ts'
import { literalEntries, type Template, textOf, textsOf, valueOf } from './template.ts'
import type { Condition, Job, RunDefaults, Step, Strategy, Trigger, Workflow } from './workflow.ts'

export type WorkflowParsing =
  | { readonly kind: 'parsed'; readonly workflow: Workflow }
  | { readonly kind: 'invalid'; readonly faults: readonly [WorkflowFault, ...WorkflowFault[]] }

/**
 * Parses a workflow of GitHub Actions' syntax. What is wrong, or right but not supported here, comes back as faults with their
 * places, all of them at once.
 */
export const parseWorkflow = (file: string, text: string): WorkflowParsing => {
  const reading = readTemplate(file, text)
  if (reading.kind === 'refused') return { kind: 'invalid', faults: reading.faults }
  const { root } = reading
  const jobs = literalEntries(valueOf(root, 'jobs'))
  const workflow: Workflow = {
    file,
    name: textOf(valueOf(root, 'name')) ?? file,
    on: triggersOf(valueOf(root, 'on')),
    env: valueOf(root, 'env'),
    defaults: defaultsOf(root),
    jobs: jobs.map(({ name, key, value }) => jobOf(name, key, value)),
  }
  const [first, ...others] = [...unsupported(jobs), ...checkJobs(workflow.jobs)]
  return first ? { kind: 'invalid', faults: [first, ...others] } : { kind: 'parsed', workflow }
}

const triggersOf = (on: Template | undefined): Trigger[] => {
  const names = textsOf(on)
  if (names) return names.map((event) => triggerOf(event, undefined))
  return literalEntries(on).map(({ name, value }) => triggerOf(name, value))
}

const triggerOf = (event: string, filters: Template | undefined): Trigger => ({
  event,
  branches: textsOf(valueOf(filters, 'branches')),
  branchesIgnore: textsOf(valueOf(filters, 'branches-ignore')),
  tags: textsOf(valueOf(filters, 'tags')),
  tagsIgnore: textsOf(valueOf(filters, 'tags-ignore')),
  paths: textsOf(valueOf(filters, 'paths')),
  pathsIgnore: textsOf(valueOf(filters, 'paths-ignore')),
})

const jobOf = (id: string, key: Template, job: Template): Job => ({
  id,
  at: key.at,
  name: valueOf(job, 'name'),
  needs: textsOf(valueOf(job, 'needs')) ?? [],
  if: conditionOf(valueOf(job, 'if')),
  env: valueOf(job, 'env'),
  outputs: valueOf(job, 'outputs'),
  defaults: defaultsOf(job),
  timeoutMinutes: valueOf(job, 'timeout-minutes'),
  continueOnError: valueOf(job, 'continue-on-error'),
  strategy: strategyOf(valueOf(job, 'strategy')),
  steps: stepsOf(valueOf(job, 'steps')),
})

const strategyOf = (strategy: Template | undefined): Strategy | undefined =>
  strategy && {
    matrix: valueOf(strategy, 'matrix'),
    failFast: valueOf(strategy, 'fail-fast'),
    maxParallel: valueOf(strategy, 'max-parallel'),
  }

const defaultsOf = (owner: Template): RunDefaults => {
  const run = valueOf(valueOf(owner, 'defaults'), 'run')
  return { shell: valueOf(run, 'shell'), workingDirectory: valueOf(run, 'working-directory') }
}

const stepsOf = (steps: Template | undefined): Step[] =>
  steps?.kind === 'sequence' ? steps.items.flatMap((step) => stepOf(step) ?? []) : []

const stepOf = (step: Template): Step | undefined => {
  const common = {
    at: step.at,
    id: textOf(valueOf(step, 'id')) ?? null,
    name: valueOf(step, 'name'),
    if: conditionOf(valueOf(step, 'if')),
    env: valueOf(step, 'env'),
    timeoutMinutes: valueOf(step, 'timeout-minutes'),
    continueOnError: valueOf(step, 'continue-on-error'),
  }
  const script = valueOf(step, 'run')
  if (script) {
    const shell = valueOf(step, 'shell')
    return { ...common, kind: 'run', script, shell, workingDirectory: valueOf(step, 'working-directory') }
  }
  const action = textOf(valueOf(step, 'uses'))
  return action === undefined ? undefined : { ...common, kind: 'uses', action, with: valueOf(step, 'with') }
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
