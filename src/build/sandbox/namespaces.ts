import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import type { RunAs } from '../../processes/command.ts'
import { childrenOf, identityOf, isAlive, sendSignal } from '../../processes/tree.ts'
import { markerVariable } from '../jobs/processes.ts'
import type { InnerShell } from './inner-shell.ts'
import { faultOf, openStarters, starterDescriptors } from './starters.ts'

/** The user and process namespaces that all programs of a job share, kept by shells that start programs in them. */
export type Namespaces = {
  /** Open files, to be handed to bubblewrap. */
  readonly userNamespace: number
  readonly pidNamespace: number
  /** Starts programs in them; once it is not sound any more, they are to be made anew: the job has killed what it could reach. */
  readonly shell: InnerShell
  /** Kills whatever runs in them. */
  end(): Promise<void>
}

export type NamespacesParts = {
  /** bubblewrap. */
  readonly program: string
  readonly user: RunAs | null
  /** bubblewrap's options for what is mounted: what keeps the namespaces can be looked through by what runs in them. */
  readonly mounts: readonly string[]
  /** What is done in them first: limits that all programs inherit. */
  readonly limits: string
  /** See `InnerShellParts`. */
  readonly pipes: string
  readonly clock: Clock
  /** By which what is left of a killed Headway is found: a bubblewrap that had only just been started does not die with it. */
  readonly marker: string
  /** Puts a process where it belongs. */
  placed(pid: number): Promise<void>
}

/** Makes namespaces that die with this process. Rejects with what bubblewrap said when they cannot be made. */
export const keepNamespaces = async (parts: NamespacesParts): Promise<Namespaces> => {
  const { program, user, mounts, marker } = parts
  const unshared = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--unshare-uts']
  const options = [...unshared, '--die-with-parent', '--info-fd', '3']
  if (user) options.push('--userns-block-fd', '4')
  const child = effectSync('build.keep-namespaces', () =>
    spawn(program, [...options, ...mounts, '--chdir', '/', '--', '/bin/sh'], {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', [markerVariable]: marker },
      stdio: ['pipe', 'pipe', 'pipe', 'pipe', 'pipe', ...starterDescriptors],
      detached: true,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    }),
  )
  for (const pipe of child.stdio) pipe?.on('error', () => undefined) // reset where bubblewrap ends without having read all
  const { pid, shell } = await begun(child, parts).catch((error: unknown) => {
    effectSync('build.give-up-namespaces', () => child.kill('SIGKILL'))
    throw error
  })
  const first = identityOf(pid)
  const userNamespace = openSync(`/proc/${pid}/ns/user`, 'r')
  const pidNamespace = openSync(`/proc/${pid}/ns/pid`, 'r')
  return {
    userNamespace,
    pidNamespace,
    shell,
    end: async () => {
      closeSync(userNamespace)
      closeSync(pidNamespace)
      // With the first process all others in its namespace die; bubblewrap, outside of it, takes note and ends by itself.
      if (first && isAlive(first)) effectSync('build.end-namespaces', () => sendSignal(first.pid, 'SIGKILL'))
      await ended(child)
    },
  }
}

/** The first process, and the shells in it once all is mounted. */
const begun = async (
  child: ChildProcess,
  { user, limits, pipes, clock, placed }: NamespacesParts,
): Promise<{ pid: number; shell: InnerShell }> => {
  const { stdin, stdout } = child
  if (!stdin || !stdout) throw new Error('bubblewrap has no pipes')
  const fault = faultOf(child, 'bubblewrap ended at once')
  const pid = await Promise.race([firstPid(child), fault])
  if (user) mapUsers(pid, user)
  const placing = placed(pid) // for which the kernel takes as long as bubblewrap for its mounts
  placing.catch(() => undefined) // told below
  const gate = child.stdio[4]
  if (user && gate && 'write' in gate) gate.end('1')
  const isMounted = new Promise((resolve) => stdout.once('data', resolve))
  stdin.write('echo mounted\n')
  await Promise.race([isMounted, fault])
  const launcher = childrenOf(pid)[0] ?? null
  await placing
  if (launcher !== null) await placed(launcher)
  return { pid, shell: await openStarters({ child, pid: launcher, limits, pipes, clock, fault }) }
}

/** What bubblewrap tells of the first process in the namespaces, before that does anything. */
const firstPid = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    let told = ''
    child.stdio[3]?.on('data', (chunk: Buffer) => {
      told += chunk.toString()
      const [, pid] = /"child-pid": (\d+)/.exec(told) ?? []
      if (pid !== undefined) resolve(Number(pid))
    })
  })

const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
  })

/** What is user 0 in the namespaces: nobody's. Only a namespace that has one can have terminals of its own. */
const nobodysUser = 2 ** 31 - 2

/** As root, Headway says itself who is who in a job's user namespace: the job's user is itself. */
const mapUsers = (pid: number, { uid, gid }: RunAs): void =>
  effectSync('build.map-users', () => {
    writeFileSync(`/proc/${pid}/setgroups`, 'deny')
    writeFileSync(`/proc/${pid}/uid_map`, `${uid} ${uid} 1\n0 ${nobodysUser} 1\n`)
    writeFileSync(`/proc/${pid}/gid_map`, `${gid} ${gid} 1\n0 ${nobodysUser} 1\n`)
  })
