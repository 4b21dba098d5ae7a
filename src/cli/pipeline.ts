import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { commitHere, repositoryHere } from './here.ts'
import { dim, printable, printJson } from './output.ts'
import { watchRun } from './runs.ts'

/** What people ask of the pipeline besides pushing. */
export const pipelineCommands = (program: Command): void => {
  program
    .command('dispatch')
    .argument('[workflow]', 'a file of .github/workflows that has workflow_dispatch')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--ref <branch>', 'the branch or tag to run it on; default: the default branch')
    .option('--input <name=value...>', 'its inputs')
    .option('--event <type>', 'a repository_dispatch of this type instead')
    .option('--payload <json>', "the event's client_payload")
    .option('--release <tag>', 'say that this tag is a release instead')
    .option('--watch', 'tell how its runs go until they have ended; fails when one does')
    .description('start workflows by hand')
    .action(async (workflow: string | undefined, own: DispatchOptions, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const repository = own.repository ?? repositoryHere()
      const events = await raise(client, at`/projects/${options.project}/repositories/${repository}`, workflow, own)
      if (!own.watch) return options.json ? printJson({ events }) : console.log(`raised ${events.join(', ')}`)
      for (const event of events) if (!(await watchEvent(client, options, event))) process.exitCode = 1
    })

  program
    .command('revert')
    .argument('<what>', 'a commit, as Git names it here (HEAD~1), or a run of it')
    .option('--repository <name>', 'default: that of the run, else of the remote headway here')
    .option('--as-change', 'as a change, which is tested and merged like others')
    .description('take back a commit of the default branch in one step')
    .action(async (what: string, own: { repository?: string; asChange?: boolean }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const { repository, commit } = await commitOf(client, options, what, own.repository)
      const done = await client.send<{ change: { number: number } | null; commit: string | null }>(
        'POST',
        at`/projects/${options.project}/repositories/${repository}/reverts`,
        { commit, directly: own.asChange !== true },
      )
      if (options.json) return printJson(done)
      if (done.change)
        return console.log(`change ${repository}/${done.change.number} takes ${shortCommit(commit)} back`)
      console.log(`${shortCommit(commit)} is taken back by ${shortCommit(done.commit ?? '')}`)
      console.log(dim(`  headway watch ${shortCommit(done.commit ?? '')}   how that goes`))
    })
}

type DispatchOptions = {
  readonly repository?: string
  readonly ref?: string
  readonly input?: readonly string[]
  readonly event?: string
  readonly payload?: string
  readonly release?: string
  readonly watch?: boolean
}

const raise = async (
  client: Client,
  path: string,
  workflow: string | undefined,
  own: DispatchOptions,
): Promise<string[]> => {
  if (own.release !== undefined)
    return (await client.send<{ events: string[] }>('POST', `${path}/releases`, { tag: own.release })).events
  if (own.event !== undefined) {
    const body = { event_type: own.event, client_payload: payloadIn(own.payload ?? '{}') }
    return [(await client.send<{ event: string }>('POST', `${path}/dispatches`, body)).event]
  }
  if (workflow === undefined)
    throw new Problem({
      kind: 'nothing-to-dispatch',
      status: 422,
      detail: 'nothing says what is to be started',
      next: 'name a workflow, or --event <type>, or --release <tag>',
    })
  const file = workflow.replace(/^\.github\/workflows\//, '')
  const name = /\.ya?ml$/.test(file) ? file : `${file}.yml`
  const body = { ref: own.ref ?? null, inputs: Object.fromEntries((own.input ?? []).map(inputIn)) }
  return [(await client.send<{ event: string }>('POST', `${path}${at`/workflows/${name}/dispatches`}`, body)).event]
}

const inputIn = (text: string): readonly [string, string] => {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? []
  if (name !== undefined && value !== undefined) return [name, value]
  throw new Problem({ kind: 'no-input', status: 422, detail: `${text} is no input`, next: 'write it as name=value' })
}

const payloadIn = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const next = `write it as '{"name": "value"}'`
    throw new Problem({ kind: 'no-json', status: 422, detail: 'the payload is no JSON', next }, { cause })
  }
}

/** Tells the runs of an event one after another; whether none failed. One that starts none says so. */
const watchEvent = async (client: Client, options: GlobalOptions, event: string): Promise<boolean> => {
  const path = at`/projects/${options.project}/events/${event}/follow`
  let isGood = true
  for await (const line of client.lines<{ run: string } | { note: string }>(path))
    if ('note' in line) console.log(dim(printable(line.note)))
    else if (!(await watchRun(client, options, line.run))) isGood = false
  return isGood
}

const commitOf = async (
  client: Client,
  { project }: GlobalOptions,
  what: string,
  named: string | undefined,
): Promise<{ repository: string; commit: string }> => {
  if (what.startsWith('run-')) {
    const { repository, commit } = await client.get<{ repository: string; commit: string }>(
      at`/projects/${project}/runs/${what}`,
    )
    return { repository, commit }
  }
  const repository = named ?? repositoryHere()
  if (/^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(what)) return { repository, commit: what }
  const here = named === undefined ? commitHere(what) : null
  if (here !== null) return { repository, commit: here }
  const { pushes } = await client.get<{ pushes: { commit: string }[] }>(at`/projects/${project}/pushes`, {
    repository,
    commit: what,
    limit: 1,
  })
  const [found] = pushes
  if (found) return { repository, commit: found.commit }
  throw new Problem({
    kind: 'unknown-commit',
    status: 404,
    detail: `no push to ${repository} had ${what} as its newest commit`,
    next: 'give all of its name: git rev-parse <commit>',
  })
}
