import { join } from 'node:path'
import type { Clock } from '../../clock.ts'
import type { Home } from '../../home.ts'
import type { ActionLibrary } from '../actions/library.ts'
import type { Actions } from '../jobs/actions.ts'
import { type JobPlace, type JobServices, runJob } from '../jobs/job.ts'
import type { JobUser } from '../jobs/processes.ts'
import { prepareWorkspace, removeWorkspace } from '../jobs/workspace.ts'
import type { Sandbox } from '../sandbox/sandbox.ts'
import type { Slots } from '../slots.ts'
import type { Toolchain } from '../toolchain.ts'
import type { JobExecutor } from './executor.ts'

export type LocalRunner = {
  /** How its jobs call it; default: the name of the runner that every Headway has. */
  readonly name?: string
  readonly home: Home
  readonly clock: Clock
  readonly slots: Slots
  readonly toolchain: Toolchain
  readonly actions: Actions
  readonly library: ActionLibrary
  readonly serverUrl: () => string
  readonly userFor: (slot: number) => JobUser | null
  readonly sandbox: Sandbox
  readonly services?: JobServices
  /** See `JobPlace`. */
  readonly markerPrefix?: string
}

/** How the runner that every Headway has of its own is called. */
export const localRunnerName = 'local'

/** Runs jobs in this process's own children, each in a slot of the machine. */
export const createLocalExecutor = (local: LocalRunner): JobExecutor => ({
  execute: async (order, _demand, begin, signals) => {
    const slot = await local.slots.take(AbortSignal.any([signals.cancel, signals.kill])).catch(() => null)
    if (slot === null) {
      signals.kill.throwIfAborted()
      return { kind: 'not begun' }
    }
    try {
      const { source, key } = order
      const user = local.userFor(slot.number)
      const root = join(local.home.workspaces, source.run, key)
      const clean = (): Promise<void> => removeWorkspace(root).catch(() => undefined) // what is left goes with the next start
      const workspace = prepareWorkspace(root, source.repository, user)
      workspace.catch(() => undefined) // told when the job needs it
      const { log, mayRun } = await begin(localRunnerName).finally(() => workspace.catch(() => undefined))
      mayRun.catch(() => undefined) // told below
      const result = await runJob(order, await placeFor(local, { root, workspace, user, log, mayRun }), signals)
      const cleaned = clean()
      signals.kill.throwIfAborted()
      if (!(await mayRun)) return { kind: 'not begun' }
      return { kind: 'ended', result, runner: localRunnerName, cleaned }
    } finally {
      slot.release()
    }
  },
})

const placeFor = async (
  { name = localRunnerName, home, clock, actions, library, toolchain, ...local }: LocalRunner,
  given: Pick<JobPlace, 'root' | 'workspace' | 'user' | 'log' | 'mayRun'>,
): Promise<JobPlace> => ({
  ...given,
  sandbox: local.sandbox,
  clock,
  actions,
  library,
  findNode: () => toolchain.ownNode(given.user),
  path: await toolchain.defaultPath(given.user),
  toolCache: join(home.caches, 'tools'),
  runnerName: name,
  serverUrl: local.serverUrl(),
  hasBash: await toolchain.hasBash(),
  ...(local.services ? { services: local.services } : {}),
  ...(local.markerPrefix ? { markerPrefix: local.markerPrefix } : {}),
})
