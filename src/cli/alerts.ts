import type { Command } from 'commander'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, dim, printable, printJson, printTable, stateColour } from './output.ts'

type Alert = {
  readonly service: string
  readonly environment: string
  readonly name: string
  readonly when: string
  readonly do: readonly string[]
  readonly state: string
  readonly since: number | null
  readonly events: readonly { readonly at: number; readonly event: string; readonly detail: string }[]
}

/** What is watched while services run, and what came of it. */
export const alertCommands = (program: Command): void => {
  program
    .command('alerts')
    .argument('[service]', 'one service, with what happened of late')
    .description('the alerts of what runs, and how they stand')
    .action(async (service: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const all = await connect(options).get<Alert[]>(at`/projects/${options.project}/alerts`)
      const alerts = all.filter((one) => service === undefined || one.service === service)
      if (options.json) return printJson(alerts)
      printTable(
        ['service', 'environment', 'alert', 'state', 'since', 'does'],
        alerts.map((one) => [
          one.service,
          one.environment,
          printable(one.name),
          stateColour(one.state),
          one.since === null ? '' : ago(one.since),
          one.do.join(', '),
        ]),
        'nothing is watched: alerts in headway.yaml or environment.yaml',
      )
      if (service === undefined) return
      for (const one of alerts) {
        console.log(`\n${printable(one.name)}  ${dim(printable(one.when))}`)
        if (one.events.length === 0) console.log('  it has not fired yet')
        for (const { at: when, event, detail } of one.events)
          console.log(`  ${ago(when).padEnd(12)} ${event.padEnd(14)} ${dim(printable(detail))}`)
      }
    })
}
