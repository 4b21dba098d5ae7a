import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { isRoot } from '../home.ts'
import { withoutNewPrivileges } from '../processes/confine.ts'
import { identityOf, isAlive, type ProcessIdentity } from '../processes/tree.ts'
import type { Exit, InstanceSpec } from './protocol.ts'

/** A process of an instance, started by this agent or by one before it. */
export type Running = { readonly identity: ProcessIdentity; readonly exited: Promise<Exit> }

/** Started, but waiting: `release` lets the program begin; if the agent dies before, it never does. */
export type Gated = { readonly running: Running; release(): void }

export type Launch = Pick<InstanceSpec, 'argv' | 'user'> & {
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  readonly stdout: number
  readonly stderr: number
}

/**
 * A shell of the instance's own user waits for a word on descriptor 3 and then becomes the program, so that its identity is
 * written down and it is in its control group before it runs. Everything of the service's (LD_PRELOAD, PATH) works only there,
 * never in a process of root; so does its way into the directory, in which another instance of its may have put a link.
 */
const gate = 'read -r go <&3 || exit 125; exec 3<&-; cd -P -- "$0" && unset OLDPWD && exec "$@"'

/** Rejects when no process could be made. */
export const launch = async (
  { argv, user, cwd, env, stdout, stderr }: Launch,
  outOfMemory: () => boolean,
  clock: Clock,
): Promise<Gated> => {
  const runAs = isRoot() ? user : null
  const harden = runAs ? withoutNewPrivileges : []
  const child = effectSync('agent.instance-spawn', () =>
    spawn('/bin/sh', ['-c', gate, cwd, ...harden, ...argv], {
      cwd: '/',
      env: { ...env },
      stdio: ['ignore', stdout, stderr, 'pipe'],
      detached: true,
      ...(runAs ? { uid: runAs.uid, gid: runAs.gid } : {}),
    }),
  )
  const exited = exitOf(child, outOfMemory, clock)
  const pid = await pidOf(child)
  const identity = identityOf(pid) ?? { pid, start: 'ended at once' }
  return { running: { identity, exited }, release: () => openGate(child) }
}

const pidOf = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => (child.pid === undefined ? reject(new Error('it has no pid')) : resolve(child.pid)))
  })

const openGate = (child: ChildProcess): void => {
  const pipe = child.stdio[3]
  if (!pipe || !('write' in pipe)) throw new Error('the gate has no pipe')
  pipe.on('error', () => {}) // it has ended already
  pipe.end('go\n', () => pipe.destroy())
}

const exitOf = (child: ChildProcess, outOfMemory: () => boolean, clock: Clock): Promise<Exit> =>
  new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => {
      child.stdio[3]?.destroy()
      resolve({ exitCode, signal, outOfMemory: exitCode !== 0 && outOfMemory(), at: clock.now() })
    })
  })

const adoptedLookMs = 100

/** Watches a process that an agent before this one had started; how it ends cannot be known but for what the kernel counts. */
export const adopt = (identity: ProcessIdentity, outOfMemory: () => boolean, clock: Clock): Running => ({
  identity,
  exited: (async (): Promise<Exit> => {
    while (isAlive(identity)) await clock.sleep(adoptedLookMs)
    return { exitCode: null, signal: null, outOfMemory: outOfMemory(), at: clock.now() }
  })(),
})
