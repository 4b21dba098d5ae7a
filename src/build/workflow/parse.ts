import { checkWorkflow } from './check.ts'
import { inputDefinitionsOf, secretDefinitionsOf } from './inputs.ts'
import { permissionsOf } from './permissions.ts'
import { readTemplate, type WorkflowFault } from './read.ts'
import { type At, literalEntries, type Template, textOf, textsOf, valueAt } from './template.ts'
import type {
  Call,
  Callable,
  Condition,
  EnvironmentTemplate,
  GroupTemplate,
  Job,
  RunDefaults,
  ScheduleEntry,
  Step,
  Strategy,
  Trigger,
  Workflow,
} from './workflow.ts'

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
  const jobs = literalEntries(valueAt(root, 'jobs'))
  const workflow: Workflow = {
    file,
    name: textOf(valueAt(root, 'name')) ?? file,
    runName: valueAt(root, 'run-name'),
    on: triggersOf(valueAt(root, 'on')),
    env: valueAt(root, 'env'),
    defaults: defaultsOf(root),
    permissions: permissionsOf(valueAt(root, 'permissions')),
    concurrency: groupOf(valueAt(root, 'concurrency')),
    callable: callableOf(valueAt(root, 'on')),
    jobs: jobs.map(({ name, key, value }) => jobOf(name, key, value)),
  }
  const [first, ...others] = [...unsupported(jobs), ...checkWorkflow(workflow)]
  if (first) return { kind: 'invalid', faults: [first, ...others] }
  return { kind: 'parsed', workflow }
}

const triggersOf = (on: Template | undefined): Trigger[] => {
  const names = textsOf(on)
  if (names) return names.map((event) => triggerOf(event, undefined, on?.at ?? { line: 1, column: 1 }))
  return literalEntries(on).map(({ name, key, value }) => triggerOf(name, value, key.at))
}

const triggerOf = (event: string, filters: Template | undefined, at: At): Trigger => ({
  event,
  at,
  types: textsOf(valueAt(filters, 'types')),
  branches: textsOf(valueAt(filters, 'branches')),
  branchesIgnore: textsOf(valueAt(filters, 'branches-ignore')),
  tags: textsOf(valueAt(filters, 'tags')),
  tagsIgnore: textsOf(valueAt(filters, 'tags-ignore')),
  paths: textsOf(valueAt(filters, 'paths')),
  pathsIgnore: textsOf(valueAt(filters, 'paths-ignore')),
  workflows: textsOf(valueAt(filters, 'workflows')),
  schedules: event === 'schedule' ? schedulesOf(filters) : [],
  inputs: event === 'workflow_dispatch' ? inputDefinitionsOf(valueAt(filters, 'inputs')) : [],
})

const schedulesOf = (entries: Template | undefined): ScheduleEntry[] =>
  entries?.kind !== 'sequence'
    ? []
    : entries.items.flatMap((entry) => {
        const cron = valueAt(entry, 'cron')
        const text = textOf(cron)
        const timezone = textOf(valueAt(entry, 'timezone'))
        return cron && text !== undefined ? [{ cron: text, timezone, at: cron.at }] : []
      })

const callableOf = (on: Template | undefined): Callable | undefined => {
  if (textsOf(on)?.includes('workflow_call')) return { inputs: [], secrets: [], outputs: [] }
  const entry = literalEntries(on).find(({ name }) => name === 'workflow_call')
  if (!entry) return undefined
  return {
    inputs: inputDefinitionsOf(valueAt(entry.value, 'inputs')),
    secrets: secretDefinitionsOf(valueAt(entry.value, 'secrets')),
    outputs: literalEntries(valueAt(entry.value, 'outputs')).flatMap(({ name, value }) => {
      const output = valueAt(value, 'value')
      return output ? [{ name, value: output }] : []
    }),
  }
}

/** A name alone, or a mapping. */
const groupOf = (template: Template | undefined): GroupTemplate | undefined => {
  if (template === undefined) return undefined
  const group = template.kind === 'mapping' ? valueAt(template, 'group') : template
  if (!group) return undefined
  const queue = textOf(valueAt(template, 'queue')) === 'max' ? 'max' : 'single'
  return { group, cancelInProgress: valueAt(template, 'cancel-in-progress'), queue, at: template.at }
}

const environmentOf = (template: Template | undefined): EnvironmentTemplate | undefined => {
  if (template === undefined) return undefined
  const name = template.kind === 'mapping' ? valueAt(template, 'name') : template
  return name && { name, url: valueAt(template, 'url') }
}

const callOf = (job: Template): Call | undefined => {
  const uses = valueAt(job, 'uses')
  const text = textOf(uses)
  if (!uses || text === undefined) return undefined
  const secrets = valueAt(job, 'secrets')
  return {
    uses: text,
    at: uses.at,
    with: valueAt(job, 'with'),
    secrets: textOf(secrets) === 'inherit' ? 'inherit' : secrets,
  }
}

const jobOf = (id: string, key: Template, job: Template): Job => ({
  id,
  at: key.at,
  name: valueAt(job, 'name'),
  needs: textsOf(valueAt(job, 'needs')) ?? [],
  needsAt: valueAt(job, 'needs')?.at ?? key.at,
  if: conditionOf(valueAt(job, 'if')),
  runsOn: valueAt(job, 'runs-on'),
  env: valueAt(job, 'env'),
  outputs: valueAt(job, 'outputs'),
  defaults: defaultsOf(job),
  timeoutMinutes: valueAt(job, 'timeout-minutes'),
  continueOnError: valueAt(job, 'continue-on-error'),
  strategy: strategyOf(valueAt(job, 'strategy')),
  permissions: permissionsOf(valueAt(job, 'permissions')),
  concurrency: groupOf(valueAt(job, 'concurrency')),
  environment: environmentOf(valueAt(job, 'environment')),
  container: valueAt(job, 'container'),
  services: valueAt(job, 'services'),
  call: callOf(job),
  steps: stepsOf(valueAt(job, 'steps')),
})

const strategyOf = (strategy: Template | undefined): Strategy | undefined =>
  strategy && {
    at: strategy.at,
    matrix: valueAt(strategy, 'matrix'),
    failFast: valueAt(strategy, 'fail-fast'),
    maxParallel: valueAt(strategy, 'max-parallel'),
  }

const defaultsOf = (owner: Template): RunDefaults => {
  const run = valueAt(valueAt(owner, 'defaults'), 'run')
  return { shell: valueAt(run, 'shell'), workingDirectory: valueAt(run, 'working-directory') }
}

/** The steps of a job, or of a composite action. */
export const stepsOf = (steps: Template | undefined): Step[] =>
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
  const uses = valueAt(step, 'uses')
  const action = textOf(uses)
  if (!uses || action === undefined) return undefined
  return { ...common, kind: 'uses', action, actionAt: uses.at, with: valueAt(step, 'with') }
}

/** `if: x` and `if: ${{ x }}` mean the same. */
const conditionOf = (template: Template | undefined): Condition | undefined => {
  if (template?.kind === 'expression') return { expression: template.expression, at: template.at }
  const expression = textOf(template)?.trim()
  return template && expression ? { expression, at: template.at } : undefined
}

const notYet: Readonly<Record<string, string>> = {
  snapshot: 'a snapshot of the runner (snapshot:)',
}

/** Steps that run beside one another are in GitHub's schema, not in its documentation. */
const unsupportedSteps = (job: string, steps: Template | undefined): WorkflowFault[] =>
  (steps?.kind === 'sequence' ? steps.items : []).flatMap((step) =>
    valueAt(step, 'parallel')
      ? [{ detail: `job ${job} has a step with parallel:, which is not supported`, at: step.at }]
      : [],
  )

const unsupported = (jobs: readonly { name: string; value: Template }[]): WorkflowFault[] =>
  jobs.flatMap(({ name, value }) => [
    ...unsupportedSteps(name, valueAt(value, 'steps')),
    ...literalEntries(value).flatMap(({ name: key, key: { at } }) =>
      notYet[key] === undefined ? [] : [{ detail: `job ${name} asks for ${notYet[key]}, which is not supported`, at }],
    ),
  ])
