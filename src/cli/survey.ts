import type { Command } from 'commander'
import type { Survey, SurveyResult } from '../learn/survey/surveys.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, dim, printJson, printTable } from './output.ts'
import { numberFrom } from './values.ts'

type Opened = { readonly survey: string; readonly closesAt: number; readonly links: readonly string[] }

/** Asking a team how it works together. */
export const surveyCommands = (program: Command): void => {
  const survey = program.command('survey').description('ask a team how it works together, by links, anonymously')
  survey
    .command('list', { isDefault: true })
    .description('the surveys of the project, and what people said')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const surveys = await surveysOf(connect(options), options.project)
      if (options.json) return printJson(surveys)
      printTable(
        ['survey', 'state', 'asked', 'answers', 'mean (1 to 7)'],
        surveys.map((one) => [
          ...[one.survey, one.state === 'open' ? `open, ${inFuture(one.closesAt)}` : `closed ${ago(one.closedAt)}`],
          ...[`${one.links} links`, one.answers === null ? dim('fewer than five') : String(one.answers)],
          one.result?.mean ? one.result.mean.toFixed(1) : dim('nothing is told'),
        ]),
        'nobody was asked yet: headway survey open --links <how many people>',
      )
      const told = surveys.find(({ result }) => result !== null)
      if (told?.result) showResult(told.result)
    })
  survey
    .command('open')
    .requiredOption(
      '--links <count>',
      'one for each who is asked, at least five',
      numberFrom('--links', 'a number', 5, 1_000),
    )
    .option('--days <count>', 'until when it takes answers', numberFrom('--days', 'a number of days', 1, 90), 14)
    .description('make a link for each who is asked; they are shown this once')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { links: number; days: number }>()
      const { project, links, days } = options
      const made = await connect(options).send<Opened>('POST', at`/projects/${project}/surveys`, { links, days })
      if (options.json) return printJson(made)
      for (const link of made.links) console.log(link)
      console.error(
        dim(
          `${made.survey}, ${inFuture(made.closesAt)}. Give each link to one person, to whom does not matter; each counts once.\nWhat they say is told when it is over, if five or more have answered.`,
        ),
      )
    })
  survey
    .command('close')
    .argument('[survey]', 'the one that is open where nothing is said')
    .description('end a survey; with fewer than five answers nothing of it is ever told')
    .action(async (name: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const open = (await surveysOf(client, options.project)).find(({ state }) => state === 'open')
      const which = name ?? open?.survey
      if (which === undefined) return console.log('no survey is open')
      const closed = await client.send<Survey>('POST', at`/projects/${options.project}/surveys/${which}/close`, {})
      if (options.json) return printJson(closed)
      if (closed.result) showResult(closed.result)
      else console.log(`${closed.survey} is over; fewer than five have answered, so nothing is told`)
    })
}

const surveysOf = (client: Client, project: string): Promise<Survey[]> =>
  client.get<Survey[]>(at`/projects/${project}/surveys`)

const inFuture = (moment: number): string =>
  `until ${new Date(moment).toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** What people said of each statement. */
export const showResult = ({ statements }: SurveyResult): void =>
  printTable(
    ['what people said', 'mean', 'agree', 'neutral', 'disagree'],
    statements.map(({ statement, sum }) =>
      sum === null
        ? [statement, dim('fewer than five'), '', '', '']
        : [statement, `${bar(sum.mean)} ${sum.mean.toFixed(1)}`, ...[sum.agree, sum.neutral, sum.disagree].map(String)],
    ),
    '',
  )

/** 1 to 7 as seven places. */
const bar = (mean: number): string => '█'.repeat(Math.round(mean)).padEnd(7, '░')
