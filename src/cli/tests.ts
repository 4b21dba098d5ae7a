import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import type { CaseHistory, RepositoryTests, RunTests, TestCase, TestReport } from '../test/queries.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, dim, green, printable, printJson, printTable, red, span, yellow } from './output.ts'

type Own = {
  readonly repository?: string
  readonly case?: string
  readonly failed?: boolean
  readonly flaky?: boolean
  readonly slowest?: boolean
  readonly search?: string
  readonly limit: string
}

/** What tests have shown. */
export const testCommands = (program: Command): void => {
  program
    .command('tests')
    .argument('[run]', 'those of one run; without it, those of a repository')
    .option('--repository <name>', 'which repository (default: that of the newest run)')
    .option('--failed', 'only those that fail')
    .option('--flaky', 'only those that pass and fail for the same code')
    .option('--slowest', 'the slowest first')
    .option('--search <text>', 'only those whose name holds this')
    .option('--case <case>', 'the history of one')
    .option('--limit <count>', 'how many', '30')
    .description('test results: what fails, what is new, what is flaky, what is slow')
    .action(async (run: string | undefined, own: Own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const state = own.failed ? 'failed' : own.flaky ? 'flaky' : own.slowest ? 'slowest' : 'all'
      const query = { state, search: own.search, limit: own.limit }
      if (run !== undefined) {
        const tests = await client.get<RunTests>(at`/projects/${options.project}/runs/${run}/tests`, query)
        if (options.json) return printJson(tests)
        if (tests.reports.length === 0) throw noReports(run, options.project)
        return printRunTests(tests)
      }
      const repository = own.repository ?? (await newestRepository(client, options.project))
      const path = at`/projects/${options.project}/repositories/${repository}/tests`
      if (own.case !== undefined) {
        const history = await client.get<CaseHistory>(`${path}${at`/${own.case}`}`)
        return options.json ? printJson(history) : printHistory(history)
      }
      const tests = await client.get<RepositoryTests>(path, query)
      return options.json ? printJson(tests) : printRepositoryTests(repository, tests)
    })
}

const newestRepository = async (client: ReturnType<typeof connect>, project: string): Promise<string> => {
  const { runs } = await client.get<{ runs: { repository: string }[] }>(at`/projects/${project}/runs`, { limit: 1 })
  return runs[0]?.repository ?? 'unknown'
}

const printRunTests = ({ reports, cases, matching, quality }: RunTests): void => {
  for (const report of reports) printReport(report)
  console.log('')
  printCases(cases, matching)
  for (const one of cases) if (one.outcome === 'failed' && (one.message ?? one.detail)) printFailure(one)
  if (!quality) return
  console.log(`\n${bold('quality gate')} ${quality.isMet ? green('met') : red('not met')}`)
  for (const { service, checks } of quality.services)
    for (const { isMet, detail, next } of checks) {
      const whose = quality.services.length > 1 ? `${service}: ` : ''
      console.log(`  ${isMet ? green('✓') : red('✗')} ${whose}${printable(detail)}`)
      if (next) console.log(dim(`    next: ${printable(next)}`))
    }
}

const printRepositoryTests = (repository: string, { cases, matching, trend }: RepositoryTests): void => {
  console.log(bold(repository))
  for (const report of trend.slice(0, 5)) printReport(report)
  console.log('')
  printCases(cases, matching)
  if (cases.length > 0) console.log(dim('\nheadway tests --case <case>   the history of one'))
}

const printReport = ({ run, jobName, commit, at: time, totals, coverage, p95Ms, notes }: TestReport): void => {
  const { passed, failed, skipped, flaky, durationMs } = totals
  const numbers = [
    green(`${passed} passed`),
    ...(failed > 0 ? [red(`${failed} failed`)] : []),
    ...(skipped > 0 ? [dim(`${skipped} skipped`)] : []),
    ...(flaky > 0 ? [yellow(`${flaky} flaky`)] : []),
    span(durationMs),
    ...(coverage === null ? [] : [`coverage ${coverage} %`]),
    ...(p95Ms === null ? [] : [`p95 ${span(p95Ms)}`]),
  ].join(', ')
  console.log(`  ${printable(jobName)} ${dim(`${run} ${shortCommit(commit)} ${ago(time)}`)}  ${numbers}`)
  for (const note of notes) console.log(dim(`    ${printable(note)}`))
}

const printCases = (cases: readonly TestCase[], matching: number): void => {
  printTable(
    ['case', 'state', 'took', 'where', 'test'],
    cases.map((one) => [
      one.case,
      stateText(one),
      one.durationMs === null ? '' : span(one.durationMs),
      one.file === null ? '' : printable(`${one.file}${one.line === null ? '' : `:${one.line}`}`),
      printable(one.suite === '' ? one.name : `${one.suite} › ${one.name}`),
    ]),
    'no such tests were reported',
  )
  if (matching > cases.length) console.log(dim(`${matching - cases.length} more: --limit ${matching}`))
}

const stateText = ({ state, isFlaky }: TestCase): string => {
  const colour = state === 'newly-failing' || state === 'failing' ? red : state === 'skipped' ? dim : green
  return `${colour(state)}${isFlaky ? yellow(' flaky') : ''}`
}

const printFailure = (one: TestCase): void => {
  console.log(`\n${red('✗')} ${printable(one.suite === '' ? one.name : `${one.suite} › ${one.name}`)}`)
  for (const line of (one.detail ?? one.message ?? '').split('\n').slice(0, 20)) console.log(`    │ ${printable(line)}`)
}

const printHistory = (one: CaseHistory): void => {
  console.log(
    `${bold(printable(one.suite === '' ? one.name : `${one.suite} › ${one.name}`))} ${dim(printable(one.jobName))}`,
  )
  const { newerMs, olderMs } = one.durations
  if (newerMs !== null && olderMs !== null) console.log(dim(`  takes ${span(newerMs)}, before ${span(olderMs)}`))
  if (one.flakyCommits > 0) console.log(yellow(`  passed and failed for the same code, ${one.flakyCommits} times`))
  printTable(
    ['when', 'outcome', 'took', 'commit', 'branch', 'run', 'message'],
    one.history.map((entry) => [
      ago(entry.at),
      `${entry.outcome === 'failed' ? red('failed') : entry.outcome === 'passed' ? green('passed') : dim('skipped')}${entry.isFlaky ? yellow(' flaky') : ''}`,
      entry.durationMs === null ? '' : span(entry.durationMs),
      shortCommit(entry.commit),
      printable(entry.ref.replace(/^refs\/(heads|tags)\//, '')),
      entry.run,
      printable(entry.message?.split('\n')[0] ?? ''),
    ]),
    'nothing is known of it',
  )
}

const noReports = (run: string, project: string): Problem =>
  new Problem({
    kind: 'no-test-reports',
    status: 404,
    detail: `the run ${run} of the project ${project} has left no test reports`,
    next: 'let the tests write JUnit XML or TAP, such as junit.xml, and name the file under tests in headway.yaml where it is another',
  })
