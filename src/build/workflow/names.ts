import { namesBelow } from './expression.ts'
import type { At, Template } from './template.ts'
import type { GroupTemplate, Job, Workflow } from './workflow.ts'

/** The names of secrets and variables that a workflow mentions; it is given no others. */
export const namesInWorkflow = (workflow: Workflow): { secrets: string[]; vars: string[] } => {
  const expressions = [
    ...[workflow.env, workflow.runName].flatMap(expressionsIn),
    ...expressionsOfGroup(workflow.concurrency),
    ...workflow.jobs.flatMap(expressionsOfJob),
    ...(workflow.callable?.inputs ?? []).flatMap((input) => expressionsIn(input.default)),
    ...(workflow.callable?.outputs ?? []).flatMap(({ value }) => expressionsIn(value)),
  ]
  const below = (context: string): string[] =>
    [...new Set(expressions.flatMap(({ text }) => namesBelow(text, context)))].sort()
  return { secrets: below('secrets'), vars: below('vars') }
}

/** A job's references to jobs and steps that are not there, for people: as with GitHub they are nothing, but not without a word. */
export const unknownReferences = (file: string, job: Job): string[] => {
  const steps = new Set(job.steps.flatMap(({ id }) => id?.toLowerCase() ?? []))
  const needs = new Set(job.needs.map((need) => need.toLowerCase()))
  const expressions = expressionsOfJob(job)
  const unknown = (context: string, known: ReadonlySet<string>, say: (name: string) => string): string[] => {
    const said = new Set<string>()
    return expressions.flatMap(({ text, at }) =>
      namesBelow(text, context).flatMap((name) => {
        if (known.has(name.toLowerCase()) || said.has(name)) return []
        said.add(name)
        return [`${file}:${at.line}:${at.column}: ${say(name)}`]
      }),
    )
  }
  return [
    ...unknown('steps', steps, (name) => `job ${job.id} refers to steps.${name}, but has no step with that id`),
    ...unknown('needs', needs, (name) => `job ${job.id} refers to needs.${name}, but does not need that job`),
  ]
}

type Expression = { readonly text: string; readonly at: At }

const expressionsOfJob = (job: Job): Expression[] => [
  ...[job.name, job.runsOn, job.env, job.outputs, job.timeoutMinutes, job.continueOnError].flatMap(expressionsIn),
  ...[job.defaults.shell, job.defaults.workingDirectory].flatMap(expressionsIn),
  ...[job.strategy?.matrix, job.strategy?.failFast, job.strategy?.maxParallel].flatMap(expressionsIn),
  ...[job.environment?.name, job.environment?.url, job.call?.with].flatMap(expressionsIn),
  ...(job.call?.secrets === 'inherit' ? [] : expressionsIn(job.call?.secrets)),
  ...expressionsOfGroup(job.concurrency),
  ...(job.if ? [{ text: job.if.expression, at: job.if.at }] : []),
  ...job.steps.flatMap((step) => [
    ...[step.name, step.env, step.timeoutMinutes, step.continueOnError].flatMap(expressionsIn),
    ...(step.if ? [{ text: step.if.expression, at: step.if.at }] : []),
    ...(step.kind === 'run'
      ? [step.script, step.shell, step.workingDirectory].flatMap(expressionsIn)
      : expressionsIn(step.with)),
  ]),
]

const expressionsOfGroup = (group: GroupTemplate | undefined): Expression[] =>
  [group?.group, group?.cancelInProgress].flatMap(expressionsIn)

const expressionsIn = (template: Template | undefined): Expression[] => {
  switch (template?.kind) {
    case 'expression':
      return [{ text: template.expression, at: template.at }]
    case 'sequence':
      return template.items.flatMap(expressionsIn)
    case 'mapping':
      return template.entries.flatMap(({ key, value }) => [...expressionsIn(key), ...expressionsIn(value)])
    default:
      return []
  }
}
