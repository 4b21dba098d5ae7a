import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, dim, printable, printJson, printTable, red, span, stateColour } from './output.ts'

type Failure = {
  readonly job: string | null
  readonly step: string | null
  readonly command: string | null
  readonly exitCode: number | null
  readonly detail: string
  readonly lastLines: readonly string[]
}
type Run = {
  readonly run: string
  readonly repository: string
  readonly ref: string
  readonly commit: string
  readonly name: string
  readonly status: string
  readonly conclusion: string | null
  readonly isolation: string | null
  readonly queuedAt: number
  readonly durationMs: number | null
  readonly failure: Failure | null
}
type Job = {
  readonly job: string
  readonly name: string
  readonly status: string
  readonly conclusion: string | null
  readonly steps: readonly { readonly name: string; readonly conclusion: string; readonly durationMs: number }[]
}
type Waiting = { readonly name: string; readonly why: string }

/** The pipeline's runs and their logs. */
export const runCommands = (program: Command): void => {
  program
    .command('runs')
    .argument('[run]', 'one run, with its jobs and steps')
    .option('--repository <name>', 'only those of a repository')
    .option('--limit <count>', 'how many', '20')
    .option('--log', 'print the logs of its jobs')
    .option('-f, --follow', 'go on until it has ended')
    .option('--cancel', 'ask it to end')
    .description('what was built and tested, newest first')
    .action(
      async (
        run: string | undefined,
        own: { repository?: string; limit: string; log?: boolean; follow?: boolean; cancel?: boolean },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const client = connect(options)
        if (run === undefined) {
          const { runs } = await client.get<{ runs: Run[] }>(at`/projects/${options.project}/runs`, {
            repository: own.repository,
            limit: own.limit,
          })
          if (options.json) return printJson(runs)
          return printRuns(runs)
        }
        if (own.cancel) {
          const { outcome } = await client.send<{ outcome: string }>(
            'POST',
            at`/projects/${options.project}/runs/${run}/cancel`,
          )
          return options.json ? printJson({ run, outcome }) : console.log(`${run}: ${outcome}`)
        }
        const details = await client.get<Run & { jobs: Job[]; unassigned: Waiting[] }>(
          at`/projects/${options.project}/runs/${run}`,
        )
        if (own.log || own.follow) {
          for (const { job } of details.jobs)
            for await (const line of client.lines<{ at: number; text: string }>(
              at`/projects/${options.project}/runs/${run}/jobs/${job}/log`,
              { follow: own.follow === true },
            ))
              console.log(
                options.json
                  ? JSON.stringify({ job, ...line })
                  : `${dim(new Date(line.at).toISOString().slice(11, 23))} ${printable(line.text)}`,
              )
          return
        }
        if (options.json) return printJson(details)
        printRun(details)
      },
    )
}

const printRuns = (runs: readonly Run[]): void =>
  printTable(
    ['run', 'repository', 'branch', 'commit', 'workflow', 'outcome', 'when', 'took'],
    runs.map((one) => [
      one.run,
      one.repository,
      printable(one.ref.replace(/^refs\/(heads|tags)\//, '')),
      shortCommit(one.commit),
      printable(one.name),
      stateColour(one.conclusion ?? one.status),
      ago(one.queuedAt),
      one.durationMs === null ? '' : span(one.durationMs),
    ]),
    'nothing was built yet: git push headway main',
  )

const printRun = (run: Run & { jobs: readonly Job[]; unassigned: readonly Waiting[] }): void => {
  console.log(
    `${bold(run.run)} ${printable(run.name)} of ${run.repository} ${shortCommit(run.commit)}: ${stateColour(run.conclusion ?? run.status)}`,
  )
  if (run.isolation) console.log(dim(`  ran as ${run.isolation}`))
  for (const job of run.jobs) {
    console.log(`\n  ${bold(printable(job.name))} ${stateColour(job.conclusion ?? job.status)}`)
    for (const step of job.steps)
      console.log(
        `    ${step.conclusion === 'success' ? '✓' : step.conclusion === 'skipped' ? '–' : red('✗')} ${printable(step.name)} ${dim(span(step.durationMs))}`,
      )
  }
  for (const { name, why } of run.unassigned) console.log(`\n  ${bold(printable(name))} waits: ${printable(why)}`)
  if (!run.failure) return
  const { step, command, exitCode, detail, lastLines } = run.failure
  console.log(
    `\n  ${red('✗')} ${step ? `${printable(step)}: ` : ''}${printable(detail)}${exitCode === null ? '' : ` (exit code ${exitCode})`}`,
  )
  if (command) console.log(`    $ ${printable(command)}`)
  for (const line of lastLines) console.log(`    │ ${printable(line)}`)
  console.log(dim(`\n  headway runs ${run.run} --log   the whole log`))
}
