import { shortCommit } from '../names.ts'
import type { GlobalOptions } from './client.ts'
import { ago, bold, dim, green, printable, printJson, printTable, red, yellow } from './output.ts'

type Check = {
  readonly job: string | null
  readonly name: string
  readonly conclusion: string | null
  readonly run: string
}
/** A change as it is listed. */
export type Change = {
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
/** A change with what stands in its way. */
export type Details = Change & {
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
export type Difference = {
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

/** Prints it for people, or as JSON where that is asked for. */
export const show = (change: Details, options: GlobalOptions): void => {
  if (options.json) printJson(change)
  else print(change)
}

/** Prints it for people. */
export const print = (change: Details): void => {
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

/** Prints which files it changes. */
export const printFiles = ({ files, areMore, text }: Difference): void => {
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

/** A line of a unified diff, in its colour. */
export const coloured = (line: string): string =>
  /^(\+\+\+|---|diff |index )/.test(line)
    ? bold(line)
    : line.startsWith('+')
      ? green(line)
      : line.startsWith('-')
        ? red(line)
        : line
