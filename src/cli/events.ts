import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, dim, printable, printJson, printTable, yellow } from './output.ts'

type Source = {
  readonly source: string
  readonly kind: string
  readonly service: string | null
  readonly environment: string | null
  readonly mappings: readonly { readonly match: string; readonly service: string; readonly environment?: string }[]
  readonly deployJobs: readonly string[]
}
type Received = {
  readonly seq: number
  readonly at: number
  readonly source: string
  readonly type: string
  readonly about: string | null
  readonly facts: number
  readonly unplaced: readonly string[]
  readonly digest: string
}
type Subscription = {
  readonly subscription: string
  readonly host: string
  readonly types: readonly string[]
  readonly seq: number
  readonly retryAt: number | null
  readonly detail: string | null
  readonly dead: number
}
type Dead = { readonly seq: number; readonly failedAt: number; readonly attempts: number; readonly detail: string }
type Secret = { readonly secret: string | null }

/** Events from other systems, and to them. */
export const eventCommands = (program: Command): void => {
  const events = program.command('events').description('what other systems tell, and who is told what happens here')
  sourceCommands(events.command('sources').description('the systems that may tell of themselves'))
  subscriptionCommands(events.command('subscriptions').description('who is told what happens here'))

  events
    .command('received', { isDefault: true })
    .description('what other systems told of late')
    .action(async (_own, command: Command) => {
      const { client, options, path } = of(command)
      const all = await client.get<Received[]>(`${path}/events/received`)
      if (options.json) return printJson(all)
      printTable(
        ['when', 'source', 'event', 'about', 'facts', 'kept as'],
        all.map((one) => [
          ago(one.at),
          one.source,
          printable(one.type),
          printable(one.about ?? ''),
          one.unplaced.length > 0 ? yellow(`${one.facts}, ${one.unplaced.length} unplaced`) : String(one.facts),
          dim(one.digest.slice('sha256:'.length, 'sha256:'.length + 12)),
        ]),
        'nothing came yet: headway events sources add',
      )
      for (const text of all.flatMap(({ unplaced }) => unplaced).slice(0, 5))
        console.log(yellow(`  ${printable(text)}`))
    })

  events
    .command('dead')
    .argument('<subscription>')
    .description('what a subscriber did not take')
    .action(async (name: string, _own, command: Command) => {
      const { client, options, path } = of(command)
      const all = await client.get<Dead[]>(`${path}/event-subscriptions/${at`${name}`}/dead`)
      if (options.json) return printJson(all)
      printTable(
        ['fact', 'given up', 'tries', 'why'],
        all.map((one) => [String(one.seq), ago(one.failedAt), String(one.attempts), printable(one.detail)]),
        'everything was taken',
      )
    })

  events
    .command('replay')
    .argument('<subscription>')
    .option('--dead', 'send what was not taken once more')
    .option('--only <seq>', 'with --dead: this fact alone')
    .option('--after <seq>', 'tell everything again that came after this fact (0: everything there is)')
    .description('tell a subscriber something again')
    .action(async (name: string, own: { dead?: boolean; only?: string; after?: string }, command: Command) => {
      const { client, options, path } = of(command)
      if ((own.dead === true) === (own.after !== undefined)) throw oneOf()
      const only = own.only === undefined ? {} : { seq: Number(own.only) }
      const wish = own.dead ? { dead: true, ...only } : { after: Number(own.after) }
      const url = `${path}/event-subscriptions/${at`${name}`}/replay`
      const { taken } = await client.send<{ taken: number | null }>('POST', url, wish)
      if (options.json) return printJson({ taken })
      console.log(taken === null ? `${name} is told again what came after ${own.after}` : `${taken} taken`)
    })

  events
    .command('export')
    .option('--after <seq>', 'only what came after this fact', '0')
    .description('what happened in the project, as CDEvents, one a line')
    .action(async (own: { after: string }, command: Command) => {
      const { client, path } = of(command)
      const body = await client.bytes(`${path}/events`, { after: own.after })
      for await (const chunk of body) process.stdout.write(chunk)
    })
}

const several = (value: string, before: string[] = []): string[] => [...before, value]

type OwnSource = {
  readonly kind: string
  readonly service?: string
  readonly environment?: string
  readonly map: string[]
  readonly deployJobs: string[]
  readonly incidentLabel?: string[]
  readonly releases?: boolean
  readonly secretFile?: string
}

const sourceCommands = (sources: Command): void => {
  sources
    .command('list', { isDefault: true })
    .description('the systems, and what is told of them')
    .action(async (_own, command: Command) => {
      const { client, options, path } = of(command)
      const all = await client.get<Source[]>(`${path}/event-sources`)
      if (options.json) return printJson(all)
      printTable(
        ['source', 'kind', 'service', 'environment', 'mappings', 'deploys'],
        all.map((one) => [
          one.source,
          one.kind,
          one.service ?? '',
          one.environment ?? '',
          printable(
            one.mappings
              .map((map) => `${map.match}=${[map.service, map.environment].filter(Boolean).join('/')}`)
              .join(' '),
          ),
          printable(one.deployJobs.join(' ')),
        ]),
        'no other system tells anything: headway events sources add',
      )
    })

  sources
    .command('add')
    .argument('<name>')
    .requiredOption(
      '--kind <kind>',
      'github, gitlab, jenkins, argocd, flux, alertmanager, pagerduty, cdevents or plain',
    )
    .option('--service <name>', 'where everything belongs that no mapping says otherwise of')
    .option('--environment <name>', 'the same of the environment')
    .option(
      '--map <pattern=service[/environment]>',
      'of a repository, job or application; may be repeated',
      several,
      [],
    )
    .option('--deploy-jobs <pattern>', 'jobs and workflows that deploy; may be repeated', several, [])
    .option('--incident-label <label>', 'issues with it are incidents; may be repeated (default: incident)', several)
    .option('--releases', 'a published release is a deployment')
    .option('--secret-file <file>', 'the secret that it signs with already (default: a new one, shown this once)')
    .description('let a system tell of itself, or change what is told of it; it keeps its secret then')
    .action(async (name: string, own: OwnSource, command: Command) => {
      const { client, options, path } = of(command)
      const wish = {
        ...{ kind: own.kind, service: own.service ?? null, environment: own.environment ?? null },
        ...{ mappings: own.map.map(mappingIn), deployJobs: own.deployJobs, releases: own.releases === true },
        ...(own.incidentLabel ? { incidentLabels: own.incidentLabel } : {}),
        ...(own.secretFile ? { secret: readFileSync(own.secretFile, 'utf8').trim() } : {}),
      }
      const { secret } = await client.send<Secret>('PUT', `${path}/event-sources/${at`${name}`}`, wish)
      const url = `${client.url}/api/v1/hooks/${at`${options.project}`}/${at`${name}`}`
      if (options.json) return printJson({ url, secret })
      console.error(`${name} may tell of itself at ${url}`)
      if (secret === null) return
      console.error('  its secret, which is shown this once:')
      console.log(secret)
    })

  sources
    .command('remove')
    .argument('<name>')
    .description('take nothing from a system any more')
    .action(async (name: string, _own, command: Command) => {
      const { client, options, path } = of(command)
      await client.send('DELETE', `${path}/event-sources/${at`${name}`}`)
      if (options.json) return printJson({ removed: name })
      console.log(`${name} tells nothing any more`)
    })
}

const subscriptionCommands = (subscriptions: Command): void => {
  subscriptions
    .command('list', { isDefault: true })
    .description('who is told, and how far')
    .action(async (_own, command: Command) => {
      const { client, options, path } = of(command)
      const all = await client.get<Subscription[]>(`${path}/event-subscriptions`)
      if (options.json) return printJson(all)
      printTable(
        ['subscription', 'host', 'told up to', 'dead', 'events', 'last'],
        all.map((one) => [
          one.subscription,
          one.host,
          String(one.seq),
          one.dead === 0 ? '' : yellow(String(one.dead)),
          one.types.length === 0 ? 'all' : printable(one.types.join(' ')),
          one.detail === null ? 'taken' : yellow(printable(one.detail)),
        ]),
        'nobody is told: headway events subscriptions add',
      )
    })

  subscriptions
    .command('add')
    .argument('<name>')
    .requiredOption('--url <url>', 'where the webhooks go')
    .option(
      '--types <pattern>',
      'only CDEvents of this type, such as dev.cdevents.service.*; may be repeated',
      several,
      [],
    )
    .option('--after <seq>', 'from after this fact on (default: from now on)')
    .option('--secret-file <file>', 'the secret to sign with (default: a new one, shown this once)')
    .description('tell somebody what happens here; one of that name begins anew')
    .action(
      async (
        name: string,
        own: { url: string; types: string[]; after?: string; secretFile?: string },
        command: Command,
      ) => {
        const { client, options, path } = of(command)
        const wish = {
          ...{ url: own.url, types: own.types },
          ...(own.after === undefined ? {} : { after: Number(own.after) }),
          ...(own.secretFile ? { secret: readFileSync(own.secretFile, 'utf8').trim() } : {}),
        }
        const { secret } = await client.send<Secret>('PUT', `${path}/event-subscriptions/${at`${name}`}`, wish)
        if (options.json) return printJson({ secret })
        console.error(`${name} is told what happens in ${options.project}`)
        if (secret === null) return
        console.error('  what the webhooks are signed with, which is shown this once:')
        console.log(secret)
      },
    )

  subscriptions
    .command('remove')
    .argument('<name>')
    .description('tell somebody nothing any more')
    .action(async (name: string, _own, command: Command) => {
      const { client, options, path } = of(command)
      await client.send('DELETE', `${path}/event-subscriptions/${at`${name}`}`)
      if (options.json) return printJson({ removed: name })
      console.log(`${name} is told nothing any more`)
    })
}

const of = (command: Command): { client: Client; options: GlobalOptions; path: string } => {
  const options = command.optsWithGlobals<GlobalOptions>()
  return { client: connect(options), options, path: at`/projects/${options.project}` }
}

const mappingIn = (text: string) => {
  const [, match, service, environment] = /^(.+)=([^=/]+)(?:\/([^=/]+))?$/.exec(text) ?? []
  if (match && service) return { match, service, ...(environment ? { environment } : {}) }
  throw new Problem({
    kind: 'invalid-mapping',
    status: 422,
    detail: `${text} says no mapping`,
    next: "write --map 'octo/shop=shop/production'",
  })
}

const oneOf = (): Problem =>
  new Problem({
    kind: 'invalid-request',
    status: 422,
    detail: 'what is to be told again is said by --dead or by --after, one of them',
    next: 'headway events dead shows what was not taken, headway events subscriptions how far each was told',
  })
