import { readFileSync, statSync } from 'node:fs'
import type { Command } from 'commander'
import { homeAt } from '../home.ts'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, dim, printable, printJson, printTable, stateColour } from './output.ts'

type Runner = {
  readonly runner: string
  readonly name: string
  readonly labels: readonly string[] | null
  readonly project: string | null
  readonly state: string
  readonly jobs: number
  readonly parallel: number
  readonly seenAt: number | null
}
type Waiting = { readonly run: string; readonly name: string; readonly since: number; readonly why: string }

/** Who runs jobs: runners on other machines, and what an administrator says of them. */
export const runnerCommands = (program: Command): void => {
  program
    .command('runner')
    .option('--token-file <file>', 'its token, as headway runners create printed it (or HEADWAY_RUNNER_TOKEN)')
    .option('--labels <list>', 'what runs-on may ask of it, besides self-hosted, the system and the architecture')
    .option('--parallel <count>', 'jobs at the same time (default: as many as there are cores)')
    .description('run jobs of another Headway (--server) on this machine')
    .action(async (own: { tokenFile?: string; labels?: string; parallel?: string }, command: Command) => {
      const { home, server = process.env.HEADWAY_SERVER } = command.optsWithGlobals<GlobalOptions>()
      if (server === undefined) throw noServer()
      const { runRunner } = await import('../runner.ts')
      await runRunner({
        home: homeAt(home ?? process.env.HEADWAY_HOME ?? '.headway-runner'),
        serverUrl: addressIn(server),
        token: tokenIn(own.tokenFile),
        labels: listIn(own.labels) ?? [],
        parallel: own.parallel === undefined ? null : countIn(own.parallel),
        isolation: null,
      })
      process.exit()
    })

  const runners = program.command('runners').description('who runs jobs, and the jobs that nobody runs yet')

  runners
    .command('list', { isDefault: true })
    .description('the runners, and what waits for one')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const answer = await connect(options).get<{ runners: Runner[]; waiting: Waiting[] }>('/runners')
      if (options.json) return printJson(answer)
      printTable(
        ['runner', 'name', 'state', 'jobs', 'labels', 'project', 'seen'],
        answer.runners.map((one) => [
          one.runner,
          one.name,
          stateColour(one.state === 'online' ? 'healthy' : one.state).replace('healthy', 'online'),
          one.parallel === 0 ? String(one.jobs) : `${one.jobs} of ${one.parallel}`,
          one.labels?.join(',') ?? '?',
          one.project ?? 'all',
          one.runner === 'local' ? 'here' : ago(one.seenAt),
        ]),
        'no runner',
      )
      if (answer.waiting.length > 0)
        console.log(bold(answer.waiting.length === 1 ? '\n1 job waits' : `\n${answer.waiting.length} jobs wait`))
      for (const { run, name, since, why } of answer.waiting.slice(0, 20))
        console.log(`  ${run} ${printable(name)} ${dim(ago(since))}: ${printable(why)}`)
    })

  runners
    .command('create')
    .argument('<name>')
    .option('--labels <list>', 'the only labels that it may claim (default: any)')
    .option('--only-project', 'it gets only jobs of --project')
    .description('let another machine run jobs; its token is shown this once')
    .action(async (name: string, own: { labels?: string; onlyProject?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const body = { name, labels: listIn(own.labels), project: own.onlyProject ? options.project : null }
      const made = await connect(options).send<{ runner: string; secret: string }>('POST', '/runners', body)
      if (options.json) return printJson(made)
      console.error(`${name} is ${made.runner}; its token is shown this once. On its machine:`)
      console.error(dim('  headway runner --server <this server> --token-file <file with the token>'))
      console.log(made.secret)
    })

  runners
    .command('revoke')
    .argument('<runner>', 'its id, as runners list shows it')
    .description('let a machine run no more jobs; what it runs is ended and started over elsewhere')
    .action(async (runner: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('DELETE', at`/runners/${runner}`)
      if (options.json) return printJson({ revoked: runner })
      console.log(`${runner} runs no more jobs`)
    })

  runners
    .command('label')
    .argument('[labels...]', 'none: only those that it always has')
    .description("give the server's own runner these labels, besides those that it always has")
    .action(async (labels: string[], _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('PUT', '/runners/local/labels', { labels })
      if (options.json) return printJson({ labels })
      console.log(
        labels.length === 0 ? 'local has its own labels only' : `local has the labels ${labels.join(', ')} too`,
      )
    })
}

const listIn = (text: string | undefined): string[] | null =>
  text === undefined
    ? null
    : text
        .split(',')
        .map((label) => label.trim())
        .filter((label) => label !== '')

const addressIn = (text: string): string => {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url && /^https?:$/.test(url.protocol) && url.username === '') return text.replace(/\/+$/, '')
  throw new Problem({
    kind: 'bad-address',
    status: 400,
    detail: `${JSON.stringify(text)} is no address of a Headway`,
    next: 'write it like https://headway.example.org',
  })
}

const countIn = (text: string): number => {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 1024) return count
  throw new Problem({ kind: 'bad-count', status: 400, detail: `--parallel is a number from 1 to 1024, not ${text}` })
}

const tokenIn = (file: string | undefined): string => {
  const text = file === undefined ? process.env.HEADWAY_RUNNER_TOKEN : readToken(file)
  if (text && /^hwr_[A-Za-z0-9_-]{43}$/.test(text.trim())) return text.trim()
  throw new Problem({
    kind: 'no-token',
    status: 401,
    detail: file === undefined ? 'nothing says which runner this is' : `${file} holds no token of a runner`,
    next: 'headway runners create makes one, on the server; put it into a file and name that with --token-file',
  })
}

const readToken = (file: string): string => {
  try {
    const { mode } = statSync(file)
    // Only told, as the shell that was told to write it there made it so.
    if ((mode & 0o077) !== 0)
      console.error(`! ${file} is open to others, and whoever has the token is this runner; next: chmod 600 ${file}`)
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new Problem({ kind: 'no-token', status: 401, detail: `${file} cannot be read` }, { cause })
  }
}

const noServer = (): Problem =>
  new Problem({
    kind: 'no-server',
    status: 400,
    detail: 'nothing says whose jobs to run',
    next: 'name the server: headway runner --server https://headway.example.org --token-file <file>',
  })
