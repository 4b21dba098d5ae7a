import { type ChildProcess, spawn } from 'node:child_process'
import { effectSync } from '../../effect.ts'
import { isRoot } from '../../home.ts'
import type { RunAs } from '../../processes/command.ts'
import { withoutNewPrivileges } from '../../processes/confine.ts'
import { identityOf, type ProcessIdentity } from '../../processes/tree.ts'

export type CommandOrder = {
  /** A shell line. */
  readonly line: string
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly user: RunAs | null
  /** Descriptors: where stdout and stderr go, and where the shell says that the line began and how it ended. */
  readonly output: number
  readonly end: number
}

/** A command that waits for `release`; without it, it never begins. It goes on when Headway ends. */
export type GatedCommand = {
  readonly process: ProcessIdentity
  release(): void
  abandon(): void
  readonly exited: Promise<void>
}

/**
 * A shell of the service's own user waits on descriptor 3, so that the command is written down before it begins, and tells its end on
 * descriptor 4, which the command itself does not get: so the end is known also to a control plane that was started meanwhile.
 */
const gate = [
  'read -r go <&3 || exit 125',
  'exec 3<&-',
  'cd -P -- "$0" && unset OLDPWD || exit 125',
  'trap : TERM', // the command gets it too, and has its time to end; how it does is told
  'echo began >&4',
  '"$@" 4>&-',
  'code=$?',
  'echo "$code" >&4',
].join('\n')

/** Rejects when no process could be made. */
export const startCommand = async (order: CommandOrder): Promise<GatedCommand> => {
  const { line, cwd, env, output, end } = order
  const runAs = isRoot() ? order.user : null
  const harden = runAs ? withoutNewPrivileges : []
  const child = effectSync('deploy.migration-spawn', () =>
    spawn('/bin/sh', ['-c', gate, cwd, ...harden, '/bin/sh', '-c', line], {
      cwd: '/',
      env: { ...env },
      stdio: ['ignore', output, output, 'pipe', end],
      detached: true,
      ...(runAs ? { uid: runAs.uid, gid: runAs.gid } : {}),
    }),
  )
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const pid = await pidOf(child)
  child.unref() // a control plane that stops does not wait for it: the next one will
  const pipe = child.stdio[3]
  if (!pipe || !('write' in pipe)) throw new Error('the gate has no pipe')
  pipe.on('error', () => {}) // it has ended already
  return {
    process: identityOf(pid) ?? { pid, start: 'ended at once' },
    release: () => effectSync('deploy.migration-release', () => pipe.end('go\n', () => pipe.destroy())),
    abandon: () => void pipe.destroy(),
    exited,
  }
}

const pidOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => (child.pid === undefined ? reject(new Error('it has no pid')) : resolve(child.pid)))
  })
