import { execFile } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { effect } from '../effect.ts'
import { isRoot } from '../home.ts'
import type { RunAs } from '../processes/command.ts'
import { removeTree } from '../processes/files.ts'

/** What an installation of dependencies depends on; the project is part of it, so that none can poison another. */
export type DependencyKey = {
  readonly project: string
  readonly language: string
  /** The runtime's version, as far as installed dependencies depend on it. */
  readonly runtime: string
  /** The lock file's text. */
  readonly lock: string
  /** What the installation is for, where that changes what is installed: `all`, `production`. */
  readonly purpose: string
}

/** The folders that installations filled, kept between runs and shared by the pipeline and by packaging. */
export type DependencyCache = {
  /**
   * Puts the kept folders below `into`, on the same file system as the cache. As root the files are hard links that belong to
   * root and cannot be changed, in directories of `user`; otherwise they are copies. False: not kept, nothing was changed.
   */
  restore(key: DependencyKey, into: string, user: RunAs | null): Promise<boolean>
  /**
   * Keeps those of the folders that are below `from`; for after a successful installation, when no process of `user` is left
   * that could change them. As root the files there become root's. Of several savers of one key the first wins.
   */
  save(key: DependencyKey, from: string, folders: readonly string[], user: RunAs | null): Promise<void>
}

const defaultMaximumBytes = 10 * 1024 ** 3

/** A cache in `directory`, bounded in size; what was not used for longest goes first. */
export const createDependencyCache = (directory: string, maximumBytes = defaultMaximumBytes): DependencyCache => ({
  restore: async (key, into, user) => {
    const entry = join(directory, nameOf(key))
    const folders = await readFolders(entry)
    if (folders === null) return false
    const staging = `${entry}.restoring-${randomUUID()}`
    return effect('build.restore-dependencies', async () => {
      try {
        await mkdir(staging, { mode: 0o700 })
        for (const index of folders.keys()) {
          const staged = join(staging, String(index))
          await copyTree(join(entry, 'tree', String(index)), staged)
          if (user && isRoot()) await own(staged, user)
        }
        if (user && isRoot()) await chown(staging, user.uid, user.gid) // it is whole: from here on all is done by the user
        for (const [index, folder] of folders.entries())
          await moveInto(into, folder, join(staging, String(index)), isRoot() ? user : null)
        const now = new Date()
        await utimes(entry, now, now)
        return true
      } finally {
        await removeTree(staging)
      }
    })
  },
  save: async (key, from, folders, user) => {
    const entry = join(directory, nameOf(key))
    if ((await readFolders(entry)) !== null) return
    const present: string[] = []
    for (const folder of folders) if (await isOwnFolder(from, folder)) present.push(folder)
    if (present.length === 0) return
    const staging = `${entry}.saving-${randomUUID()}`
    await effect('build.save-dependencies', async () => {
      try {
        await mkdir(join(staging, 'tree'), { recursive: true, mode: 0o700 })
        if (user && isRoot()) {
          // The user links its files by itself: root could be led to others' by links put in its way.
          await chmod(staging, 0o711)
          await chown(join(staging, 'tree'), user.uid, user.gid)
        }
        for (const [index, folder] of present.entries()) {
          if (user && isRoot()) await mustBelongTo(join(from, folder), user)
          await copyTree(join(from, folder), join(staging, 'tree', String(index)), isRoot() ? user : null)
        }
        if (user && isRoot()) {
          await chmod(staging, 0o700)
          await mustBelongTo(join(staging, 'tree'), user)
        }
        if (isRoot()) await takeOver(join(staging, 'tree'))
        const sizeBytes = await sizeOf(staging)
        await writeFile(join(staging, 'entry.json'), JSON.stringify({ folders: present, sizeBytes }))
        await rename(staging, entry).catch(async (error: NodeJS.ErrnoException) => {
          if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error // somebody else was first
        })
      } finally {
        await removeTree(staging)
      }
    })
    await evict(directory, maximumBytes, basename(entry))
  },
})

const nameOf = ({ project, language, runtime, lock, purpose }: DependencyKey): string => {
  const hash = createHash('sha256')
    .update(JSON.stringify([project, language, runtime, lock, purpose]))
    .digest('hex')
  return `${project}-${language}-${hash.slice(0, 32)}`
}

const readEntry = async (entry: string): Promise<{ folders: string[]; sizeBytes: number } | null> => {
  const text = await readFile(join(entry, 'entry.json'), 'utf8').catch(() => null)
  return text === null ? null : JSON.parse(text)
}
const readFolders = async (entry: string): Promise<string[] | null> => (await readEntry(entry))?.folders ?? null

/** The repository may hold a link in the folder's place or on the way to it: all is done by the user itself, whom no link leads to more. */
const moveInto = async (into: string, folder: string, staged: string, user: RunAs | null): Promise<void> => {
  const said = await effect('build.place-dependencies', () =>
    execute(user, 'sh', '-c', placing, into, folder, dirname(folder), staged),
  )
  const fault = said.trim()
  if (fault === 'out') throw new Error(`${dirname(join(into, folder))} leads out of ${into}`)
  if (fault === 'taken')
    throw new Error(`${join(into, folder)} is there already; dependencies go into a folder that is not in Git`)
}

const placing = `
set -e
cd -P -- "$0"
real=$PWD
mkdir -p -- "$2"
case "$(cd -P -- "$2" && pwd)/" in "$real"/*) ;; *) echo out; exit 0 ;; esac
if [ -e "$1" ] || [ -L "$1" ]; then echo taken; exit 0; fi
mv -- "$3" "$1"
`

const isOwnFolder = async (from: string, folder: string): Promise<boolean> => {
  const path = join(from, folder)
  const status = await lstat(path).catch(() => null)
  return status?.isDirectory() === true && `${await realpath(path)}/`.startsWith(`${await realpath(from)}/`)
}

const run = promisify(execFile)
const environment = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' }
const execute = async (user: RunAs | null, ...argv: readonly [string, ...string[]]): Promise<string> => {
  const [program, ...args] = argv
  const who = user ? { uid: user.uid, gid: user.gid } : {}
  return (await run(program, args, { env: environment, cwd: '/', maxBuffer: 1024 * 1024, ...who })).stdout
}

/** As root, hard links to the same files; else copies, as links would let a job change what the next one gets. */
const copyTree = (from: string, to: string, user: RunAs | null = null): Promise<string> =>
  isRoot() ? execute(user, 'cp', '-al', '--', from, to) : execute(null, 'cp', '-Rp', '--', from, to)

const own = (tree: string, { uid, gid }: RunAs): Promise<string> =>
  execute(null, 'find', tree, '-type', 'd', '-exec', 'chown', '-h', `${uid}:${gid}`, '{}', '+')

/** Files of somebody else, and devices, would be given to everybody by what follows. */
const mustBelongTo = async (tree: string, { uid }: RunAs): Promise<void> => {
  const foreign = [
    '(',
    '!',
    '-user',
    String(uid),
    '-o',
    '!',
    '(',
    '-type',
    'f',
    '-o',
    '-type',
    'd',
    '-o',
    '-type',
    'l',
    ')',
    ')',
  ]
  const found = await execute(null, 'find', tree, ...foreign, '-print', '-quit')
  if (found !== '') throw new Error(`${found.trim()} does not belong to the job's user, so that nothing was cached`)
}

const takeOver = async (tree: string): Promise<void> => {
  await execute(null, 'chown', '-hR', '0:0', tree)
  await execute(null, 'chmod', '-R', 'u=rwX,go=rX', tree)
}

const sizeOf = async (tree: string): Promise<number> =>
  Number((await execute(null, 'du', '-sk', tree)).split('\t')[0]) * 1024

const evict = async (directory: string, maximumBytes: number, keep: string): Promise<void> => {
  const names = (await readdir(directory)).filter((name) => !name.includes('.'))
  const entries = await Promise.all(
    names.map(async (name) => {
      const usedAt = (await lstat(join(directory, name)).catch(() => null))?.mtimeMs ?? 0
      return { name, usedAt, sizeBytes: (await readEntry(join(directory, name)))?.sizeBytes ?? 0 }
    }),
  )
  let total = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  for (const { name, sizeBytes } of entries.sort((one, other) => one.usedAt - other.usedAt)) {
    if (total <= maximumBytes) return
    if (name === keep) continue
    const aside = join(directory, `${name}.evicted-${randomUUID()}`)
    await effect('build.evict-dependencies', async () => {
      await rename(join(directory, name), aside)
      await rm(aside, { recursive: true, force: true })
    })
    total -= sizeBytes
  }
}

/** What a crash left half made; for when nobody else uses the cache. */
export const sweepDependencyCache = async (directory: string): Promise<void> => {
  const leftovers = (await readdir(directory).catch(() => [])).filter((name) => name.includes('.'))
  for (const name of leftovers)
    await effect('build.sweep-dependencies', () => rm(join(directory, name), { recursive: true, force: true }))
}
