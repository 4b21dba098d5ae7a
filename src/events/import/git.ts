import { Problem } from '../../problem.ts'
import type { Command } from '../../processes/command.ts'
import type { OutsideRecordInput } from '../records.ts'
import { fits } from '../sources/reading.ts'

export type GitHistory = {
  /** The directory of the repository, bare or with a work tree. */
  readonly directory: string
  /** What its commits are known by: `octo/shop`. */
  readonly repository: string
  /** A pattern of the tags that stand for deployments; `*`: anything. */
  readonly tags: string
  readonly environment: string
}

type Run = (
  command: Command,
) => Promise<{ readonly exitCode: number | null; readonly stdout: Buffer; readonly stderr: string }>
type Tag = { readonly name: string; readonly commit: string; readonly at: number }

/**
 * A history as deployments: each tag is one, of when it was made (a tag that is no object of its own: of when its commit was), and brings
 * the commits that are in no tag before it. The first brings none: nobody knows what ran before. Commits have the time of their committer.
 */
export async function* gitHistory(history: GitHistory, run: Run): AsyncGenerator<OutsideRecordInput> {
  const { directory, repository, environment } = history
  const tags = (await tagsIn(directory, run)).filter(({ name }) => fits(history.tags, name))
  if (tags.length === 0) throw noTags(history)
  const bring = await bringing(directory, tags, run)
  for (const { name, commit, at } of tags)
    yield {
      ...{
        type: 'deployment',
        id: `${repository}/tags/${name}`.slice(-220),
        repository,
        environment,
        unit: name.slice(0, 200),
      },
      ...{ revision: commit, finishedAt: at, outcome: 'succeeded' },
      commits: bring(commit),
    }
}

/** By the time at which they were made; of one time, by their names as versions go. */
const tagsIn = async (directory: string, run: Run): Promise<Tag[]> => {
  const format =
    '--format=%(refname:strip=2)%00%(objectname)%00%(*objectname)%00%(creatordate:unix)%00%(objecttype)%00%(*objecttype)'
  const sorted = ['--sort=version:refname', '--sort=creatordate']
  const listed = await ask(directory, ['for-each-ref', ...sorted, format, 'refs/tags'], null, run)
  return listed.split('\n').flatMap((line) => {
    const [name = '', own = '', peeled = '', seconds = '', type = '', peeledType = ''] = line.split('\0')
    const isCommit = type === 'commit' || peeledType === 'commit'
    return isCommit ? [{ name, commit: peeled || own, at: Number(seconds) * 1000 }] : []
  })
}

type Commit = { commit: string; at: number; isMerge: boolean; reverts: string | null }

/**
 * What a tag brings that no tag brought that was asked for before. All commits are read at once and walked once: a `git log` for each tag
 * that is told all tags before it takes a time that grows with the square of their number.
 */
const bringing = async (directory: string, tags: readonly Tag[], run: Run): Promise<(tag: string) => Commit[]> => {
  const left = await commitsOf(directory, tags, run)
  return (tag) => {
    const brought: (Commit & { place: number })[] = []
    const ahead = [tag]
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      const found = left.get(name)
      if (!found) continue
      left.delete(name)
      ahead.push(...found.parents)
      const { at, place, reverts } = found
      brought.push({ commit: name, at, isMerge: found.parents.length > 1, reverts, place })
    }
    return brought.sort((one, other) => one.place - other.place).map(({ place: _, ...commit }) => commit)
  }
}

type Found = {
  readonly at: number
  readonly parents: string[]
  readonly place: number
  readonly reverts: string | null
}

/** All that came after the first tag, oldest first. Only the messages of reverts are read. */
const commitsOf = async (directory: string, tags: readonly Tag[], run: Run): Promise<Map<string, Found>> => {
  const [first] = tags
  const revisions = `${[...tags.map(({ commit }) => commit), `^${first?.commit}`].join('\n')}\n`
  const log = (...args: string[]) => ask(directory, ['log', '-z', '--reverse', ...args, '--stdin'], revisions, run)
  const reverts = new Map(
    rowsOf(await log('--grep=^This reverts commit', '--format=%H%x00%B'), 2).flatMap(([name = '', message = '']) => {
      const reverted = /^This reverts commit ([0-9a-f]{40,64})\b/m.exec(message)?.[1]
      return reverted === undefined ? [] : [[name, reverted] as const]
    }),
  )
  const rows = rowsOf(await log('--format=%H%x00%ct%x00%P'), 3)
  return new Map(
    rows.map(([name = '', seconds = '', parents = ''], place) => [
      name,
      {
        ...{ at: Number(seconds) * 1000, place, reverts: reverts.get(name) ?? null },
        parents: parents.split(' ').filter((parent) => parent !== ''),
      },
    ]),
  )
}

const rowsOf = (listed: string, width: number): string[][] => {
  const fields = listed.split('\0')
  return Array.from({ length: Math.floor(fields.length / width) }, (_, place) =>
    fields.slice(place * width, (place + 1) * width),
  )
}

/** Nothing of whoever asks reaches Git but where it is found. */
const ask = async (directory: string, args: readonly string[], input: string | null, run: Run): Promise<string> => {
  const { exitCode, stdout, stderr } = await run({
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
    maxOutputBytes: 2 * 1024 * 1024 * 1024,
    ...(input === null ? {} : { input }),
  })
  if (exitCode === 0) return stdout.toString('utf8')
  throw new Problem({
    kind: 'history-unreadable',
    status: 422,
    detail: `Git cannot read ${directory}: ${stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? ''}`,
    next: 'name a repository with its whole history: git fetch --unshallow --tags',
  })
}

const noTags = ({ tags, directory }: GitHistory): Problem =>
  new Problem({
    kind: 'no-tags',
    status: 422,
    detail: `no tag of ${directory} is of the pattern ${tags}`,
    next: 'git tag shows those that there are; git fetch --tags fetches them',
  })
