import type { Clock } from '../../clock.ts'
import type { Home } from '../../home.ts'
import type { JobUser } from '../jobs/processes.ts'
import { openHostCell } from './host.ts'
import type { CellOrder, Isolation, Sandbox } from './sandbox.ts'

export type SandboxParts = {
  readonly home: Home
  readonly clock: Clock
  /** A user of jobs, to try with; null where Headway cannot change users. */
  readonly user: JobUser | null
  /** What the administrator asked for; null: the best that works. */
  readonly wanted: Isolation | null
  readonly report: (message: string) => void
}

/** Finds out by trying what can keep jobs apart on this machine. */
export const openSandbox = async (parts: SandboxParts): Promise<Sandbox> => {
  const isolation: Isolation = parts.user ? 'unprivileged user' : 'none'
  return {
    isolation,
    open: async (order: CellOrder) => {
      if (isolation === 'none' && !order.isByAdministrator) throw new Error(notIsolated)
      return openHostCell(order, isolation)
    },
    sweep: async () => undefined,
  }
}

const notIsolated =
  'nothing on this machine keeps jobs apart, so only jobs that an administrator caused run here; install bubblewrap (apt-get install bubblewrap) or a Docker Engine, or run Headway as root'
