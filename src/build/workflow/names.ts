import { namesBelow } from './expression.ts'
import type { Template } from './template.ts'
import type { Job, Workflow } from './workflow.ts'

/** The names of secrets and variables that a workflow mentions; it is given no others. */
export const namesInWorkflow = (workflow: Workflow): { secrets: string[]; vars: string[] } => {
  const expressions = [...expressionsIn(workflow.env), ...workflow.jobs.flatMap(expressionsOfJob)]
  const below = (context: string): string[] =>
    [...new Set(expressions.flatMap((text) => namesBelow(text, context)))].sort()
  return { secrets: below('secrets'), vars: below('vars') }
}

/** References to jobs and steps that are not there; GitHub evaluates them to nothing without a word. */
export const unknownReferences = (workflow: Workflow): string[] =>
  workflow.jobs.flatMap((job) => {
    const steps = new Set(job.steps.flatMap(({ id }) => id?.toLowerCase() ?? []))
    const needs = new Set(job.needs.map((need) => need.toLowerCase()))
    const expressions = expressionsOfJob(job)
    const unknown = (context: string, known: ReadonlySet<string>): string[] => [
      ...new Set(
        expressions.flatMap((text) => namesBelow(text, context)).filter((name) => !known.has(name.toLowerCase())),
      ),
    ]
    return [
      ...unknown('steps', steps).map((name) => `job ${job.id} refers to steps.${name}, but has no step with that id`),
      ...unknown('needs', needs).map((name) => `job ${job.id} refers to needs.${name}, but does not need that job`),
    ]
  })

const expressionsOfJob = (job: Job): string[] => [
  ...[job.name, job.env, job.outputs, job.timeoutMinutes, job.continueOnError].flatMap(expressionsIn),
  ...[job.defaults.shell, job.defaults.workingDirectory].flatMap(expressionsIn),
  ...[job.strategy?.matrix, job.strategy?.failFast, job.strategy?.maxParallel].flatMap(expressionsIn),
  ...(job.if ? [job.if.expression] : []),
  ...job.steps.flatMap((step) => [
    ...[step.name, step.env, step.timeoutMinutes, step.continueOnError].flatMap(expressionsIn),
    ...(step.if ? [step.if.expression] : []),
    ...(step.kind === 'run'
      ? [step.script, step.shell, step.workingDirectory].flatMap(expressionsIn)
      : expressionsIn(step.with)),
  ]),
]

const expressionsIn = (template: Template | undefined): string[] => {
  switch (template?.kind) {
    case 'expression':
      return [template.expression]
    case 'sequence':
      return template.items.flatMap(expressionsIn)
    case 'mapping':
      return template.entries.flatMap(({ key, value }) => [...expressionsIn(key), ...expressionsIn(value)])
    default:
      return []
  }
}
