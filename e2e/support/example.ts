import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { repositoryRoot } from './platform.ts'

/** The files of an example, under another service name and with this many replicas. */
export const exampleFiles = (example: string, name: string, replicas: number): Record<string, string> => {
  const directory = join(repositoryRoot, 'examples', example)
  const files: Record<string, string> = {}
  for (const entry of globSync('**/*', { cwd: directory, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !path.includes('node_modules')) files[relative(directory, path)] = readFileSync(path, 'utf8')
  }
  const yaml = files['headway.yaml']
  if (yaml === undefined) throw new Error(`examples/${example} has no headway.yaml`)
  const named = yaml
    .replace(/^name: .*/m, `name: ${name}`)
    .replace(/^replicas: .*\n?/m, '')
    .trimEnd()
  return { ...files, 'headway.yaml': `${named}\nreplicas: ${replicas}\n` }
}

/** One file with one place changed; throws when there was nothing to change, because then nothing would be shown. */
export const changed = (
  files: Readonly<Record<string, string>>,
  path: string,
  from: RegExp,
  to: string,
): Record<string, string> => {
  const text = files[path] ?? ''
  const result = text.replace(from, to)
  if (result === text) throw new Error(`${path} of the example no longer holds ${from}`)
  return { [path]: result }
}
