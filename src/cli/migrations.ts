import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, dim, printable, printJson, printTable, span, stateColour } from './output.ts'

type Migration = {
  readonly deployment: string
  readonly commit: string
  readonly attempt: number
  readonly startedAt: number
  readonly finishedAt: number | null
  readonly outcome: string | null
  readonly lastLines: readonly string[]
  readonly findings: readonly { readonly file: string; readonly line: number; readonly statement: string }[]
}

/** What releases have done to their databases. */
export const migrationCommands = (program: Command): void => {
  program
    .command('migrations')
    .argument('<service>')
    .option('--environment <name>', 'where (default: everywhere)')
    .option('--limit <count>', 'how many', '20')
    .option('--log', 'what the newest one wrote')
    .description('the migrations of a service and how they ended, newest first')
    .action(
      async (
        service: string,
        { environment, limit, log }: { environment?: string; limit: string; log?: boolean },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const client = connect(options)
        const path = at`/projects/${options.project}/services/${service}/migrations`
        const all = await everywhere(client, options.project, environment, (where) =>
          client.get<Migration[]>(path, { environment: where, limit }),
        )
        const [newest] = all
        if (log && newest && newest.outcome !== null) {
          const bytes = await client.bytes(`${path}${at`/${newest.deployment}/${String(newest.attempt)}/log`}`, {
            environment: newest.environment,
          })
          for await (const chunk of bytes) process.stdout.write(printable(Buffer.from(chunk).toString()))
          return
        }
        if (options.json) return printJson(all)
        printTable(
          ['environment', 'commit', 'outcome', 'when', 'took', 'destructive', 'last line'],
          all
            .slice(0, Number(limit))
            .map((one) => [
              one.environment,
              shortCommit(one.commit),
              stateColour(one.outcome ?? 'under way'),
              ago(one.startedAt),
              one.finishedAt === null ? '' : span(one.finishedAt - one.startedAt),
              [...new Set(one.findings.map(({ statement }) => statement))].join(', '),
              dim(printable(one.lastLines.at(-1) ?? '').slice(0, 60)),
            ]),
          `no migration of ${service} yet: release: { migrate: <command> } in its headway.yaml runs one`,
        )
      },
    )
}

/** What there is in the environment that is named, or else in all of them; newest first, each with where it was. */
const everywhere = async (
  client: Client,
  project: string,
  environment: string | undefined,
  inOne: (environment: string) => Promise<Migration[]>,
): Promise<(Migration & { readonly environment: string })[]> => {
  const names = environment
    ? [environment]
    : (await client.get<{ readonly environment: string }[]>(at`/projects/${project}/environments`)).map(
        (one) => one.environment,
      )
  const found = names.map(async (name) => (await inOne(name)).map((one) => ({ ...one, environment: name })))
  return (await Promise.all(found)).flat().toSorted((a, b) => b.startedAt - a.startedAt)
}
