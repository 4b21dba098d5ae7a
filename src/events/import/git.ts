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
  for (const [place, { name, commit, at }] of tags.entries()) {
    const earlier = tags.slice(0, place).map((tag) => tag.commit)
    yield {
      ...{
        type: 'deployment',
        id: `${repository}/tags/${name}`.slice(-220),
        repository,
        environment,
        unit: name.slice(0, 200),
      },
      ...{ revision: commit, finishedAt: at, outcome: 'succeeded' },
      commits: place === 0 ? [] : await commitsOf(directory, commit, earlier, run),
    }
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

const commitsOf = async (directory: string, commit: string, earlier: readonly string[], run: Run) => {
  const format = '--format=%H%x00%ct%x00%P%x00%B'
  const revisions = [commit, ...earlier.map((one) => `^${one}`)].join('\n')
  const listed = await ask(directory, ['log', '-z', '--reverse', format, '--stdin'], `${revisions}\n`, run)
  const fields = listed.split('\0')
  return Array.from({ length: Math.floor(fields.length / 4) }, (_, place) => {
    const [name = '', seconds = '', parents = '', message = ''] = fields.slice(place * 4, place * 4 + 4)
    return {
      ...{ commit: name, at: Number(seconds) * 1000, isMerge: parents.includes(' ') },
      reverts: /^This reverts commit ([0-9a-f]{40,64})\b/m.exec(message)?.[1] ?? null,
    }
  })
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
