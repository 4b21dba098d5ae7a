import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { describeError } from '../../problem.ts'
import type { Failure } from '../facts.ts'
import { failureFor } from '../failure.ts'
import { networkVariables } from '../network.ts'
import type { Cell, Sandbox } from '../sandbox/sandbox.ts'
import { containerIn, servicesIn } from '../sandbox/wishes.ts'
import { flagFrom, numberFrom, textFrom, textsFrom } from '../workflow/evaluate.ts'
import { holds, type Json, type Scope, type Status } from '../workflow/expression.ts'
import type { InputValue } from '../workflow/inputs.ts'
import type { Permissions } from '../workflow/permissions.ts'
import { describeTemplate } from '../workflow/template.ts'
import type { Job, Step, Workflow } from '../workflow/workflow.ts'
import { type ActionChanges, type Actions, actionName } from './actions.ts'
import { eventOf, fixedVariables, githubContext, type RunSource } from './contexts.ts'
import { hashFiles } from './hash-files.ts'
import { cancelUnlessItHolds, type JobSignals, type Limits, limitsOf, millisecondsOf } from './limits.ts'
import type { JobLog } from './log.ts'
import { createMask } from './mask.ts'
import { marked } from './output.ts'
import type { JobUser } from './processes.ts'
import { collectReports, wellKnownReports } from './reports.ts'
import { type JobResult, noResult, type StepRecord } from './result.ts'
import { shellCommand } from './shell.ts'
import { failed, runProgram, type StepEnd, type StepPlace, scriptFile } from './step.ts'
import { prepareWorkspace, type Workspace, writeForJob } from './workspace.ts'

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
  readonly user: JobUser | null
  /** What keeps the job apart from everything else. */
  readonly sandbox: Sandbox
  readonly log: JobLog
  readonly clock: Clock
  readonly actions: Actions
  readonly path: readonly string[]
  readonly toolCache: string
  readonly serverUrl: string
  readonly hasBash: boolean
  /** What actions are given to reach Headway's own artifacts, cache and identity with; nothing where it is absent. */
  readonly services?: JobServices
}

/** Asked once for each job. */
export type JobServices = {
  /** ACTIONS_RUNTIME_TOKEN, ACTIONS_RESULTS_URL and the like: for actions only, never for `run`. */
  variablesFor(order: JobOrder): Promise<Readonly<Record<string, string>>>
  /** GITHUB_TOKEN. */
  tokenFor(order: JobOrder): Promise<string>
}

const defaultTimeoutMinutes = 360
/** A failure shows this much of a script; the log has all of it. */
const longestCommand = 2000
/** What all outputs of a job may amount to. */
const maximumOutputBytes = 1024 * 1024

/**
 * Runs a job's steps, one after another, in fresh directories, and ends with no process of it left; the directories are
 * the caller's to remove.
 * Never rejects for what a workflow does wrong; that is a failure with its reason.
 */
export const runJob = async (order: JobOrder, place: JobPlace, signals: JobSignals): Promise<JobResult> => {
  const mask = createMask(Object.values(order.secrets))
  const marker = `${order.source.run}/${order.key}/`
  const limits = limitsOf(signals)
  for (const note of order.notes) place.log.write(marked('notice', mask.hide(note)))
  try {
    const workspace = await prepareWorkspace(place.root, order.source.repository, place.user)
    const { log, clock } = place
    const wished = wishScope(order, place, workspace)
    await using cell = await place.sandbox.open({
      run: order.source.run,
      key: order.key,
      isByAdministrator: order.isByAdministrator,
      workspace,
      user: place.user,
      marker,
      clock,
      container: await containerIn(order.job.container, wished),
      services: await servicesIn(order.job.services, wished),
      say: (line) => log.write(`${mask.hide(line)}\n`),
      cancel: AbortSignal.any([limits.cancel, limits.kill]),
    })
    const at = { workspace, user: cell.user, log, mask, clock, marker, cell }
    const result = await runSteps(order, place, at, limits)
    // What is read must not change under the reader.
    await cell.endAll()
    return signals.kill.aborted ? result : { ...result, reports: await reportsOf(order, at) }
  } catch (error) {
    const detail = mask.hide(describeError(error))
    place.log.write(marked('error', detail))
    return { ...noResult, conclusion: 'failure', failure: failureFor(detail, { job: order.name }) }
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

const reportsOf = async ({ reports: patterns = wellKnownReports }: JobOrder, at: StepPlace) => {
  const { workspace, user, mask, log } = at
  const hide = (text: string): string => mask.hide(text)
  const { reports, notes } = await collectReports({ root: workspace.work, patterns, user, hide })
  for (const note of notes) log.write(marked('warning', mask.hide(note)))
  return reports
}

const runSteps = async (order: JobOrder, place: JobPlace, at: StepPlace, limits: Limits): Promise<JobResult> => {
  const { job, workflow, source } = order
  const { log, mask, workspace, cell } = at
  const serverUrl = cell.serverUrl ?? place.serverUrl
  const hasBash = place.hasBash && cell.hasHostTools // in a container of its own a job's default is sh
  const eventPath = join(workspace.files, 'event.json')
  writeForJob(eventPath, JSON.stringify(eventOf(source, serverUrl)), at.user)
  const github = githubContext(source, {
    job: job.id,
    workspace: workspace.work,
    serverUrl,
    eventPath,
  })
  const runner = runnerContext(at, place.toolCache)
  const stepContexts: Record<string, Json> = {}
  const records: StepRecord[] = []
  const afterSuccess: (() => Promise<void>)[] = []
  const tools = new Map<string, string>()
  let failure: Failure | null = null
  let env: Record<string, string> = {}
  let addedPath: readonly string[] = []

  const status = (): Status => ({
    success: failure === null && !limits.isCancelled(),
    failure: failure !== null && !limits.isCancelled(),
    cancelled: limits.isCancelled(),
  })
  const statusWord = (): string => (limits.isCancelled() ? 'cancelled' : failure === null ? 'success' : 'failure')
  const scope = (stepEnv: Readonly<Record<string, string>> = {}): Scope => ({
    contexts: {
      github,
      env: { ...env, ...stepEnv },
      vars: order.vars,
      secrets: order.secrets,
      inputs: order.inputs,
      needs: order.needs,
      steps: stepContexts,
      job: { status: statusWord(), ...cell.contexts },
      runner,
      strategy: order.strategy,
      matrix: order.matrix,
    },
    status: status(),
    hashFiles: (patterns) => hashFiles(workspace.work, patterns),
  })

  const perform = async (
    step: Step,
    number: number,
    name: string,
    stepEnv: Record<string, string>,
    script: string,
  ): Promise<StepEnd> => {
    const timeoutMinutes = await numberFrom(step.timeoutMinutes, scope(stepEnv))
    const variables = {
      ...networkFor(cell),
      CI: 'true',
      HOME: workspace.home,
      LANG: 'C.UTF-8',
      TMPDIR: workspace.temp,
      ...env,
      ...stepEnv,
      PATH: [...addedPath, stepEnv.PATH ?? env.PATH ?? (cell.path ?? place.path).join(':')].join(':'),
      ...fixedVariables({ ...github, action: step.id ?? `__run_${number}` }, runner),
    }
    const stepCancel = cancelUnlessItHolds(step, limits, () => scope(stepEnv))
    const program = {
      step: number,
      cwd: workspace.work,
      env: variables,
      timeoutMs: timeoutMinutes === undefined || timeoutMinutes <= 0 ? null : millisecondsOf(timeoutMinutes),
      cancel: stepCancel,
      kill: limits.kill,
    }
    log.write(marked('group', mask.hide(name)))
    if (step.kind === 'run') {
      const shell =
        (await textFrom(step.shell, scope(stepEnv))) ??
        (await textFrom(job.defaults.shell, scope())) ??
        (await textFrom(workflow.defaults.shell, scope()))
      const folder =
        (await textFrom(step.workingDirectory, scope(stepEnv))) ??
        (await textFrom(job.defaults.workingDirectory, scope())) ??
        (await textFrom(workflow.defaults.workingDirectory, scope()))
      log.write(`${mask.hide(script.trimEnd())}\n##[endgroup]\n`)
      const { extension } = shellCommand(shell, '', hasBash)
      const file = scriptFile(workspace, number, extension)
      writeForJob(file, script.endsWith('\n') ? script : `${script}\n`, at.user)
      const { argv } = shellCommand(shell, file, hasBash)
      log.markTail()
      return runProgram({ ...program, argv, cwd: folder ? join(workspace.work, folder) : workspace.work }, at)
    }
    const inputs = lowerCased(await textsFrom(step.with, scope(stepEnv)))
    for (const [input, value] of Object.entries(inputs)) log.write(mask.hide(`${input}: ${value}\n`))
    log.write('##[endgroup]\n')
    log.markTail()
    const action = place.actions.get(actionName(step.action))
    if (!action) return failed(`the action ${step.action} is not built in, and no other kind is supported`)
    const changes = await action({
      uses: step.action,
      inputs,
      source,
      workspace,
      user: at.user,
      env: variables,
      tools,
      run: (argv, options = {}) => runProgram({ ...program, argv, ...options }, at),
      say: (line) => log.write(`${mask.hide(line)}\n`),
    })
    if (changes.afterSuccess) afterSuccess.push(changes.afterSuccess)
    return succeeded(changes)
  }

  const runStep = async (step: Step, number: number): Promise<void> => {
    const startedMs = place.clock.monotonicMs()
    let name = step.name ? describeTemplate(step.name) : stepName(step)
    let end: StepEnd
    let continueOnError = false
    let script = ''
    try {
      const stepEnv = await textsFrom(step.env, scope())
      if (!(await holds(step.if?.expression, scope(stepEnv)))) {
        if (step.id !== null) stepContexts[step.id] = { outputs: {}, outcome: 'skipped', conclusion: 'skipped' }
        records.push({ name, outcome: 'skipped', conclusion: 'skipped', exitCode: null, durationMs: 0 })
        return
      }
      if (step.kind === 'run') script = (await textFrom(step.script, scope(stepEnv))) ?? ''
      name = mask.hide((await textFrom(step.name, scope(stepEnv))) || stepName(step, script))
      end = await perform(step, number, name, stepEnv, script)
      continueOnError = (await flagFrom(step.continueOnError, scope(stepEnv))) ?? false
    } catch (error) {
      end = failed(mask.hide(describeError(error)))
    }
    env = { ...env, ...end.env }
    addedPath = [...end.paths, ...addedPath]
    const { outcome } = end
    const conclusion = outcome === 'failure' && continueOnError ? 'success' : outcome
    if (step.id !== null) stepContexts[step.id] = { outputs: end.outputs, outcome, conclusion }
    const durationMs = Math.round(place.clock.monotonicMs() - startedMs)
    records.push({ name, outcome, conclusion, exitCode: end.exitCode, durationMs })
    if (end.detail !== null)
      log.write(marked(conclusion === 'success' ? 'warning' : 'error', `${name}: ${mask.hide(end.detail)}`))
    if (conclusion === 'failure')
      failure ??= failureFor(`${name}: ${mask.hide(end.detail ?? 'failed')}`, {
        job: order.name,
        step: name,
        command: mask.hide(commandOf(step, script)).slice(0, longestCommand),
        exitCode: end.exitCode,
        lastLines: log.lastLines(20),
      })
  }

  env = { ...(await textsFrom(workflow.env, scope())) }
  env = { ...env, ...(await textsFrom(job.env, scope())) }
  limits.startTimer((await numberFrom(job.timeoutMinutes, scope())) ?? defaultTimeoutMinutes, place.clock)
  for (const [index, step] of job.steps.entries()) {
    if (limits.kill.aborted || cell.over.aborted) break
    await runStep(step, index + 1)
  }
  if (status().success && afterSuccess.length > 0) {
    // What is kept for later jobs must not change any more.
    await cell.endAll()
    for (const act of afterSuccess.reverse())
      await act().catch((error: unknown) => log.write(marked('warning', mask.hide(describeError(error)))))
  }
  if (cell.over.aborted) {
    const detail = describeError(cell.over.reason)
    log.write(marked('error', detail))
    const { step = null, command = null } = failure ?? {}
    failure = failureFor(detail, { job: order.name, step, command, lastLines: log.lastLines(20) })
  }
  const outputs = await outputsOf(job, scope(), at)
  const conclusion = limits.isCancelled() ? 'cancelled' : failure === null ? 'success' : 'failure'
  const timedOut = limits.timedOutAfterMinutes()
  if (timedOut !== null) {
    const detail = `the job took longer than ${timedOut} minutes`
    log.write(marked('error', detail))
    failure ??= failureFor(detail, {
      job: order.name,
      step: records.at(-1)?.name ?? null,
      lastLines: log.lastLines(20),
    })
  }
  return { ...noResult, conclusion, outputs, steps: records, failure }
}

const outputsOf = async (job: Job, scope: Scope, { mask, log }: StepPlace): Promise<Record<string, string>> => {
  const outputs = await textsFrom(job.outputs, scope)
  if (Buffer.byteLength(JSON.stringify(outputs)) > maximumOutputBytes)
    throw new Error(`the outputs of job ${job.id} are larger than 1 MiB`)
  for (const [name, value] of Object.entries(outputs)) {
    if (mask.hide(value) === value) continue
    log.write(marked('warning', `Skip output '${name}' since it may contain a secret.`))
    delete outputs[name]
  }
  return outputs
}

/** The files that this machine's settings name are not in a container. */
const networkFor = ({ hasHostTools }: Cell): Record<string, string> =>
  Object.fromEntries(Object.entries(networkVariables()).filter(([, value]) => hasHostTools || !value.startsWith('/')))

const runnerContext = ({ workspace }: StepPlace, toolCache: string): Record<string, string> => ({
  name: 'headway',
  os: process.platform === 'darwin' ? 'macOS' : 'Linux',
  arch: process.arch === 'arm64' ? 'ARM64' : 'X64',
  temp: workspace.temp,
  tool_cache: toolCache,
  environment: 'self-hosted',
})

const succeeded = ({ outputs = {}, env = {}, paths = [] }: ActionChanges): StepEnd => ({
  outcome: 'success',
  exitCode: 0,
  detail: null,
  outputs,
  env,
  paths,
  summary: '',
})

const stepName = (step: Step, script?: string): string =>
  `Run ${step.kind === 'run' ? firstLine((script ?? describeTemplate(step.script)).trim()) : step.action}`
const commandOf = (step: Step, script: string): string => (step.kind === 'run' ? script.trim() : `uses: ${step.action}`)
const firstLine = (text: string): string => text.split('\n')[0] ?? ''

const lowerCased = (values: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name.toLowerCase(), value]))
