import { constants } from 'node:fs'
import { chmod, chown, mkdir, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Pack } from 'tar-stream'
import { effect } from '../effect.ts'
import { Problem } from '../problem.ts'
import type { CommandOutcome, RunAs } from '../processes/command.ts'
import { removeTree } from '../processes/files.ts'
import { endAllAtHomeIn } from '../processes/tree.ts'
import {
  bytesOf,
  checkedLink,
  checkedPath,
  type EntryHeader,
  fixedTimeSeconds,
  headerOf,
  imageFolder,
  wholeOf,
} from './layer.ts'
import { whenFull } from './layout.ts'
import type { Run } from './source.ts'

/** A fresh folder where the commands of one packaging run as an unprivileged user; gone when it is disposed of. */
export type Workshop = AsyncDisposable & {
  /** Where the repository's folders stand; installations of the cache are restored here. */
  readonly work: string
  readonly user: RunAs | null
  /** Puts files, as a tar whose entries begin with `app/`, into the service's folder. */
  receive(tar: Buffer): Promise<void>
  /** Runs shell lines in the service's folder; throws a `Failed` with the last lines when one fails. */
  execute(lines: readonly string[], what: string): Promise<void>
  /** What now stands in the service's folder beneath these names, as a normalised layer; entries that `keeps` refuses are left out. */
  collect(names: readonly string[] | null, keeps: (path: string) => boolean, timeSeconds: number): AsyncIterable<Buffer>
}

/** A command of a packaging failed: what, and the last lines that it said. */
export class Failed extends Problem {
  readonly lastLines: readonly string[]
  constructor(detail: string, lastLines: readonly string[], next: string) {
    super({ kind: 'packaging-failed', status: 422, detail, next })
    this.lastLines = lastLines
  }
}

const stepTimeoutMs = 20 * 60_000
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

export const openWorkshop = async (
  run: Run,
  root: string,
  service: { path: string; env: Readonly<Record<string, string>>; toolDirectory: string | null },
  network: Readonly<Record<string, string>>,
  user: RunAs | null,
): Promise<Workshop> => {
  const work = join(root, 'work')
  const folder = service.path === '.' ? work : join(work, service.path)
  const archive = join(root, 'temp', 'collected.tar')
  await effect('package.prepare-workshop', async () => {
    await removeTree(root)
    await mkdir(root, { recursive: true })
    for (const folder of [dirname(root), root]) await chmod(folder, 0o711)
    for (const name of ['work', 'home', 'temp']) {
      await mkdir(join(root, name), { mode: 0o700 })
      if (user) await chown(join(root, name), user.uid, user.gid)
    }
  })
  const path = service.toolDirectory ? `${service.toolDirectory}:${systemPath}` : systemPath
  const base = { PATH: path, HOME: join(root, 'home'), TMPDIR: join(root, 'temp'), LANG: 'C.UTF-8', CI: 'true' }
  const env = { ...network, ...base, ...mapValues(service.env, (value) => value.replaceAll('$PWD', folder)) }
  const asUser = user ? { user } : {}

  return {
    work,
    user,
    receive: (tar) =>
      effect('package.fill-workshop', async () => {
        const strip = ['--strip-components=1', '--no-same-owner', '-xf', '-']
        const script = 'mkdir -p "$1" && cd "$1" && shift && exec tar "$@"'
        const filled = await run({
          ...{ argv: ['sh', '-c', script, 'tar', folder, ...strip], cwd: work, env: base, input: tar, ...asUser },
          timeoutMs: stepTimeoutMs,
        })
        if (filled.exitCode !== 0)
          throw full(filled.stderr, root) ?? new Error(`tar into ${folder}: ${filled.stderr.trim()}`)
      }),
    execute: async (lines, what) => {
      for (const line of lines) {
        const outcome = await effect('package.run-command', () =>
          run({ argv: ['sh', '-c', `exec 2>&1\n${line}`], cwd: folder, env, timeoutMs: stepTimeoutMs, ...asUser }),
        )
        if (outcome.exitCode === 0) continue
        const said = lastLinesOf(`${outcome.stdout.toString('utf8')}${outcome.stderr}`)
        const why = outcome.timedOut
          ? `took longer than ${stepTimeoutMs / 60_000} min`
          : `ended with ${outcome.exitCode ?? outcome.signal}`
        const problem = full(said.join('\n'), root)
        if (problem) throw problem
        throw new Failed(
          `${what}: ${line} ${why}`,
          said,
          `run ${line} in a fresh clone, mend what it says, and push again`,
        )
      }
    },
    collect: async function* (names, keeps, timeSeconds) {
      // The job's own user reads, so that nothing gets into an image that it could not read by itself.
      const listed = names ? await present(run, folder, names, { env: base, ...asUser }) : ['.']
      if (listed.length > 0) {
        const flags = [
          '--sort=name',
          '--hard-dereference',
          '--format=posix',
          '--numeric-owner',
          '-cf',
          archive,
          '-C',
          folder,
        ]
        const argv = ['tar', ...flags, '--', ...listed] as const
        const how = { cwd: work, env: { ...base, LC_ALL: 'C' }, ...asUser, timeoutMs: stepTimeoutMs }
        let packed = await run({ argv, ...how })
        for (let again = 0; again < mostRepeats && wasOnlyTouched(packed); again += 1)
          packed = await run({ argv, ...how })
        if (packed.exitCode !== 0)
          throw full(packed.stderr, root) ?? new Error(`tar of ${folder}: ${packed.stderr.trim()}`)
      }
      yield* normalised(listed.length > 0 ? archive : null, keeps, timeSeconds)
    },
    [Symbol.asyncDispose]: () =>
      effect('package.remove-workshop', async () => {
        const aside = `${root}.removed`
        await endAllAtHomeIn(root) // what the commands left running
        await removeTree(aside)
        await rename(root, aside)
        await removeTree(aside)
      }),
  }
}

/** So often is packed again what was touched meanwhile. */
const mostRepeats = 5

/**
 * Dependencies are hard links to files that a job's folder and the cache hold, too: when one of these goes, tar takes the new time of the
 * inode for a change of the file.
 */
const wasOnlyTouched = ({ exitCode, stderr }: CommandOutcome): boolean =>
  exitCode === 1 && /^(tar: .*: file changed as we read it\n)+$/.test(stderr)

/** Those of the names that are there. */
const present = async (
  run: Run,
  folder: string,
  names: readonly string[],
  how: { env: Record<string, string>; user?: RunAs },
): Promise<string[]> => {
  const script = 'for name do if [ -e "$name" ]; then printf "%s\\n" "$name"; fi; done'
  const outcome = await run({ argv: ['sh', '-c', script, 'present', ...names], cwd: folder, ...how })
  return outcome.stdout
    .toString('utf8')
    .split('\n')
    .filter((name) => name !== '')
}

/** The entries of a tar as layer entries: under `app/`, with fixed times, owners and modes, and without what varies. */
async function* normalised(
  archive: string | null,
  keeps: (path: string) => boolean,
  timeSeconds: number,
): AsyncGenerator<Buffer> {
  const { extract, pack } = await import('tar-stream')
  const tar = pack()
  const written = (async () => {
    const folders = new Set<string>()
    const enter = (folder: string) => {
      const parts = folder.split('/')
      for (const [index] of parts.entries()) {
        const name = parts.slice(0, index + 1).join('/')
        if (!folders.has(name)) tar.entry(headerOf({ name, type: 'directory' }, timeSeconds))
        folders.add(name)
      }
    }
    enter(imageFolder)
    if (archive === null) return tar.finalize()
    // The archive lies where the job could put a link instead of it.
    await using file = await open(archive, constants.O_RDONLY | constants.O_NOFOLLOW)
    const entries = extract()
    const source = file.createReadStream({ highWaterMark: 1024 ** 2 })
    source.on('error', (error) => entries.destroy(error)).pipe(entries)
    for await (const entry of entries) {
      const path = entry.header.name.replace(/^\.(\/|$)/, '').replace(/\/$/, '')
      const type = entry.header.type
      if (path !== '' && (type === 'file' || type === 'symlink') && keeps(checkedPath(path))) {
        const name = `${imageFolder}/${path}`
        enter(name.slice(0, name.lastIndexOf('/')))
        const header: EntryHeader = { ...entry.header, name }
        if (type === 'symlink')
          tar.entry(headerOf({ ...header, size: 0, linkname: checkedLink(name, header.linkname ?? '') }, timeSeconds))
        else if (isScript(path))
          tar.entry(headerOf(withoutSize(header), timeSeconds), plainShebang(await wholeOf(entry)))
        else await copy(bytesOf(entry), tar.entry(headerOf(header, timeSeconds)))
      }
      entry.resume()
    }
    tar.finalize()
  })()
  written.catch((error: Error) => tar.destroy(error))
  try {
    yield* bytesOf(tar)
    await written
  } finally {
    tar.destroy() // whoever reads may have given up before the end
  }
}

/** pip writes the interpreter of the machine into the scripts that it installs. */
const isScript = (path: string): boolean => path.startsWith('.headway/python/bin/')
const plainShebang = (content: Buffer): Buffer =>
  /^#!\/.*python[\d.]*\s*$/m.test(content.toString('latin1', 0, 300).split('\n', 1)[0] ?? '')
    ? Buffer.concat([Buffer.from('#!/usr/bin/env python3'), content.subarray(content.indexOf(10))])
    : content

const withoutSize = ({ size: _, ...header }: EntryHeader): EntryHeader => header

type Sink = ReturnType<Pack['entry']>

const copy = async (from: AsyncIterable<Uint8Array>, to: Sink): Promise<void> => {
  for await (const chunk of from)
    if (!to.write(chunk))
      await new Promise<void>((resolve, reject) => {
        to.once('drain', resolve)
        to.once('close', () => reject(new Error('the layer was given up')))
      })
  await new Promise<void>((resolve, reject) => {
    to.once('finish', resolve)
    to.once('error', reject)
    to.end(null)
  })
}

/** What installations leave behind that differs from one to the next, or that nothing needs at run time. */
export const isVolatile = (path: string): boolean =>
  /(^|\/)(__pycache__|\.cache)(\/|$)|\.py[co]$|\.dist-info\/(RECORD|REQUESTED|INSTALLER|direct_url\.json)$/.test(path)

export const dependencyTimeSeconds = fixedTimeSeconds

export const lastLinesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trimEnd().slice(0, 500))
    .filter((line) => line !== '')
    .slice(-20)

const full = (said: string, directory: string): unknown =>
  /No space left on device|ENOSPC|Disk quota exceeded/.test(said)
    ? whenFull(Object.assign(new Error(said), { code: 'ENOSPC' }), directory)
    : null

const mapValues = (record: Readonly<Record<string, string>>, map: (value: string) => string): Record<string, string> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, map(value)]))
