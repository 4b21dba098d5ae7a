import { existsSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'

/** A path as a command names it, from the workspace's root where it is below that. */
export const namedPlace = (work: string, file: string): string =>
  isAbsolute(file) && isBelow(work, resolve(file)) ? relative(work, resolve(file)) : file

/**
 * Where in the repository a file is that a program printed: from the root of the checkout that it is in, or null where there is no
 * such file in the workspace. As actions/runner, OutputManager.cs, `ConvertToIssue`.
 */
export const foundPlace = (work: string, file: string, fromPath: string): string | null => {
  const base = fromPath && !isAbsolute(file) ? join(dirname(fromPath), file) : file
  const path = resolve(work, base)
  if (!isBelow(work, path) || !statSync(path, { throwIfNoEntry: false })?.isFile()) return null
  for (let folder = dirname(path); isBelow(work, folder); folder = dirname(folder))
    if (existsSync(join(folder, '.git'))) return relative(folder, path)
  return relative(work, path)
}

const isBelow = (work: string, path: string): boolean => `${path}/`.startsWith(`${work}/`)
