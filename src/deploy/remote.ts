import { effect } from '../effect.ts'
import { CommitId } from '../names.ts'
import { Problem } from '../problem.ts'
import type { CommandOutcome } from '../processes/command.ts'

/** Another Git server on which the environments repository lives; Headway's own is then a copy of it. */
export type RemotePlace = {
  readonly url: string
  /** Sent as the password of HTTP Basic; null: none is needed. Never an argument, never in a message. */
  readonly token: string | null
}

/** The place that the environment of the process names; null: the repository lives here. */
export const remoteIn = (env: NodeJS.ProcessEnv): RemotePlace | null => {
  const url = env.HEADWAY_ENVIRONMENTS_URL
  if (!url) return null
  const refuse = (detail: string, next: string): never => {
    throw new Problem({ kind: 'environments-url', status: 422, detail, next })
  }
  const parsed = URL.parse(url)
  if (!parsed || !['http:', 'https:', 'ssh:', 'file:'].includes(parsed.protocol))
    return refuse('HEADWAY_ENVIRONMENTS_URL is no address of a Git repository', 'write it as https://host/path.git')
  if (parsed.password)
    return refuse('HEADWAY_ENVIRONMENTS_URL holds a password', 'put it into HEADWAY_ENVIRONMENTS_TOKEN')
  return { url, token: env.HEADWAY_ENVIRONMENTS_TOKEN || null }
}

/** What Git is told about the place by its environment alone. */
export const remoteEnvironment = (place: RemotePlace | null): Record<string, string> => {
  if (!place) return {}
  const settings = { GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: 'file:http:https:ssh' }
  if (place.token === null) return settings
  const user = URL.parse(place.url)?.username || 'headway'
  const credential = Buffer.from(`${decodeURIComponent(user)}:${place.token}`).toString('base64')
  const header = {
    GIT_CONFIG_KEY_0: `http.${place.url}.extraHeader`,
    GIT_CONFIG_VALUE_0: `Authorization: Basic ${credential}`,
  }
  return { ...settings, GIT_CONFIG_COUNT: '1', ...header }
}

type Git = (words: readonly string[], input?: string) => Promise<CommandOutcome>

const local = 'refs/heads/main'
const seen = 'refs/headway/remote'

/** Keeps the copy's main at the remote's, and brings commits there. Rejects when the remote cannot be reached. */
export const createRemote = (
  { url }: RemotePlace,
  git: Git,
  /** Told of commits that only this machine had and that the remote's history has no place for. */
  onLost: (commit: CommitId) => void,
) => {
  const must = async (words: readonly string[], what: string): Promise<string> => {
    const outcome = await git(words)
    if (outcome.exitCode !== 0) throw new Error(`${what} ${url} failed: ${outcome.stderr.trim().split('\n').at(-1)}`)
    return outcome.stdout.toString().trim()
  }
  const at = async (ref: string): Promise<CommitId | null> => {
    const name = (await git(['rev-parse', '--verify', '--quiet', ref])).stdout.toString().trim()
    return name === '' ? null : CommitId.parse(name)
  }
  const contains = async (newer: CommitId, older: CommitId): Promise<boolean> =>
    (await git(['merge-base', '--is-ancestor', older, newer])).exitCode === 0

  /** What a new home is made with counts only where the other server has nothing. */
  const isBeginning = async (commit: CommitId): Promise<boolean> =>
    (await must(['log', '-1', '--format=%P%(trailers:key=Headway-Intent,valueonly)', commit], 'reading')) === 'begin'

  const fetched = async (): Promise<CommitId | null> => {
    const listing = await must(['ls-remote', url, local], 'reading')
    if (listing === '') return null
    await effect('deploy.pull', () =>
      must(['fetch', '--quiet', '--no-tags', url, `+${local}:${seen}`], 'fetching from'),
    )
    return at(seen)
  }

  /** False when somebody else's push came first. */
  const push = async (commit: CommitId): Promise<boolean> => {
    const outcome = await effect('deploy.push', () => git(['push', '--quiet', url, `${commit}:${local}`]))
    if (outcome.exitCode === 0) return true
    if (/rejected|non-fast-forward|fetch first|cannot lock ref/.test(outcome.stderr)) return false
    throw new Error(`pushing to ${url} failed: ${outcome.stderr.trim().split('\n').at(-1)}`)
  }

  const follow = async (commit: CommitId): Promise<void> => {
    await effect('deploy.follow-remote', () => must(['update-ref', local, commit], 'following'))
  }

  return {
    push,
    follow,
    /** What the remote has is what counts; commits made here before it was named go there as long as they stand on top of it. */
    pull: async (): Promise<void> => {
      const [theirs, ours] = [await fetched(), await at(local)]
      if (theirs === ours) return
      if (ours !== null && (theirs === null || (await contains(ours, theirs)))) {
        await push(ours)
        return
      }
      if (theirs === null) return
      if (ours !== null && !(await contains(theirs, ours)) && !(await isBeginning(ours))) onLost(ours)
      await follow(theirs)
    },
  }
}
export type Remote = ReturnType<typeof createRemote>
