import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { printJson } from './output.ts'
import { historyCommand, liveRollout } from './rollout-live.ts'
import type { Rollout } from './rollout-view.ts'
import { whyCommand } from './why.ts'

type Told = { readonly environment?: string; readonly reason?: string }

const verbs = {
  pause: ['keep a rollout at its weight until it is resumed', 'is paused'],
  resume: ['let a paused rollout go on', 'goes on'],
  promote: ['end the step (or the watch) that a rollout is in', 'goes to its next step'],
  abort: ['give all traffic back to the version of before', 'is taken back'],
} as const

/** What can be asked of a rollout under way, by its service or its id. */
export const rolloutCommands = (program: Command): void => {
  const rollout = program.command('rollout').description('what is on its way to its users')
  liveRollout(rollout)
  whyCommand(rollout)
  historyCommand(program)
  for (const [verb, [description, done]] of Object.entries(verbs))
    rollout
      .command(verb)
      .argument('<rollout>', 'the service, or the deployment')
      .option('--environment <name>', 'where (default: production)')
      .option('--reason <text>', 'why, for whoever reads it later')
      .description(description)
      .action(async (name: string, { environment, reason }: Told, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const body = { ...(environment ? { environment } : {}), ...(reason ? { reason } : {}) }
        const path = at`/projects/${options.project}/rollouts/${name}/${verb}`
        const told = await connect(options).send<Rollout>('POST', path, body)
        if (options.json) return printJson(told)
        const { service, commit, weightPercent, environment: where } = told
        console.log(`${service} ${shortCommit(commit)} ${done} (${Math.round(weightPercent)} % of ${where})`)
      })
}
