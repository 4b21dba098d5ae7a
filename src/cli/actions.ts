import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, printable, printJson, printTable } from './output.ts'

type Mirrored = {
  readonly name: string
  readonly versions: readonly string[]
  readonly from: string | null
  readonly by: string | null
  readonly at: number | null
}
type Upstream = { readonly url: string | null; readonly allowed: readonly string[] }

/** The actions of others that workflows here may use. */
export const actionCommands = (program: Command): void => {
  const actions = program.command('actions').description('the actions of others that workflows here may use')

  actions
    .command('list', { isDefault: true })
    .description('those that were brought here')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const found = await connect(options).get<{ actions: Mirrored[]; upstream: Upstream }>('/actions')
      if (options.json) return printJson(found)
      printTable(
        ['action', 'versions', 'brought', 'from'],
        found.actions.map((one) => [
          bold(printable(one.name)),
          printable(newest(one.versions)),
          ago(one.at),
          printable(one.from ?? ''),
        ]),
        'none yet: an administrator brings one with headway actions mirror owner/repository',
      )
      if (found.upstream.url !== null) console.log(describeUpstream(found.upstream))
    })

  actions
    .command('mirror')
    .argument('<owner/repository[@ref]>')
    .option('--from <url or path>', 'where it is; default: a repository of that name here, the upstream, github.com')
    .description("bring an action's repository here, or what is new of it (administrators)")
    .action(async (written: string, own: { from?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const [name = '', ref = null] = written.split('@')
      const [owner = '', repository = ''] = name.split('/')
      const from = own.from === undefined ? null : existsSync(own.from) ? resolve(own.from) : own.from
      const body = { from, ref }
      const mirrored = await connect(options).send<Mirrored>('PUT', at`/actions/${owner}/${repository}`, body)
      if (options.json) return printJson(mirrored)
      console.log(`${mirrored.name}: ${printable(newest(mirrored.versions))}`)
    })

  actions
    .command('remove')
    .argument('<owner/repository>')
    .description('remove the mirror of an action (administrators)')
    .action(async (name: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const [owner = '', repository = ''] = name.split('/')
      await connect(options).send('DELETE', at`/actions/${owner}/${repository}`)
      if (options.json) return printJson({ removed: name })
      console.log(`${name} is gone`)
    })

  actions
    .command('upstream')
    .argument('[url]', 'such as https://git.example.org, below which owner/repository is')
    .option('--allow <owner...>', 'whose actions may be fetched by themselves: owner, owner/repository or *')
    .option('--off', 'fetch nothing by itself any more')
    .description('from where missing actions may be fetched by themselves (administrators)')
    .action(async (url: string | undefined, own: { allow?: string[]; off?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      if (url === undefined && !own.off) {
        const { upstream } = await client.get<{ upstream: Upstream }>('/actions')
        if (options.json) return printJson(upstream)
        return console.log(describeUpstream(upstream))
      }
      const wanted: Upstream = own.off ? { url: null, allowed: [] } : { url: url ?? null, allowed: own.allow ?? [] }
      const upstream = await client.send<Upstream>('PUT', '/actions/upstream', wanted)
      if (options.json) return printJson(upstream)
      console.log(describeUpstream(upstream))
    })
}

const newest = (versions: readonly string[]): string =>
  versions.length > 6 ? `${versions.slice(0, 6).join(', ')} and more` : versions.join(', ')

const describeUpstream = ({ url, allowed }: Upstream): string =>
  url === null
    ? 'missing actions are fetched from nowhere'
    : `missing actions of ${allowed.map(printable).join(', ') || 'nobody'} are fetched from ${printable(url)}`
