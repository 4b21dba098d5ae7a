import { constants } from 'node:fs'
import { type FileHandle, open, opendir } from 'node:fs/promises'
import { setImmediate as breathe } from 'node:timers/promises'
import type { RunAs } from '../../processes/command.ts'
import { matchesPattern } from './report-pattern.ts'
import type { ReportFile, ReportFormat } from './result.ts'

/** Where the usual tools put their reports, in any folder. */
export const wellKnownReports: readonly string[] = [
  ...['**/junit*.xml', '**/TEST-*.xml', '**/test-results/**/*.xml', '**/test-reports/**/*.xml', '**/reports/*.xml'],
  ...['**/surefire-reports/*.xml', '**/failsafe-reports/*.xml', '**/*.tap', '**/go-test.json'],
  ...['**/lcov.info', '**/coverage.xml', '**/cobertura*.xml', '**/k6-summary.json'],
]

export type Collecting = {
  /** The workspace (GITHUB_WORKSPACE). */
  readonly root: string
  /** Where the job sees it, when that is elsewhere: in a container. */
  readonly seenAt?: string
  /** Which files count; see `matchesPattern`. */
  readonly patterns: readonly string[]
  readonly user: RunAs | null
  /** Hides secrets in complete lines. */
  hide(text: string): string
}

export type Collected = {
  readonly reports: readonly ReportFile[]
  /** What was left out and why, for the job's log. */
  readonly notes: readonly string[]
}

const maximumFileBytes = 16 * 1024 * 1024
/** With quotes escaped, twice as much: what a runner may send (48 MiB) holds that and the rest of a job's end. */
const maximumAllBytes = 20 * 1024 * 1024
const maximumFiles = 1000
const maximumEntries = 50_000
const maximumDepth = 16
const deadlineMs = 10_000
const sliceCharacters = 256 * 1024

/** Folders of other people's packages and of caches: large, and what looks like a report there is none of this job's. */
const unvisited = new Set(['.git', 'node_modules', '.headway', '.venv', 'venv', '.tox', '__pycache__', '.pnpm-store'])

/**
 * The test, coverage and load reports below a job's workspace. To be called when no process of the job is left. The paths are
 * hostile: each folder and file is opened from the folder above it without following a link, a file with several names must be
 * the job's user's own, and sizes, numbers and time are bounded. Never rejects for what a job left there.
 */
export const collectReports = async (collecting: Collecting): Promise<Collected> => {
  const reports: ReportFile[] = []
  const notes: string[] = []
  const budget = { entries: maximumEntries, bytes: maximumAllBytes, until: performance.now() + deadlineMs }

  const take = async (folder: Folder, name: string): Promise<void> => {
    const path = within(folder.path, name)
    if (!collecting.patterns.some((pattern) => matchesPattern(pattern, path))) return
    if (reports.length >= maximumFiles) return void noteOnce(notes, `only the first ${maximumFiles} reports were read`)
    const reading = await readReport(folder, name, collecting.user, budget.bytes)
    if (reading.kind === 'refused') return void notes.push(`${path} was not read: ${reading.why}`)
    const format = formatOf(reading.text)
    if (format === null) return
    budget.bytes -= Buffer.byteLength(reading.text)
    reports.push({ path, format, text: await cleaned(reading.text, collecting) })
  }

  const visit = async (folder: Folder, depth: number): Promise<void> => {
    const files: string[] = []
    const folders: string[] = []
    for await (const entry of await opendir(addressOf(folder))) {
      budget.entries -= 1
      if (budget.entries < 0 || performance.now() > budget.until)
        return void noteOnce(notes, 'the workspace is too large to look for reports in all of it')
      if (entry.isFile()) files.push(entry.name)
      else if (entry.isDirectory() && !unvisited.has(entry.name)) folders.push(entry.name)
    }
    for (const name of files.sort()) await take(folder, name)
    for (const name of depth < maximumDepth ? folders.sort() : []) {
      const handle = await openFolder(`${addressOf(folder)}/${name}`)
      if (handle === null) continue
      try {
        await visit({ handle, path: within(folder.path, name), root: folder.root }, depth + 1)
      } finally {
        await handle.close()
      }
    }
  }

  const handle = await openFolder(collecting.root)
  if (handle === null) return { reports, notes }
  try {
    await visit({ handle, path: '', root: collecting.root }, 0)
  } catch (error) {
    notes.push(`looking for test reports: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    await handle.close()
  }
  return { reports, notes }
}

/** What a text is by how it begins; null when it is no report of a known kind. */
export const formatOf = (text: string): ReportFormat | null => {
  const head = text.slice(0, 4096).trimStart()
  if (head.startsWith('<')) {
    const root = /<(testsuites?|coverage)[\s>/]([^>]*)/.exec(head)
    if (root?.[1] === 'coverage') return /\bline-rate=/.test(root[2] ?? '') ? 'cobertura' : null
    return root ? 'junit' : null
  }
  if (head.startsWith('{')) {
    if (/^\{[^\n]*"Action":"/.test(head)) return 'go-test'
    return /"metrics"\s*:/.test(text) ? 'k6' : null
  }
  if (/^(TN:|SF:)/.test(head)) return 'lcov'
  return /^(#[^\n]*\n\s*)*(TAP version \d+|1\.\.\d+|(not )?ok\b)/.test(head) ? 'tap' : null
}

type Folder = { readonly handle: FileHandle; readonly path: string; readonly root: string }

/**
 * A folder by its open handle: what a path's other parts have become meanwhile cannot lead elsewhere. Other systems than Linux
 * have no such name for it; there Headway has no privilege that a job lacks.
 */
const addressOf = ({ handle, path, root }: Folder): string =>
  process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : within(root, path)

const openFolder = (path: string): Promise<FileHandle | null> =>
  open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW).catch(() => null)

type Reading = { readonly kind: 'read'; readonly text: string } | { readonly kind: 'refused'; readonly why: string }

const readReport = async (folder: Folder, name: string, user: RunAs | null, bytesLeft: number): Promise<Reading> => {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  const handle = await open(`${addressOf(folder)}/${name}`, flags).catch(() => null)
  if (handle === null) return { kind: 'refused', why: 'it cannot be opened' }
  try {
    const status = await handle.stat()
    if (!status.isFile()) return { kind: 'refused', why: 'it is no plain file' }
    // A second name may have been given to a file that is not the job's to read.
    if (status.nlink > 1 && user !== null && status.uid !== user.uid)
      return { kind: 'refused', why: 'it is not a file of the job' }
    const limit = limitBroken(status.size, bytesLeft)
    if (limit !== null) return { kind: 'refused', why: `it is larger than ${limit}` }
    const bytes = Buffer.alloc(status.size)
    let length = 0
    for (let more = 1; more > 0 && length < bytes.length; length += more)
      more = (await handle.read(bytes, length, bytes.length - length, length)).bytesRead
    return { kind: 'read', text: bytes.toString('utf8', 0, length).replace(/^\uFEFF/, '') }
  } finally {
    await handle.close()
  }
}

const mebibytes = (bytes: number): string => `${bytes / 1024 / 1024} MiB`
const limitBroken = (sizeBytes: number, bytesLeft: number): string | null => {
  if (sizeBytes > maximumFileBytes) return mebibytes(maximumFileBytes)
  return sizeBytes > bytesLeft ? `what is left of ${mebibytes(maximumAllBytes)} for all reports` : null
}

/**
 * Without secrets and control characters, and with paths from the workspace's root, which is another one in each run; slice by slice, as
 * it may be long.
 */
const cleaned = async (text: string, { root, seenAt, hide }: Collecting): Promise<string> => {
  const slices: string[] = []
  for (let from = 0; from < text.length; ) {
    const end = from + sliceCharacters >= text.length ? text.length : text.lastIndexOf('\n', from + sliceCharacters) + 1
    const to = end > from ? end : text.indexOf('\n', from) + 1 || text.length
    // Hidden last: without what stood within it, a text may be a secret.
    const slice = hide(text.slice(from, to).replaceAll(control, '')).replaceAll(`${root}/`, '')
    slices.push(seenAt === undefined ? slice : slice.replaceAll(`${seenAt}/`, ''))
    from = to
    if (from < text.length) await breathe()
  }
  return slices.join('')
}

const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g
const within = (folder: string, name: string): string => (folder === '' ? name : `${folder}/${name}`)
const noteOnce = (notes: string[], note: string): void => {
  if (!notes.includes(note)) notes.push(note)
}
