import { endFamily, markerVariable, type ProcessFamily, signalGroup, startProcess } from '../jobs/processes.ts'
import type { Cell, CellOrder, Isolation } from './sandbox.ts'

/** A cell of nothing but the job's own user, or not even that: its programs are this machine's processes like others. */
export const openHostCell = async (order: CellOrder, isolation: Isolation): Promise<Cell> => {
  const { workspace, user, marker, clock } = order
  const sessions = new Set<number>()
  const all: ProcessFamily = { marker, directory: workspace.root, sessions, user }
  const end = async (family: ProcessFamily): Promise<void> => {
    await endFamily(family, clock)
  }
  return {
    isolation,
    user,
    path: null,
    hasHostTools: true,
    contexts: { container: {}, services: {} },
    over: new AbortController().signal,
    start: async (start) => {
      const env = { ...start.env, [markerVariable]: start.marker }
      const { pid, ...process } = await startProcess({ ...start, env, user }, clock)
      sessions.add(pid)
      const stepUser = user && { ...user, isExclusive: false }
      const family = { marker: start.marker, directory: null, sessions: new Set([pid]), user: stepUser }
      return { ...process, signal: (name) => signalGroup(pid, name), end: () => end(family) }
    },
    endAll: () => end(all),
    [Symbol.asyncDispose]: () => end(all),
  }
}
