import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join, matchesGlob } from 'node:path'

const deadlineMs = 120_000

/**
 * `hashFiles()`: SHA-256 over the SHA-256 of each file below `root` that the patterns match, in the order of their paths;
 * an empty string when none does. A pattern with `!` takes files away again. Links are not followed. At most 120 s.
 */
export const hashFiles = async (root: string, patterns: readonly string[]): Promise<string> => {
  const rules = patterns
    .flatMap((pattern) => pattern.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ isExclusion: line.startsWith('!'), glob: line.replace(/^!/, '').replace(/^(\.?\/)+/, '') }))
  const matches = (file: string): boolean =>
    rules.reduce(
      (is, { isExclusion, glob }) => (matchesGlob(file, glob) || file.startsWith(`${glob}/`) ? !isExclusion : is),
      false,
    )
  const signal = AbortSignal.timeout(deadlineMs)
  const hash = createHash('sha256')
  let found = false
  for (const file of await filesBelow(root, '', signal)) {
    if (!matches(file)) continue
    const digest = await digestOf(join(root, file), signal)
    if (digest === null) continue
    found = true
    hash.update(digest)
  }
  return found ? hash.digest('hex') : ''
}

const filesBelow = async (root: string, folder: string, signal: AbortSignal): Promise<string[]> => {
  signal.throwIfAborted()
  const entries = await readdir(join(root, folder), { withFileTypes: true })
  const files: string[] = []
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) {
      if (entry.name !== '.git') files.push(...(await filesBelow(root, path, signal)))
    } else if (entry.isFile()) files.push(path)
  }
  return files
}

const digestOf = async (file: string, signal: AbortSignal): Promise<Buffer | null> => {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    if (!(await handle.stat()).isFile()) return null
    const hash = createHash('sha256')
    for await (const chunk of handle.createReadStream({ signal, autoClose: false })) hash.update(chunk)
    return hash.digest()
  } finally {
    await handle.close()
  }
}
