import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { describeError, Problem } from './problem.ts'

/** Where everything of one Headway lives. Paths only; nothing is opened here. */
export type Home = {
  readonly root: string
  readonly lock: string
  readonly database: string
  /** The administrator's token that the local command line uses; mode 0600. */
  readonly token: string
  /** What the server that runs here can be reached by: `{ url, edgePort, pid }`. */
  readonly server: string
  readonly masterKey: string
  readonly repositories: string
  /** OCI layout: content-addressed blobs and index. */
  readonly blobs: string
  /** One folder per run: logs and summaries, kept. */
  readonly runs: string
  /** Artifacts and caches of runs, and the keys of jobs' tokens and identities. */
  readonly results: string
  readonly backups: string
  /** What of migrations must be found again: those under way, sealed, and their logs. */
  readonly migrations: string
  /** The agent's own: instance files, sealed; logs; edge table. */
  readonly agent: string
  /** Unix sockets; short, because their paths have at most 107 bytes. */
  readonly sockets: string
  /**
   * What unprivileged users must reach: unpacked images, instances, job workspaces, caches, databases. Elsewhere than the root
   * where a parent directory is closed to them (a checkout under /root), so that root's files stay closed.
   */
  readonly work: string
  readonly images: string
  readonly instances: string
  /** Directories in which migrations run. */
  readonly migrating: string
  readonly workspaces: string
  readonly caches: string
  readonly databases: string
}

/** The home for `--home`, else `HEADWAY_HOME`, else `.headway` in the current directory. */
export const homeAt = (directory: string | undefined, env: NodeJS.ProcessEnv = process.env): Home => {
  const root = resolve(directory ?? env.HEADWAY_HOME ?? '.headway')
  const key = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const work = isRoot() && !reachableByOthers(dirname(root)) ? `/var/lib/headway/${key}` : join(root, 'work')
  const sockets =
    Buffer.byteLength(join(root, 'run/edge-4194304.sock')) <= 107 ? join(root, 'run') : `/tmp/headway-${key}`
  return {
    root,
    lock: join(root, 'lock'),
    database: join(root, 'headway.db'),
    token: join(root, 'admin-token'),
    server: join(root, 'server.json'),
    masterKey: join(root, 'master-key'),
    repositories: join(root, 'repositories'),
    blobs: join(root, 'blobs'),
    runs: join(root, 'runs'),
    results: join(root, 'results'),
    backups: join(root, 'backups'),
    migrations: join(root, 'migrations'),
    agent: join(root, 'agent'),
    sockets,
    work,
    images: join(work, 'images'),
    instances: join(work, 'instances'),
    migrating: join(work, 'migrations'),
    workspaces: join(work, 'workspaces'),
    caches: join(work, 'caches'),
    databases: join(work, 'databases'),
  }
}

/** Makes the directories: Headway's own closed to everybody else (0700), those that unprivileged users pass through 0711. */
export const prepareHome = (home: Home): void => {
  const closed = [
    home.repositories,
    home.blobs,
    home.runs,
    home.results,
    home.backups,
    home.agent,
    home.sockets,
    home.migrations,
  ]
  const passable = [
    home.root,
    home.work,
    home.images,
    home.instances,
    home.migrating,
    home.workspaces,
    home.caches,
    home.databases,
  ]
  process.umask(0o022) // users of jobs read scripts and tools, whatever the shell's was that started Headway
  for (const directory of passable) make(directory, 0o711)
  for (const directory of closed) make(directory, 0o700)
}

export const isRoot = (): boolean => process.getuid?.() === 0

const make = (directory: string, mode: number): void => {
  try {
    mkdirSync(directory, { recursive: true, mode })
    chmodSync(directory, mode) // mkdir's mode passes through the umask, and the directory may be older
  } catch (cause) {
    throw homeUnusable(directory, cause)
  }
}

/** A directory or file of the home that this user cannot write: on a read-only disk, or of somebody else. */
export const homeUnusable = (path: string, cause: unknown): Problem => {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  return new Problem(
    {
      kind: 'home-unusable',
      status: 500,
      detail: `${path} cannot be written: ${whyUnwritable[code] ?? describeError(cause)}`,
      next: 'see that it is on a local disk with room that may be written (ls -ld, findmnt -T), or choose another directory with --home',
    },
    { cause },
  )
}

const whyUnwritable: Readonly<Record<string, string>> = {
  EROFS: 'its file system is read-only',
  EACCES: 'this user may not write there',
  EPERM: "it is another user's",
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'there is a file of that name',
}

const reachableByOthers = (directory: string): boolean => {
  for (let at = directory; ; at = dirname(at)) {
    const status = statSync(at, { throwIfNoEntry: false })
    if (status && (status.mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}
