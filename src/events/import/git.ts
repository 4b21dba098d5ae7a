import { Problem } from '../../problem.ts'
import type { Cutter } from '../../processes/cutter.ts'
import { runThrough } from '../../processes/run.ts'
import type { OutsideRecordInput } from '../records.ts'
import { fits } from '../sources/reading.ts'
import { fieldCutter } from './fields.ts'
import { inParts } from './parcels.ts'
import { filled, type History, openSpool, type Spool } from './spool.ts'

export type GitHistory = {
  /** The directory of the repository, bare or with a work tree. */
  readonly directory: string
  /** What its commits are known by: `octo/shop`. */
  readonly repository: string
  /** A pattern of the tags that stand for deployments; `*`: anything. */
  readonly tags: string
  readonly environment: string
}

/**
 * A history as deployments: each tag is one, of when it was made (a tag that is no object of its own: of when its commit was), and brings
 * the commits that are in no tag before it. The first brings none: nobody knows what ran before. Commits have the time of their committer.
 * What Git tells is kept aside on disk, as there may be more of it than fits into memory.
 */
export const gitHistory = (history: GitHistory): Promise<History> =>
  filled(openSpool(), async (spool) => {
    const { directory, tags } = history
    spool.exec(schema)
    spool.exec('BEGIN')
    const total = await keepTags(directory, tags, spool)
    if (total === 0) throw noTags(history)
    await keepCommits(directory, spool)
    spool.exec('COMMIT')
    spool.exec('CREATE INDEX commits_by_id ON commits (id)')
    return { total, records: () => recordsIn(history, spool), [Symbol.dispose]: () => spool[Symbol.dispose]() }
  })

const schema = `
  CREATE TABLE tags (place INTEGER PRIMARY KEY, name TEXT, id TEXT, at INTEGER) STRICT;
  CREATE TABLE commits (place INTEGER PRIMARY KEY, id TEXT, at INTEGER, parents TEXT) STRICT;
  CREATE TABLE reverts (id TEXT PRIMARY KEY, reverted TEXT) STRICT, WITHOUT ROWID`

function* recordsIn({ repository, environment }: GitHistory, spool: Spool): Generator<OutsideRecordInput> {
  const bring = bringing(spool)
  for (const row of spool.prepare('SELECT name, id, at FROM tags ORDER BY place').iterate()) {
    const [name, commit] = [String(row.name), String(row.id)]
    yield* inParts(
      {
        ...{ type: 'deployment', id: `${repository}/tags/${name}`.slice(-220), repository, environment },
        ...{
          unit: name.slice(0, 200),
          revision: commit,
          finishedAt: Number(row.at),
          outcome: 'succeeded',
          commits: [],
        },
      },
      bring(commit),
    )
  }
}

/** By the time at which they were made; of one time, by their names as versions go. Says how many there are of the pattern. */
const keepTags = async (directory: string, pattern: string, spool: Spool): Promise<number> => {
  const fields = ['refname:strip=2', 'objectname', '*objectname', 'creatordate:unix', 'objecttype', '*objecttype']
  const format = `--format=${fields.map((field) => `%(${field})%00`).join('')}`
  const sorted = ['--sort=version:refname', '--sort=creatordate']
  const add = spool.prepare('INSERT INTO tags (name, id, at) VALUES (?, ?, ?)')
  let count = 0
  const cutter = fieldCutter(
    fields.length,
    ([begun = '', own = '', peeled = '', seconds = '', type = '', peeledType = '']) => {
      const name = begun.replace(/^\n/, '') // that ends the line before
      if ((type !== 'commit' && peeledType !== 'commit') || !fits(pattern, name)) return
      add.run(name, peeled || own, Number(seconds) * 1000)
      count += 1
    },
  )
  await ask(directory, ['for-each-ref', ...sorted, format, 'refs/tags'], cutter)
  return count
}

/** All that came after the first tag, newest first. Only the messages of reverts are read. */
const keepCommits = async (directory: string, spool: Spool): Promise<void> => {
  const log = (cutter: Cutter, ...args: string[]) =>
    ask(directory, ['log', '-z', ...args, '--stdin'], cutter, revisionsIn(spool))
  const revert = spool.prepare('INSERT OR REPLACE INTO reverts (id, reverted) VALUES (?, ?)')
  const reverts = fieldCutter(2, ([id = '', message = '']) => {
    const reverted = /^This reverts commit ([0-9a-f]{40,64})\b/m.exec(message)?.[1]
    if (reverted !== undefined) revert.run(id, reverted)
  })
  await log(reverts, '--grep=^This reverts commit', '--format=%H%x00%B')
  const commit = spool.prepare('INSERT INTO commits (id, at, parents) VALUES (?, ?, ?)')
  const commits = fieldCutter(3, ([id = '', seconds = '', parents = '']) => {
    commit.run(id, Number(seconds) * 1000, parents)
  })
  await log(commits, '--format=%H%x00%ct%x00%P')
}

function* revisionsIn(spool: Spool): Generator<string> {
  let isFirst = true
  for (const { id } of spool.prepare('SELECT id FROM tags ORDER BY place').iterate()) {
    if (isFirst) yield `^${id}\n`
    isFirst = false
    yield `${id}\n`
  }
}

type Commit = { commit: string; at: number; isMerge: boolean; reverts: string | null }

/**
 * What a tag brings that no tag brought that was asked for before. All commits are read at once and walked once: a `git log` for each tag
 * that is told all tags before it takes a time that grows with the square of their number. A bit for each commit says whether it was brought.
 */
const bringing = (spool: Spool): ((tag: string) => Iterable<Commit>) => {
  const find = spool.prepare('SELECT place, parents FROM commits WHERE id = ?')
  const tell = spool.prepare(
    'SELECT id, at, parents, reverted FROM commits LEFT JOIN reverts USING (id) WHERE place = ?',
  )
  const most = Number(spool.prepare('SELECT coalesce(max(place), 0) AS place FROM commits').get()?.place)
  const brought = new Uint8Array(Math.floor(most / 8) + 1)
  const isFresh = (place: number): boolean => ((brought[place >> 3] ?? 0) & (1 << (place & 7))) === 0
  const bring = (place: number): void => {
    brought[place >> 3] = (brought[place >> 3] ?? 0) | (1 << (place & 7))
  }
  return function* (tag) {
    const places: number[] = []
    const ahead = [tag]
    for (let id = ahead.pop(); id !== undefined; id = ahead.pop()) {
      const found = find.get(id)
      const place = Number(found?.place)
      if (!found || !isFresh(place)) continue
      bring(place)
      places.push(place)
      ahead.push(...parentsIn(found.parents))
    }
    for (const place of places.sort((one, other) => other - one)) {
      const row = tell.get(place)
      const reverts = row?.reverted == null ? null : String(row.reverted)
      yield { commit: String(row?.id), at: Number(row?.at), isMerge: parentsIn(row?.parents).length > 1, reverts }
    }
  }
}

const parentsIn = (parents: unknown): string[] =>
  String(parents)
    .split(' ')
    .filter((parent) => parent !== '')

/** Nothing of whoever asks reaches Git but where it is found. */
const ask = async (
  directory: string,
  args: readonly string[],
  cutter: Cutter,
  input: Iterable<string> | null = null,
): Promise<void> => {
  const command: Parameters<typeof runThrough>[0] = {
    argv: ['git', '-c', 'safe.directory=*', ...args],
    cwd: directory,
    env: {
      PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
      ...{
        HOME: '/nonexistent',
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_NO_REPLACE_OBJECTS: '1',
      },
      LC_ALL: 'C',
    },
  }
  const { exitCode, stderr } = await runThrough(command, {
    onOutput: cutter.push,
    ...(input === null ? {} : { input }),
  })
  if (exitCode !== 0)
    throw new Problem({
      kind: 'history-unreadable',
      status: 422,
      detail: `Git cannot read ${directory}: ${stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? ''}`,
      next: 'name a repository with its whole history: git fetch --unshallow --tags',
    })
  cutter.end()
}

const noTags = ({ tags, directory }: GitHistory): Problem =>
  new Problem({
    kind: 'no-tags',
    status: 422,
    detail: `no tag of ${directory} is of the pattern ${tags}`,
    next: 'git tag shows those that there are; git fetch --tags fetches them',
  })
