import { type ChildProcess, spawn } from 'node:child_process'
import { chownSync, closeSync, existsSync, lstatSync, mkdirSync, openSync, readlinkSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { effectSync } from '../../effect.ts'
import { groupMembers, sendSignal } from '../../processes/tree.ts'
import type { JobUser, ProcessStart } from '../jobs/processes.ts'
import type { Workspace } from '../jobs/workspace.ts'
import { type Confinement, processLimit, ulimits } from './confinement.ts'
import type { JobLimits } from './limits.ts'

export type BubblewrapParts = {
  /** The program. */
  readonly program: string
  readonly workspace: Workspace
  readonly user: JobUser | null
  readonly limits: JobLimits
  /** Where no control group counts processes, each program gets a limit of its own of them. */
  readonly countsProcesses: boolean
  /** Directories outside of the system's that jobs may read: tools. */
  readonly readable: readonly string[]
  /** Puts the process that keeps the namespaces where it belongs. */
  placed(pid: number): void
}

/** Where bubblewrap is on this machine; null where it is not. */
export const findBubblewrap = (path = process.env.PATH ?? ''): string | null =>
  [...path.split(':'), '/usr/bin', '/usr/local/bin']
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, 'bwrap'))
    .find((program) => existsSync(program)) ?? null

/** The namespaces that all programs of a job share, kept by a process that does nothing. */
type Keeper = { readonly child: ChildProcess; readonly userNamespace: number; readonly pidNamespace: number }

/**
 * A job in namespaces of its own: it sees the system read-only, its own directories, and nothing else of the disk; its own processes
 * and no others. The network is the machine's. Everything is done as the job's user, nothing as root: bubblewrap makes a user namespace.
 * One process keeps the user and process namespaces for as long as the job lasts, so that what a step leaves running is there for
 * the next; it dies with Headway, and the whole job with it. Each program gets a mount namespace with the same mounts. Its environment goes
 * to bubblewrap over a pipe and takes effect only inside, because outside it would be the job's to say what is loaded.
 */
export const bubblewrapConfinement = (parts: BubblewrapParts): Confinement => {
  const { program, workspace, user, limits, countsProcesses } = parts
  const privateFolder = join(workspace.root, 'private')
  const mounts = [
    ...systemMounts(),
    ...devicesFor(user),
    ...parts.readable.flatMap((folder) => ['--ro-bind-try', folder, folder]),
  ]
  const own = [
    ...['--bind', privateFolder, '/tmp', '--bind', privateFolder, '/var/tmp'],
    ...['--bind', workspace.root, workspace.root, '--remount-ro', '/'],
  ]
  let keeping: Promise<Keeper> | null = null

  const keep = async (): Promise<Keeper> => {
    effectSync('build.make-private-directory', () => {
      mkdirSync(privateFolder, { recursive: true, mode: 0o700 })
      if (user) chownSync(privateFolder, user.uid, user.gid)
    })
    const namespaces = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--die-with-parent', '--info-fd', '3']
    const idle = ['/bin/sh', '-c', 'echo ready; read -r end']
    const child = effectSync('build.keep-namespaces', () =>
      spawn(program, [...namespaces, ...mounts, ...own, '--chdir', '/', '--', ...idle], {
        cwd: '/',
        env: { PATH: '/usr/bin:/bin' },
        stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
        detached: true,
        ...(user ? { uid: user.uid, gid: user.gid } : {}),
      }),
    )
    child.stdin?.on('error', () => undefined)
    const pid = await readyPid(child)
    for (const member of groupMembers(child.pid ?? pid)) parts.placed(member)
    return {
      child,
      userNamespace: openSync(`/proc/${pid}/ns/user`, 'r'),
      pidNamespace: openSync(`/proc/${pid}/ns/pid`, 'r'),
    }
  }

  const argumentsFor = ({ cwd, env }: ProcessStart): string[] => [
    ...['--userns', '4', '--pidns', '5', '--unshare-ipc', '--unshare-uts'],
    ...mounts,
    ...own,
    '--clearenv',
    ...Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--chdir', cwd],
  ]

  return {
    prepare: async (start, placed) => {
      keeping ??= keep()
      const { userNamespace, pidNamespace } = await keeping.catch((error: unknown) => {
        keeping = null
        throw error
      })
      const limited = countsProcesses ? [] : processLimit(limits)
      const script = `${ulimits(limits)}exec "$@"`
      return {
        ...start,
        argv: ['/bin/sh', '-c', script, 'sh', program, '--args', '3', '--', ...limited, ...start.argv],
        cwd: '/',
        env: { PATH: '/usr/bin:/bin' },
        gate: { text: nulTerminated(argumentsFor(start)), placed },
        descriptors: [userNamespace, pidNamespace],
      }
    },
    // The leader of the session is bubblewrap, which waits for the program and must outlive what it is asked to do.
    signal: (pid, name) => {
      for (const member of groupMembers(pid)) if (member !== pid) sendSignal(member, name)
    },
    end: async () => {
      const keeper = await keeping?.catch(() => null)
      keeping = null
      if (!keeper) return
      const { child, userNamespace, pidNamespace } = keeper
      closeSync(userNamespace)
      closeSync(pidNamespace)
      await ended(child)
    },
  }
}

/** NUL ends an argument, so that none may hold one: an environment of the kernel's cannot either. */
const nulTerminated = (values: readonly string[]): string =>
  values.map((value) => `${value.replaceAll('\0', '')}\0`).join('')

/** The process that is the first in its namespaces, once all is mounted. Rejects with what bubblewrap said when it did not come to that. */
const readyPid = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    const { stdout, stderr } = child
    const info = child.stdio[3]
    if (!stdout || !stderr || !info || !('setEncoding' in info)) throw new Error('bubblewrap has no pipes')
    let told = ''
    let said = ''
    info.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString().slice(0, 2000)
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(said.trim() || 'bubblewrap ended at once')))
    createInterface({ input: stdout }).once('line', () => {
      const [, pid] = /"child-pid": (\d+)/.exec(told) ?? []
      if (pid === undefined) reject(new Error(`bubblewrap did not tell its process: ${told}`))
      else resolve(Number(pid))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    effectSync('build.end-namespaces', () => child.kill('SIGKILL'))
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
  ...['--symlink', '/proc/self/fd', '/dev/fd', '--symlink', '/proc/self/fd/0', '/dev/stdin'],
  ...['--symlink', '/proc/self/fd/1', '/dev/stdout', '--symlink', '/proc/self/fd/2', '/dev/stderr'],
  ...['--perms', '1777', '--tmpfs', '/dev/shm'],
]

const devices = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

/** Terminals only for a user who has none yet: those that are open belong to whoever Headway runs as. */
const devicesFor = (user: JobUser | null): string[] =>
  [...devices, ...(user ? ['ptmx', 'pts'] : [])].flatMap((name) => ['--dev-bind-try', `/dev/${name}`, `/dev/${name}`])

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
