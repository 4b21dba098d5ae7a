import { join, normalize } from 'node:path'
import { Readable } from 'node:stream'
import { git, packCommits, type RepositoryPath } from '../git.ts'
import type { Action, ActionCall } from '../jobs/actions.ts'
import { refName } from '../jobs/contexts.ts'
import { checkOutLargeFiles } from './large-files.ts'
import { authorizationOf, checkOutSubmodules } from './submodules.ts'

/** Inputs that change nothing here: a job's directory is always fresh, and Git is not reached by SSH. */
const ignored = new Set(['ssh-key', 'ssh-known-hosts', 'ssh-strict', 'ssh-user', 'clean'])
const ignoredToo = new Set(['show-progress', 'set-safe-directory', 'fetch-tags', 'github-server-url', 'filter'])
const obeyed = new Set([
  ...['repository', 'ref', 'path', 'fetch-depth', 'token', 'persist-credentials'],
  ...['sparse-checkout', 'sparse-checkout-cone-mode', 'submodules', 'lfs'],
])
type Wanted = { readonly commit: string; readonly branch: string }

/**
 * `actions/checkout` from our own bare repository. The job's user has no access to that: Headway packs the commits and hands
 * the pack over a pipe to a git of the job's user, which makes a repository of its own of them. One commit deep by
 * default, so `git log -1` and `git rev-parse HEAD` work; `fetch-depth: 0` brings all of the branch's history. As github.com's own
 * action does, it leaves a remote `origin` with the token (unless `persist-credentials: false`), so that `git push` works. Another
 * repository of this host is fetched with the token that was given.
 */
export const checkoutAction =
  (repositoryPath: RepositoryPath): Action =>
  async (call) => {
    const { inputs, source, workspace } = call
    for (const [name, value] of Object.entries(inputs)) {
      if (obeyed.has(name) || ignored.has(name) || ignoredToo.has(name)) continue
      throw new Error(`the input ${name}: ${value} of actions/checkout is not supported`)
    }
    const own = `${source.project}/${source.repository}`
    const { repository = own, path = '.' } = inputs
    const target = normalize(join(workspace.work, path))
    if (!`${target}/`.startsWith(`${workspace.work}/`)) throw new Error(`path: ${path} is outside of the workspace`)
    const depth = Number(inputs['fetch-depth'] ?? 1)
    if (!Number.isInteger(depth) || depth < 0) throw new Error(`fetch-depth: ${inputs['fetch-depth']} is no number`)
    if (repository.toLowerCase() !== own) return checkOutOther(call, repository, target, depth)
    const wanted = await checkOutOwn(call, repositoryPath(source.project, source.repository), target, depth)
    await configure(call, target, call.origin.url, wanted.branch)
    await checkOutLargeFiles(call, target)
    await checkOutSubmodules(call, target, depth)
    call.say(`HEAD is now at ${wanted.commit}`)
    return { outputs: { ref: inputs.ref ?? source.ref, commit: wanted.commit } }
  }

const checkOutOwn = async (call: ActionCall, bare: string, target: string, depth: number): Promise<Wanted> => {
  const { inputs, source, run } = call
  const wanted = inputs.ref
    ? await resolveRef(bare, inputs.ref)
    : { commit: source.commit, branch: branchOf(source.ref) }
  const { commits, boundary } = await commitsOf(bare, wanted.commit, depth)
  const { pack, done } = packCommits(bare, commits, depth === 0)
  if (!pack.stdout) throw new Error('git pack-objects could not be started')
  const { commit, branch } = wanted
  const end = await run(
    ['sh', '-e', '-c', script, 'checkout', target, commit, branch, boundary.join('\n'), ...sparsenessOf(call)],
    { input: pack.stdout },
  )
  pack.stdout.destroy()
  if (end.outcome !== 'success') throw new Error(`git could not check out ${commit}: ${end.detail}`)
  await done
  return wanted
}

/** Fetched over HTTP by the job's user, with what the job has been given for it: its own token opens its own repository only. */
const checkOutOther = async (call: ActionCall, repository: string, target: string, depth: number) => {
  const { inputs, origin, run, say } = call
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository)) throw new Error(`repository: ${repository} is no <project>/<repository>`)
  if (!inputs.token)
    throw new Error(
      `repository: ${repository} is another repository than the job's own, which its token does not open; put one that does into a secret and give it: token: \${{ secrets.NAME }}`,
    )
  const url = new URL(`/git/${repository.toLowerCase()}.git`, origin.url).href
  const made = await run(['git', 'init', '-q', '--template=', target])
  if (made.outcome !== 'success') throw new Error(`git could not begin in ${target}: ${made.detail}`)
  await configure(call, target, url, '')
  const argv = ['sh', '-e', '-c', fetchScript, 'checkout', inputs.ref || 'HEAD', String(depth)] as const
  const end = await run([...argv, ...sparsenessOf(call)], { cwd: target })
  if (end.outcome === 'success') {
    await checkOutLargeFiles(call, target)
    await checkOutSubmodules(call, target, depth)
  }
  if (inputs['persist-credentials'] === 'false')
    await run(['git', 'config', '--local', '--remove-section', `http.${new URL('/', url).href}`], { cwd: target })
  if (end.outcome !== 'success') throw new Error(`${repository} could not be fetched: ${end.detail}`)
  say(`${repository} is checked out`)
  return { outputs: { ref: inputs.ref ?? '' } }
}

/** Leaves the remote, and the token where it is to stay or is needed at once. By its input: what is in a command line, others can read. */
const configure = async (call: ActionCall, target: string, url: string, branch: string): Promise<void> => {
  const { inputs, origin, run } = call
  const isOwn = url === origin.url
  const token = inputs['persist-credentials'] === 'false' && isOwn ? '' : inputs.token || origin.token
  const input = Readable.from([configurationOf(url, branch, token)])
  const kept = await run(['sh', '-c', 'cat >> .git/config'], { cwd: target, input })
  if (kept.outcome !== 'success') throw new Error(`the remote origin could not be set up: ${kept.detail}`)
}

/** `--cone` or `--no-cone` and the folders or patterns; nothing where all is wanted. */
const sparsenessOf = ({ inputs }: ActionCall): string[] => {
  const patterns = (inputs['sparse-checkout'] ?? '').split('\n').flatMap((line) => line.trim() || [])
  const mode = inputs['sparse-checkout-cone-mode'] === 'false' ? '--no-cone' : '--cone'
  return patterns.length === 0 ? [] : [mode, ...patterns]
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
commit=$2
shift 4
if [ $# -gt 0 ]; then git sparse-checkout set "$@" >/dev/null; fi
git reset -q --hard "$commit"
`

const fetchScript = `
ref=$1
depth=$2
shift 2
if [ "$depth" = 0 ]; then set -- "" "$@"; else set -- "--depth=$depth" "$@"; fi
git fetch -q $1 origin "$ref"
shift
if [ $# -gt 0 ]; then git sparse-checkout set "$@" >/dev/null; fi
git checkout -q --detach FETCH_HEAD
`

/** See `configureAuth` of github.com/actions/checkout, src/git-auth-helper.ts. */
const configurationOf = (url: string, branch: string, token: string): string => {
  const quoted = (text: string): string => text.replaceAll(/["\\]/g, '\\$&')
  return [
    `[remote "origin"]\n\turl = ${url}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n`,
    branch === '' ? '' : `[branch "${quoted(branch)}"]\n\tremote = origin\n\tmerge = "refs/heads/${quoted(branch)}"\n`,
    token === '' ? '' : `[http "${new URL('/', url).href}"]\n\textraheader = ${authorizationOf(token)}\n`,
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
