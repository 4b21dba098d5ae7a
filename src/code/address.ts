import { defaultProject, ProjectName, RepositoryName } from '../names.ts'

export type RepositoryKey = { readonly project: ProjectName; readonly repository: RepositoryName }

/** What a Git client asks for, and of which repository. */
export type GitRequest = RepositoryKey & {
  readonly service: 'git-upload-pack' | 'git-receive-pack'
  /** `advertise` lists the refs; `exchange` is the fetch or push itself. */
  readonly step: 'advertise' | 'exchange'
}

const longestUrl = 300

/**
 * Reads `/git/<project>/<repository>.git/...` (the project may be left out) as it came, undecoded: nothing but names fits, so
 * neither `..` nor an encoded slash nor NUL has a meaning. `/<project>/<repository>/...` is the same: so actions form it from
 * GITHUB_SERVER_URL and GITHUB_REPOSITORY. Null for everything that no Git client would ask.
 */
export const parseGitRequest = (method: string | undefined, url: string | undefined): GitRequest | null => {
  if (!url || url.length > longestUrl) return null
  const [path = '', query = '', ...rest] = url.split('?')
  const match =
    /^\/git\/(?:([a-z0-9-]+)\/)?([a-z0-9-]+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(path) ??
    /^\/([a-z0-9-]+)\/([a-z0-9-]+)(?:\.git)?\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(path)
  if (!match || rest.length > 0) return null
  const project = ProjectName.safeParse(match[1] ?? defaultProject)
  const repository = RepositoryName.safeParse(match[2])
  if (!project.success || !repository.success) return null
  const key = { project: project.data, repository: repository.data }
  const asked = match[3]
  if (asked === 'info/refs') {
    const service = /^service=(git-upload-pack|git-receive-pack)$/.exec(query)?.[1]
    return method === 'GET' && isService(service) ? { ...key, service, step: 'advertise' } : null
  }
  return method === 'POST' && query === '' && isService(asked) ? { ...key, service: asked, step: 'exchange' } : null
}

/** Whether a client of Git LFS asks: to store, fetch or lock the files that the commits only point to. */
export const isForLargeFiles = (url: string | undefined): boolean =>
  /^[a-z0-9/-]{1,200}(\.git)?\/info\/lfs(\/|$)/.test(url?.split('?')[0] ?? '')

const isService = (name: string | undefined): name is GitRequest['service'] =>
  name === 'git-upload-pack' || name === 'git-receive-pack'
