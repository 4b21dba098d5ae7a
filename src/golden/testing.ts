import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FolderFiles } from './service.ts'

/** A folder as tests describe it: names to texts, `null` for a folder or a file whose text does not matter. */
export const folder = (files: Readonly<Record<string, string | null>>): FolderFiles => ({
  names: Object.keys(files),
  read: (name) => files[name] ?? null,
})

export const examplesDirectory = fileURLToPath(new URL('../../examples', import.meta.url))

/** The files of an example that Git would commit: path to text. */
export const exampleTexts = (example: string): ReadonlyMap<string, string> => {
  const directory = join(examplesDirectory, example)
  const listed = execFileSync(
    'find',
    ['.', '-type', 'f', '-not', '-path', '*/node_modules/*', '-not', '-path', '*/.headway/*'],
    {
      cwd: directory,
      encoding: 'utf8',
    },
  )
  const paths = listed
    .trim()
    .split('\n')
    .map((path) => path.slice(2))
  return new Map(paths.sort().map((path) => [path, readFileSync(join(directory, path), 'utf8')]))
}
