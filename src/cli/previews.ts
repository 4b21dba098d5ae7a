import type { Command } from 'commander'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { repositoryHere } from './here.ts'
import { bold, dim, green, printable, printJson, printTable, red, span, stateColour, yellow } from './output.ts'

/** The preview of a change as the API tells it. */
export type Preview = {
  readonly repository: string
  readonly number: number
  readonly environment: string
  readonly status: string
  readonly detail: string | null
  readonly lastLines: readonly string[]
  readonly next: string | null
  readonly version: number | null
  readonly services: readonly { readonly service: string; readonly url: string }[]
  readonly expiresAt: number | null
}
type Rules = {
  readonly isEnabled: boolean
  readonly quota: number
  readonly maxAgeMs: number
  readonly copyFrom: readonly string[]
}
type RuleOptions = { readonly enabled?: string; readonly quota?: string; readonly age?: string; readonly copy?: string }

/** Where changes can be looked at before they are merged. */
export const previewCommands = (program: Command): void => {
  const previews = program.command('previews').description('where open changes can be looked at before they are merged')

  previews
    .command('list', { isDefault: true })
    .description('those that there are or that wait for something')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const found = await previewsOf(connect(options), options)
      if (options.json) return printJson(found)
      printPreviews(found, 'there is none: git push headway HEAD:my-branch -o change makes one')
    })

  for (const [word, method, description] of [
    ['start', 'POST', 'make one of the newest version, whoever has pushed it; also once more'],
    ['remove', 'DELETE', 'take it down until the next push, its database included'],
  ] as const)
    previews
      .command(word)
      .argument('<change>', 'its number, or <repository>/<number>')
      .description(description)
      .action(async (named: string, _own, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const [, repository = repositoryHere(), number = ''] = /^(?:([a-z0-9-]+)\/)?(\d{1,9})$/.exec(named) ?? []
        const path = at`/projects/${options.project}/repositories/${repository}/changes/${number}/preview`
        const preview = await connect(options).send<Preview>(method, path)
        if (options.json) return printJson(preview)
        for (const line of previewLines(preview)) console.log(line)
      })

  previews
    .command('rules')
    .option('--enabled <yes|no>', 'whether the project has previews')
    .option('--quota <count>', 'how many at the same time')
    .option('--age <time>', 'how long one stays after the last push: 7d')
    .option('--copy <environments>', 'of which environments changes may have the database copied: staging, or none')
    .description('what guards the previews of the project; without options, show it')
    .action(async (own: RuleOptions, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const path = at`/projects/${options.project}/preview-rules`
      const said = wished(own)
      const rules =
        Object.keys(said).length === 0 ? await client.get<Rules>(path) : await client.send<Rules>('PUT', path, said)
      if (options.json) return printJson(rules)
      printTable(
        ['rule', ''],
        [
          ['previews', rules.isEnabled ? 'of every open change' : 'none'],
          ['quota', String(rules.quota)],
          ['taken down', `${span(rules.maxAgeMs)} after the last push`],
          ['copies of databases', rules.copyFrom.join(', ') || 'of none'],
        ],
        '',
      )
    })
}

export const previewsOf = (client: Client, { project }: GlobalOptions): Promise<Preview[]> =>
  client.get<Preview[]>(at`/projects/${project}/previews`)

/** Those that there is something to say of, as a table. */
export const printPreviews = (found: readonly Preview[], empty: string): void =>
  printTable(
    ['change', 'preview', 'version', 'until', 'where'],
    found
      .filter(({ status }) => status !== 'none')
      .map((one) => [
        bold(`${one.repository}/${one.number}`),
        stateColour(one.status),
        one.version === null ? '' : String(one.version),
        one.expiresAt === null ? '' : `in ${span(one.expiresAt - Date.now())}`,
        one.services.map(({ url }) => url).join(' ') || printable(one.detail ?? ''),
      ]),
    empty,
  )

/** How one stands, as it is told beneath its change. */
export const previewLines = (preview: Preview): string[] => {
  const { status, services, version, detail, lastLines, next } = preview
  const where = services.map(
    ({ service, url }) => `  ${green('✓')} preview of ${printable(service)}, version ${version}: ${url}`,
  )
  const sign = status === 'failed' ? red('✗') : yellow('·')
  const state = { none: 'preview: when its checks have passed', held: 'no preview', removed: 'no preview' }[status]
  const said =
    status === 'ready' ? [] : [`  ${sign} ${state ?? `preview: ${status}`}${detail ? `: ${printable(detail)}` : ''}`]
  return [
    ...where,
    ...said,
    ...lastLines.map((line) => dim(`    | ${printable(line)}`)),
    ...(next ? [`    next: ${printable(next)}`] : []),
  ]
}

const wished = ({ enabled, quota, age, copy }: RuleOptions): Partial<Rules> => ({
  ...(enabled === undefined ? {} : { isEnabled: enabled === 'yes' }),
  ...(quota === undefined ? {} : { quota: Number(quota) }),
  ...(age === undefined ? {} : { maxAgeMs: millisecondsIn(age) }),
  ...(copy === undefined ? {} : { copyFrom: copy === 'none' ? [] : copy.split(',') }),
})

/** What is no time is refused by the server, as everything else that it cannot take. */
const millisecondsIn = (text: string): number => {
  const [, amount, unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? []
  return Number(amount ?? 0) * ({ m: 60_000, h: 3_600_000, d: 86_400_000 }[unit] ?? 0)
}
