import type { Command } from 'commander'
import { shortCommit } from '../names.ts'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { repositoryHere } from './here.ts'
import { ago, bold, dim, green, printable, printJson, printTable, red, stateColour, yellow } from './output.ts'
import { type Preview, previewLines, previewsOf } from './previews.ts'

type Check = {
  readonly job: string | null
  readonly name: string
  readonly conclusion: string | null
  readonly run: string
}
type Change = {
  readonly repository: string
  readonly number: number
  readonly status: string
  readonly title: string | null
  readonly body: string | null
  readonly branch: string
  readonly target: string
  readonly author: string
  readonly version: number
  readonly head: string
  readonly updatedAt: number
  readonly isQueued: boolean
  readonly conclusion: string | null
  readonly note: string | null
}
type Details = Change & {
  readonly url: string
  readonly approvers: readonly string[]
  readonly blockers: readonly { readonly kind: string; readonly detail: string }[]
  readonly test: { readonly checks: readonly Check[]; readonly conclusion: string | null } | null
  readonly wish: { readonly user: string } | null
  readonly place: number | null
  readonly merged: { readonly after: string; readonly user: string | null; readonly at: number } | null
  readonly comments: readonly {
    readonly comment: string
    readonly user: string
    readonly version: number
    readonly at: number
    readonly body: string
    readonly place: { readonly file: string; readonly line: number; readonly side: string } | null
  }[]
}
type Difference = {
  readonly files: readonly {
    readonly path: string
    readonly previous: string | null
    readonly status: string
    readonly additions: number | null
    readonly deletions: number | null
  }[]
  readonly areMore: boolean
  readonly text: string | null
}
type Rules = {
  readonly requiredChecks: readonly string[] | null
  readonly approvals: number
  readonly keepApprovals: boolean
  readonly holdOnRed: boolean
  readonly method: string
  readonly trustDevelopers: boolean
}
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

  changes
    .command('queue')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--target <branch>', 'into which branch', 'main')
    .description('what waits to be merged, in order')
    .action(async (own: RepositoryOption & { target: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const repository = own.repository ?? repositoryHere()
      const path = at`/projects/${options.project}/repositories/${repository}/queue`
      const { changes: queue } = await connect(options).get<{ changes: Change[] }>(path, { target: own.target })
      if (options.json) return printJson(queue)
      printTable(
        ['place', 'change', 'title', 'by'],
        queue.map((one, place) => [
          String(place + 1),
          bold(String(one.number)),
          printable(one.title ?? ''),
          one.author,
        ]),
        'nothing waits to be merged',
      )
    })

  changes
    .command('rules')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--whole-project', 'all repositories without rules of their own')
    .option('--checks <name...>', 'the checks that must succeed; none, or every, which is the default')
    .option('--approvals <count>', 'how many, by others than who has written it')
    .option('--keep-approvals <yes|no>', 'whether an approval counts for later versions')
    .option('--hold-on-red <yes|no>', 'whether nothing is merged while the target is red')
    .option('--method <method>', 'merge, squash or rebase')
    .option('--trust-developers <yes|no>', 'whether their changes are tested with secrets')
    .description('what a change must have before it is merged; without options, show it')
    .action(async (own: RuleOptions, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const repository = own.wholeProject ? null : (own.repository ?? repositoryHere())
      const project = at`/projects/${options.project}`
      const path =
        repository === null ? `${project}/change-rules` : `${project}${at`/repositories/${repository}`}/change-rules`
      const old = repository === null ? defaults : await client.get<Rules>(path)
      const fresh = withRules(old, own)
      const rules = JSON.stringify(fresh) === JSON.stringify(old) ? old : await client.send<Rules>('PUT', path, fresh)
      if (options.json) return printJson(rules)
      printTable(['rule', ''], ruleRows(rules), '')
    })
}

/** Where it can be looked at, else how it stands with that. */
const previewOf = (previews: readonly Preview[], { repository, number }: Change): string => {
  const found = previews.find((one) => one.repository === repository && one.number === number)
  if (!found || found.status === 'none') return ''
  return found.services.map(({ url }) => url).join(' ') || found.status
}

type RuleOptions = RepositoryOption & {
  wholeProject?: boolean
  checks?: string[]
  approvals?: string
  keepApprovals?: string
  holdOnRed?: string
  method?: string
  trustDevelopers?: string
}

const defaults: Rules = {
  requiredChecks: null,
  approvals: 0,
  keepApprovals: false,
  holdOnRed: false,
  method: 'merge',
  trustDevelopers: false,
}

const withRules = (old: Rules, own: RuleOptions): Rules => {
  const flag = (text: string | undefined, before: boolean): boolean => (text === undefined ? before : text === 'yes')
  const checks = own.checks?.[0] === 'every' ? null : own.checks?.[0] === 'none' ? [] : own.checks
  return {
    requiredChecks: checks === undefined ? old.requiredChecks : checks,
    approvals: own.approvals === undefined ? old.approvals : Number(own.approvals),
    keepApprovals: flag(own.keepApprovals, old.keepApprovals),
    holdOnRed: flag(own.holdOnRed, old.holdOnRed),
    method: own.method ?? old.method,
    trustDevelopers: flag(own.trustDevelopers, old.trustDevelopers),
  }
}

const ruleRows = (rules: Rules): string[][] => [
  [
    'checks',
    rules.requiredChecks === null ? 'every one that runs' : rules.requiredChecks.map(printable).join(', ') || 'none',
  ],
  ['approvals', `${rules.approvals}${rules.keepApprovals ? ', kept over versions' : ''}`],
  ['on a red target', rules.holdOnRed ? 'held' : 'merged'],
  ['method', rules.method],
  ['secrets', rules.trustDevelopers ? "for developers' changes" : 'for no change'],
]

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

const show = (change: Details, options: GlobalOptions): void => {
  if (options.json) printJson(change)
  else print(change)
}

const print = (change: Details): void => {
  const { repository, number, title, body, branch, target, author, version, head, status } = change
  console.log(`${bold(`${repository}/${number}`)}  ${printable(title ?? '(erased)')}`)
  console.log(
    dim(
      `${printable(branch)} → ${printable(target)}, version ${version} (${shortCommit(head)}) by ${author}, ${status}`,
    ),
  )
  console.log(dim(change.url))
  if (body) console.log(`\n${printable(body)}`)
  const checks = (change.test?.checks ?? []).filter(({ job }) => job !== null)
  if (checks.length > 0) console.log('')
  for (const { name, conclusion, run } of checks)
    console.log(
      `  ${signOf(conclusion)} ${printable(name)}  ${conclusion === 'failure' ? dim(`headway runs ${run}`) : ''}`.trimEnd(),
    )
  if (change.approvers.length > 0) console.log(`  ${green('✓')} approved by ${change.approvers.join(', ')}`)
  for (const { detail } of change.blockers) console.log(`  ${yellow('·')} ${printable(detail)}`)
  if (change.note && status !== 'merged') console.log(`  ${red('✗')} ${printable(change.note)}`)
  if (change.merged)
    console.log(`  ${green('✓')} merged as ${shortCommit(change.merged.after)} ${ago(change.merged.at)}`)
  else if (change.place !== null) console.log(`  ${yellow('·')} number ${change.place} in the queue`)
  else if (change.wish)
    console.log(`  ${yellow('·')} is merged as soon as nothing stands in the way (${change.wish.user})`)
  else if (status === 'open' && change.blockers.length === 0)
    console.log(`  ${green('✓')} ready: headway changes merge ${repository}/${number}`)
  for (const one of change.comments) {
    const place = one.place ? `${printable(one.place.file)}:${one.place.line} of version ${one.version}, ` : ''
    console.log(`\n${bold(one.user)} ${dim(`${place}${ago(one.at)}`)}\n${printable(one.body)}`)
  }
}

const signOf = (conclusion: string | null): string =>
  conclusion === null
    ? yellow('·')
    : conclusion === 'success'
      ? green('✓')
      : conclusion === 'skipped'
        ? dim('-')
        : red('✗')

const printFiles = ({ files, areMore, text }: Difference): void => {
  printTable(
    ['file', 'what', '+', '-'],
    files.map(({ path, previous, status, additions, deletions }) => [
      printable(previous === null ? path : `${previous} → ${path}`),
      status,
      String(additions ?? 'binary'),
      String(deletions ?? ''),
    ]),
    'nothing differs',
  )
  if (areMore) console.log(dim('and more files'))
  if (text === null) console.log(dim('too large to show whole: headway changes diff <change> --file <path>'))
}

const coloured = (line: string): string =>
  /^(\+\+\+|---|diff |index )/.test(line)
    ? bold(line)
    : line.startsWith('+')
      ? green(line)
      : line.startsWith('-')
        ? red(line)
        : line
