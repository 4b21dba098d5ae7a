import { mkdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createDependencyCache, createToolchain, jobUsers } from './build/index.ts'
import { normalLabels, ownLabels } from './build/runners/labels.ts'
import { bootClock } from './build/runners/remote/boot-clock.ts'
import { startGuard } from './build/runners/remote/guard.ts'
import { createRemoteLibrary } from './build/runners/remote/library.ts'
import { createActionLine, createLine } from './build/runners/remote/line.ts'
import { createRecords } from './build/runners/remote/records.ts'
import { createRunner } from './build/runners/remote/runner.ts'
import { createSources } from './build/runners/remote/sources.ts'
import { createWork } from './build/runners/remote/work.ts'
import { openSandbox } from './build/sandbox/choose.ts'
import type { Isolation } from './build/sandbox/sandbox.ts'
import { toolFolders } from './build/toolchain.ts'
import { systemClock, systemIds } from './clock.ts'
import { type Home, prepareHome } from './home.ts'
import { takeLock } from './lock.ts'
import { version } from './version.ts'

export type RunnerOptions = {
  readonly home: Home
  readonly serverUrl: string
  readonly token: string
  /** Besides those that every runner has. */
  readonly labels: readonly string[]
  /** Jobs at the same time; default: as many as there are cores. */
  readonly parallel: number | null
  readonly isolation: Isolation | null
}

/**
 * `headway runner`: runs jobs of the Headway at that address until it is told to stop. The first SIGTERM or SIGINT lets the jobs that it
 * has go on to their ends, the second ends them. Rejects with a Problem when the server will not have it.
 */
export const runRunner = async (options: RunnerOptions, say: (line: string) => void = console.log): Promise<void> => {
  const { home, serverUrl } = options
  prepareHome(home)
  using _lock = heldLock(home)
  const [tools, dependencies] = [join(home.caches, 'tools'), join(home.caches, 'dependencies')]
  await mkdir(tools, { recursive: true, mode: 0o755 })
  await mkdir(dependencies, { recursive: true, mode: 0o711 })
  const userFor = jobUsers(home)
  const report = (message: string): void => say(`! ${message}`)
  const sandbox = await openSandbox({
    ...{ home, clock: systemClock, user: userFor(0), report, serverUrl: () => serverUrl },
    wanted: options.isolation,
    readable: toolFolders(tools),
  })
  await sandbox.sweep()
  const library = createRemoteLibrary(
    join(home.root, 'actions'),
    createActionLine(serverUrl, options.token),
    systemClock,
  )
  await library.sweep()
  const session = systemIds(systemClock)('session')
  const parallel = options.parallel ?? availableParallelism()
  const labels = normalLabels([...ownLabels, ...options.labels])
  const runner = createRunner({
    exchange: createLine(serverUrl, options.token),
    work: createWork({
      ...{ home, session, parallel, sandbox, userFor, serverUrl, clock: systemClock },
      toolchain: createToolchain(tools),
      dependencies: createDependencyCache(dependencies),
      sources: createSources(join(home.root, 'sources'), serverUrl, systemClock),
      library,
    }),
    records: createRecords(join(home.root, 'jobs')),
    guard: startGuard(report),
    clock: bootClock,
    greeting: `runs jobs of ${serverUrl}, ${parallel} at a time, isolated by: ${sandbox.isolation}; labels [${labels.join(', ')}]`,
    ...{ session, version, labels, parallel, say },
  })
  const stop = (): void => {
    say('takes no more jobs; once more ends those that it has')
    runner.drain()
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.off(signal, stop)
      process.once(signal, () => runner.endNow())
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop)
  await runner.run()
}

const heldLock = (home: Home) => {
  const lock = takeLock(home)
  return { [Symbol.dispose]: () => lock.release() }
}
