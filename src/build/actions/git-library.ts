import { ProjectName, RepositoryName } from '../../names.ts'
import { describeError } from '../../problem.ts'
import { archiveCommit, type RepositoryPath, readCommit } from '../git.ts'
import type { ActionFiles, ActionLibrary } from './library.ts'
import { type ActionMirrors, type ActionName, describe } from './mirrors.ts'
import { describeReference, type RemoteReference } from './reference.ts'
import { commitOfVersion } from './versions.ts'

/** From where actions that are missing here may be fetched by themselves, as an administrator allowed. */
export type Upstream = { readonly url: string; readonly allowed: readonly string[] }

export type LibraryParts = {
  readonly mirrors: ActionMirrors
  readonly repositoryPath: RepositoryPath
  readonly isHosted: (path: string) => boolean
  readonly upstream: () => Promise<Upstream | null>
  /** Fetches an action's repository from there and records it. */
  readonly fetch: (name: ActionName, from: string) => Promise<void>
}

/** Owners whose actions are never looked for in the projects here: whoever may make a project must not become `actions/checkout`. */
const reserved = new Set(['actions', 'headway', 'github'])

/**
 * Finds actions in this order: the project's own repositories on this Git host, the mirrors that an administrator brought, the
 * upstream that one allowed for this owner. Never anywhere else. Repositories of other projects are their own: to share one, an
 * administrator mirrors it.
 */
export const createGitLibrary = (parts: LibraryParts): ActionLibrary => ({
  find: async (reference, source) => {
    const name = { owner: reference.owner.toLowerCase(), repository: reference.repository.toLowerCase() }
    const own = hostedAt(parts, name, source.project)
    const mirrored = parts.mirrors.pathOf(name)
    for (const place of [own, mirrored]) {
      const files = place === null ? null : await filesAt(place, reference)
      if (files) return { kind: 'found', files }
    }
    const upstream = await parts.upstream()
    const isAllowed = upstream?.allowed.some((one) => one === '*' || one === name.owner || one === describe(name))
    if (upstream && isAllowed) {
      try {
        await parts.fetch(name, `${upstream.url.replace(/\/+$/, '')}/${reference.owner}/${reference.repository}`)
      } catch (error) {
        return { kind: 'missing', detail: describeError(error) }
      }
      const fetched = parts.mirrors.pathOf(name)
      const files = fetched === null ? null : await filesAt(fetched, reference)
      if (files) return { kind: 'found', files }
    }
    const isHere = own !== null || mirrored !== null || isAllowed
    return { kind: 'missing', detail: isHere ? lacksRef(reference) : notHere(reference) }
  },
})

const hostedAt = (
  { repositoryPath, isHosted }: LibraryParts,
  { owner, repository }: ActionName,
  own: string,
): string | null => {
  const project = ProjectName.safeParse(owner)
  const name = RepositoryName.safeParse(repository)
  if (!project.success || !name.success || project.data !== own || reserved.has(owner)) return null
  const path = repositoryPath(project.data, name.data)
  return isHosted(path) ? path : null
}

const filesAt = async (gitDirectory: string, reference: RemoteReference): Promise<ActionFiles | null> => {
  const commit = await commitOfVersion(gitDirectory, reference.ref)
  if (commit === null) return null
  const reader = readCommit(gitDirectory, commit)
  return {
    key: `${reference.owner}/${reference.repository}@${commit}`.toLowerCase(),
    read: (path) => reader.read(path),
    archive: () => archiveCommit(gitDirectory, commit),
  }
}

const lacksRef = (reference: RemoteReference): string =>
  `${describeReference(reference)}: ${reference.owner}/${reference.repository} is here, but has no tag, branch or full commit ${reference.ref}; what is new of it comes with: headway actions mirror ${reference.owner}/${reference.repository}`

const notHere = (reference: RemoteReference): string =>
  `${describeReference(reference)} is not mirrored here, and nothing is fetched from elsewhere by itself; an administrator brings it with: headway actions mirror ${reference.owner}/${reference.repository}`
