import type { Command } from 'commander'
import { at, connect, type GlobalOptions } from './client.ts'
import { type Deployed, deployedName } from './insights-view.ts'
import { momentOf } from './moment.ts'
import { ago, dim, printable, printJson, printTable, span, stateColour } from './output.ts'

type Incident = {
  readonly incident: string
  readonly service: string | null
  readonly environment: string | null
  readonly title: string
  readonly source: string
  readonly beganAt: number
  readonly acknowledgedAt: number | null
  readonly mitigatedAt: number | null
  readonly resolvedAt: number | null
  readonly isDismissed: boolean
  readonly how: string | null
  readonly deployment: string | null
  readonly version: Deployed | null
}

const stateOf = (one: Incident): string => {
  if (one.isDismissed) return 'dismissed'
  if (one.resolvedAt !== null) return stateColour('succeeded').replace('succeeded', 'resolved')
  return stateColour('firing').replace(
    'firing',
    one.mitigatedAt ? 'mitigated' : one.acknowledgedAt ? 'acknowledged' : 'open',
  )
}

/** Incidents: what is open, what they came from, and how far they are. */
export const incidentCommands = (program: Command): void => {
  const incidents = program
    .command('incidents')
    .description('what went wrong in production, and what it is put down to')
  incidents
    .command('list', { isDefault: true })
    .option('--service <name>', 'of one service')
    .option('--open', 'only those that are not resolved')
    .description('the newest first')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { service?: string; open?: boolean }>()
      const query = { state: options.open ? 'open' : 'all', ...(options.service ? { service: options.service } : {}) }
      const found = await connect(options).get<Incident[]>(at`/projects/${options.project}/incidents`, query)
      if (options.json) return printJson(found)
      printTable(
        ['incident', 'began', 'state', 'took', 'service', 'caused by', 'what'],
        found.map((one) => [
          ...[printable(one.incident), ago(one.beganAt), stateOf(one)],
          one.resolvedAt === null ? '' : span(one.resolvedAt - one.beganAt),
          one.service === null ? dim('none') : `${one.service}/${one.environment}`,
          one.deployment === null ? dim('nobody knows') : `${deployedName(one)} ${dim(`(${one.how})`)}`,
          printable(one.title),
        ]),
        'there were no incidents',
      )
    })
  incidents
    .command('open')
    .argument('<title>', 'what is wrong, in a sentence')
    .option('--service <name>', 'which service')
    .option('--environment <name>', 'where', 'production')
    .option('--began <time>', 'when people began to feel it: 2h, or a date')
    .option('--caused-by <deployment>', 'the deployment that caused it, if that is known')
    .description('tell of an incident')
    .action(async (title: string, _options, command: Command) => {
      const options = command.optsWithGlobals<
        GlobalOptions & { service?: string; environment: string; began?: string; causedBy?: string }
      >()
      const body = {
        title,
        service: options.service ?? null,
        environment: options.service === undefined ? null : options.environment,
        impactStartedAt: options.began === undefined ? null : momentOf(options.began),
        causedBy: options.causedBy ?? null,
      }
      const path = at`/projects/${options.project}/incidents`
      const { incident } = await connect(options).send<{ incident: string }>('POST', path, body)
      if (options.json) return printJson({ incident })
      console.log(`${incident} is open; headway incidents resolve ${incident} when it is over`)
    })
  for (const [what, description] of [
    ['acknowledge', 'somebody looks after it'],
    ['mitigate', 'people feel it no more, though it is not mended'],
    ['resolve', 'it is over'],
    ['reopen', 'it was not over after all'],
  ] as const)
    incidents
      .command(what)
      .argument('<incident>')
      .option('--at <time>', 'when; now where nothing is said')
      .description(description)
      .action(async (incident: string, _options, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions & { at?: string }>()
        const path = at`/projects/${options.project}/incidents/${incident}/progress`
        const moment = options.at === undefined ? null : momentOf(options.at)
        const answer = await connect(options).send('POST', path, { what, at: moment })
        if (options.json) printJson(answer)
      })
  incidents
    .command('caused-by')
    .argument('<incident>')
    .argument('[deployment]', 'its id; left out: no deployment caused it')
    .option('--why <text>', 'why', 'as somebody says')
    .description('say which deployment caused it; what is said last holds')
    .action(async (incident: string, deployment: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { why: string }>()
      const path = at`/projects/${options.project}/incidents/${incident}/cause`
      const answer = await connect(options).send('POST', path, { deployment: deployment ?? null, why: options.why })
      if (options.json) printJson(answer)
    })
  incidents
    .command('dismiss')
    .argument('<incident>')
    .requiredOption('--why <text>', 'why it is none')
    .description('it was none: it counts for nothing')
    .action(async (incident: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { why: string }>()
      const path = at`/projects/${options.project}/incidents/${incident}/dismissal`
      const answer = await connect(options).send('POST', path, { why: options.why })
      if (options.json) printJson(answer)
    })
}
