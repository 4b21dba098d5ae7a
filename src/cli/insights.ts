import type { Command } from 'commander'
import type { CalmsAnswer } from '../learn/calms/question.ts'
import type { BucketName } from '../learn/dora/calendar.ts'
import type { DoraAnswer } from '../learn/dora/question.ts'
import type { FlowAnswer } from '../learn/flow/question.ts'
import { shortCommit, versionName } from '../names.ts'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { digestCommand } from './digest.ts'
import { type Deployed, deployedName, doraRows, droppedLines, emptyLine, scopeLine, time } from './insights-view.ts'
import { spanned, spanQuery } from './moment.ts'
import { ago, bold, dim, printable, printJson, printTable, red, yellow } from './output.ts'
import { oneOf } from './values.ts'

/** As the API knows them. */
const bucketNames: readonly BucketName[] = ['day', 'week', 'month', 'quarter', 'year']
const behindNames = ['all', 'failed', 'suspected', 'open', 'rework', 'pending', 'dropped'] as const

type Asked = GlobalOptions & {
  readonly service?: string
  readonly environment: string
  readonly since: string
  readonly until?: string
  readonly bucket: string
  readonly zone: string
  readonly csv?: boolean
  readonly all?: boolean
}

const asked = (command: Command): Command =>
  spanned(command, '90d')
    .option('--service <names>', 'one service, or several with commas; all are blended where nothing is said')
    .option('--environment <name>', 'where', 'production')

/** What deliveries come to in figures. */
export const insightCommands = (program: Command): void => {
  const insights = program
    .command('insights')
    .description('the five metrics of DORA, the flow of changes, and what is behind them')
  asked(insights.command('dora', { isDefault: true }))
    .description('the five metrics: deployments, lead time, change fail rate, recovery, rework')
    .option('--bucket <length>', 'day, week, month, quarter or year', oneOf('--bucket', bucketNames), 'week')
    .option('--csv', 'a line a bucket')
    .option('--all', 'everything, not only the project')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Asked>()
      const { path, query } = doraQuestion(options)
      if (options.csv) return printCsv(options, path, query)
      const answer = await connect(options).get<DoraAnswer>(path, query)
      if (options.json) printJson(answer)
      else showDora(answer)
    })
  asked(insights.command('flow'))
    .description('where the time of changes goes, from the first commit to watched in production; the bottleneck')
    .option('--bucket <length>', 'day, week, month, quarter or year', oneOf('--bucket', bucketNames), 'week')
    .option('--csv', 'a line a stage')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Asked>()
      const path = at`/projects/${options.project}/insights/flow`
      if (options.csv) return printCsv(options, path, queryOf(options))
      const answer = await connect(options).get<FlowAnswer>(path, { ...queryOf(options), bucket: options.bucket })
      if (options.json) return printJson(answer)
      const { flowLines, openRows, rhythmLines, stageRows } = await import('./flow-view.ts')
      showScope(answer)
      for (const line of flowLines(answer)) console.log(line)
      const stages = stageRows(answer)
      if (stages.length > 0) printTable(['stage', '', 'median', '', 'a week', 'share', 'since'], stages, '')
      for (const line of rhythmLines(answer)) console.log(line)
      if (answer.progress.open > 0) printTable(['open', 'age', ''], openRows(answer), '')
    })
  asked(insights.command('calms'))
    .description('how the team works: what people said of it, and what can be measured of things')
    .option('--csv', 'a line a measure')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Asked>()
      const path = at`/projects/${options.project}/insights/calms`
      if (options.csv) return printCsv(options, path, queryOf(options))
      const answer = await connect(options).get<CalmsAnswer>(path, queryOf(options))
      if (options.json) return printJson(answer)
      const { calmsRows } = await import('./calms-view.ts')
      const { last, before, why } = answer.culture
      if (last) {
        const { showResult } = await import('./survey.ts')
        const was = before?.result.mean ? `, ${before.result.mean.toFixed(1)} before` : ''
        console.log(
          `culture: ${last.result.mean?.toFixed(1)} of 7, said by ${last.answers} ${ago(last.closedAt)}${was}`,
        )
        showResult(last.result)
      } else console.log(`culture: no data (${why}); headway survey open asks`)
      printTable(['', 'measured', '', ''], calmsRows(answer), '')
    })
  spanned(insights.command('toil'), '30d')
    .option('--csv', 'a line for each that is done again and again')
    .description('work by hand that a machine could do; the same as headway toil')
    .action(async (_options, command: Command) => {
      const { showToil } = await import('./toil.ts')
      await showToil(command.optsWithGlobals<Asked>())
    })
  asked(insights.command('deployments'))
    .description('the deployments behind the figures')
    .option(
      '--behind <figure>',
      'all, failed, suspected, open, rework, pending or dropped',
      oneOf('--behind', behindNames),
      'all',
    )
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Asked & { behind: string }>()
      const path = at`/projects/${options.project}/insights/deployments`
      const found = await connect(options).get<Deployment[]>(path, { ...queryOf(options), behind: options.behind })
      if (options.json) return printJson(found)
      printTable(
        ['live', 'service', 'version', 'deployment', 'kind', 'lead time', 'failed', 'recovery'],
        found.map((one) => [
          ...[ago(one.liveAt), one.service, printable(versionName(one) ?? ''), printable(one.deployment)],
          one.isRework ? yellow('rework') : 'planned',
          one.leadTime.median === null ? '' : `${time(one.leadTime.median)} (n ${one.leadTime.n})`,
          one.isFailure ? red(one.how ?? 'failed') : one.isPending ? 'not judged yet' : '',
          one.recoveryMs === null ? (one.isFailure ? 'open' : '') : time(one.recoveryMs),
        ]),
        'nothing was deployed there in that time',
      )
    })
  insights
    .command('deployment')
    .argument('<deployment>', 'its id, or the key of one made elsewhere')
    .description('one deployment: its commits, its incidents, what it mends and is mended by')
    .action(async (deployment: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/insights/deployment`
      const one = await connect(options).get<Detail>(path, { deployment })
      if (options.json) return printJson(one)
      showDeployment(one)
    })
  windowCommand(insights)
  digestCommand(insights)
  insights
    .command('correct')
    .argument('<deployment>', 'its id, or the key of one made elsewhere')
    .requiredOption('--why <text>', 'why the rules are wrong here')
    .option('--failure <answer>', 'yes, no, or as the rules say', oneOf('--failure', answers), 'rules')
    .option('--rework <answer>', 'yes, no, or as the rules say', oneOf('--rework', answers), 'rules')
    .description('say of a deployment whether it has failed, and whether it was rework')
    .action(async (deployment: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { why: string; failure: Answer; rework: Answer }>()
      const said = { isFailure: saidOf(options.failure), isRework: saidOf(options.rework), why: options.why }
      const path = at`/projects/${options.project}/insights/corrections`
      const one = await connect(options).send<Detail>('POST', path, { deployment, ...said })
      if (options.json) return printJson(one)
      showDeployment(one)
    })
}

/** Says, or sets, how long after a deployment an incident is suspected to come from it. */
const windowCommand = (insights: Command): void => {
  insights
    .command('window')
    .argument('[time]', '24h, 2d, 90m; only shown where nothing is said')
    .description('how long after a deployment an incident of its service is suspected to come from it')
    .action(async (length: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/insights/attribution-window`
      const client = connect(options)
      const said = length === undefined ? null : { windowMs: lengthOf(length) }
      const answer = await (said ? client.send<Window>('PUT', path, said) : client.get<Window>(path))
      if (options.json) printJson(answer)
      else console.log(`incidents are suspected to come from a deployment within ${time(answer.windowMs)}`)
    })
}
type Window = { readonly windowMs: number }

const lengthOf = (text: string): number => {
  const [, count, unit] = /^(\d+)(m|h|d)$/.exec(text) ?? []
  const ms =
    unit === undefined ? Number.NaN : Number(count) * (unit === 'm' ? 60_000 : unit === 'h' ? 3_600_000 : dayMs)
  if (ms <= 30 * dayMs) return ms
  throw new Problem({
    ...{ kind: 'invalid-time', status: 400, detail: `"${text}" is no length of time up to 30d` },
    next: 'write 90m, 24h or 2d',
  })
}

type Deployment = Deployed & {
  readonly deployment: string
  readonly liveAt: number | null
  readonly isPending: boolean
  readonly isFailure: boolean
  readonly how: string | null
  readonly isRework: boolean
  readonly recoveryMs: number | null
  readonly leadTime: { readonly median: number | null; readonly n: number }
}
type Link = { readonly deployment: string; readonly how: string | null; readonly version: Deployed | null }
type Detail = Deployment & {
  readonly commits: readonly {
    readonly commit: string
    readonly repository: string
    readonly leadTimeMs: number | null
  }[]
  readonly incidents: readonly { readonly incident: string; readonly title: string; readonly how: string | null }[]
  readonly mends: readonly Link[]
  readonly mendedBy: readonly Link[]
}

const doraQuestion = (options: Asked) => {
  const query = { ...queryOf(options), bucket: options.bucket }
  if (!options.all) return { path: at`/projects/${options.project}/insights/dora`, query }
  const { service: _, ...rest } = query
  return { path: '/insights/dora', query: rest }
}

const queryOf = ({
  service,
  environment,
  ...span
}: Pick<Asked, 'service' | 'environment' | 'since' | 'until' | 'zone'>) => ({
  ...(service === undefined ? {} : { service }),
  environment,
  ...spanQuery(span),
})

/** The same question's table, as the server writes it. */
const printCsv = async (options: GlobalOptions, path: string, query: Readonly<Record<string, unknown>>) => {
  process.stdout.write(await connect(options).text(`${path}/csv`, query))
}

const dayMs = 86_400_000
type Answer = (typeof answers)[number]
const answers = ['yes', 'no', 'rules'] as const
const saidOf = (answer: Answer): boolean | null => (answer === 'rules' ? null : answer === 'yes')

/** What the table takes besides its charts, and the longest of the metrics' names with what stands behind it. */
const widestDora = 92
const longestName = 19

const showScope = (answer: Parameters<typeof scopeLine>[0]): void => {
  console.log(scopeLine(answer))
  const next = emptyLine(answer)
  if (next !== null) console.log(next)
}

const showDora = (answer: DoraAnswer): void => {
  showScope(answer)
  const rows = doraRows(answer)
  const headings = ['metric', 'figure', '', 'level (survey)', 'quick check']
  const cells = rows.map(({ name, figure, detail, level, score }) => [name, figure, dim(detail), level, score])
  const columns = process.stdout.isTTY ? process.stdout.columns : Number.POSITIVE_INFINITY
  if (answer.buckets.length <= columns - widestDora) {
    const charts = rows.map(({ chart }) => chart)
    printTable(
      [...headings, 'over time'],
      cells.map((row, place) => [...row, charts[place] ?? '']),
      '',
    )
  } else {
    printTable(headings, cells, '')
    const newest = columns - longestName
    const heading = answer.buckets.length > newest ? `over time (the newest ${newest})` : 'over time'
    printTable(
      ['', heading],
      rows.map(({ name, chart }) => [name, chart.slice(-newest)]),
      '',
    )
  }
  for (const line of droppedLines(answer)) console.log(line)
  const { suspected } = answer.total.changeFailRate
  if (suspected > 0)
    console.log(dim(`next: headway insights deployments --behind suspected shows what only the time speaks against`))
}

const linkLine = (link: Link): string => `${deployedName(link)} (${link.how})  ${dim(printable(link.deployment))}`

const showDeployment = (one: Detail): void => {
  const failed = one.isFailure ? `failed (${one.how})` : one.isPending ? 'not judged yet' : 'good'
  const name = deployedName({ deployment: one.deployment, version: one })
  console.log(
    `${bold(name)} in ${one.environment}, live ${ago(one.liveAt)}: ${failed}  ${dim(printable(one.deployment))}`,
  )
  if (one.isRework) console.log('  unplanned: rework')
  for (const link of one.mends) console.log(`  mends ${linkLine(link)}`)
  for (const link of one.mendedBy) console.log(`  mended by ${linkLine(link)}`)
  for (const { incident, title, how } of one.incidents)
    console.log(`  incident ${printable(incident)} (${how}): ${printable(title)}`)
  if (one.recoveryMs !== null) console.log(`  restored after ${time(one.recoveryMs)}`)
  printTable(
    ['commit', 'repository', 'lead time'],
    one.commits.map(({ commit, repository, leadTimeMs }) => [
      ...[printable(shortCommit(commit)), printable(repository), leadTimeMs === null ? dim('none') : time(leadTimeMs)],
    ]),
    'no commits are known of it',
  )
}
