import { Problem } from '../../problem.ts'
import type { OutsideRecordInput } from '../records.ts'
import { timeIn } from '../times.ts'
import { type CsvFile, cell, type Row, readCsv } from './csv.ts'
import { inParts } from './parcels.ts'
import { filled, type History, openSpool, type Spool } from './spool.ts'

/**
 * Tables of Apache DevLake's domain layer, as it exports and takes them as CSV: `cicd_deployment_commits` (with `commits` and
 * `commits_diffs`: what each brought), `pull_requests`, `incidents` and `issues`. Which one a file is, its columns say. All of them are read
 * once, in any order, and kept aside on disk until the last is: rows point into other tables. So what cannot be understood is told (file, line)
 * before anything of it was imported.
 */
export const readDevLake = (files: Iterable<CsvFile> | AsyncIterable<CsvFile>): Promise<History> =>
  filled(openSpool(), async (spool) => {
    spool.exec(schema)
    const tables = tablesOf(spool)
    spool.exec('BEGIN')
    for await (const file of files) await keep(file, tables)
    spool.exec('COMMIT')
    spool.exec(indexes)
    return {
      total: totalOf(spool),
      records: () => recordsIn(spool),
      [Symbol.dispose]: () => spool[Symbol.dispose](),
    }
  })

const schema = `
  CREATE TABLE deployments (
    place INTEGER PRIMARY KEY, id TEXT, outcome TEXT, finished INTEGER, started INTEGER, environment TEXT, revision TEXT, unit TEXT,
    repository TEXT
  ) STRICT;
  CREATE TABLE diffs (place INTEGER PRIMARY KEY, newer TEXT, brought TEXT) STRICT;
  CREATE TABLE commits (place INTEGER PRIMARY KEY, sha TEXT, at INTEGER) STRICT;
  CREATE TABLE changes (place INTEGER PRIMARY KEY, records TEXT) STRICT;
  CREATE TABLE incidents (place INTEGER PRIMARY KEY, records TEXT) STRICT`

/** Made in one go when all rows are there, which is sorting and no more. */
const indexes = `
  CREATE INDEX deployments_by_id ON deployments (id);
  CREATE INDEX diffs_by_newer ON diffs (newer);
  CREATE INDEX commits_by_sha ON commits (sha)`

/** Each table that is known by the columns that it must have, with what keeps a row of it. */
type Table = { readonly columns: readonly string[]; keep(row: Row): void }

const keep = async (file: CsvFile, tables: readonly Table[]): Promise<void> => {
  let own: readonly Table[] | null = null
  for await (const rows of readCsv(file)) {
    const [first] = rows
    if (!first) continue
    own ??= tables.filter(({ columns }) => columns.every((column) => first.columns.has(column)))
    if (own.length === 0) throw unknownTable(file.name)
    for (const row of rows) for (const table of own) table.keep(row)
  }
}

const tablesOf = (spool: Spool): Table[] => {
  const deployment = spool.prepare(
    `INSERT INTO deployments (id, outcome, finished, started, environment, revision, unit, repository)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  )
  const diff = spool.prepare('INSERT INTO diffs (newer, brought) VALUES (?, ?)')
  const commit = spool.prepare('INSERT INTO commits (sha, at) VALUES (?, ?)')
  const change = spool.prepare('INSERT INTO changes (records) VALUES (?)')
  const incident = spool.prepare('INSERT INTO incidents (records) VALUES (?)')
  const keepMade = (into: typeof change, records: readonly OutsideRecordInput[]): void => {
    if (records.length > 0) into.run(JSON.stringify(records))
  }
  return [
    {
      columns: ['commit_sha', 'result', 'finished_date'],
      keep: (row) => {
        const result = cell(row, 'result')
        const outcome = result === 'SUCCESS' ? 'succeeded' : result === 'FAILURE' ? 'failed' : null
        const times = [momentIn(row, 'finished_date'), momentIn(row, 'started_date')]
        const texts = [textIn(row, 'environment', 200), textIn(row, 'commit_sha', 200), cell(row, 'name')]
        deployment.run(deploymentIn(row), outcome, ...times, ...texts, repositoryIn(row))
      },
    },
    {
      columns: ['new_commit_sha', 'old_commit_sha'],
      keep: (row) => {
        const brought = textIn(row, 'commit_sha', 200)
        if (brought !== '') diff.run(cell(row, 'new_commit_sha'), brought)
      },
    },
    {
      columns: ['sha', 'committed_date'],
      keep: (row) => void commit.run(cell(row, 'sha'), momentIn(row, 'committed_date')),
    },
    { columns: ['pull_request_key', 'created_date'], keep: (row) => keepMade(change, changesIn(row)) },
    { columns: ['resolution_date', 'title', 'created_date'], keep: (row) => keepMade(incident, incidentsIn(row)) },
  ]
}

/** A deployment that ended is one however many rows it has. Of a column that is not counted, SQLite takes the row with the least place. */
const totalOf = (spool: Spool): number => {
  const ended = `SELECT count(*) FROM (SELECT outcome, finished, min(place) FROM deployments GROUP BY id)
    WHERE outcome IS NOT NULL AND finished IS NOT NULL`
  const told = (table: string): string => `SELECT coalesce(sum(json_array_length(records)), 0) FROM ${table}`
  const row = spool.prepare(`SELECT (${ended}) + (${told('changes')}) + (${told('incidents')}) AS total`).get()
  return Number(row?.total)
}

function* recordsIn(spool: Spool): Generator<OutsideRecordInput> {
  yield* deploymentsIn(spool)
  for (const table of ['changes', 'incidents'])
    for (const { records } of spool.prepare(`SELECT records FROM ${table} ORDER BY place`).iterate())
      yield* JSON.parse(String(records)) as OutsideRecordInput[]
}

type Part = {
  readonly place: number
  readonly id: string
  readonly outcome: 'succeeded' | 'failed' | null
  readonly finished: number | null
  readonly started: number | null
  readonly environment: string
  readonly revision: string
  readonly unit: string
  readonly repository: string
}

/** One deployment may be of several repositories: a row for each, of which the first says all but the commits. */
function* deploymentsIn(spool: Spool): Generator<OutsideRecordInput> {
  const firstOf = spool.prepare('SELECT min(place) AS place FROM deployments WHERE id = ?')
  const commitsOf = commitsIn(spool)
  for (const row of spool.prepare('SELECT * FROM deployments ORDER BY place').iterate()) {
    const { place, id, outcome, finished, started, environment, revision, unit, repository } = row as Part
    if (!outcome || finished === null || firstOf.get(id)?.place !== place) continue
    yield* inParts(
      {
        ...{ type: 'deployment', id: id.slice(0, 220), repository, outcome, finishedAt: finished, startedAt: started },
        ...{ environment: environment || 'production', revision: (revision || id).slice(0, 200) },
        ...(unit ? { unit: unit.slice(0, 200) } : {}),
      },
      commitsOf(id),
    )
  }
}

/** What all parts of a deployment brought; of a commit that is told several times the last time counts. */
const commitsIn = (spool: Spool) => {
  const brought = spool.prepare(
    `SELECT d.brought, p.repository, (SELECT at FROM commits WHERE sha = d.brought ORDER BY place DESC LIMIT 1) AS at
     FROM deployments p CROSS JOIN diffs d ON d.newer = p.revision WHERE p.id = ? ORDER BY p.place, d.place`,
  )
  return function* (id: string): Generator<{ commit: string; at: number | null; repository: string }> {
    for (const row of brought.iterate(id))
      yield { commit: String(row.brought), at: row.at as number | null, repository: String(row.repository) }
  }
}

const deploymentIn = (row: Row): string => {
  const id = cell(row, 'cicd_deployment_id') || cell(row, 'id')
  if (id !== '') return id
  throw wrong(row, 'the deployment has neither a cicd_deployment_id nor an id', 'each needs one, by which it is known')
}

const repositoryIn = (row: Row): string =>
  (cell(row, 'repo_url') || cell(row, 'repo_id') || cell(row, 'base_repo_id') || 'unknown').slice(-200)

const changesIn = (row: Row): OutsideRecordInput[] => {
  const opened = momentIn(row, 'created_date')
  const id = textIn(row, 'pull_request_key', 220)
  if (opened === null || id === '') return []
  const [added, deleted] = [linesIn(row, 'additions'), linesIn(row, 'deletions')]
  const [head, merge] = [textIn(row, 'head_commit_sha', 200), textIn(row, 'merge_commit_sha', 200)]
  const about = {
    ...{ type: 'change' as const, id, repository: repositoryIn(row) },
    ...{ lines: added === null || deleted === null ? null : added + deleted, ...(head ? { head } : {}) },
  }
  const [merged, closed] = [momentIn(row, 'merged_date'), momentIn(row, 'closed_date')]
  const first = { ...about, state: 'opened' as const, at: opened }
  if (merged !== null)
    return [first, { ...about, state: 'merged' as const, at: merged, ...(merge ? { merged: merge } : {}) }]
  return closed === null ? [first] : [first, { ...about, state: 'closed' as const, at: closed }]
}

/** Of issues only those that are incidents. */
const incidentsIn = (row: Row): OutsideRecordInput[] => {
  const opened = momentIn(row, 'created_date')
  const id = cell(row, 'id').slice(0, 220)
  const isOther = row.columns.has('type') && cell(row, 'type').toUpperCase() !== 'INCIDENT'
  if (opened === null || id === '' || isOther) return []
  const about = { type: 'incident' as const, id, title: cell(row, 'title').slice(0, 500) || 'no title' }
  const resolved = momentIn(row, 'resolution_date')
  const first = { ...about, state: 'opened' as const, at: opened }
  return resolved === null ? [first] : [first, { ...about, state: 'resolved' as const, at: resolved }]
}

/** What databases write for nothing, and the first moment that they or Go know. */
const absent = /^(|NULL|\\N|000[01]-\d\d-\d\d.*)$/

/** DevLake keeps UTC, and does not always say so. */
const momentIn = (row: Row, column: string): number | null => {
  const text = cell(row, column)
  if (absent.test(text)) return null
  const at = timeIn(text) ?? timeIn(`${text.replace(' ', 'T')}Z`)
  if (at !== null) return at
  throw wrong(row, `${column} is no time: ${shown(text)}`, 'write it as 2026-06-01T09:05:00Z, or leave it empty')
}

const textIn = (row: Row, column: string, most: number): string => {
  const text = cell(row, column)
  if (text.length <= most) return text
  throw wrong(
    row,
    `${column} has more than ${most} characters: ${shown(text)}`,
    'look whether the columns are those that the first row names',
  )
}

const linesIn = (row: Row, column: string): number | null => {
  const text = cell(row, column)
  if (absent.test(text)) return null
  const lines = Number(text)
  if (Number.isSafeInteger(lines) && lines >= 0) return lines
  throw wrong(row, `${column} is no number of lines: ${shown(text)}`, 'write it in digits, or leave it empty')
}

const shown = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text)

const wrong = ({ file, line }: Row, detail: string, next: string): Problem =>
  new Problem({ kind: 'invalid-row', status: 422, detail, where: { file, line }, next })

const unknownTable = (name: string): Problem =>
  new Problem({
    kind: 'unknown-table',
    status: 422,
    detail: `${name} has the columns of no table that is known`,
    where: { file: name },
    next: 'cicd_deployment_commits, commits, commits_diffs, pull_requests, incidents and issues of DevLake are known',
  })
