import { readReference } from '../actions/reference.ts'
import { isTimezone, parseCron } from './cron.ts'
import { conditionFault } from './expression.ts'
import { rowsOf } from './matrix.ts'
import type { WorkflowFault } from './read.ts'
import { type At, plainValueOf } from './template.ts'
import type { Condition, Job, Step, Trigger, Workflow } from './workflow.ts'

/** What GitHub refuses and its published parser lets pass. */
export const checkWorkflow = (workflow: Workflow): WorkflowFault[] => [
  ...workflow.on.flatMap(checkTrigger),
  ...checkJobs(workflow.jobs),
  ...checkSchedules(workflow),
  ...workflow.jobs.flatMap(checkMatrix),
]

/** https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onpushbranchestagsbranches-ignoretags-ignore */
const checkTrigger = (trigger: Trigger): WorkflowFault[] => {
  const { event, at, inputs } = trigger
  const both = [
    trigger.branches && trigger.branchesIgnore ? 'branches' : null,
    trigger.tags && trigger.tagsIgnore ? 'tags' : null,
    trigger.paths && trigger.pathsIgnore ? 'paths' : null,
  ]
  return [
    ...both.flatMap((name) =>
      name ? [{ detail: `${event} cannot have both ${name} and ${name}-ignore; exclude by ! in ${name}`, at }] : [],
    ),
    ...inputs.flatMap((input) =>
      input.type === 'choice' && input.options.length === 0
        ? [{ detail: `input ${input.name} is a choice without options`, at: input.at }]
        : [],
    ),
  ]
}

const checkSchedules = ({ on }: Workflow): WorkflowFault[] =>
  on.flatMap(({ schedules }) =>
    schedules.flatMap(({ cron, timezone, at }) => [
      ...(parseCron(cron) ? [] : [{ detail: `cron: "${cron}" is no crontab line of five fields`, at }]),
      ...(timezone === undefined || isTimezone(timezone)
        ? []
        : [{ detail: `timezone: "${timezone}" is no IANA time zone`, at }]),
    ]),
  )

/** A matrix without expressions is known before anything runs. */
const checkMatrix = ({ strategy }: Job): WorkflowFault[] => {
  const matrix = plainValueOf(strategy?.matrix)
  if (matrix === undefined || !strategy) return []
  try {
    rowsOf(matrix)
    return []
  } catch (error) {
    return [{ detail: error instanceof Error ? error.message : String(error), at: strategy.matrix?.at ?? strategy.at }]
  }
}

/** Ids, unknown and circular needs, empty jobs, broken conditions. */
const checkJobs = (jobs: readonly Job[]): WorkflowFault[] => {
  const known = new Set(jobs.map((job) => job.id.toLowerCase()))
  const faults = jobs.flatMap((job) => [
    ...badId('job', job.id, job.at),
    ...job.needs.flatMap((need) =>
      known.has(need.toLowerCase())
        ? []
        : [{ detail: `job ${job.id} needs ${need}, which is not a job here`, at: job.needsAt }],
    ),
    ...conditionFaults(job.if, jobContexts, 'job'),
    ...(job.steps.length > 0 || job.call
      ? []
      : [{ detail: `job ${job.id} has neither steps nor a workflow that it calls (uses)`, at: job.at }]),
    ...checkSteps(job),
  ])
  return faults.length > 0 ? faults : circularNeeds(jobs)
}

const idPattern = /^[A-Za-z_][A-Za-z0-9_-]*$/
const badId = (what: string, id: string, at: At): WorkflowFault[] =>
  idPattern.test(id) && id.length <= 100 && !id.startsWith('__')
    ? []
    : [
        {
          detail: `${what} id "${id}" must start with a letter or _ and have only letters, digits, - and _, at most 100`,
          at,
        },
      ]

const checkSteps = (job: Job): WorkflowFault[] => {
  const seen = new Set<string>()
  return job.steps.flatMap((step) => {
    const id = step.id?.toLowerCase()
    const isDouble = id !== undefined && seen.has(id)
    if (id !== undefined) seen.add(id)
    return [
      ...(step.id === null ? [] : badId('step', step.id, step.at)),
      ...(isDouble ? [{ detail: `step id ${step.id} is used twice in job ${job.id}`, at: step.at }] : []),
      ...conditionFaults(step.if, stepContexts, 'step'),
      ...actionFault(step),
    ]
  })
}

const actionFault = (step: Step): WorkflowFault[] => {
  if (step.kind !== 'uses') return []
  const reading = readReference(step.action)
  return reading.kind === 'refused' ? [{ detail: reading.detail, at: step.actionAt }] : []
}

const conditionFaults = (
  condition: Condition | undefined,
  contexts: readonly string[],
  of: 'job' | 'step',
): WorkflowFault[] => {
  const detail = condition && conditionFault(condition.expression, contexts, of)
  return condition && detail ? [{ detail: `if: ${detail}`, at: condition.at }] : []
}

const jobContexts = ['github', 'inputs', 'vars', 'needs']
const stepContexts = [...jobContexts, 'strategy', 'matrix', 'steps', 'job', 'runner', 'env']

const circularNeeds = (jobs: readonly Job[]): WorkflowFault[] => {
  const settled = new Set<string>()
  for (let grew = true; grew; ) {
    const ready = jobs.filter(
      ({ id, needs }) => !settled.has(id.toLowerCase()) && needs.every((need) => settled.has(need.toLowerCase())),
    )
    for (const { id } of ready) settled.add(id.toLowerCase())
    grew = ready.length > 0
  }
  return jobs
    .filter(({ id }) => !settled.has(id.toLowerCase()))
    .slice(0, 1)
    .map(({ id, at }) => ({
      detail: `the needs of job ${id} go round in a circle: no job of it could start first`,
      at,
    }))
}
