import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fact, isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { ProjectName, RepositoryName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { git, type RepositoryPath } from '../git.ts'
import { actionMirrored, actionMirrorRemoved, actionUpstreamSet } from './facts.ts'
import { createGitLibrary, type Upstream } from './git-library.ts'
import type { ActionLibrary } from './library.ts'
import { type ActionMirrors, type ActionName, describe } from './mirrors.ts'
import { readReference } from './reference.ts'
import { commitOfVersion } from './versions.ts'

/** A mirrored action, as its list shows it. */
export type MirroredAction = {
  readonly name: string
  /** The newest first, at most 50. */
  readonly versions: readonly string[]
  /** From where it was brought last; null when nobody recorded that. */
  readonly from: string | null
  readonly by: string | null
  readonly at: number | null
}

/** The actions that do not come with Headway: what administrators brought here, and what jobs find of it. */
export type ActionShelf = {
  readonly library: ActionLibrary
  list(): Promise<MirroredAction[]>
  /**
   * Brings `owner/repository`, or what is new of it: from a URL, a path of this machine, else the repository of that name in a project
   * here, else the upstream, else github.com. With a ref it must have that. Throws a Problem when it cannot be had.
   */
  mirror(wanted: { name: string; ref: string | null; from: string | null }, actor: string): Promise<MirroredAction>
  /** False: it was not there. */
  remove(name: string, actor: string): Promise<boolean>
  upstream(): Promise<Upstream | null>
  setUpstream(upstream: Upstream | null, actor: string): Promise<void>
}

export type ShelfParts = {
  readonly ledger: Ledger
  readonly mirrors: ActionMirrors
  readonly repositoryPath: RepositoryPath
}

const publicUpstream = 'https://github.com'
const mostVersions = 50

export const createActionShelf = ({ ledger, mirrors, repositoryPath }: ShelfParts): ActionShelf => {
  const isHosted = (path: string): boolean => existsSync(join(path, 'HEAD'))

  const bring = async (name: ActionName, from: string, actor: string): Promise<void> => {
    const refs = await mirrors.bring(name, from)
    const payload = { ...name, from, refs }
    await ledger.append([fact(actionMirrored, { subject: subjectOf(name), actor, payload })])
  }

  const upstream = async (): Promise<Upstream | null> => {
    const facts = await ledger.read({ types: [actionUpstreamSet.type] })
    const last = facts.findLast((one) => isFact(actionUpstreamSet, one))
    if (!last || !isFact(actionUpstreamSet, last) || last.payload.url === null) return null
    return { url: last.payload.url, allowed: last.payload.allowed }
  }

  const describeMirror = async (name: ActionName): Promise<MirroredAction> => {
    const facts = await ledger.read({ subject: subjectOf(name) })
    const last = facts.findLast((one) => isFact(actionMirrored, one))
    const brought = last && isFact(actionMirrored, last) ? last : null
    const place = mirrors.pathOf(name)
    const listing =
      place === null
        ? ''
        : await git(
            place,
            'for-each-ref',
            '--sort=-creatordate',
            '--format=%(refname:strip=2)',
            'refs/tags',
            'refs/heads',
          )
    return {
      name: describe(name),
      versions: listing.split('\n').filter(Boolean).slice(0, mostVersions),
      from: brought?.payload.from ?? null,
      by: brought?.actor ?? null,
      at: brought?.at ?? null,
    }
  }

  const hostedAt = (name: ActionName): string | null => {
    const project = ProjectName.safeParse(name.owner)
    const repository = RepositoryName.safeParse(name.repository)
    if (!project.success || !repository.success) return null
    const path = repositoryPath(project.data, repository.data)
    return isHosted(path) ? path : null
  }

  return {
    library: createGitLibrary({
      mirrors,
      repositoryPath,
      isHosted,
      upstream,
      fetch: (name, from) => bring(name, from, 'system:build'),
    }),
    list: async () => Promise.all((await mirrors.list()).map(describeMirror)),
    mirror: async ({ name: written, ref, from }, actor) => {
      const name = parseName(written)
      const elsewhere = (await upstream())?.url ?? publicUpstream
      await bring(name, from ?? hostedAt(name) ?? `${elsewhere.replace(/\/+$/, '')}/${written}`, actor)
      const place = mirrors.pathOf(name)
      if (place !== null && ref !== null && (await commitOfVersion(place, ref)) === null) throw lacks(name, ref)
      return describeMirror(name)
    },
    remove: async (written, actor) => {
      const name = parseName(written)
      if (!(await mirrors.remove(name))) return false
      await ledger.append([fact(actionMirrorRemoved, { subject: subjectOf(name), actor, payload: { ...name } })])
      return true
    },
    upstream,
    setUpstream: async (wanted, actor) => {
      const payload = { url: wanted?.url ?? null, allowed: [...(wanted?.allowed ?? [])] }
      await ledger.append([fact(actionUpstreamSet, { subject: 'actions:upstream', actor, payload })])
    },
  }
}

const subjectOf = (name: ActionName): string => `action:${describe(name)}`

const parseName = (written: string): ActionName => {
  const reading = readReference(`${written}@any`)
  if (reading.kind === 'read' && reading.reference.kind === 'remote' && reading.reference.path === '') {
    const { owner, repository } = reading.reference
    return { owner: owner.toLowerCase(), repository: repository.toLowerCase() }
  }
  throw new Problem({
    kind: 'invalid-request',
    status: 400,
    detail: `${written} is no name of an action's repository`,
    next: 'write it as owner/repository',
  })
}

const lacks = (name: ActionName, ref: string): Problem =>
  new Problem({
    kind: 'action-lacks-version',
    status: 422,
    detail: `${describe(name)} is mirrored now, but has no tag, branch or full commit ${ref}`,
    next: 'headway actions lists the versions that there are',
  })
