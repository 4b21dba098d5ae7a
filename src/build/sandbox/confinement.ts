import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { isRoot } from '../../home.ts'
import { withoutNewPrivileges } from '../../processes/confine.ts'
import { type JobUser, type ProcessStart, type Spawn, signalGroup } from '../jobs/processes.ts'
import { makeDirectory, type Workspace } from '../jobs/workspace.ts'
import type { InnerProcess } from './inner-shell.ts'
import { keepJobShell } from './job-shell.ts'
import type { JobLimits } from './limits.ts'
import { keptWhileSound } from './starters.ts'

/** How a job's programs are kept to themselves, as processes of this machine. */
export type Confinement = {
  /** Makes ready for programs, as that takes a while; what is wrong is told with the first of them. */
  begin(): void
  /** Starts a program without a new process of Headway's, which would cost milliseconds; null: it has to be by `prepare`. */
  startInside(start: ProcessStart): Promise<InnerProcess | null>
  /** What is really started in place of a program, once `placed` has put its process where it belongs. */
  prepare(start: ProcessStart, placed: (pid: number) => Promise<void>): Promise<Spawn>
  signal(pid: number, name: NodeJS.Signals): void
  /** Ends what it keeps running of its own; the next program begins anew. */
  end(): Promise<void>
}

export type PlainParts = {
  readonly workspace: Workspace
  readonly user: JobUser | null
  /** What the markers of the job's processes begin with. */
  readonly marker: string
  readonly clock: Clock
  readonly limits: JobLimits
  /** Where no control group counts processes, each program gets a limit of its own of them. */
  readonly countsProcesses: boolean
  /** How many the job has. */
  readonly steps: number
  /** Puts the shell that starts programs where it belongs. */
  placed(pid: number): Promise<void>
}

/**
 * No more than the job's own user, or, where Headway is no root, its own. A shell of that user starts the job's programs. What it cannot start gets one
 * of its own, which waits for a word, so that it is in its control group before anything of the job's is run, enters the directory, in which
 * a link of the job's may be, and becomes the program.
 */
export const plainConfinement = (parts: PlainParts): Confinement => {
  const { workspace, user, marker, limits, clock, steps, placed } = parts
  const limited = user && isRoot() && !parts.countsProcesses ? processLimit(limits) : []
  const inherited = `${ulimits(limits)}${user ? 'umask 027; ' : ''}`
  const pipes = join(workspace.root, 'pipes')
  const kept = keptWhileSound(async () => {
    await makeDirectory(pipes, 0o700, user)
    return keepJobShell({ user, marker, limits: inherited, pipes, clock, placed })
  })
  let programs = 0
  return {
    begin: () => {
      if (steps > 1) kept.get().catch(() => undefined) // told by the first program
    },
    startInside: async (start) => {
      programs += 1
      if (steps === 1 && programs === 1) return null // to start a shell that starts it would only take longer
      return (await kept.get()).shell.start(start, limited)
    },
    prepare: async (start, placedProgram) => {
      const { env, restore } = withoutLoader(start.env)
      const harden = user && isRoot() ? [...withoutNewPrivileges, ...limited] : []
      const script = `read -r go <&3 || exit 125; exec 3<&-; ${restore}${inherited}cd -P -- "$0" && unset OLDPWD && exec "$@"`
      return {
        ...start,
        argv: [...shellFor(env), '-c', script, start.cwd, ...harden, ...start.argv],
        env,
        cwd: '/',
        gate: { text: 'go\n', placed: placedProgram },
      }
    },
    signal: (pid, name) => signalGroup(pid, name),
    end: kept.end,
  }
}

const bash = ['/bin/bash', '/usr/bin/bash'].find((path) => existsSync(path))

/**
 * A shell that hands on the whole environment: sh loses variables whose names are none for it, such as the INPUT_NODE-VERSION of an
 * action. Bash keeps them, in its privileged mode without running what BASH_ENV names before the process is where it belongs.
 */
const shellFor = (env: ProcessStart['env']): [string, ...string[]] =>
  bash && Object.keys(env).some((name) => !isName.test(name)) ? [bash, '-p'] : ['/bin/sh']

const isName = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * What the dynamic loader obeys is the job's own, and must not take effect before its process is in its control group: it is put under
 * other names until then.
 */
const withoutLoader = (given: Readonly<Record<string, string>>): { env: Record<string, string>; restore: string } => {
  const env = { ...given }
  let restore = ''
  for (const name of Object.keys(given).filter((one) => one.startsWith('LD_') && isName.test(one))) {
    env[`HEADWAY_HELD_${name}`] = given[name] ?? ''
    delete env[name]
    restore += `export ${name}="$HEADWAY_HELD_${name}"; unset HEADWAY_HELD_${name}; `
  }
  return { env, restore }
}

/** No core dumps in the workspace; and no single file, made at one stroke, larger than all that the job may have on the disk. */
export const ulimits = ({ diskBytes }: JobLimits): string =>
  `ulimit -c 0; ${diskBytes === null ? '' : `ulimit -f ${Math.ceil(diskBytes / 512)}; `}`

/** Put before a program: a limit that counts the processes of its user, for where no control group counts a job's. */
export const processLimit = ({ processes }: JobLimits): readonly string[] =>
  processes === null || !existsSync('/usr/bin/prlimit') ? [] : ['/usr/bin/prlimit', `--nproc=${processes}`, '--']
