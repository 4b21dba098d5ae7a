import { type ChildProcess, spawn } from 'node:child_process'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { isRoot } from '../../home.ts'
import type { RunAs } from '../../processes/command.ts'
import { withoutNewPrivileges } from '../../processes/confine.ts'
import { childrenOf, killGroup, sendSignal } from '../../processes/tree.ts'
import { markerVariable } from '../jobs/processes.ts'
import type { InnerShell } from './inner-shell.ts'
import { faultOf, openStarters, starterDescriptors, startersOf } from './starters.ts'

export type JobShellParts = {
  readonly user: RunAs | null
  /** By which what is left of a killed Headway is found. */
  readonly marker: string
  /** What is done in it first: limits that all programs inherit. */
  readonly limits: string
  /** See `InnerShellParts`. */
  readonly pipes: string
  readonly clock: Clock
  /** Puts it where it belongs, before it does anything. */
  placed(pid: number): Promise<void>
}

/** A shell of a job's user, without any privilege to be had, and in it those that start the job's programs. */
export type JobShell = { readonly shell: InnerShell; end(): Promise<void> }

/** Where nobody waits for the ends of others' children they would stay as zombies: the shells have this long to do so, one after the other. */
const untilKilledMs = 200

/** Starts it; it ends by itself once Headway is gone. Rejects with what was said where that is impossible. */
export const keepJobShell = async (parts: JobShellParts): Promise<JobShell> => {
  const { user, marker, limits, pipes, clock, placed } = parts
  const [program, ...rest] = [...(user && isRoot() ? withoutNewPrivileges : []), '/bin/sh']
  const child = effectSync('build.keep-job-shell', () =>
    spawn(program ?? '/bin/sh', rest, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', [markerVariable]: marker },
      stdio: ['pipe', 'ignore', 'pipe', 'ignore', 'ignore', ...starterDescriptors],
      detached: true,
      ...(user ? { uid: user.uid, gid: user.gid } : {}),
    }),
  )
  for (const pipe of child.stdio) pipe?.on('error', () => undefined) // reset where it ends without having read all
  const fault = faultOf(child, 'the shell of the job ended at once')
  try {
    if (child.pid === undefined) return await fault
    await placed(child.pid)
    const shell = await openStarters({ child, pid: child.pid, limits, pipes, clock, fault })
    return { shell, end: () => endShell(child, clock) }
  } catch (error) {
    effectSync('build.give-up-job-shell', () => killGroup(child.pid, 'SIGKILL'))
    throw error
  }
}

const endShell = async (child: ChildProcess, clock: Clock): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  effectSync('build.end-job-shell', () => {
    for (const program of startersOf(child.pid ?? null).flatMap(childrenOf)) sendSignal(program, 'SIGKILL')
    for (const pipe of child.stdio) pipe?.destroy()
  })
  const over = new AbortController()
  await Promise.race([ended, clock.sleep(untilKilledMs, over.signal).catch(() => undefined)])
  over.abort()
  if (child.exitCode === null && child.signalCode === null)
    effectSync('build.kill-job-shell', () => killGroup(child.pid, 'SIGKILL')) // a program has stopped it
  await ended
}
