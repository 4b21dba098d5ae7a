import { readdirSync, statSync } from 'node:fs'
import { mkdtemp, readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import { type Home, homeAt, prepareHome } from '../../home.ts'
import { describeError } from '../../problem.ts'
import { removeTree } from '../../processes/files.ts'
import { endFamily } from '../jobs/processes.ts'

/**
 * The directories of a Headway of its own below the temporary one, which users of jobs can pass. Those that a run has left which was
 * killed, what still runs in them, and its containers, are removed first; their names tell the process that made them.
 */
export const openTemporaryHome = async (clock: Clock, report: (message: string) => void): Promise<Home> => {
  for (const root of abandoned()) {
    const home = homeAt(root, {})
    const { sweepSandbox } = await import('../engine.ts')
    await sweepSandbox({ home, clock, report: () => undefined }).catch((error: unknown) =>
      report(`what an earlier run has left: ${describeError(error)}`),
    )
    for (const run of await readdir(home.workspaces).catch(() => [])) {
      const directory = join(home.workspaces, run)
      await endFamily({ marker: `${directory}/`, directory, sessions: new Set(), user: 'anyone' }, clock)
    }
    await removeTemporaryHome(home)
  }
  return effect('build.make-local-home', async () => {
    const home = homeAt(await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`)), {})
    prepareHome(home)
    return home
  })
}

/** What users of jobs must reach, and sockets, may lie elsewhere. */
export const removeTemporaryHome = (home: Home): Promise<void> =>
  effect('build.remove-local-home', async () => {
    for (const directory of [home.work, home.sockets, home.root]) await removeTree(directory)
  })

const prefix = 'headway-run-'

const abandoned = (): string[] =>
  readdirSync(tmpdir()).flatMap((name) => {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN
    if (!Number.isInteger(pid) || isAlive(pid)) return []
    const root = join(tmpdir(), name)
    const status = statSync(root, { throwIfNoEntry: false })
    return status?.isDirectory() && status.uid === process.getuid?.() ? [root] : []
  })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
