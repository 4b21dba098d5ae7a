import { existsSync, mkdirSync, readdirSync, readlinkSync, rmdirSync } from 'node:fs'
import { readdir, readFile, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { effect, effectSync } from '../effect.ts'
import { identityOf, isAlive } from './tree.ts'

/** What the names of all homes' parts of the trees begin with. */
export const treePrefix = 'headway-'

/**
 * Who uses a home's part of the trees is noted in it, as an empty group of this name: so it is there for as long as the part is, and a killed process
 * leaves all that is needed to see that it is gone.
 */
const ownerPrefix = '.owner-'

const usualTrees = ['', 'memory', 'cpu', 'pids'].map((one) => join('/sys/fs/cgroup', one))

/** The name of this process's note. */
export const ownOwner = (): string =>
  `${ownerPrefix}${process.pid}-${identityOf(process.pid)?.start.replace('/', '_') ?? ''}-${processNamespace()}`

export const isOwner = (name: string): boolean => name.startsWith(ownerPrefix)

/** Whether it is the note of a process that has ended. Of one in another container nothing can be said. */
export const isForsaken = (name: string): boolean => {
  const [, pid, start = '', namespace] = /^\.owner-(\d+)-(.*)-(\d*)$/.exec(name) ?? []
  if (pid === undefined || namespace !== processNamespace()) return false
  return !isAlive({ pid: Number(pid), start: start.replace('_', '/') })
}

/**
 * Removes the parts of homes whose every user was killed and in which no process is left: nobody else would until that home is started again, which
 * may be never, and thousands of groups slow the kernel down. What is used, by whomever, stays; so does what cannot be removed.
 */
export const sweepCgroups = async (trees: readonly string[] = usualTrees): Promise<void> => {
  for (const tree of trees)
    for (const name of await directoriesIn(tree)) {
      const part = join(tree, name)
      const groups = name.startsWith(treePrefix) ? await directoriesIn(part) : []
      const owners = groups.filter(isOwner)
      if (owners.length === 0 || !owners.every(isForsaken)) continue
      const paths = [...groups.filter((one) => !isOwner(one)), ...owners].map((one) => join(part, one))
      const occupied = await Promise.all(paths.map(hasProcesses))
      if (occupied.includes(true)) continue
      // The notes last: until they are gone it is known to be forsaken. Whoever comes back to it meanwhile has made a note first, with which it cannot go.
      for (const path of [...paths, part])
        await effect('processes.sweep-cgroups', () => rmdir(path).catch(() => undefined))
    }
}

/** Notes in a home's part of a tree that this process uses it. */
export const enter = (tree: string): void => {
  mkdirSync(join(tree, ownOwner()), { recursive: true })
  for (const one of groupsIn(tree)) if (isOwner(one) && isForsaken(one)) tryRemove(join(tree, one))
}

/** With groups in it, it stays with its note, by which whoever sweeps later knows when it may go. */
export const leave = (tree: string): void => {
  const names = groupsIn(tree)
  if (!names.every(isOwner)) return
  for (const one of names) if (one === ownOwner() || isForsaken(one)) tryRemove(join(tree, one))
  tryRemove(tree)
}

const tryRemove = (path: string): void => {
  try {
    effectSync('processes.cgroup-leave', () => rmdirSync(path))
  } catch {
    // somebody uses it, or it is gone
  }
}

const groupsIn = (tree: string): string[] =>
  existsSync(tree)
    ? readdirSync(tree, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? entry.name : []))
    : []

const processNamespace = (): string => {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? ''
  } catch {
    return ''
  }
}

const directoriesIn = async (path: string): Promise<string[]> => {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  return entries.flatMap((entry) => (entry.isDirectory() ? entry.name : []))
}

const hasProcesses = async (path: string): Promise<boolean> =>
  (await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => '')) !== ''
