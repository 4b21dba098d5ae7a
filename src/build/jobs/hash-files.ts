import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import type { RunAs } from '../../processes/command.ts'
import type { Cell } from '../sandbox/sandbox.ts'
import { deadlineOf, isOver } from './limits.ts'
import { matchesPattern } from './report-pattern.ts'
import { type Workspace, writeForJob } from './workspace.ts'

const deadlineMinutes = 2
const largestListBytes = 64 * 1024 * 1024

type HashPlace = {
  readonly workspace: Workspace
  readonly user: RunAs | null
  readonly cell: Cell
  readonly marker: string
  readonly clock: Clock
}

/**
 * `hashFiles()`: SHA-256 over the SHA-256 of each file below the workspace that the patterns match, in the order of their paths;
 * an empty string when none does. A pattern with `!` takes files away again, one that names a folder means all that is in it. At
 * most 120 s. As actions/runner, src/Misc/expressionFunc/hashFiles. The job's own user lists and reads the files, so that no link
 * in the workspace leads to what only Headway may read.
 */
export const hashFiles = async (given: readonly string[], place: HashPlace): Promise<string> => {
  const [first = '', ...others] = given
  const followsLinks = first.toLowerCase() === '--follow-symbolic-links'
  if (first.startsWith('--') && !followsLinks)
    throw new Error(`Invalid glob option ${first}, available option: '--follow-symbolic-links'.`)
  const { work } = place.workspace
  const rules = (followsLinks ? others : given)
    .flatMap((pattern) => pattern.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ isExclusion: line.startsWith('!'), glob: relativeTo(work, line.replace(/^!/, '').trim()) }))
  const matches = (file: string): boolean =>
    rules.reduce((is, { isExclusion, glob }) => (isNamedBy(glob, file) ? !isExclusion : is), false)
  const over = new AbortController()
  const signal = deadlineOf(deadlineMinutes, place.clock, over.signal)
  try {
    const listing = await outputOf(followsLinks ? listLinked : list, place, signal)
    const found = listing.split('\0').flatMap((path) => path.slice('./'.length) || [])
    const files = found.filter(matches).sort()
    if (files.length === 0) return ''
    const wanted = join(place.workspace.files, 'files-to-hash')
    writeForJob(wanted, files.map((file) => `./${file}\0`).join(''), place.user)
    const sums = await outputOf(`xargs -0 sha256sum < '${wanted}'`, place, signal)
    const hash = createHash('sha256')
    for (const [, sum = ''] of sums.matchAll(/^\\?([0-9a-f]{64}) /gm)) hash.update(Buffer.from(sum, 'hex'))
    return hash.digest('hex')
  } catch (error) {
    const why = signal.aborted ? `couldn't finish within ${deadlineMinutes * 60} seconds` : 'failed'
    throw new Error(`hashFiles('${given.join("', '")}') ${why}`, { cause: error })
  } finally {
    over.abort(isOver)
  }
}

/** By what every system has; a link counts as the file that it leads to, folders behind links only when that is asked for. */
const list = `find . -type f -print0
find . -type l -print0 | xargs -0 sh -c 'for link; do if [ -f "$link" ]; then printf "%s\\0" "$link"; fi; done' list`
const listLinked = 'find -L . -type f -print0 || true'

/** A slash at the start means the workspace, as does its full path. */
const relativeTo = (work: string, glob: string): string =>
  (glob === work || glob.startsWith(`${work}/`) ? glob.slice(work.length) : glob).replace(/^(\.?\/)+|\/+$/g, '') || '**'

const isNamedBy = (glob: string, file: string): boolean =>
  matchesPattern(glob, file) || matchesPattern(`${glob}/**`, file)

/** What a line of shell prints in the workspace, run as the job's user. */
const outputOf = async (script: string, place: HashPlace, signal: AbortSignal): Promise<string> => {
  const { cell, workspace, marker } = place
  const process = await cell.start({
    argv: ['sh', '-e', '-c', script],
    cwd: workspace.work,
    env: { PATH: (cell.path ?? standardPath).join(':'), LC_ALL: 'C' },
    marker: `${marker}hash/`,
  })
  const end = (): void => void process.end()
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end() // while the program started, or before
  try {
    const [text, fault, { exitCode }] = await Promise.all([
      textOf(process.stdout),
      textOf(process.stderr),
      process.ended,
    ])
    if (exitCode !== 0) throw new Error(fault.trim() || `sh ended with ${exitCode}`)
    return text
  } finally {
    signal.removeEventListener('abort', end)
  }
}

const standardPath = ['/usr/local/bin', '/usr/bin', '/bin']

const textOf = async (stream: NodeJS.ReadableStream): Promise<string> => {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream) {
    const bytes = Buffer.from(chunk)
    sizeBytes += bytes.length
    if (sizeBytes > largestListBytes) throw new Error('there are too many files')
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}
