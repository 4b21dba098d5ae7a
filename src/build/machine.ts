import { lazily } from '../lazily.ts'
import type { ActionLibrary } from './actions/library.ts'
import type { BuildParts } from './build.ts'
import type { DependencyCache } from './dependencies.ts'
import type { JobServices } from './jobs/job.ts'
import type { JobExecutor } from './runners/executor.ts'
import type { SandboxParts } from './sandbox/choose.ts'
import type { Sandbox } from './sandbox/sandbox.ts'
import { createSlots } from './slots.ts'
import { type Toolchain, toolFolders } from './toolchain.ts'
import { jobUsers } from './users.ts'

export type MachineParts = Pick<
  BuildParts,
  | ('home' | 'clock' | 'report' | 'repositoryPath' | 'serverUrl')
  | ('isolation' | 'jobLimits' | 'findPostgres' | 'userFor')
> & {
  readonly toolsDirectory: string
  readonly toolchain: Toolchain
  readonly dependencies: DependencyCache
  readonly library: ActionLibrary
  readonly services: JobServices
  readonly parallelJobs: number
}

/** What runs jobs on this machine, one in each slot, and keeps them apart: loaded with the first. */
export const createMachine = (parts: MachineParts) => {
  const { home, clock, report, serverUrl } = parts
  const userFor = parts.userFor ?? jobUsers(home)
  const sandboxParts: SandboxParts = {
    ...{ home, clock, user: userFor(0), report, serverUrl },
    wanted: parts.isolation ?? null,
    limits: parts.jobLimits ?? null,
    readable: toolFolders(parts.toolsDirectory),
    findPostgres: parts.findPostgres,
  }

  const open = lazily(async () => (await import('./engine.ts')).openSandbox(sandboxParts))
  let opened: Promise<Sandbox> | null = null
  /** Tried out once, with the first job. */
  const sandbox = (): Promise<Sandbox> => {
    opened = open()
    return opened
  }

  const executor = lazily(async (): Promise<JobExecutor> => {
    const { builtInActions, createLocalExecutor } = await import('./engine.ts')
    const { toolchain, library, services } = parts
    const actions = builtInActions(parts.repositoryPath, toolchain, parts.dependencies)
    const slots = createSlots(parts.parallelJobs)
    const made = { slots, actions, sandbox: await sandbox() }
    return createLocalExecutor({ home, clock, toolchain, library, serverUrl, userFor, services, ...made })
  })

  const close = async (): Promise<void> => {
    await opened?.then(
      (one) => one.close(),
      () => undefined,
    )
  }

  return { sandbox, executor, close }
}
