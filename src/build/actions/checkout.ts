import { join, normalize } from 'node:path'
import { Readable } from 'node:stream'
import { git, packCommits, type RepositoryPath } from '../git.ts'
import type { Action } from '../jobs/actions.ts'
import { refName } from '../jobs/contexts.ts'

/** Inputs that change nothing here: a job's directory is always fresh, and Git is not reached by SSH. */
const ignored = new Set(['ssh-key', 'ssh-known-hosts', 'ssh-strict', 'ssh-user', 'clean'])
const ignoredToo = new Set(['show-progress', 'set-safe-directory', 'fetch-tags', 'github-server-url', 'filter'])
const obeyed = new Set(['repository', 'ref', 'path', 'fetch-depth', 'token', 'persist-credentials'])
const refusedUnlessFalse = new Set(['submodules', 'lfs'])

/**
 * `actions/checkout` from our own bare repository. The job's user has no access to that: Headway packs the commits and hands
 * the pack over a pipe to a git of the job's user, which makes a repository of its own of them. One commit deep by
 * default, so `git log -1` and `git rev-parse HEAD` work; `fetch-depth: 0` brings all of the branch's history. As github.com's own
 * action does, it leaves a remote `origin` with the token (unless `persist-credentials: false`), so that `git push` works.
 */
export const checkoutAction =
  (repositoryPath: RepositoryPath): Action =>
  async ({ inputs, source, origin, workspace, run, say }) => {
    for (const [name, value] of Object.entries(inputs)) {
      if (
        refusedUnlessFalse.has(name) ? value === 'false' : obeyed.has(name) || ignored.has(name) || ignoredToo.has(name)
      )
        continue
      throw new Error(`the input ${name}: ${value} of actions/checkout is not supported`)
    }
    const own = `${source.project}/${source.repository}`
    const { repository = own, path = '.' } = inputs
    if (repository.toLowerCase() !== own)
      throw new Error(`repository: ${repository} is another repository than ${own}, which is not supported`)
    const target = normalize(join(workspace.work, path))
    if (!`${target}/`.startsWith(`${workspace.work}/`)) throw new Error(`path: ${path} is outside of the workspace`)
    const bare = repositoryPath(source.project, source.repository)
    const wanted = inputs.ref
      ? await resolveRef(bare, inputs.ref)
      : { commit: source.commit, branch: branchOf(source.ref) }
    const depth = Number(inputs['fetch-depth'] ?? 1)
    if (!Number.isInteger(depth) || depth < 0) throw new Error(`fetch-depth: ${inputs['fetch-depth']} is no number`)
    const { commits, boundary } = await commitsOf(bare, wanted.commit, depth)
    const { pack, done } = packCommits(bare, commits, depth === 0)
    if (!pack.stdout) throw new Error('git pack-objects could not be started')
    const end = await run(
      ['sh', '-e', '-c', script, 'checkout', target, wanted.commit, wanted.branch, boundary.join('\n')],
      {
        input: pack.stdout,
      },
    )
    pack.stdout.destroy()
    if (end.outcome !== 'success') throw new Error(`git could not check out ${wanted.commit}: ${end.detail}`)
    await done
    const token = inputs['persist-credentials'] === 'false' ? '' : inputs.token || origin.token
    // By its input: what stands in a command line, others can read.
    const configuration = Readable.from([configurationOf(origin.url, wanted.branch, token)])
    const kept = await run(['sh', '-c', 'cat >> .git/config'], { cwd: target, input: configuration })
    if (kept.outcome !== 'success') throw new Error(`the remote origin could not be set up: ${kept.detail}`)
    say(`HEAD is now at ${wanted.commit}`)
    return { outputs: { ref: inputs.ref ?? source.ref, commit: wanted.commit } }
  }

const script = `
mkdir -p "$1"
cd "$1"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
git init -q --template= -b "\${3:-headway-detached}" .
git index-pack --stdin >/dev/null
if [ -n "$4" ]; then printf '%s\\n' "$4" > .git/shallow; fi
if [ -n "$3" ]; then
  git update-ref "refs/heads/$3" "$2"
  git update-ref "refs/remotes/origin/$3" "$2"
else
  git update-ref --no-deref HEAD "$2"
fi
git reset -q --hard "$2"
`

/** See `configureAuth` of github.com/actions/checkout, src/git-auth-helper.ts. */
const configurationOf = (url: string, branch: string, token: string): string => {
  const credentials = Buffer.from(`x-access-token:${token}`).toString('base64')
  const quoted = (text: string): string => text.replaceAll(/["\\]/g, '\\$&')
  return [
    `[remote "origin"]\n\turl = ${url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`,
    branch === '' ? '' : `[branch "${quoted(branch)}"]\n\tremote = origin\n\tmerge = "refs/heads/${quoted(branch)}"\n`,
    token === '' ? '' : `[http "${new URL('/', url).href}"]\n\textraheader = AUTHORIZATION: basic ${credentials}\n`,
  ].join('')
}

const branchOf = (ref: string): string => (ref.startsWith('refs/heads/') ? refName(ref) : '')

const resolveRef = async (bare: string, ref: string): Promise<{ commit: string; branch: string }> => {
  for (const candidate of [`refs/heads/${ref}`, ref.startsWith('refs/') ? ref : `refs/tags/${ref}`, ref]) {
    const isCommit = /^[0-9a-f]{40,64}$/.test(candidate)
    if (!isCommit && !candidate.startsWith('refs/')) continue
    const commit = await git(
      bare,
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${candidate}^{commit}`,
    ).catch(() => '')
    if (commit !== '') return { commit: commit.trim(), branch: branchOf(candidate) }
  }
  throw new Error(`ref: ${ref} is no branch, tag or commit of this repository`)
}

/** The commits to hand over, and those of them whose parents are missing from it. */
const commitsOf = async (
  bare: string,
  commit: string,
  depth: number,
): Promise<{ commits: readonly string[]; boundary: readonly string[] }> => {
  if (depth === 0) return { commits: [commit], boundary: [] }
  const text = await git(bare, 'rev-list', '--parents', `--max-count=${depth}`, commit)
  const lines = text.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ')]))
  const included = new Set(lines.map(([id]) => id))
  const boundary = lines.flatMap(([id = '', ...parents]) =>
    parents.every((parent) => included.has(parent)) ? [] : [id],
  )
  return { commits: lines.flatMap(([id]) => id ?? []), boundary }
}
