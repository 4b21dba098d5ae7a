import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, printable, printJson, printTable } from './output.ts'

type Repository = {
  readonly repository: string
  readonly pushedAt: number | null
  readonly protection: { readonly branches: readonly string[]; readonly allowForce: boolean; readonly push: string }
}
type Ref = {
  readonly ref: string
  readonly object: string
  readonly actor: string
  readonly updatedAt: number
}

/** The repositories that Headway hosts; code itself goes over Git. */
export const hostedCommands = (program: Command): void => {
  const repositories = program.command('repositories').description('the Git repositories here')

  repositories
    .command('list', { isDefault: true })
    .description('all of the project')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const found = await client.get<Repository[]>(at`/projects/${options.project}/repositories`)
      if (options.json) return printJson(found)
      printTable(
        ['repository', 'last push', 'protected', 'address'],
        found.map(({ repository, pushedAt, protection }) => [
          bold(repository),
          ago(pushedAt),
          protectionText(protection),
          `${client.url}/git/${options.project}/${repository}.git`,
        ]),
        'no repository yet: the first git push headway main makes one (headway init sets it up)',
      )
    })

  repositories
    .command('refs')
    .argument('<repository>')
    .description('its branches and tags, and who moved them last')
    .action(async (repository: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const refs = await connect(options).get<Ref[]>(at`/projects/${options.project}/repositories/${repository}/refs`)
      if (options.json) return printJson(refs)
      printTable(
        ['ref', 'commit', 'moved', 'by'],
        refs.map((one) => [
          printable(one.ref.replace(/^refs\/(heads|tags)\//, '')),
          shortCommit(one.object),
          ago(one.updatedAt),
          printable(one.actor),
        ]),
        'nothing was pushed yet: git push headway main',
      )
    })

  repositories
    .command('create')
    .argument('<repository>')
    .description('make an empty one, before the first push does')
    .action(async (repository: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      await client.send('PUT', at`/projects/${options.project}/repositories/${repository}`)
      const address = `${client.url}/git/${options.project}/${repository}.git`
      if (options.json) return printJson({ repository, address })
      console.log(address)
    })

  repositories
    .command('protect')
    .argument('<repository>')
    .option('--branch <name...>', 'the branches that cannot be deleted or forced', ['main', 'master'])
    .option('--allow-force', 'let them be forced all the same')
    .option('--push <role>', 'who may push to them: developer, operator, administrator, or nobody')
    .option('--changes-only', 'the same as --push nobody: they take changes only')
    .description('say which branches are kept safe')
    .action(
      async (
        repository: string,
        own: { branch: string[]; allowForce?: boolean; push?: string; changesOnly?: boolean },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const push = own.changesOnly ? 'nobody' : own.push
        const wanted = { branches: own.branch, allowForce: own.allowForce === true, push }
        const protection = await connect(options).send<Repository['protection']>(
          'PUT',
          at`/projects/${options.project}/repositories/${repository}/protection`,
          wanted,
        )
        if (options.json) return printJson({ repository, ...protection })
        console.log(`${repository}: ${protectionText(protection)}`)
      },
    )
}

const protectionText = ({ branches, allowForce, push }: Repository['protection']): string => {
  const notes = [
    ...(allowForce ? ['may be forced'] : []),
    ...(push === 'nobody' ? ['changes only'] : push === 'developer' ? [] : [`pushed by ${push}s`]),
  ]
  const named = branches.map(printable).join(', ')
  return branches.length === 0 ? 'nothing' : notes.length === 0 ? named : `${named} (${notes.join(', ')})`
}
