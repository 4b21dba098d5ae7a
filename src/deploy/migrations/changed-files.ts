import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { destructiveStatements, type Finding } from './destructive.ts'

/** Others' files, of which there are many: their SQL is not the service's change. */
const others = new Set(['node_modules', '.venv', 'site-packages', 'vendor', '.git'])
/** Whoever has more, or longer ones, has dumps and no migrations. */
const mostFiles = 5_000
const longestBytes = 1024 * 1024
const mostFindings = 50

/**
 * The destructive statements of the SQL files that a release has and the running one has not, or has otherwise. Files of the way
 * back (`*.down.sql`) are left out. Folders are as unpacked; places are relative to them.
 */
export const destructiveChanges = async (
  fresh: string,
  running: string,
): Promise<(Finding & { readonly file: string })[]> => {
  const [here, there] = await Promise.all([sqlFilesOf(fresh), sqlFilesOf(running)])
  const findings: (Finding & { file: string })[] = []
  for (const [file, text] of here) {
    if (there.get(file) === text || findings.length >= mostFindings) continue
    findings.push(...destructiveStatements(text).map((finding) => ({ file, ...finding })))
  }
  return findings.slice(0, mostFindings)
}

const sqlFilesOf = async (directory: string): Promise<Map<string, string>> => {
  const found = new Map<string, string>()
  const walk = async (below: string): Promise<void> => {
    for (const entry of await readdir(join(directory, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory() && !others.has(entry.name)) await walk(path)
      if (entry.isFile() && isMigration(entry.name) && found.size < mostFiles) {
        const text = await readSmall(join(directory, path))
        if (text !== null) found.set(path, text)
      }
    }
  }
  await walk('')
  return found
}

const isMigration = (name: string): boolean => /\.sql$/i.test(name) && !/\bdown\.sql$/i.test(name)

const readSmall = async (file: string): Promise<string | null> => {
  await using handle = await open(file, 'r')
  const { size } = await handle.stat()
  return size > longestBytes ? null : handle.readFile('utf8')
}
