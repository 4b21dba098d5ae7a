import type { Command } from 'commander'
import type { BusFactor } from '../learn/toil/bus-factor.ts'
import type { ToilAnswer } from '../learn/toil/question.ts'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { percent, time } from './insights-view.ts'
import { momentOf, spanned, spanQuery } from './moment.ts'
import { ago, dim, printable, printJson, printTable, red } from './output.ts'
import { numberFrom } from './values.ts'

type Asked = GlobalOptions & {
  readonly since: string
  readonly until?: string
  readonly zone: string
  readonly csv?: boolean
  readonly service?: string
  readonly at?: string
}

const hoursAWeek = numberFrom('<hours>', 'a number of hours', 0.1, 100_000, { isWhole: false })

/** Work by hand that a machine could do. */
export const toilCommands = (program: Command): void => {
  const toil = program.command('toil').description('work by hand that a machine could do')
  spanned(toil.command('list', { isDefault: true }), '30d')
    .option('--csv', 'a line for each that is done again and again')
    .description('what was told and what was seen, its share of the time, what to automate first')
    .action(async (_options, command: Command) => showToil(command.optsWithGlobals<Asked>()))
  toil
    .command('add')
    .argument('<what>', 'what was done: "restarted x"')
    .argument('<time>', 'how long it took: 10m, 1h, 90s')
    .option('--service <name>', 'which service it was for')
    .option('--at <time>', 'when: 2h ago as 2h, or a date; now where nothing is said')
    .description('write down what was done by hand')
    .action(async (what: string, took: string, _options, command: Command) => {
      const options = command.optsWithGlobals<Asked>()
      const { project, service, at: when } = options
      const told = { what, minutes: minutesOf(took), service: service ?? null, at: when ? momentOf(when) : null }
      const path = at`/projects/${project}/insights/toil`
      const made = await connect(options).send<{ toil: string }>('POST', path, told)
      if (options.json) return printJson(made)
      console.log(`${printable(what)}: ${time(told.minutes * 60_000)}, written down as ${made.toil}`)
    })
  toil
    .command('remove')
    .argument('<toil>', 'its name, as headway toil --json shows it')
    .description('take back what was written down')
    .action(async (name: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/insights/toil/${name}`
      const removed = await connect(options).send<{ toil: string }>('DELETE', path)
      if (options.json) printJson(removed)
      else console.log(`${removed.toil} is counted no more`)
    })
  toil
    .command('capacity')
    .argument('<hours>', 'hours a week that the team has for running its services', hoursAWeek)
    .description('what toil is a share of')
    .action(async (hours: number, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/insights/toil-capacity`
      const said = await connect(options).send<{ hoursPerWeek: number }>('PUT', path, { hoursPerWeek: hours })
      if (options.json) printJson(said)
      else console.log(`${said.hoursPerWeek} hours a week`)
    })
}

/** `10m`, `1h`, `90s` in minutes. */
export const minutesOf = (text: string): number => {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(s|m|min|h)$/.exec(text) ?? []
  if (count !== undefined) return Number(count) * (unit === 'h' ? 60 : unit === 's' ? 1 / 60 : 1)
  throw new Problem({
    ...{ kind: 'invalid-time', status: 400, detail: `"${text}" is no time that something takes` },
    next: 'write 10m, 1h or 90s',
  })
}

/** Shared by `headway toil` and `headway insights toil`. */
export const showToil = async (options: Asked): Promise<void> => {
  const client = connect(options)
  const path = at`/projects/${options.project}/insights/toil`
  const query = spanQuery(options)
  if (options.csv) return void process.stdout.write(await client.text(`${path}/csv`, query))
  const answer = await client.get<ToilAnswer>(path, query)
  const depends = await client.get<BusFactor[]>(at`/projects/${options.project}/insights/bus-factor`)
  if (options.json) return printJson({ ...answer, busFactors: depends })
  const { minutes, entries, share, line, hoursPerWeek, candidates, pagesPerWeek, log } = answer
  const part = percent(share)
  const ofTime =
    hoursPerWeek === null
      ? dim('next: headway toil capacity <hours a week> says what it is a share of')
      : `${share !== null && share > line ? red(part) : part} of ${hoursPerWeek} h a week (line: ${percent(line)})`
  console.log(`${writtenDown({ minutes, entries })}; ${ofTime}`)
  console.log(`${pagesPerWeek.toFixed(1)} alerts a week`)
  printTable(
    ['automate first', 'times', 'time', ''],
    candidates.map((one) => [
      ...[printable(one.what), String(one.times), one.minutes === null ? '' : time(one.minutes * 60_000)],
      dim(one.source === 'ledger' ? 'seen in the ledger' : 'written down'),
    ]),
    'nothing was written down, and nothing was done by hand three times',
  )
  if (log.length > 0)
    printTable(
      ['when', 'what', 'service', 'time', 'entry'],
      log
        .slice(0, 10)
        .map((one) => [
          ...[ago(one.at), printable(one.what), one.service ?? '', time(one.minutes * 60_000), dim(one.toil)],
        ]),
      '',
    )
  printTable(
    ['repository', 'bus factor', 'authors', 'commits a year'],
    depends.map((one) => [
      ...[one.repository, one.factor === null ? 'no data' : String(one.factor), String(one.authors)],
      String(one.commits),
    ]),
    'bus factor: no data, as no repository has a release yet',
  )
}

export const writtenDown = ({ minutes, entries }: Pick<ToilAnswer, 'minutes' | 'entries'>): string =>
  entries === 0
    ? 'no work by hand was written down'
    : `${time(minutes * 60_000)} of work by hand in ${entries} ${entries === 1 ? 'entry' : 'entries'}`
