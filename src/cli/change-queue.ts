import type { Command } from 'commander'
import type { Change } from './change-view.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { repositoryHere } from './here.ts'
import { bold, printable, printJson, printTable } from './output.ts'

/** What waits to be merged. */
export const queueCommand = (changes: Command): void => {
  changes
    .command('queue')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--target <branch>', 'into which branch', 'main')
    .description('what waits to be merged, in order')
    .action(async (own: { repository?: string; target: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const repository = own.repository ?? repositoryHere()
      const path = at`/projects/${options.project}/repositories/${repository}/queue`
      const { changes: queue } = await connect(options).get<{ changes: Change[] }>(path, { target: own.target })
      if (options.json) return printJson(queue)
      printTable(
        ['place', 'change', 'title', 'by'],
        queue.map((one, place) => [
          String(place + 1),
          bold(String(one.number)),
          printable(one.title ?? ''),
          one.author,
        ]),
        'nothing waits to be merged',
      )
    })
}
