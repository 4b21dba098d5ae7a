import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import { queueCommand } from './change-queue.ts'
import { ruleCommand } from './change-rules.ts'
import { type Change, coloured, type Details, type Difference, print, printFiles, show } from './change-view.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { repositoryHere } from './here.ts'
import { ago, bold, printable, printJson, printTable, stateColour, yellow } from './output.ts'
import { type Preview, previewLines, previewsOf } from './previews.ts'

type RepositoryOption = { readonly repository?: string }

/** Changes: proposed, looked at, approved, merged, taken back. */
export const changeCommands = (program: Command): void => {
  const changes = program
    .command('changes')
    .description('what is proposed: listed, shown, approved, merged, taken back')
    .addHelpText(
      'after',
      '\nA change is named by its number where its repository is checked out, else as <repository>/<number>.',
    )

  changes
    .command('list', { isDefault: true })
    .option('--repository <name>', 'only those of a repository')
    .option('--status <status>', 'open, merged or abandoned; all shows all', 'open')
    .option('--limit <count>', 'how many', '50')
    .description('all that are open')
    .action(async (own: RepositoryOption & { status: string; limit: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const status = own.status === 'all' ? undefined : own.status
      const query = { repository: own.repository, status, limit: own.limit }
      const { changes: found } = await connect(options).get<{ changes: Change[] }>(
        at`/projects/${options.project}/changes`,
        query,
      )
      if (options.json) return printJson(found)
      const previews = await previewsOf(connect(options), options)
      printTable(
        ['change', 'title', 'branch', 'by', 'checks', 'state', 'when', 'preview'],
        found.map((one) => [
          bold(`${one.repository}/${one.number}`),
          printable(one.title ?? '(erased)'),
          `${printable(one.branch)} → ${printable(one.target)}`,
          one.author,
          stateColour(one.conclusion ?? '-'),
          one.isQueued ? yellow('queued') : one.status,
          ago(one.updatedAt),
          previewOf(previews, one),
        ]),
        'nothing is proposed: git push headway HEAD:my-branch -o change',
      )
    })

  const onChange = (name: string, description: string): Command =>
    changes.command(name).argument('<change>', 'its number, or <repository>/<number>').description(description)

  onChange('show', 'how a change stands').action(async (named: string, _own, command: Command) => {
    const { client, path, options } = reached(named, command)
    const change = await client.get<Details>(path)
    if (options.json) return printJson(change)
    print(change)
    const preview = await client.get<Preview>(`${path}/preview`)
    if (change.status === 'open' || preview.services.length > 0)
      for (const line of previewLines(preview)) console.log(line)
  })

  changes
    .command('open')
    .argument('<branch>', 'a branch that was pushed')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--title <text>', "default: its first commit's")
    .option('--body <text>', 'more about it')
    .option('--target <branch>', 'where it is to go; default: the branch that is deployed')
    .description('propose a branch')
    .action(
      async (
        branch: string,
        own: RepositoryOption & { title?: string; body?: string; target?: string },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const repository = own.repository ?? repositoryHere()
        const { title, body, target } = own
        const proposal = { branch, title, body, target }
        show(
          await connect(options).send<Details>(
            'POST',
            at`/projects/${options.project}/repositories/${repository}/changes`,
            proposal,
          ),
          options,
        )
      },
    )

  onChange('comment', 'say something about a change, or about a line of it')
    .argument('<text>')
    .option('--line <file:line>', 'a line of the new text')
    .option('--old-line <file:line>', 'a line of the text before')
    .option('--at-version <number>', 'default: the newest')
    .action(
      async (
        named: string,
        text: string,
        own: { line?: string; oldLine?: string; atVersion?: string },
        command: Command,
      ) => {
        const { client, path, options } = reached(named, command)
        const place = placeOf(own.line, 'new') ?? placeOf(own.oldLine, 'old')
        const version = own.atVersion === undefined ? undefined : Number(own.atVersion)
        const said = await client.send<{ comment: string }>('POST', `${path}/comments`, { body: text, place, version })
        return options.json ? printJson(said) : console.log(`said (${said.comment})`)
      },
    )

  onChange('approve', 'approve its newest version')
    .option('--withdraw', 'take the approval back')
    .action(async (named: string, own: { withdraw?: boolean }, command: Command) => {
      const { client, path, options } = reached(named, command)
      show(await client.send<Details>(own.withdraw ? 'DELETE' : 'POST', `${path}/approvals`), options)
    })

  onChange('merge', 'have it merged as soon as nothing stands in the way')
    .option('--wait', 'until it is merged, or is not going to be')
    .option('--withdraw', 'take it out of the queue')
    .option('--head <commit>', 'refuse when it is elsewhere by now')
    .option('--mends', 'it mends a red target, which does not hold it (operators)')
    .action(
      async (
        named: string,
        own: { wait?: boolean; withdraw?: boolean; head?: string; mends?: boolean },
        command: Command,
      ) => {
        const { client, path, options } = reached(named, command)
        if (own.withdraw) return show(await client.send<Details>('DELETE', `${path}/merge`), options)
        const asked = await client.send<Details>('POST', `${path}/merge`, { head: own.head, mends: own.mends })
        const change = own.wait ? await waitFor(client, path, asked) : asked
        show(change, options)
        if (own.wait && change.status !== 'merged') process.exitCode = 1
      },
    )

  onChange('abandon', 'end it without a merge')
    .option('--why <text>', 'what is told')
    .action(async (named: string, own: { why?: string }, command: Command) => {
      const { client, path, options } = reached(named, command)
      show(await client.send<Details>('POST', `${path}/abandon`, { why: own.why }), options)
    })

  for (const [name, description] of [
    ['reopen', 'go on with an abandoned one'],
    ['retest', 'make the merge result anew and run its checks'],
  ] as const)
    onChange(name, description).action(async (named: string, _own, command: Command) => {
      const { client, path, options } = reached(named, command)
      show(await client.send<Details>('POST', `${path}/${name}`), options)
    })

  onChange('diff', 'what it changes')
    .option('--at-version <number>', 'default: the newest')
    .option('--file <path>', 'only of this file')
    .option('--stat', 'only which files')
    .action(async (named: string, own: { atVersion?: string; file?: string; stat?: boolean }, command: Command) => {
      const { client, path, options } = reached(named, command)
      const difference = await client.get<Difference>(`${path}/diff`, { version: own.atVersion, file: own.file })
      if (options.json) return printJson(difference)
      if (own.stat || difference.text === null) return printFiles(difference)
      process.stdout.write(printable(difference.text).split('\n').map(coloured).join('\n'))
    })

  changes
    .command('revert')
    .argument('[change]', 'a merged one: its number, or <repository>/<number>')
    .option('--commit <commit>', 'a commit instead')
    .option('--repository <name>', 'of the commit; default: that of the remote headway here')
    .option('--directly', 'right on the target, untested, where you may push there')
    .description('take back what was merged, as a new change')
    .action(
      async (
        named: string | undefined,
        own: RepositoryOption & { commit?: string; directly?: boolean },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const { repository, number } =
          named === undefined ? { repository: own.repository ?? repositoryHere(), number: undefined } : parse(named)
        const done = await connect(options).send<{ change: Details | null; commit: string | null }>(
          'POST',
          at`/projects/${options.project}/repositories/${repository}/reverts`,
          { number, commit: own.commit, directly: own.directly },
        )
        if (done.change) return show(done.change, options)
        return options.json ? printJson(done) : console.log(`taken back by ${shortCommit(done.commit ?? '')}`)
      },
    )

  onChange('erase', 'forget for good what was written: title and text, or a comment')
    .option('--comment <id>', 'only this comment')
    .action(async (named: string, own: { comment?: string }, command: Command) => {
      const { client, path, options } = reached(named, command)
      await client.send('DELETE', own.comment ? path + at`/comments/${own.comment}` : `${path}/description`)
      return options.json ? printJson({ erased: true }) : console.log('erased')
    })

  queueCommand(changes)
  ruleCommand(changes)
}

/** Where it can be looked at, else how it stands with that. */
const previewOf = (previews: readonly Preview[], { repository, number }: Change): string => {
  const found = previews.find((one) => one.repository === repository && one.number === number)
  if (!found || found.status === 'none') return ''
  return found.services.map(({ url }) => url).join(' ') || found.status
}

const reached = (named: string, command: Command) => {
  const options = command.optsWithGlobals<GlobalOptions>()
  const { repository, number } = parse(named)
  const path = at`/projects/${options.project}/repositories/${repository}/changes/${String(number)}`
  return { client: connect(options), path, options }
}

const parse = (named: string): { repository: string; number: number } => {
  const match = /^(?:(?<repository>[a-z0-9-]+)[/#])?#?(?<number>\d{1,9})$/.exec(named)
  if (!match?.groups?.number)
    throw new Problem({
      kind: 'no-change',
      status: 422,
      detail: `${printable(named)} names no change`,
      next: 'give its number, or <repository>/<number>: headway changes show shop/7',
    })
  return { repository: match.groups.repository ?? repositoryHere(), number: Number(match.groups.number) }
}

const placeOf = (text: string | undefined, side: 'old' | 'new') => {
  if (text === undefined) return undefined
  const match = /^(.+):(\d+)$/s.exec(text)
  if (match?.[1]) return { file: match[1], line: Number(match[2]), side }
  throw new Problem({
    kind: 'no-line',
    status: 422,
    detail: `${printable(text)} is no line`,
    next: 'write it as src/app.ts:12',
  })
}

const waitEveryMs = 500

/** Asks until it is merged, or nothing will merge it by itself. */
const waitFor = async (client: Client, path: string, first: Details): Promise<Details> => {
  let change = first
  while (change.status === 'open' && change.wish !== null && !change.blockers.some(isFinal)) {
    await new Promise((resolve) => setTimeout(resolve, waitEveryMs))
    change = await client.get<Details>(path)
  }
  return change
}
const isFinal = ({ kind }: { kind: string }): boolean => kind === 'conflict' || kind === 'checks-failed'
