import type { Command } from 'commander'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, printJson, printTable, span } from './output.ts'

type Grant = { readonly role: string; readonly project: string | null }
type User = { readonly user: string; readonly createdAt: number; readonly grants: readonly Grant[] }
type Token = {
  readonly token: string
  readonly user: string
  readonly name: string
  readonly scope: Grant
  readonly issuedAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

const roles = 'viewer, developer, operator or administrator'

type Code = { readonly code: string; readonly expiresAt: number }

/** Who may do what. */
export const peopleCommands = (program: Command): void => {
  program
    .command('web')
    .description('a link that signs a browser in, once, as whoever runs this')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const { code, expiresAt } = await client.send<Code>('POST', '/sign-in-links')
      const link = `${client.url}/sign-in#link=${code}`
      if (options.json) return printJson({ link, expiresAt })
      console.log(`${link}\n  good for five minutes, once`)
    })

  const user = program.command('user').description('who may do what')

  user
    .command('list')
    .description('everybody and their roles')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const users = await connect(options).get<User[]>('/users')
      if (options.json) return printJson(users)
      printTable(
        ['user', 'roles', 'since'],
        users.map((one) => [one.user, one.grants.map(grantText).join(', ') || 'none', ago(one.createdAt)]),
        'nobody',
      )
    })

  user
    .command('add')
    .argument('<user>')
    .option('--role <role>', roles)
    .option('--everywhere', 'the role holds in all projects, not only in --project')
    .description('make a user')
    .action(async (name: string, { role, everywhere }: { role?: string; everywhere?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('POST', '/users', {
        user: name,
        ...(role ? { role, project: everywhere ? null : options.project } : {}),
      })
      if (options.json) return printJson({ user: name })
      console.log(
        `${name} is a user now${role ? '' : ', without any role yet'}; headway token create --user ${name} --role ${role ?? 'developer'} makes a token`,
      )
    })

  user
    .command('invite')
    .argument('<user>')
    .description('a link with which a user chooses a password for the web, once')
    .action(async (name: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const { code, expiresAt } = await client.send<Code>('POST', at`/users/${name}/invitation`)
      const link = `${client.url}/sign-in#invitation=${code}`
      if (options.json) return printJson({ link, expiresAt })
      console.log(`${link}\n  give it to ${name}: good for seven days, once`)
    })

  user
    .command('role')
    .argument('<user>')
    .argument('<role>', `${roles}, or none`)
    .option('--everywhere', 'in all projects, not only in --project')
    .description('give or take a role')
    .action(async (name: string, role: string, { everywhere }: { everywhere?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = everywhere ? at`/users/${name}/role` : at`/projects/${options.project}/members/${name}`
      if (role === 'none') await connect(options).send('DELETE', path)
      else await connect(options).send('PUT', path, { role })
      if (options.json) return printJson({ user: name, role, project: everywhere ? null : options.project })
      console.log(
        `${name} is ${role === 'none' ? 'nothing' : role} ${everywhere ? 'everywhere' : `in ${options.project}`}`,
      )
    })

  const token = program.command('token').description('tokens for people and programs')

  token
    .command('create')
    .option('--name <name>', 'what it is for', 'cli')
    .option('--user <user>', 'for somebody else (default: for yourself)')
    .option('--role <role>', `what it may do at most: ${roles}`, 'developer')
    .option('--everywhere', 'in all projects, not only in --project')
    .option('--expires <after>', 'how long it counts: 12h, 90d', '90d')
    .description('make a token; it is shown this once')
    .action(
      async (
        own: { name: string; user?: string; role: string; everywhere?: boolean; expires: string },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const body = {
          name: own.name,
          role: own.role,
          project: own.everywhere ? null : options.project,
          expiresAt: Date.now() + lifetime(own.expires),
          ...(own.user ? { user: own.user } : {}),
        }
        const made = await connect(options).send<Token & { secret: string }>('POST', '/tokens', body)
        if (options.json) return printJson(made)
        console.error(
          `for ${made.user}, ${grantText(made.scope)}, for ${span((made.expiresAt ?? 0) - Date.now())}; it is shown this once:`,
        )
        console.log(made.secret)
      },
    )

  token
    .command('list')
    .option('--all', "everybody's")
    .description('the tokens that there are, not the tokens themselves')
    .action(async ({ all }: { all?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const tokens = await connect(options).get<Token[]>('/tokens', { all: all ? 'true' : undefined })
      if (options.json) return printJson(tokens)
      printTable(
        ['token', 'user', 'name', 'may', 'issued', 'state'],
        tokens.map((one) => [one.token, one.user, one.name, grantText(one.scope), ago(one.issuedAt), stateOf(one)]),
        'no token',
      )
    })

  token
    .command('revoke')
    .argument('<token>', 'its id, as token list shows it')
    .description('make a token count no more')
    .action(async (id: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('DELETE', at`/tokens/${id}`)
      if (options.json) return printJson({ revoked: id })
      console.log(`${id} counts no more`)
    })
}

const grantText = ({ role, project }: Grant): string => `${role} ${project === null ? 'everywhere' : `in ${project}`}`

const stateOf = ({ revokedAt, expiresAt }: Token): string => {
  if (revokedAt !== null) return `revoked ${ago(revokedAt)}`
  if (expiresAt === null) return 'never expires'
  return expiresAt < Date.now() ? `expired ${ago(expiresAt)}` : `expires in ${span(expiresAt - Date.now())}`
}

const lifetime = (text: string): number => {
  const parts = /^(\d+)([hd])$/.exec(text)
  if (!parts?.[1])
    throw new Problem({
      kind: 'bad-duration',
      status: 400,
      detail: `${JSON.stringify(text)} is no time to live`,
      next: 'write it like 12h or 90d',
    })
  return Number(parts[1]) * (parts[2] === 'h' ? 3_600_000 : 86_400_000)
}
