import type { Command } from 'commander'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { dim, printable } from './output.ts'

type Line = { readonly at: number; readonly instance: string; readonly stream: string; readonly text: string }

/** What the instances of a service print. */
export const logCommands = (program: Command): void => {
  program
    .command('logs')
    .argument('<service>')
    .option('-f, --follow', 'go on with each line as it comes')
    .option('--since <when>', 'a moment (2026-01-31T12:00Z) or how long ago (10m, 2h, 3d)')
    .option('--until <when>', 'the same')
    .option('--search <text>', 'only lines with this text, upper or lower case')
    .option('--instance <id>', 'only this instance')
    .option('--environment <name>')
    .option('--limit <count>', 'how many of the newest', '100')
    .description('what its instances print, merged by time')
    .action(
      async (
        service: string,
        own: {
          follow?: boolean
          since?: string
          until?: string
          search?: string
          instance?: string
          environment?: string
          limit: string
        },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const query = {
          environment: own.environment,
          instance: own.instance,
          search: own.search,
          limit: own.limit,
          since: moment(own.since),
          until: moment(own.until),
          follow: own.follow ? 'true' : undefined,
        }
        const ending = new AbortController()
        process.once('SIGINT', () => ending.abort())
        let count = 0
        try {
          for await (const line of connect(options).lines<Line>(
            at`/projects/${options.project}/services/${service}/logs`,
            query,
            ending.signal,
          )) {
            count += 1
            if (options.json) process.stdout.write(`${JSON.stringify(line)}\n`)
            else
              console.log(
                `${dim(`${new Date(line.at).toISOString().slice(11, 23)} ${line.instance}`)} ${printable(line.text)}`,
              )
          }
        } catch (error) {
          if (!ending.signal.aborted) throw error
        }
        if (count === 0 && !options.json)
          console.error(dim(`no line of ${printable(service)} is like that; headway status shows what there is`))
      },
    )
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A moment in milliseconds since 1970, from a date or from how long ago it was. */
export const moment = (text: string | undefined, now = Date.now()): number | undefined => {
  if (text === undefined) return undefined
  const past = /^(\d+)([smhd])$/.exec(text)
  if (past?.[1] && past[2]) return now - Number(past[1]) * (units[past[2]] ?? 0)
  const date = Date.parse(text)
  if (Number.isNaN(date))
    throw new Problem({
      kind: 'bad-moment',
      status: 400,
      detail: `${JSON.stringify(text)} is no moment`,
      next: 'write 10m, 2h, 3d, or a date like 2026-01-31T12:00Z',
    })
  return date
}
