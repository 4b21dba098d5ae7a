import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { effect } from '../../effect.ts'
import { Problem } from '../../problem.ts'
import { syncDirectory } from '../../processes/files.ts'
import { runOk } from '../../processes/run.ts'
import { git, gitEnvironment } from '../git.ts'
import { networkVariables } from '../network.ts'

/** `owner/repository` of an action, in lower case, as GitHub compares them. */
export type ActionName = { readonly owner: string; readonly repository: string }

/** The repositories of actions that were brought here. Nobody pushes to them, and nothing is built of them. */
export type ActionMirrors = {
  /** Where its bare repository stands; null where there is none. */
  pathOf(name: ActionName): string | null
  list(): Promise<ActionName[]>
  /** Brings all branches and tags, or what is new of them; resolves to how many there are then. Throws a Problem when it cannot be had. */
  bring(name: ActionName, from: string): Promise<number>
  /** False: there was none. */
  remove(name: ActionName): Promise<boolean>
  /** Clears what a crash has left half made. */
  sweep(): Promise<void>
}

const fetchTimeoutMs = 10 * 60_000

/** Mirrors below a directory of their own: `<owner>+<repository>.git`, as no owner has a plus in its name. */
export const createMirrors = (directory: string): ActionMirrors => {
  const fileOf = ({ owner, repository }: ActionName): string => join(directory, `${owner}+${repository}.git`)
  const isThere = (path: string): boolean => existsSync(join(path, 'HEAD'))
  const doing = new Map<string, Promise<number>>()

  const bring = async (name: ActionName, from: string): Promise<number> => {
    const place = fileOf(name)
    if (isThere(place)) return fetchInto(place, from, name)
    const fresh = join(directory, `.making-${randomUUID()}`)
    try {
      await effect('build.make-mirror', () =>
        runOk(
          { argv: ['git', 'init', '-q', '--bare', '--shared=0600', '--template=', fresh], env: gitEnvironment },
          `making the mirror of ${describe(name)}`,
        ),
      )
      const refs = await fetchInto(fresh, from, name)
      await effect('build.place-mirror', async () => {
        await rename(fresh, place)
        syncDirectory(directory)
      })
      return refs
    } finally {
      await effect('build.clear-mirror', () => rm(fresh, { recursive: true, force: true }))
    }
  }

  const fetchInto = async (place: string, from: string, name: ActionName): Promise<number> => {
    const config = join(directory, 'gitconfig')
    // A repository of this machine may belong to somebody else; git asks for that in a file only.
    await effect('build.write-mirror-config', () => writeFile(config, '[safe]\n\tdirectory = *\n', { mode: 0o600 }))
    await effect('build.fetch-mirror', () =>
      runOk(
        {
          argv: [
            'git',
            ...['--git-dir', place, '-c', 'fetch.fsckObjects=true', '-c', 'gc.auto=0', '-c', 'core.fsync=committed'],
            ...['fetch', '--quiet', '--prune', '--no-write-fetch-head', '--no-recurse-submodules', '--no-tags'],
            ...['--end-of-options', from, '+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'],
          ],
          env: {
            ...networkVariables(),
            ...gitEnvironment,
            GIT_CONFIG_GLOBAL: config,
            GIT_ALLOW_PROTOCOL: 'file:http:https',
          },
          cwd: directory,
          timeoutMs: fetchTimeoutMs,
        },
        ({ stderr, timedOut }) => notFetched(name, from, timedOut ? 'it took longer than 10 minutes' : stderr),
      ),
    )
    const refs = (await git(place, 'for-each-ref', '--format=%(refname)')).split('\n').filter(Boolean).length
    if (refs === 0) throw notFetched(name, from, 'it has neither a branch nor a tag')
    return refs
  }

  return {
    pathOf: (name) => (isThere(fileOf(name)) ? fileOf(name) : null),
    list: async () =>
      (await readdir(directory).catch(() => []))
        .flatMap((file): ActionName[] => {
          const [, owner, repository] = /^([^+]+)\+(.+)\.git$/.exec(file) ?? []
          return owner && repository ? [{ owner, repository }] : []
        })
        .sort((one, other) => (describe(one) < describe(other) ? -1 : 1)),
    bring: async (name, from) => {
      mustBeAllowed(from)
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const key = describe(name)
      const next = (doing.get(key) ?? Promise.resolve(0)).catch(() => 0).then(() => bring(name, from))
      doing.set(key, next)
      try {
        return await next
      } finally {
        if (doing.get(key) === next) doing.delete(key)
      }
    },
    remove: async (name) => {
      const place = fileOf(name)
      if (!isThere(place)) return false
      const aside = join(directory, `.removed-${randomUUID()}`)
      await effect('build.remove-mirror', async () => {
        await rename(place, aside)
        await rm(aside, { recursive: true, force: true })
      })
      return true
    },
    sweep: async () => {
      for (const file of await readdir(directory).catch(() => []))
        if (/^\.(making|removed)-/.test(file))
          await effect('build.sweep-mirrors', () => rm(join(directory, file), { recursive: true, force: true }))
    },
  }
}

export const describe = ({ owner, repository }: ActionName): string => `${owner}/${repository}`

/** http(s), or a path of this machine; no password in it, which would end up in the list of processes. */
const mustBeAllowed = (from: string): void => {
  if (isAbsolute(from)) return
  const url = URL.canParse(from) ? new URL(from) : null
  if (url && ['https:', 'http:', 'file:'].includes(url.protocol) && url.username === '' && url.password === '') return
  throw new Problem({
    kind: 'invalid-request',
    status: 400,
    detail: `${url ? `${url.protocol}//${url.host}` : from} is no place to mirror an action from`,
    next: 'name an http or https URL without a user in it, or the full path of a repository on the server',
  })
}

const notFetched = (name: ActionName, from: string, why: string): Problem =>
  new Problem({
    kind: 'action-not-fetched',
    status: 422,
    detail: `${describe(name)} could not be fetched from ${from}: ${why.trim().split('\n').slice(-3).join('; ')}`,
    next: `clone it where it can be reached and bring it from there: headway actions mirror ${describe(name)} --from <URL or path>`,
  })
