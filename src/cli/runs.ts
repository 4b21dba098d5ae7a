import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { failedLines, type Told } from './failure.ts'
import { commitHere } from './here.ts'
import { ago, bold, dim, printable, printJson, printTable, red, span, stateColour, yellow } from './output.ts'

type Run = {
  readonly run: string
  readonly repository: string
  readonly ref: string
  readonly commit: string
  readonly name: string
  readonly title: string
  readonly eventName: string
  readonly number: number
  readonly attempt: number
  readonly actor: string
  readonly status: string
  readonly conclusion: string | null
  readonly isTrusted: boolean
  readonly waitsFor: string | null
  readonly isolation: string | null
  readonly queuedAt: number
  readonly durationMs: number | null
  readonly failure: Told | null
}
type Wait =
  | { readonly kind: 'concurrency'; readonly group: string }
  | { readonly kind: 'approval'; readonly environment: string }
type Job = {
  readonly job: string
  readonly name: string
  readonly status: string
  readonly conclusion: string | null
  readonly wait: Wait | null
  readonly failure: Told | null
  readonly attempt: number
  readonly startedAt: number | null
  readonly finishedAt: number | null
  readonly steps: readonly { readonly name: string; readonly conclusion: string; readonly durationMs: number }[]
  readonly environment: { readonly name: string; readonly url: string | null } | null
  readonly annotations: readonly {
    readonly level: string
    readonly message: string
    readonly file: string | null
    readonly line: number | null
  }[]
}
type Waiting = { readonly name: string; readonly why: string }
type Details = Run & { readonly jobs: readonly Job[]; readonly unassigned: readonly Waiting[] }
type Push = { readonly push: string; readonly repository: string; readonly ref: string; readonly commit: string }
type StoryLine = { readonly text: string } | { readonly end: string }

/** The pipeline's runs: what they are, how they go on, and what they can be told. */
export const runCommands = (program: Command): void => {
  program
    .command('runs')
    .argument('[run]', 'one run, with its jobs and steps')
    .option('--repository <name>', 'only those of a repository')
    .option('--commit <commit>', 'only those of a commit')
    .option('--limit <count>', 'how many', '20')
    .option('--attempt <number>', 'an earlier attempt of the run')
    .option('--log', 'print the logs of its jobs')
    .option('-f, --follow', 'print them, and go on until it has ended')
    .description('what was built and tested, newest first')
    .action(
      async (
        run: string | undefined,
        own: {
          repository?: string
          commit?: string
          limit: string
          attempt?: string
          log?: boolean
          follow?: boolean
        },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const client = connect(options)
        if (run === undefined) {
          const { repository, commit, limit } = own
          const query = { repository, commit, limit }
          const { runs } = await client.get<{ runs: Run[] }>(at`/projects/${options.project}/runs`, query)
          if (options.json) return printJson(runs)
          return printRuns(runs)
        }
        const path = at`/projects/${options.project}/runs/${run}`
        const details = await client.get<Details>(path, { attempt: own.attempt })
        if (own.log || own.follow) return printLogs(client, path, details, own.follow === true, options)
        if (options.json) return printJson(details)
        printRun(details)
      },
    )

  program
    .command('watch')
    .argument(
      '[what]',
      'a run, a push, or a commit; default: the commit that is checked out here, else the newest push',
    )
    .description('tell how it goes until it has ended; fails when that does')
    .action(async (what: string | undefined, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const hasSucceeded = what?.startsWith('run-')
        ? await watchRun(client, options, what)
        : await watchPush(client, options, what)
      if (!hasSucceeded) process.exitCode = 1
    })

  program
    .command('rerun')
    .argument('<run>')
    .option('--failed', 'only what did not succeed, and what needs it')
    .option('--watch', 'tell how it goes until it has ended; fails when that does')
    .description('run a run that has ended once more')
    .action(async (run: string, own: { failed?: boolean; watch?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const path = at`/projects/${options.project}/runs/${run}/rerun`
      const jobs = own.failed ? 'failed' : 'all'
      const { attempt } = await client.send<{ attempt: number }>('POST', path, undefined, { jobs })
      if (options.json && !own.watch) return printJson({ run, attempt })
      if (!own.watch) return console.log(`${run}: attempt ${attempt}`)
      if (!(await watchRun(client, options, run))) process.exitCode = 1
    })

  program
    .command('cancel')
    .argument('<run>')
    .description('ask a run to end; steps that run always still do')
    .action(async (run: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/runs/${run}/cancel`
      const { outcome } = await connect(options).send<{ outcome: string }>('POST', path)
      return options.json ? printJson({ run, outcome }) : console.log(`${run}: ${outcome}`)
    })
}

/** Tells a run until it has ended; whether it did not fail. */
export const watchRun = async (client: Client, options: GlobalOptions, run: string): Promise<boolean> => {
  const said = new Map<string, string>()
  let last: Details | null = null
  for await (const details of client.lines<Details>(at`/projects/${options.project}/runs/${run}/follow`)) {
    last = details
    if (options.json) continue
    for (const job of details.jobs) {
      const line = jobLine(run, job)
      if (said.get(job.job) !== line) console.log(line)
      said.set(job.job, line)
    }
  }
  if (last === null) return false
  if (last.status !== 'finished')
    throw new Problem({
      kind: 'server-stopped',
      status: 503,
      detail: `the server stopped while ${run} was not over; it goes on as soon as the server does`,
      next: `headway watch ${run}`,
    })
  if (options.json) printJson(last)
  else printEnd(last)
  return last.conclusion === 'success' || last.conclusion === 'skipped'
}

const jobLine = (run: string, { name, status, conclusion, wait, environment, startedAt, finishedAt }: Job): string => {
  const took = startedAt !== null && finishedAt !== null ? dim(` ${span(finishedAt - startedAt)}`) : ''
  if (status === 'finished') return `${signOf(conclusion)} ${printable(name)}${took}${urlText(environment)}`
  return `${yellow('·')} ${printable(name)} ${wait ? waitText(run, wait) : status}`
}

const urlText = (environment: Job['environment']): string => (environment?.url ? ` ${printable(environment.url)}` : '')

const waitText = (run: string, wait: Wait): string =>
  wait.kind === 'approval'
    ? `waits for an approval: headway approve ${run} ${printable(wait.environment)}`
    : `waits for its turn in the concurrency group ${printable(wait.group)}`

const signOf = (conclusion: string | null): string =>
  conclusion === 'success' ? '✓' : conclusion === 'skipped' ? '–' : red('✗')

const watchPush = async (client: Client, options: GlobalOptions, what: string | undefined): Promise<boolean> => {
  const push = what?.startsWith('push-') ? what : (await pushOf(client, options, what ?? commitHere())).push
  let end = 'unknown'
  for await (const line of client.lines<StoryLine>(at`/projects/${options.project}/pushes/${push}/story`)) {
    if (options.json) printJson(line)
    if ('end' in line) end = line.end
    else if (!options.json) console.log(printable(line.text))
  }
  return end === 'succeeded'
}

const pushOf = async (client: Client, options: GlobalOptions, commit: string | null): Promise<Push> => {
  const find = async (query: Record<string, unknown>): Promise<Push | undefined> =>
    (await client.get<{ pushes: Push[] }>(at`/projects/${options.project}/pushes`, { ...query, limit: 1 })).pushes[0]
  const found = await find(commit === null ? {} : { commit })
  if (found) return found
  throw new Problem({
    kind: 'nothing-pushed',
    status: 404,
    detail: commit === null ? 'nothing was pushed yet' : `${shortCommit(commit)} was not pushed here`,
    next: 'git push headway main',
  })
}

const printLogs = async (
  client: Client,
  path: string,
  { jobs }: Details,
  follow: boolean,
  options: GlobalOptions,
): Promise<void> => {
  for (const { job, attempt } of jobs)
    for await (const line of client.lines<{ at: number; text: string }>(path + at`/jobs/${job}/log`, {
      follow,
      attempt,
    }))
      console.log(
        options.json
          ? JSON.stringify({ job, ...line })
          : `${dim(new Date(line.at).toISOString().slice(11, 23))} ${printable(line.text)}`,
      )
}

const printRuns = (runs: readonly Run[]): void =>
  printTable(
    ['run', 'repository', 'branch', 'commit', 'workflow', 'event', 'outcome', 'when', 'took'],
    runs.map((one) => [
      one.run,
      one.repository,
      printable(one.ref.replace(/^refs\/(heads|tags|pull)\//, '')),
      shortCommit(one.commit),
      `${printable(one.name)} #${one.number}${one.attempt > 1 ? ` (attempt ${one.attempt})` : ''}`,
      one.eventName,
      stateColour(one.conclusion ?? (one.waitsFor ? `waits for ${one.waitsFor}` : one.status)),
      ago(one.queuedAt),
      one.durationMs === null ? '' : span(one.durationMs),
    ]),
    'nothing was built yet: git push headway main',
  )

const printRun = (run: Details): void => {
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : ''
  console.log(
    `${bold(run.run)} ${printable(run.name)} #${run.number} of ${run.repository} ${shortCommit(run.commit)}: ${stateColour(run.conclusion ?? run.status)}`,
  )
  console.log(dim(`  ${printable(run.title)} (${run.eventName} by ${printable(run.actor)}${attempt})`))
  if (run.waitsFor) console.log(`  waits for ${run.waitsFor}, which is in its concurrency group`)
  if (run.isolation) console.log(dim(`  isolation: ${run.isolation}${run.isTrusted ? '' : ', without secrets'}`))
  for (const job of run.jobs) {
    const kept = job.attempt < run.attempt ? dim(` (of attempt ${job.attempt})`) : ''
    const why = job.conclusion === 'cancelled' && job.failure ? dim(` (${printable(job.failure.detail)})`) : ''
    const state = job.wait ? yellow(waitText(run.run, job.wait)) : stateColour(job.conclusion ?? job.status) + why
    console.log(`\n  ${bold(printable(job.name))} ${state}${kept}${urlText(job.environment)}`)
    for (const step of job.steps)
      console.log(`    ${signOf(step.conclusion)} ${printable(step.name)} ${dim(span(step.durationMs))}`)
    for (const { level, message, file, line } of job.annotations)
      console.log(
        `    ${level === 'failure' ? red(level) : level} ${printable(placeText(file, line))}${printable(message)}`,
      )
  }
  for (const { name, why } of run.unassigned) console.log(`\n  ${bold(printable(name))} waits: ${printable(why)}`)
  printFailure(run)
}

const printEnd = (run: Details): void => {
  console.log(
    `${bold(run.run)} ${printable(run.name)}: ${stateColour(run.conclusion ?? run.status)}${run.durationMs === null ? '' : dim(` ${span(run.durationMs)}`)}`,
  )
  printFailure(run)
}

const placeText = (file: string | null | undefined, line: number | null | undefined): string =>
  file ? `${[file, line].filter((part) => part !== null && part !== undefined).join(':')}: ` : ''

/** Of each job that failed the step, the command, the exit code and the last lines. */
const printFailure = ({ run, failure, conclusion, jobs }: Details): void => {
  if (!failure) return
  for (const line of failedLines(failure, jobs, signOf(conclusion))) console.log(line)
  console.log(dim(`\n  headway runs ${run} --log   the whole log\n  headway rerun ${run} --failed   once more`))
}
