import type { Command } from 'commander'
import type { DigestSchedule } from '../learn/facts.ts'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { momentOf } from './moment.ts'
import { printJson } from './output.ts'
import { numberFrom } from './values.ts'

type Asked = GlobalOptions & {
  readonly until?: string
  readonly zone: string
  readonly every?: string
  readonly at: number
  readonly never?: boolean
}
type Digest = { readonly from: number; readonly until: number; readonly markdown: string }
type Wish = { readonly schedule: DigestSchedule | null }

const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']

/** `headway insights digest`: what a week came to, now or by itself every week. */
export const digestCommand = (insights: Command): void => {
  insights
    .command('digest')
    .description('what the last week came to, as Markdown; or when it is written by itself every week')
    .option('--until <time>', 'the end of the week: a date; now where nothing is said')
    .option('--zone <name>', 'the time zone', Intl.DateTimeFormat().resolvedOptions().timeZone)
    .option('--every <day>', `write it every week: ${days.join(', ')}`)
    .option('--at <hour>', 'at which hour of that day, 0 to 23', numberFrom('--at', 'an hour', 0, 23), 8)
    .option('--never', 'write it no more')
    .action(async (_options, command: Command) => {
      const options = command.optsWithGlobals<Asked>()
      const client = connect(options)
      if (options.every !== undefined || options.never) {
        const path = at`/projects/${options.project}/insights/digest-schedule`
        const { schedule } = await client.send<Wish>('PUT', path, { schedule: options.never ? null : wishOf(options) })
        if (options.json) return printJson({ schedule })
        return console.log(
          schedule
            ? `written every ${days[schedule.day - 1]} at ${schedule.hour}:00 (${schedule.zone}) below digests/ of the data directory, and sent to who subscribes to dev.cdeventsx.headway-digest.*`
            : 'written no more',
        )
      }
      const until = options.until === undefined ? {} : { until: momentOf(options.until) }
      const path = at`/projects/${options.project}/insights/digest`
      const digest = await client.get<Digest>(path, { ...until, zone: options.zone })
      if (options.json) printJson(digest)
      else process.stdout.write(digest.markdown)
    })
}

const wishOf = ({ every = '', at: hour, zone }: Asked): DigestSchedule => {
  const day = days.findIndex((name) => every.length >= 3 && name.startsWith(every.toLowerCase())) + 1
  if (day > 0) return { day, hour, zone }
  throw new Problem({
    ...{ kind: 'invalid-day', status: 400, detail: `"${every}" is no day of the week` },
    next: `write one of ${days.join(', ')}`,
  })
}
