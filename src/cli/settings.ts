import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, printJson, printTable } from './output.ts'

type Setting = {
  readonly name: string
  readonly kind: 'secret' | 'variable'
  readonly service: string | null
  readonly environment: string | null
  readonly setAt: number
}
type Place = { readonly service?: string; readonly environment?: string }

/** Secrets and variables: given to services and jobs by name, sealed at rest. */
export const settingCommands = (program: Command): void => {
  for (const kind of ['secret', 'variable'] as const) addNoun(program, kind)
}

const addNoun = (program: Command, kind: Setting['kind']): void => {
  const noun = program
    .command(kind)
    .description(kind === 'secret' ? 'values that nobody is shown again' : 'values that are not secret')

  const set = noun
    .command('set')
    .argument('<name>', 'as in the environment: DATABASE_PASSWORD')
    .option('--service <name>', 'for this service only')
    .option('--environment <name>', 'in this environment only')
    .description(`set or replace a ${kind}; the value is read from standard input, or asked for`)
  if (kind === 'variable')
    set.option('--value <text>', 'the value itself; everybody on this machine can read it while the command runs')
  set.action(async (name: string, own: Place & { value?: string }, command: Command) => {
    const options = command.optsWithGlobals<GlobalOptions>()
    const value = own.value ?? (await readValue(name, kind))
    await connect(options).send('PUT', at`/projects/${options.project}/settings/${name}`, {
      value,
      kind,
      service: own.service ?? null,
      environment: own.environment ?? null,
    })
    if (options.json) return printJson({ set: name })
    console.log(
      `${name} is set; services that name it under secrets get it with their next deployment (headway deploy <service>)`,
    )
  })

  noun
    .command('list')
    .description(`the names of the ${kind === 'secret' ? 'secrets' : 'variables'}, never the values`)
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const settings = (await connect(options).get<Setting[]>(at`/projects/${options.project}/settings`)).filter(
        (one) => one.kind === kind,
      )
      if (options.json) return printJson(settings)
      printTable(
        ['name', 'service', 'environment', 'set'],
        settings.map((one) => [one.name, one.service ?? 'all', one.environment ?? 'all', ago(one.setAt)]),
        `no ${kind} yet: headway ${kind} set NAME`,
      )
    })

  noun
    .command('rm')
    .argument('<name>')
    .option('--service <name>', 'the one for this service only')
    .option('--environment <name>', 'the one in this environment only')
    .description(`remove a ${kind}`)
    .action(async (name: string, own: Place, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('DELETE', at`/projects/${options.project}/settings/${name}`, undefined, { ...own })
      if (options.json) return printJson({ removed: name })
      console.log(`${name} is removed; what runs keeps it until its next deployment`)
    })
}

/** From a pipe as it comes, less one line break at its end; from a terminal without showing it. */
const readValue = async (name: string, kind: Setting['kind']): Promise<string> => {
  const value = process.stdin.isTTY
    ? await askFor(`${name}: `, kind === 'secret')
    : (await text(process.stdin)).replace(/\r?\n$/, '')
  if (value === '')
    throw new Problem({
      kind: 'no-value',
      status: 400,
      detail: `no value for ${name} was given; nothing was changed`,
      next: `printf %s "$value" | headway ${kind} set ${name}`,
    })
  return value
}

const askFor = (question: string, hidden: boolean): Promise<string> =>
  new Promise((resolve) => {
    process.stderr.write(question)
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
    const asking = createInterface({ input: process.stdin, output: hidden ? silent : process.stderr, terminal: true })
    asking.question('', (answer) => {
      asking.close()
      if (hidden) process.stderr.write('\n')
      resolve(answer)
    })
  })
