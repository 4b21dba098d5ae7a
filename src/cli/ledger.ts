import { createWriteStream, readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { effect } from '../effect.ts'
import { Problem } from '../problem.ts'
import { type Client, connect, type GlobalOptions, type ToldProblem, toldProblem } from './client.ts'
import { dim, green, printable, printJson, red } from './output.ts'

type Fact = {
  readonly seq: number
  readonly at: number
  readonly type: string
  readonly subject: string
  readonly actor: string
  readonly payload: unknown
}
type Verdict =
  | { readonly kind: 'whole'; readonly facts: number; readonly hash: string }
  | { readonly kind: 'broken'; readonly seq: number; readonly what: string; readonly detail: string }

/** Everything that happened, and the proof that nothing was altered. */
export const ledgerCommands = (program: Command): void => {
  const ledger = program.command('ledger').description('everything that happened')

  ledger
    .command('tail')
    .option('-f, --follow', 'go on with each fact as it is recorded')
    .option('--limit <count>', 'how many of the newest', '30')
    .option('--type <type>', 'only these, such as deployment.finished')
    .option('--subject <subject>', 'only about this, such as service:default/shop')
    .description('the newest facts')
    .action(async (own: { follow?: boolean; limit: string; type?: string; subject?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const query = { limit: own.limit, types: own.type, subject: own.subject, order: 'newest' }
      const newest = (await client.get<Fact[]>('/ledger', query)).reverse()
      for (const fact of newest) printFact(fact, options)
      if (!own.follow) return
      const ending = new AbortController()
      process.once('SIGINT', () => ending.abort())
      try {
        for await (const fact of client.events<Fact>(
          '/events',
          { after: newest.at(-1)?.seq, types: own.type },
          ending.signal,
        ))
          if (own.subject === undefined || fact.subject === own.subject) printFact(fact, options)
      } catch (error) {
        if (!ending.signal.aborted) throw error
      }
    })

  ledger
    .command('verify')
    .option('--checkpoint <file>', 'a signed checkpoint that was kept elsewhere: shows truncation and rewriting, too')
    .option('--views', 'also build all views anew beside, and compare')
    .description('check every fact against the chain')
    .action(async (own: { checkpoint?: string; views?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const verdict = await client.send<Verdict>('POST', '/ledger/verify', {
        checkpoints: own.checkpoint ? [readCheckpoint(own.checkpoint)] : [],
      })
      const views = own.views ? await rebuildViews(client) : null
      if (options.json) printJson({ ...verdict, ...(views ? { viewsEqual: views.equal } : {}) })
      else {
        if (verdict.kind === 'whole')
          console.log(`${green('intact')}: all ${verdict.facts} facts are as they were recorded`)
        else console.log(`${red('NOT intact')}: fact ${verdict.seq} was ${verdict.what}: ${printable(verdict.detail)}`)
        if (views)
          console.log(
            views.equal
              ? `${green('equal')}: a rebuild made the same views`
              : `${red('NOT equal')}: a rebuild made other views`,
          )
      }
      if (verdict.kind !== 'whole' || views?.equal === false) process.exitCode = 1
    })

  ledger
    .command('checkpoint')
    .description('sign where the ledger is now; keep it elsewhere')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      // Always JSON: it is a file to be kept.
      printJson(await connect(options).send('POST', '/ledger/checkpoint'))
    })

  ledger
    .command('export')
    .argument('[file]', 'where to (default: standard output)')
    .description('all facts, one JSON object a line, with all that is needed to verify them elsewhere')
    .action(async (file: string | undefined, _own, command: Command) => {
      const body = await connect(command.optsWithGlobals<GlobalOptions>()).bytes('/ledger/export')
      if (file === undefined) for await (const chunk of body) process.stdout.write(chunk)
      else await effect('cli.write-export', () => pipeline(body, createWriteStream(file, { mode: 0o600, flags: 'wx' })))
    })
}

type RebuildLine =
  | { readonly applied: number; readonly total: number }
  | { readonly equal: boolean }
  | { readonly problem: ToldProblem }

/** Asks for a rebuild, and tells on standard error how far it is. */
const rebuildViews = async (client: Client): Promise<{ equal: boolean }> => {
  const { createProgress, rebuiltViews } = await import('./progress.ts')
  const tell = createProgress(rebuiltViews, process.stderr, systemClock.monotonicMs)
  try {
    for await (const line of client.lines<RebuildLine>('/ledger/views/rebuild', {}, undefined, 'POST'))
      if ('equal' in line) return line
      else if ('problem' in line) throw toldProblem(line.problem)
      else tell(line.applied, line.total)
  } catch (cause) {
    if (cause instanceof Problem) throw cause
    throw brokenOff(client, cause)
  }
  throw brokenOff(client)
}

const brokenOff = ({ url }: Client, cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'broken-off',
      status: 503,
      detail: `${url} ended its answer before the views were built anew`,
      next: 'ask again; the views are as they were, and server.log in its data directory tells what it came upon',
    },
    { cause },
  )

const readCheckpoint = (file: string): unknown => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new Problem(
      {
        kind: 'bad-checkpoint',
        status: 400,
        detail: `${file} holds no checkpoint`,
        next: 'headway ledger checkpoint > file makes one',
      },
      { cause },
    )
  }
}

const printFact = (fact: Fact, { json }: GlobalOptions): void => {
  if (json) process.stdout.write(`${JSON.stringify(fact)}\n`)
  else
    console.log(
      `${dim(`${String(fact.seq).padStart(6)} ${new Date(fact.at).toISOString()}`)} ${fact.type.padEnd(24)} ${printable(fact.subject)} ${dim(`by ${printable(fact.actor)}`)}`,
    )
}
