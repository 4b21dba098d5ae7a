import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { extract, type Header, type Pack, pack } from 'tar-stream'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { effect } from './effect.ts'
import type { Home } from './home.ts'
import { verifyLedger } from './ledger/verify.ts'
import { describeError, Problem } from './problem.ts'
import { removeTree, syncDirectory } from './processes/files.ts'
import { identityOf } from './processes/tree.ts'
import { openSqliteStore } from './store/sqlite.ts'
import type { Store } from './store/store.ts'

/** The last entry of a backup: what the others are. A backup that was cut short has none. */
const Manifest = z.object({
  format: z.literal(1),
  program: z.string(),
  at: z.number(),
  files: z.record(z.string(), z.object({ sizeBytes: z.number().int(), sha256: z.string() })),
})
type Manifest = z.infer<typeof Manifest>
const manifestName = 'manifest.json'
const databaseName = 'headway.db'

/** What is made anew, belongs to this run alone, or is backed up in another way. */
const leftOut = /^(lock.*|server\.json|server\.log.*|admin-token|headway\.db.*|agent|run|work|backups|.*\.tmp)$/

export type BackupSources = {
  readonly home: Home
  readonly store: Pick<Store, 'dialect' | 'backup'>
  readonly clock: Clock
  readonly program: string
  /** Backs the services' databases up and returns the folder beneath `home.backups`; null when there are none. */
  readonly databases: () => Promise<string | null>
}

/**
 * Everything that a Headway is, as a gzipped tar, while it runs: the database, keys and settings, repositories, blobs, logs of runs, and
 * a backup of the services' databases. The database comes first, so that repositories are never older than what the ledger says of them;
 * what they are newer by is found by the next start. It holds the keys: who has the file has every secret.
 */
export const backup = (sources: BackupSources): Readable => {
  const out = new PassThrough()
  const tar = pack()
  const packed = pipeline(tar, createGzip({ level: 6 }), out).catch((error: unknown) => out.destroy(asError(error)))
  writeAll(sources, tar).then(
    () => tar.finalize(),
    (error: unknown) => {
      tar.destroy(asError(error))
      out.destroy(asError(error))
    },
  )
  void packed
  return out
}

const writeAll = async ({ home, store, clock, program, databases }: BackupSources, tar: Pack): Promise<void> => {
  if (store.dialect !== 'sqlite') throw storedElsewhere()
  const files: Manifest['files'] = {}
  const at = clock.now()
  const put = async (name: string, file: string): Promise<boolean> => {
    const put = await putFile(tar, name, file, at)
    if (put) files[name] = put
    return put !== null
  }
  const dumped = await databases()
  await mkdir(home.backups, { recursive: true, mode: 0o700 })
  const scratch = await mkdtemp(join(home.backups, '.partial-'))
  try {
    await store.backup(join(scratch, databaseName))
    await put(databaseName, join(scratch, databaseName))
  } finally {
    await effect('backup.clear-copy', () => rm(scratch, { recursive: true, force: true }))
  }
  for (const name of (await namesIn(home.root)).filter((one) => !leftOut.test(one))) {
    if (join(home.root, name) === home.repositories) continue
    await putTree(tar, name, join(home.root, name), put, at)
  }
  for (const repository of await repositoriesIn(home.repositories))
    await putRepository(tar, join('repositories', repository), join(home.repositories, repository), put, at)
  if (dumped) await putTree(tar, join('backups', dumped), join(home.backups, dumped), put, at)
  const manifest: Manifest = { format: 1, program, at, files }
  await new Promise<void>((resolve, reject) =>
    tar.entry({ name: manifestName, mode: 0o600, mtime: new Date(at) }, JSON.stringify(manifest), (error) =>
      error ? reject(error) : resolve(),
    ),
  )
}

type Put = (name: string, file: string) => Promise<boolean>

/** A tree as it is; files that vanish meanwhile were not needed any more. Links are left out: nothing of ours is one. */
const putTree = async (tar: Pack, name: string, path: string, put: Put, at: number): Promise<void> => {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => null)
  if (!entries) {
    if (!/\.(tmp|partial|lock)$/.test(name)) await put(name, path)
    return
  }
  await putDirectory(tar, name, at)
  for (const entry of entries.sort((one, other) => (one.name < other.name ? -1 : 1)))
    if (
      (entry.isFile() && !/\.(tmp|partial|lock)$/.test(entry.name)) ||
      (entry.isDirectory() && !isPartial(entry.name))
    )
      await putTree(tar, join(name, entry.name), join(path, entry.name), put, at)
}

/** Folders that are being filled or checked: also Git's quarantines of pushes that are under way. */
const isPartial = (name: string): boolean => /^(\.partial-|tmp_objdir-|incoming-)/.test(name)

/**
 * References first, then loose objects, then packs: each later part holds at least what the earlier ones need, also while somebody
 * pushes or Git repacks, which writes the new pack before it removes the old ones.
 */
const putRepository = async (tar: Pack, name: string, path: string, put: Put, at: number): Promise<void> => {
  await putDirectory(tar, name, at)
  for (const part of (await namesIn(path)).filter((one) => one !== 'objects'))
    await putTree(tar, join(name, part), join(path, part), put, at)
  const objects = join(path, 'objects')
  await putDirectory(tar, join(name, 'objects'), at)
  for (const part of (await namesIn(objects)).filter((one) => one !== 'pack' && !isPartial(one)))
    await putTree(tar, join(name, 'objects', part), join(objects, part), put, at)
  await putDirectory(tar, join(name, 'objects/pack'), at)
  const done = new Set<string>()
  for (let vanished = true; vanished; ) {
    vanished = false
    for (const part of await namesIn(join(objects, 'pack'))) {
      if (done.has(part) || /\.(tmp|lock)$|^tmp_|^\./.test(part)) continue
      if (await put(join(name, 'objects/pack', part), join(objects, 'pack', part))) done.add(part)
      else vanished = true
    }
  }
}

const repositoriesIn = async (root: string): Promise<string[]> => {
  const found: string[] = []
  for (const project of await namesIn(root))
    for (const name of await namesIn(join(root, project))) if (name.endsWith('.git')) found.push(join(project, name))
  return found
}

const namesIn = async (directory: string): Promise<string[]> => (await readdir(directory).catch(() => [])).sort()

const putDirectory = (tar: Pack, name: string, at: number): Promise<void> =>
  new Promise((resolve, reject) => {
    tar.entry({ name, type: 'directory', mode: 0o700, mtime: new Date(at) }, (error) =>
      error ? reject(error) : resolve(),
    )
  })

/** As many bytes as the file had when it was opened, so that a log may grow meanwhile; null when it is gone. */
const putFile = async (
  tar: Pack,
  name: string,
  file: string,
  at: number,
): Promise<Manifest['files'][string] | null> => {
  const handle = await open(file).catch(() => null)
  if (!handle) return null
  try {
    const { size, mode } = await handle.stat()
    const hash = createHash('sha256')
    const header: Partial<Header> & { name: string } = { name, size, mode: mode & 0o777, mtime: new Date(at) }
    if (size === 0) {
      await new Promise<void>((resolve, reject) =>
        tar.entry(header, '', (error) => (error ? reject(error) : resolve())),
      )
    } else {
      const source = handle.createReadStream({ start: 0, end: size - 1, autoClose: false })
      source.on('data', (chunk) => hash.update(chunk))
      await pipeline(source, tar.entry(header))
    }
    return { sizeBytes: size, sha256: hash.digest('hex') }
  } finally {
    await handle.close()
  }
}

/**
 * Makes a home out of a backup. Refuses, changing nothing, when there is something at the home already, when a file of the backup is not
 * as its manifest says, and when the ledger in it does not verify. Services start again with the next `headway up`; their databases are
 * put back with `headway db restore`.
 */
export const restore = async (file: string, home: Home): Promise<{ facts: number; program: string; at: number }> => {
  if ((await namesIn(home.root)).length > 0) throw notEmpty(home)
  const half = `.${basename(home.root)}.restoring-`
  for (const name of await namesIn(dirname(home.root))) {
    const pid = name.startsWith(half) ? name.slice(half.length) : ''
    const isHalf = /^\d+$/.test(pid) && identityOf(Number(pid)) === null
    if (isHalf) await effect('backup.clear-interrupted', () => removeTree(join(dirname(home.root), name)))
  }
  const fresh = join(dirname(home.root), `${half}${process.pid}`)
  await effect('backup.make-restored', () => mkdir(fresh, { recursive: true, mode: 0o711 }))
  try {
    const manifest = await unpack(file, fresh)
    const facts = await verifyDatabase(join(fresh, databaseName), file)
    if (existsSync(home.root)) await effect('backup.clear-empty-home', () => rm(home.root, { recursive: true }))
    await effect('backup.put-restored', () => rename(fresh, home.root))
    syncDirectory(dirname(home.root))
    return { facts, program: manifest.program, at: manifest.at }
  } finally {
    await effect('backup.clear-restored', () => rm(fresh, { recursive: true, force: true }))
  }
}

const unpack = async (file: string, into: string): Promise<Manifest> => {
  const found: Manifest['files'] = {}
  let manifest: Manifest | null = null
  const tar = extract()
  const reading = pipeline(createReadStream(file), createGunzip(), tar)
  const unreadable = reading.then(
    () => null,
    (error: unknown) => error,
  )
  try {
    for await (const entry of tar) {
      const { name, type, mode = 0o600 } = entry.header
      if (manifest !== null) throw broken(file, `something follows its manifest: ${JSON.stringify(name)}`)
      if (name === manifestName) {
        manifest = Manifest.parse(JSON.parse(await textOf(entry)))
        continue
      }
      const path = placeOf(name, into, file)
      if (type === 'directory') {
        await effect('backup.make-directory', () => mkdir(path, { recursive: true, mode: 0o700 }))
        entry.resume()
      } else if (type === 'file') found[name] = await keep(entry, path, mode)
      else throw broken(file, `${JSON.stringify(name)} is a ${type}; a backup holds files and directories only`)
    }
    await reading
  } catch (error) {
    if (error instanceof Problem) throw error
    const cause = await unreadable // of which the loop learns only that it is over
    if (cause instanceof Error && 'syscall' in cause) throw unread(file, cause)
    throw broken(file, describeError(cause instanceof Error && !isPremature(cause) ? cause : error), error)
  }
  if (!manifest) throw broken(file, 'it was cut short')
  for (const [name, is] of Object.entries(found)) {
    const said = manifest.files[name]
    if (said?.sha256 !== (is.sizeBytes === 0 ? emptySha256 : is.sha256) || said.sizeBytes !== is.sizeBytes)
      throw broken(file, `${name} is not as its manifest says`)
  }
  const missing = Object.keys(manifest.files).find((name) => !(name in found))
  if (missing !== undefined) throw broken(file, `${missing} is missing`)
  return manifest
}

const isPremature = (error: Error): boolean => 'code' in error && error.code === 'ERR_STREAM_PREMATURE_CLOSE'

const emptySha256 = createHash('sha256').digest('hex')

/** Where an entry goes. A hostile name must not lead out of the home. */
const placeOf = (name: string, into: string, file: string): string => {
  const words = name.replace(/\/$/, '').split('/')
  if (name.includes('\0') || words.some((word) => word === '' || word === '.' || word === '..') || words.length > 64)
    throw broken(file, `${JSON.stringify(name)} is no name of a file in a home`)
  return join(into, ...words)
}

type Content = AsyncIterable<unknown>
const bytesOf = (chunk: unknown): Uint8Array => {
  if (chunk instanceof Uint8Array) return chunk
  throw new TypeError('a tar holds bytes')
}

const keep = async (content: Content, path: string, mode: number): Promise<Manifest['files'][string]> => {
  const hash = createHash('sha256')
  let sizeBytes = 0
  await effect('backup.keep-file', async () => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const handle = await open(path, 'wx', mode & 0o755)
    try {
      for await (const part of content) {
        const chunk = bytesOf(part)
        hash.update(chunk)
        sizeBytes += chunk.length
        await handle.writeFile(chunk)
      }
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
  return { sizeBytes, sha256: hash.digest('hex') }
}

const textOf = async (content: Content): Promise<string> => {
  const chunks: Uint8Array[] = []
  for await (const chunk of content) chunks.push(bytesOf(chunk))
  return Buffer.concat(chunks).toString()
}

const verifyDatabase = async (database: string, file: string): Promise<number> => {
  if (!existsSync(database)) throw broken(file, 'it holds no database')
  const store = await openSqliteStore(database)
  try {
    const verdict = await verifyLedger(store)
    if (verdict.kind === 'broken') throw broken(file, verdict.detail)
    return verdict.facts
  } finally {
    await store.close()
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))

const storedElsewhere = (): Problem =>
  new Problem({
    kind: 'stored-elsewhere',
    status: 409,
    detail: "Headway's data stands in a PostgreSQL server, which keeps its own backups",
    next: 'back that database up with its own tools, and copy the data directory after it',
  })

const notEmpty = (home: Home): Problem =>
  new Problem({
    kind: 'home-not-empty',
    status: 409,
    detail: `there is something at ${home.root} already, and a backup never replaces it`,
    next: 'name an empty directory with --home, or move that one away first',
  })

/** It is not there, a directory, or closed to this user: nothing can be said of what it holds. */
const unread = (file: string, cause: Error): Problem =>
  new Problem(
    {
      kind: 'backup-unread',
      status: 404,
      detail: `cannot be read: ${describeError(cause)}`,
      where: { file },
      next: 'nothing was changed; name the file that headway backup has written, as a user who may read it',
    },
    { cause },
  )

const broken = (file: string, why: string, cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'backup-broken',
      status: 422,
      detail: `this is not a whole backup: ${why}`,
      where: { file },
      next: 'nothing was changed; use another copy of the backup',
    },
    { cause },
  )
