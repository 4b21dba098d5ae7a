import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../../../clock.ts'
import { effect } from '../../../effect.ts'
import type { Home } from '../../../home.ts'
import { removeTree } from '../../../processes/files.ts'
import type { ActionLibrary } from '../../actions/library.ts'
import type { DependencyCache } from '../../dependencies.ts'
import { builtInActions } from '../../engine.ts'
import type { Action } from '../../jobs/actions.ts'
import type { JobServices } from '../../jobs/job.ts'
import { openJobLog } from '../../jobs/log.ts'
import { endFamily, type JobUser } from '../../jobs/processes.ts'
import { readdressed } from '../../results/address.ts'
import type { Sandbox } from '../../sandbox/sandbox.ts'
import { createSlots } from '../../slots.ts'
import type { Toolchain } from '../../toolchain.ts'
import { createLocalExecutor } from '../local.ts'
import type { AssignedJob } from '../protocol.ts'
import type { Work } from './runner.ts'
import type { Sources } from './sources.ts'

export type WorkParts = {
  readonly home: Home
  /** The system's: steps have their time limits by it. */
  readonly clock: Clock
  readonly session: string
  readonly parallel: number
  readonly toolchain: Toolchain
  readonly dependencies: DependencyCache
  readonly sandbox: Sandbox
  readonly sources: Sources
  readonly library: { forJob(fence: number): ActionLibrary }
  readonly userFor: (slot: number) => JobUser | null
  /** Where this machine reaches the server. */
  readonly serverUrl: string
}

/** Runs jobs here as the server's own runner does there, with what the server sent instead of what it has. */
export const createWork = (parts: WorkParts): Work => {
  const { home, clock, session, toolchain, dependencies, sandbox, sources, library, userFor, serverUrl } = parts
  const slots = createSlots(parts.parallel)
  const prefixOf = (fence: number): string => `${session}-${fence}/`
  return {
    noteOf: ({ fence, order: { source, key } }) => ({
      fence,
      run: source.run,
      key,
      marker: prefixOf(fence),
      directory: join(home.workspaces, source.run, key),
    }),
    perform: async (job, logFile, signals) => {
      const { order, fence, token } = job
      const log = openJobLog(logFile, clock, () => undefined)
      try {
        const own = builtInActions(sources.pathOf, toolchain, dependencies)
        const checkout = own.get('actions/checkout')
        const actions = new Map(own)
        if (checkout) actions.set('actions/checkout', afterFetching(sources, token, checkout))
        const services = servicesOf(job, serverUrl)
        const executor = createLocalExecutor({
          name: job.runner,
          ...{ home, clock, slots, toolchain, actions, userFor, sandbox, services, library: library.forJob(fence) },
          serverUrl: () => serverUrl,
          markerPrefix: prefixOf(fence),
        })
        const begun = { log, mayRun: Promise.resolve(true) }
        const end = await executor.execute(order, { labels: [] }, async () => begun, signals)
        if (end.kind !== 'ended') throw new Error('the job was cancelled before it began')
        await end.cleaned
        return end.result
      } finally {
        await log.close()
      }
    },
    endLeftovers: async ({ marker, directory }) => {
      await endFamily({ marker, directory, sessions: new Set(), user: 'anyone' }, clock)
      await effect('runner.remove-leftovers', () => removeTree(directory))
    },
  }
}

/** The commits are brought here first; from then on it is as at the server. */
const afterFetching =
  (sources: Sources, token: string, checkout: Action): Action =>
  async (call) => {
    await sources.fetch(call.source.project, call.source.repository, token)
    return checkout(call)
  }

/** What this runner itself was told to trust. */
const ownCertificate = (): string | null => {
  const { NODE_EXTRA_CA_CERTS: file } = process.env
  return file ? readFileSync(file, 'utf8') : null
}

/** What the server would have given the job's actions, with the address by which it is reached from here. */
const servicesOf = ({ variables, token, serverUrl: theirs }: AssignedJob, ours: string): JobServices => ({
  certificate: ownCertificate(),
  variablesFor: async (_order, address = ours) => readdressed(variables, theirs, address),
  tokenFor: async () => token,
})
