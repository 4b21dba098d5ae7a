import { existsSync, lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { RunAs } from '../../processes/command.ts'
import { groupMembers, sendSignal } from '../../processes/tree.ts'
import type { JobUser, ProcessStart } from '../jobs/processes.ts'
import { makeDirectory, type Workspace } from '../jobs/workspace.ts'
import { type Confinement, processLimit, ulimits } from './confinement.ts'
import type { JobLimits } from './limits.ts'
import { keepNamespaces, type Namespaces } from './namespaces.ts'
import { keptWhileSound } from './starters.ts'

export type BubblewrapParts = {
  /** The program. */
  readonly program: string
  readonly workspace: Workspace
  readonly user: JobUser | null
  /** What the markers of the job's processes begin with. */
  readonly marker: string
  readonly clock: Clock
  readonly limits: JobLimits
  /** Where no control group counts processes, each program gets a limit of its own of them. */
  readonly countsProcesses: boolean
  /** Directories outside of the system's that jobs may read: tools. */
  readonly readable: readonly string[]
  /** Puts the process that keeps the namespaces where it belongs. */
  placed(pid: number): Promise<void>
}

/** Where bubblewrap is on this machine; null where it is not. */
export const findBubblewrap = (path = process.env.PATH ?? ''): string | null =>
  [...path.split(':'), '/usr/bin', '/usr/local/bin']
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'bwrap'))
    .find((program) => existsSync(program)) ?? null

/**
 * A job in namespaces of its own: it sees the system read-only, its own directories, and nothing else of the disk; its own processes
 * and no others. The network is the machine's. Everything is done as the job's user, nothing as root: bubblewrap makes a user namespace.
 * A shell keeps the namespaces for as long as the job lasts, so that what a step leaves running is there for the next, and starts the job's
 * programs; it dies with Headway, and the whole job with it. What it cannot start gets a bubblewrap of its own in the same user and process
 * namespaces, with a mount namespace with the same mounts. Its environment goes to bubblewrap over a pipe and takes effect only inside,
 * because outside it would be the job's to say what is loaded.
 */
export const bubblewrapConfinement = (parts: BubblewrapParts): Confinement => {
  const { program, workspace, user, marker, limits, countsProcesses, clock, placed } = parts
  const privateFolder = join(workspace.root, 'private')
  const pipes = join(workspace.root, 'pipes')
  const accounts = user ? { passwd: join(workspace.root, 'passwd'), group: join(workspace.root, 'group') } : null
  const mounts = [
    ...systemMounts(),
    ...(user ? ['--dev', '/dev'] : devicesWithoutTerminals),
    ...(accounts ? ['--ro-bind', accounts.passwd, '/etc/passwd', '--ro-bind', accounts.group, '/etc/group'] : []),
  ]
  const own = [
    ...['--bind', privateFolder, '/tmp', '--bind', privateFolder, '/var/tmp'],
    ...parts.readable
      .filter((folder) => isReachable(folder, user))
      .flatMap((folder) => ['--ro-bind-try', folder, folder]),
    ...['--bind', workspace.root, workspace.root, '--remount-ro', '/'],
  ]
  const keep = async (): Promise<Namespaces> => {
    const made = [privateFolder, pipes].map((path) => makeDirectory(path, 0o700, user))
    const written = user && accounts && writeAccounts(accounts, user, workspace.home)
    await Promise.all([...made, written])
    const about = { program, user, marker, mounts: [...mounts, ...own], limits: ulimits(limits), pipes, clock, placed }
    return keepNamespaces(about)
  }
  const limited = countsProcesses ? [] : processLimit(limits)
  const kept = keptWhileSound(keep)

  const argumentsFor = ({ cwd, env }: ProcessStart): string[] => [
    ...['--userns', '4', '--pidns', '5', '--unshare-ipc', '--unshare-uts'],
    ...mounts,
    ...own,
    '--clearenv',
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', cwd],
  ]

  return {
    begin: () => void kept.get().catch(() => undefined),
    startInside: async (start) => (await kept.get()).shell.start(start, limited),
    prepare: async (start, placedProgram) => {
      const { userNamespace, pidNamespace } = await kept.get()
      const script = `${ulimits(limits)}exec "$@"`
      return {
        ...start,
        argv: ['/bin/sh', '-c', script, 'sh', program, '--args', '3', '--', ...limited, ...start.argv],
        cwd: '/',
        env: { PATH: '/usr/bin:/bin' },
        gate: { text: nulTerminated(argumentsFor(start)), placed: placedProgram },
        descriptors: [userNamespace, pidNamespace],
      }
    },
    // The leader of the session is bubblewrap, which waits for the program and must outlive what it is asked to do.
    signal: (pid, name) => {
      for (const member of groupMembers(pid)) if (member !== pid) sendSignal(member, name)
    },
    end: kept.end,
  }
}

/** NUL ends an argument, so that none may hold one: an environment of the kernel's cannot either. */
const nulTerminated = (values: readonly string[]): string =>
  values.map((value) => `${value.replaceAll('\0', '')}\0`).join('')

/** bubblewrap passes over a folder that is not there, but fails at one to which the job's user has no way: it would not be a tool's. */
const isReachable = (folder: string, user: JobUser | null): boolean => {
  if (user === null) return existsSync(folder)
  for (let at = folder; ; at = dirname(at)) {
    const status = statSync(at, { throwIfNoEntry: false })
    if (!status || (status.mode & 0o001) === 0) return false
    if (at === dirname(at)) return true
  }
}

/** A name for the job's user, who has none on this machine: programs look it up. */
const writeAccounts = (files: { passwd: string; group: string }, { uid, gid }: RunAs, home: string): Promise<unknown> =>
  effect('build.write-accounts', () => {
    const [passwd, group] = ['/etc/passwd', '/etc/group'].map((file) => readFileSync(file, 'utf8'))
    const ours = `job:x:${uid}:${gid}:A job of Headway:${home}:/bin/sh\n`
    const written = writeFile(files.passwd, `${passwd}${ours}`, { mode: 0o644 })
    return Promise.all([written, writeFile(files.group, `${group}job:x:${gid}:\n`, { mode: 0o644 })])
  })

/**
 * The system, read-only, by a list of what is shown: whatever else is on the disk is not there. /var, /run, /home and /root are empty but
 * for what the system itself needs of them.
 */
const systemMounts = (): string[] => [
  ...['--ro-bind', '/usr', '/usr'],
  ...['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'].flatMap(asItIs),
  ...['--ro-bind', '/etc', '/etc'],
  ...['/opt', '/nix', '/gnu', '/sys', '/var/lib/gems', '/var/cache/fontconfig'].flatMap((folder) => [
    '--ro-bind-try',
    folder,
    folder,
  ]),
  ...nameService(),
  ...['--proc', '/proc'],
  ...['/run', '/home', '/root'].flatMap((folder) => ['--dir', folder]),
]

/** Where no user 0 can be had, there are no terminals: those that are open belong to whoever Headway runs as. */
const devicesWithoutTerminals: readonly string[] = [
  ...['null', 'zero', 'full', 'random', 'urandom', 'tty'].flatMap((name) => [
    '--dev-bind-try',
    `/dev/${name}`,
    `/dev/${name}`,
  ]),
  ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/proc/self/fd/0', '/dev/stdin'],
  ...['--symlink', '/proc/self/fd/1', '/dev/stdout', '--symlink', '/proc/self/fd/2', '/dev/stderr'],
  ...['--perms', '1777', '--tmpfs', '/dev/shm'],
]

/** A link to a folder of /usr, as most systems have it by now, or the folder. */
const asItIs = (folder: string): string[] => {
  const status = lstatSync(folder, { throwIfNoEntry: false })
  if (!status) return []
  return status.isSymbolicLink() ? ['--symlink', readlinkSync(folder), folder] : ['--ro-bind', folder, folder]
}

/** /etc/resolv.conf is often a link into /run. */
const nameService = (): string[] => {
  try {
    const real = realpathSync('/etc/resolv.conf')
    return real.startsWith('/run/') ? ['--ro-bind', dirname(real), dirname(real)] : []
  } catch {
    return []
  }
}
