import { dirname, join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { describeError } from '../../problem.ts'
import { createPreparation, type Invocation } from '../actions/invocation.ts'
import type { ActionLibrary } from '../actions/library.ts'
import { createStepRunner, hasPre, idsOf } from '../actions/uses.ts'
import { failureFor } from '../failure.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import { containerIn, servicesIn } from '../sandbox/wishes.ts'
import { numberFrom, textsFrom } from '../workflow/evaluate.ts'
import type { Json, Scope } from '../workflow/expression.ts'
import type { InputValue } from '../workflow/inputs.ts'
import type { Permissions } from '../workflow/permissions.ts'
import type { Job, Step, Workflow } from '../workflow/workflow.ts'
import type { Actions } from './actions.ts'
import { createAnnotations } from './annotations.ts'
import { eventOf, githubContext, jobIdentity, type RunSource } from './contexts.ts'
import { asksForDebug, secretsToHide } from './debug.ts'
import { jobFrame, scopeOf } from './frame.ts'
import { freshProgress, type JobRun } from './job-run.ts'
import { type JobSignals, type Limits, limitsOf } from './limits.ts'
import type { JobLog } from './log.ts'
import { createMask } from './mask.ts'
import { createMatchers } from './matchers.ts'
import { marked } from './output.ts'
import type { JobUser } from './processes.ts'
import type { StepPlace } from './program.ts'
import { collectReports, wellKnownReports } from './reports.ts'
import { type JobResult, noResult } from './result.ts'
import { type MissingAction, notPrepared, record, settle } from './settle.ts'
import type { StepCall } from './step.ts'
import { trustVariables } from './trust.ts'
import { networkFor } from './variables.ts'
import { createCommandFolders, type Workspace, writeForJob } from './workspace.ts'

/** One job that is to run now: its conditions are met. */
export type JobOrder = {
  readonly source: RunSource
  readonly workflow: Workflow
  readonly job: Job
  /** Safe as a file name: the job's id, and for a row of a matrix its number behind a dot. */
  readonly key: string
  readonly name: string
  readonly matrix: Json
  readonly strategy: Json
  readonly needs: Readonly<Record<string, Json>>
  readonly secrets: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  /** The `inputs` context: of a dispatch, or of the call of a reusable workflow. */
  readonly inputs: Readonly<Record<string, InputValue>>
  /** What the job's token may do. */
  readonly permissions: Permissions
  /** The job's environment, approved; null where it names none. */
  readonly environment: string | null
  /** Said at the head of the log. */
  readonly notes: readonly string[]
  /** Which files in its workspace are reports to be kept, as patterns; those of the usual tools where nothing is said. */
  readonly reports?: readonly string[]
  /** Whether an administrator of the instance caused the run: where nothing isolates, no other jobs run. */
  readonly isByAdministrator: boolean
}

/** Where and as whom it runs. */
export type JobPlace = {
  readonly root: string
  /** Its directories, fresh. */
  readonly workspace: Promise<Workspace>
  /** Put before the marker of the job's processes, so that two who run jobs on one machine end only their own. */
  readonly markerPrefix?: string
  readonly user: JobUser | null
  /** What keeps the job apart from everything else. */
  readonly sandbox: Sandbox
  readonly log: JobLog
  /** Whether its steps may run; its cell is made meanwhile. */
  readonly mayRun: Promise<boolean>
  readonly clock: Clock
  /** Those that come with Headway. */
  readonly actions: Actions
  /** Where the others are. */
  readonly library: ActionLibrary
  /** The program of the Node.js that runs Headway, where the job's user can run it. */
  readonly findNode: () => Promise<string>
  readonly path: readonly string[]
  readonly toolCache: string
  /** How the runner is called. */
  readonly runnerName: string
  readonly serverUrl: string
  readonly hasBash: boolean
  /** What actions are given to reach Headway's own artifacts, cache and identity with; nothing where it is absent. */
  readonly services?: JobServices
}

/** Asked once for each job. */
export type JobServices = {
  /**
   * ACTIONS_RUNTIME_TOKEN, ACTIONS_RESULTS_URL and the like: for actions only, never for `run`. The address is the one by which the
   * job's programs reach the server; default: the server's own.
   */
  variablesFor(order: JobOrder, serverUrl?: string): Promise<Readonly<Record<string, string>>>
  /** What the server has signed itself, in PEM; null: its certificate is one that others vouch for, or it has none. */
  readonly certificate: string | null
  /** GITHUB_TOKEN. */
  tokenFor(order: JobOrder): Promise<string>
}

const defaultTimeoutMinutes = 360

/**
 * Runs a job's steps, one after another, in fresh directories, and ends with no process of it left; the directories are
 * the caller's to remove.
 * Never rejects for what a workflow does wrong; that is a failure with its reason.
 */
export const runJob = async (order: JobOrder, place: JobPlace, signals: JobSignals): Promise<JobResult> => {
  const isDebug = asksForDebug(order)
  const mask = createMask(secretsToHide(order))
  const marker =
    place.markerPrefix === undefined ? `${place.root}/` : `${place.markerPrefix}${order.source.run}/${order.key}/`
  const limits = limitsOf(signals, place.clock)
  for (const note of order.notes) place.log.write(marked('notice', mask.hide(note)))
  try {
    const { log, clock } = place
    const workspace = await place.workspace
    const wished = wishScope(order, place, workspace)
    await using cell = await place.sandbox.open({
      run: order.source.run,
      key: order.key,
      isByAdministrator: order.isByAdministrator,
      workspace,
      user: place.user,
      marker,
      clock,
      steps: order.job.steps.length,
      container: await containerIn(order.job.container, wished),
      services: await servicesIn(order.job.services, wished),
      say: (line) => log.write(`${mask.hide(line)}\n`),
      cancel: AbortSignal.any([limits.cancel, limits.kill]),
    })
    if (!(await place.mayRun.catch(() => false))) return { ...noResult, conclusion: 'cancelled', failure: null }
    const told = { annotations: createAnnotations(), matchers: createMatchers(), isDebug }
    const commandFolders = createCommandFolders(workspace, cell.user, cell.isolation !== 'docker' && !cell.containers)
    const at = { workspace, user: cell.user, log, mask, clock, marker, cell, commandFolders, ...told }
    const result = await runSteps(await beginRun(order, place, at, limits))
    // What is read must not change under the reader.
    await cell.endAll()
    return signals.kill.aborted ? result : { ...result, reports: await reportsOf(order, at) }
  } catch (error) {
    const detail = mask.hide(describeError(error))
    place.log.write(marked('error', detail))
    const conclusion = limits.isCancelled() ? 'cancelled' : 'failure'
    return { ...noResult, conclusion, failure: failureFor(detail, { job: order.name }) }
  } finally {
    limits.over()
  }
}

/** What `container:` and `services:` may see, of what is known before they run. */
const wishScope = (order: JobOrder, { serverUrl }: JobPlace, { work }: Workspace): Scope => {
  const { source, job, needs, strategy, matrix, vars, secrets, inputs } = order
  const github = githubContext(source, { job: job.id, workspace: work, serverUrl, eventPath: '' })
  const contexts = { github, needs, strategy, matrix, vars, secrets, inputs }
  return { contexts, status: { success: true, failure: false, cancelled: false } }
}

/** What the job is told of its run and its machine, and the token that it is given. */
const beginRun = async (order: JobOrder, place: JobPlace, at: StepPlace, limits: Limits): Promise<JobRun> => {
  const { source, job } = order
  const { workspace, mask, isDebug, cell } = at
  const { services } = place
  const serverUrl = cell.serverUrl ?? place.serverUrl
  const token = (await services?.tokenFor(order)) ?? ''
  const variables = (await services?.variablesFor(order, serverUrl)) ?? {}
  for (const [name, value] of Object.entries({ ...variables, token }))
    if (/token/i.test(name) && value !== '') mask.add(value)
  const eventPath = join(workspace.files, 'event.json')
  writeForJob(eventPath, JSON.stringify(eventOf(source, serverUrl)), at.user)
  const about = { job: job.id, workspace: workspace.work, serverUrl, eventPath }
  return {
    order: token === '' ? order : { ...order, secrets: { ...order.secrets, GITHUB_TOKEN: token } },
    place,
    at,
    limits,
    github: { ...githubContext(source, about), token },
    identity: jobIdentity(source, order.key, order.workflow),
    runner: { ...runnerContext(workspace, place), ...(isDebug ? { debug: '1' } : {}) },
    services: variables,
    network: { ...networkFor(cell), ...trustVariables(services?.certificate ?? null, workspace, at.user) },
    tools: new Map(),
    progress: freshProgress(),
  }
}

const runSteps = async (run: JobRun): Promise<JobResult> => {
  const { progress, at, limits, order } = run
  const { job, workflow } = order
  const frame = jobFrame(run)
  progress.env = await textsFrom(workflow.env, scopeOf(frame))
  progress.env = { ...progress.env, ...(await textsFrom(job.env, scopeOf(frame))) }
  limits.startTimer((await numberFrom(job.timeoutMinutes, scopeOf(frame))) ?? defaultTimeoutMinutes)

  const preparation = createPreparation(run)
  const missing: MissingAction[] = []
  const invocations = await preparation.prepare(job.steps, 0, (step, detail) => missing.push({ step, detail }))
  if (missing.length > 0) return settle(run, frame, notPrepared(run, missing))

  const runner = createStepRunner(preparation)
  const ids = idsOf(job.steps)
  const posts: (readonly [Invocation, string])[] = []
  const perform = async (step: Step, stage: StepCall['stage'], id: string): Promise<void> => {
    if (limits.kill.aborted || at.cell.over.aborted) return
    const remember = (invocation: Invocation): void => {
      if (!posts.some(([known]) => known === invocation)) posts.push([invocation, id])
    }
    const invocation = invocations.get(step) ?? null
    record(run, step, await runner.run(frame, step, stage, invocation, id, remember))
  }
  const steps = job.steps.map((step, index) => [step, ids[index] ?? ''] as const)
  for (const [step, id] of steps) {
    const invocation = invocations.get(step)
    if (invocation && hasPre(invocation)) await perform(step, 'pre', id)
  }
  for (const [step, id] of steps) await perform(step, 'main', id)
  // Last in, first out; a step that is over registers none any more.
  for (const [{ step }, id] of posts.toReversed()) await perform(step, 'post', id)
  return settle(run, frame, null)
}

const reportsOf = async ({ reports: patterns = wellKnownReports }: JobOrder, at: StepPlace) => {
  const { workspace, user, mask, log } = at
  const hide = (text: string): string => mask.hide(text)
  const { reports, notes } = await collectReports({ root: workspace.work, patterns, user, hide })
  for (const note of notes) log.write(marked('warning', mask.hide(note)))
  return reports
}

const runnerContext = ({ temp, work }: Workspace, { runnerName, toolCache }: JobPlace): Record<string, string> => ({
  name: runnerName,
  os: process.platform === 'darwin' ? 'macOS' : 'Linux',
  arch: process.arch === 'arm64' ? 'ARM64' : 'X64',
  temp,
  tool_cache: toolCache,
  workspace: dirname(work),
  environment: 'self-hosted',
})
