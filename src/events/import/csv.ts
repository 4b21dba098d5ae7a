import { Problem } from '../../problem.ts'
import type { OutsideRecordInput } from '../records.ts'
import { timeIn } from '../times.ts'

type Row = Readonly<Record<string, string>>

/** The rows of a CSV file (RFC 4180) by the names in its first line. */
export const readCsv = (text: string): Row[] => {
  const rows: string[][] = [[]]
  let field = ''
  let isQuoted = false
  const close = (): void => {
    rows.at(-1)?.push(field)
    field = ''
  }
  for (let at = text.startsWith('\ufeff') ? 1 : 0; at < text.length; at += 1) {
    const sign = text[at] ?? ''
    if (isQuoted && sign === '"' && text[at + 1] === '"') {
      field += '"'
      at += 1
    } else if (sign === '"' && (isQuoted || field === '')) isQuoted = !isQuoted
    else if (isQuoted || !/[,\r\n]/.test(sign)) field += sign
    else if (sign === ',') close()
    else if (sign === '\n') {
      close()
      rows.push([])
    }
  }
  close()
  const [names = [], ...others] = rows.filter((row) => row.some((value) => value !== ''))
  return others.map((row) => Object.fromEntries(names.map((name, place) => [name.trim(), row[place]?.trim() ?? ''])))
}

/**
 * Tables of Apache DevLake's domain layer, as it exports and takes them as CSV: `cicd_deployment_commits` (with `commits` and
 * `commits_diffs`: what each brought), `pull_requests`, `incidents` and `issues`. Which one a file is, its columns say.
 */
export const readDevLake = (
  files: readonly { readonly name: string; readonly text: string }[],
): OutsideRecordInput[] => {
  const tables = files.map(({ name, text }) => ({ name, rows: readCsv(text) }))
  const having = (...columns: string[]): Row[] =>
    tables.flatMap(({ rows }) => (rows[0] && columns.every((column) => column in (rows[0] ?? {})) ? rows : []))
  for (const { name, rows } of tables)
    if (rows[0] && !known.some((columns) => columns.every((column) => column in (rows[0] ?? {}))))
      throw unknownTable(name)
  const committed = new Map(having('sha', 'committed_date').map((row) => [row.sha ?? '', momentOr(row.committed_date)]))
  return [
    ...deployments(
      having('commit_sha', 'result', 'finished_date'),
      having('new_commit_sha', 'old_commit_sha'),
      committed,
    ),
    ...having('pull_request_key', 'created_date').flatMap(changes),
    ...[...having('resolution_date', 'title', 'created_date')].flatMap(incidents),
  ]
}

const known = [
  ['commit_sha', 'result', 'finished_date'],
  ['new_commit_sha', 'old_commit_sha'],
  ['sha', 'committed_date'],
  ['pull_request_key', 'created_date'],
  ['resolution_date', 'title', 'created_date'],
]

/** One deployment may be of several repositories: a row for each. */
const deployments = (
  rows: readonly Row[],
  diffs: readonly Row[],
  committed: ReadonlyMap<string, number | null>,
): OutsideRecordInput[] => {
  const brought = Map.groupBy(diffs, (diff) => diff.new_commit_sha ?? '')
  return [...Map.groupBy(rows, (row) => row.cicd_deployment_id || row.id || '')].flatMap(
    ([id, parts]): OutsideRecordInput[] => {
      const [first] = parts
      const outcome = first?.result === 'SUCCESS' ? 'succeeded' : first?.result === 'FAILURE' ? 'failed' : null
      const finishedAt = momentOr(first?.finished_date)
      if (!first || !outcome || finishedAt === null) return []
      const commits = parts.flatMap((part) =>
        (brought.get(part.commit_sha ?? '') ?? [])
          .filter((diff) => diff.commit_sha)
          .map((diff) => ({
            commit: diff.commit_sha ?? '',
            at: committed.get(diff.commit_sha ?? '') ?? null,
            repository: repositoryOf(part),
          })),
      )
      return [
        {
          ...{ type: 'deployment', id: id.slice(0, 220), repository: repositoryOf(first), outcome, finishedAt },
          ...{ startedAt: momentOr(first.started_date), environment: first.environment || 'production' },
          revision: (first.commit_sha || id).slice(0, 200),
          ...(first.name ? { unit: first.name.slice(0, 200) } : {}),
          ...(commits.length > 0 ? { commits } : {}),
        },
      ]
    },
  )
}

const repositoryOf = (row: Row): string => (row.repo_url || row.repo_id || row.base_repo_id || 'unknown').slice(-200)

const changes = (row: Row): OutsideRecordInput[] => {
  const opened = momentOr(row.created_date)
  if (opened === null || !row.pull_request_key) return []
  const lines = Number(row.additions || 'NaN') + Number(row.deletions || 'NaN')
  const about = {
    ...{ type: 'change' as const, id: row.pull_request_key, repository: repositoryOf(row) },
    ...{ lines: Number.isInteger(lines) ? lines : null, ...(row.head_commit_sha ? { head: row.head_commit_sha } : {}) },
  }
  const [merged, closed] = [momentOr(row.merged_date), momentOr(row.closed_date)]
  const first = { ...about, state: 'opened' as const, at: opened }
  if (merged !== null) {
    const as = row.merge_commit_sha ? { merged: row.merge_commit_sha } : {}
    return [first, { ...about, state: 'merged' as const, at: merged, ...as }]
  }
  return closed === null ? [first] : [first, { ...about, state: 'closed' as const, at: closed }]
}

/** Of issues only those that are incidents. */
const incidents = (row: Row): OutsideRecordInput[] => {
  const opened = momentOr(row.created_date)
  if (opened === null || !row.id || (row.type !== undefined && row.type.toUpperCase() !== 'INCIDENT')) return []
  const about = { type: 'incident' as const, id: row.id.slice(0, 220), title: row.title?.slice(0, 500) || 'no title' }
  const resolved = momentOr(row.resolution_date)
  const first = { ...about, state: 'opened' as const, at: opened }
  return resolved === null ? [first] : [first, { ...about, state: 'resolved' as const, at: resolved }]
}

/** DevLake keeps UTC, and does not always say so. */
const momentOr = (text: string | undefined): number | null =>
  text ? (timeIn(text) ?? timeIn(`${text.replace(' ', 'T')}Z`)) : null

const unknownTable = (name: string): Problem =>
  new Problem({
    kind: 'unknown-table',
    status: 422,
    detail: `${name} has the columns of no table that is known`,
    where: { file: name },
    next: 'cicd_deployment_commits, commits, commits_diffs, pull_requests, incidents and issues of DevLake are known',
  })
