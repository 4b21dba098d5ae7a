import { describeError } from '../../problem.ts'
import type { Failure } from '../facts.ts'
import { failureFor } from '../failure.ts'
import { textFrom, textsFrom } from '../workflow/evaluate.ts'
import { describeTemplate } from '../workflow/template.ts'
import type { Step, UsesStep } from '../workflow/workflow.ts'
import { remark } from './annotations.ts'
import { type Frame, scopeOf } from './frame.ts'
import { type JobRun, statusWord } from './job-run.ts'
import { marked } from './output.ts'
import { type JobResult, noResult } from './result.ts'
import type { StepOutcome } from './step.ts'

/** A failure shows this much of a script; the log has all of it. */
const longestCommand = 2000
/** What all outputs of a job may amount to. */
const maximumOutputBytes = 1024 * 1024

/** Keeps how a step of the job ended; the first failure is the job's. */
export const record = ({ progress, at, order }: JobRun, step: Step, ended: StepOutcome): void => {
  const { name, outcome, conclusion, end, durationMs } = ended
  progress.records.push({ name, outcome, conclusion, exitCode: end?.exitCode ?? null, durationMs })
  if (conclusion !== 'failure') return
  const command = end?.command ?? (step.kind === 'run' ? describeTemplate(step.script).trim() : `uses: ${step.action}`)
  progress.failure ??= failureFor(`${name}: ${at.mask.hide(end?.detail ?? 'failed')}`, {
    job: order.name,
    step: name,
    command: at.mask.hide(command).slice(0, longestCommand),
    exitCode: end?.exitCode ?? null,
    lastLines: at.log.lastLines(20),
  })
}

/** An action that a step uses and that cannot be had. */
export type MissingAction = { readonly step: UsesStep; readonly detail: string }

/** The failure of a job of which nothing was run, because what it uses is not here: all of it at once. */
export const notPrepared = ({ at, order }: JobRun, missing: readonly MissingAction[]): Failure => {
  const details = [...new Set(missing.map(({ detail }) => at.mask.hide(detail)))]
  for (const detail of details) {
    at.annotations.add({ ...remark('failure', detail), step: 'Set up job' })
    at.log.write(marked('error', detail))
  }
  return failureFor(details[0] ?? '', {
    job: order.name,
    step: 'Set up job',
    command: missing[0] ? `uses: ${missing[0].step.action}` : null,
    lastLines: details.slice(1),
  })
}

/** How the job ended: its outputs, what its steps told, and why it failed. */
export const settle = async (run: JobRun, frame: Frame, fault: Failure | null): Promise<JobResult> => {
  const { progress, at, limits, order } = run
  const { cell, log } = at
  progress.failure ??= fault
  if (cell.over.aborted) {
    const detail = describeError(cell.over.reason)
    log.write(marked('error', detail))
    const { step = null, command = null } = progress.failure ?? {}
    progress.failure = failureFor(detail, { job: order.name, step, command, lastLines: log.lastLines(20) })
  }
  const outputs = await outputsOf(run, frame)
  const environmentUrl = await environmentUrlOf(run, frame)
  const conclusion = statusWord(run)
  const timedOut = limits.timedOutAfterMinutes()
  if (timedOut !== null) {
    const detail = `the job took longer than ${timedOut} minutes`
    log.write(marked('error', detail))
    at.annotations.add({ ...remark('failure', detail), step: progress.records.at(-1)?.name ?? '' })
    progress.failure ??= failureFor(detail, {
      job: order.name,
      step: progress.records.at(-1)?.name ?? null,
      lastLines: log.lastLines(20),
    })
  }
  return {
    ...noResult,
    conclusion,
    outputs,
    steps: progress.records,
    failure: progress.failure,
    annotations: at.annotations.kept(),
    summary: progress.summary,
    environmentUrl,
  }
}

const longestUrl = 2000

/** `environment.url`, by what the steps have said; only what a browser may open is kept. */
const environmentUrlOf = async ({ order, at }: JobRun, frame: Frame): Promise<string | null> => {
  const text = at.mask.hide((await textFrom(order.job.environment?.url, scopeOf(frame)))?.trim() ?? '')
  if (text === '') return null
  const url = text.length <= longestUrl && URL.canParse(text) ? new URL(text) : null
  if (url && /^https?:$/.test(url.protocol)) return text
  at.log.write(marked('warning', `environment.url is no http or https address: ${text.slice(0, longestUrl)}`))
  return null
}

const outputsOf = async ({ order, at }: JobRun, frame: Frame): Promise<Record<string, string>> => {
  const outputs = await textsFrom(order.job.outputs, scopeOf(frame))
  if (Buffer.byteLength(JSON.stringify(outputs)) > maximumOutputBytes)
    throw new Error(`the outputs of job ${order.job.id} are larger than 1 MiB`)
  for (const [name, value] of Object.entries(outputs)) {
    if (at.mask.hide(value) === value) continue
    at.log.write(marked('warning', `Skip output '${name}' since it may contain a secret.`))
    delete outputs[name]
  }
  return outputs
}
