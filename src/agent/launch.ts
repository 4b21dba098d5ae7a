import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { allPids, environmentOf } from '../processes/tree.ts'
import type { Cgroup } from './cgroups.ts'
import type { InstanceSpec } from './protocol.ts'

/** By these two variables every process of an instance is found again, whoever its parent is by then. */
export const instanceMarker = 'HEADWAY_INSTANCE'
export const agentMarker = 'HEADWAY_AGENT'

/** Processes that carry the marks of this agent, each with the instance that it belongs to. */
export const markedProcesses = (home: string): { pid: number; instance: string }[] =>
  allPids().flatMap((pid) => {
    const environment = environmentOf(pid)
    if (!environment.includes(`${agentMarker}=${home}`)) return []
    const mark = environment.find((entry) => entry.startsWith(`${instanceMarker}=`))
    return mark === undefined ? [] : [{ pid, instance: mark.slice(instanceMarker.length + 1) }]
  })

const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((file) => existsSync(file))

/**
 * The command that puts itself into its accounts, gives up its rights and becomes the service: in this order, so that nothing of the service
 * runs outside its limits or with rights it must not have.
 */
export const launchCommand = (
  spec: InstanceSpec,
  cgroup: Cgroup | null,
): { argv: readonly string[]; dropsRights: boolean } => {
  const user = spec.user
  const drop =
    user && setpriv
      ? [setpriv, `--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--no-new-privs', '--']
      : []
  if (!cgroup || (user && !setpriv)) return { argv: [...drop, ...spec.argv], dropsRights: drop.length > 0 }
  const script = 'until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'
  return {
    argv: ['/bin/sh', '-c', script, 'sh', ...cgroup.directories, '--', ...drop, ...spec.argv],
    dropsRights: drop.length > 0,
  }
}

/** Starts the process of an instance, its output appended to the spool files. */
export const launch = (options: {
  spec: InstanceSpec
  port: number
  directory: string
  spool: { stdout: string; stderr: string }
  cgroup: Cgroup | null
  home: string
}): ChildProcess => {
  const { spec, port, directory, spool, cgroup, home } = options
  const { argv, dropsRights } = launchCommand(spec, cgroup)
  const [program = '', ...words] = argv
  const stdout = openSync(spool.stdout, 'a', 0o600)
  const stderr = openSync(spool.stderr, 'a', 0o600)
  try {
    return effectSync('agent.spawn', () =>
      spawn(program, words, {
        cwd: join(directory, 'app', spec.workingDirectory),
        detached: true,
        stdio: ['ignore', stdout, stderr],
        env: {
          PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
          HOST: '127.0.0.1',
          ...spec.env,
          PORT: String(port),
          HOME: join(directory, 'home'),
          TMPDIR: join(directory, 'tmp'),
          [instanceMarker]: spec.id,
          [agentMarker]: home,
        },
        ...(spec.user && !dropsRights ? { uid: spec.user.uid, gid: spec.user.gid } : {}),
      }),
    )
  } finally {
    closeSync(stdout)
    closeSync(stderr)
  }
}

/** A port that is free on loopback at this moment and that none of those given has. */
export const freePort = async (taken: ReadonlySet<number>): Promise<number> => {
  for (;;) {
    const port = await new Promise<number>((resolve, reject) => {
      const server = createServer()
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
      })
    })
    if (!taken.has(port)) return port
  }
}

/** Whether somebody listens on this loopback port already. */
export const isTaken = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
