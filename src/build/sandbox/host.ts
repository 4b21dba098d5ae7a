import type { Clock } from '../../clock.ts'
import type { Cgroups } from '../../processes/cgroups.ts'
import {
  type Ending,
  endFamily,
  heldInput,
  markerVariable,
  type ProcessFamily,
  signalFamily,
  startProcess,
} from '../jobs/processes.ts'
import type { Confinement } from './confinement.ts'
import { describeSize, type JobLimits, jobCpuWeight } from './limits.ts'
import type { Meter } from './meter.ts'
import type { Cell, CellOrder, Isolation } from './sandbox.ts'

/** What the cells of this machine have in common. */
export type CellTools = { readonly cgroups: Cgroups; readonly meter: Meter; readonly limits: JobLimits }

/** The name of a job's control group. */
export const cellId = ({ run, key }: Pick<CellOrder, 'run' | 'key'>): string => `${run}.${key}`

/** A cell whose programs are processes of this machine, kept apart by a confinement and held to the limits. */
export const openHostCell = async (
  order: CellOrder,
  isolation: Isolation,
  confinement: Confinement,
  { cgroups, meter, limits }: CellTools,
): Promise<Cell> => {
  const { workspace, user, marker, clock } = order
  const id = cellId(order)
  const sessions = new Set<number>()
  const family: ProcessFamily = { marker, directory: workspace.root, sessions, user }
  const over = new AbortController()
  let ending: Promise<void> | null = null
  const endAll = (): Promise<void> => {
    ending ??= confinement.end().then(async () => void (await endFamily(family, clock)))
    return ending
  }
  const overLimit = (reason: Error): void => {
    if (over.signal.aborted) return
    over.abort(reason)
    if (cgroups.enforced) cgroups.prepare(id, { ...limits, processes: 1 }) // so that a fork bomb comes to its end
    endAll().catch(() => undefined) // the end of the job waits for the same
  }
  const told = (ending: Ending): Ending => {
    if (isFileTooLarge(ending)) overLimit(new Error(`the job was ended: ${fileTooLarge(limits)}`))
    return ending
  }

  await cgroups.prepareSoon(id, { ...limits, cpuWeight: jobCpuWeight })
  confinement.begin()
  const watching = await meter
    .watch({ id, family, directory: workspace.root, limits, onOver: overLimit })
    .catch(async (error: unknown) => {
      await endAll()
      throw error
    })
  return {
    isolation,
    user,
    path: null,
    serverUrl: null,
    hasHostTools: true,
    contexts: { container: {}, services: {} },
    over: over.signal,
    start: async (start) => {
      over.signal.throwIfAborted()
      ending = null
      const env = { ...start.env, [markerVariable]: start.marker }
      const stepUser = user && { ...user, isExclusive: false }
      const familyOf = (session: number | null): ProcessFamily => {
        const known = new Set(session === null ? [] : [session])
        return { marker: start.marker, directory: null, sessions: known, user: stepUser }
      }
      const input = start.input && heldInput(start.input)
      const asked = { ...start, env, user, ...(input ? { input } : {}) }
      const inside = await confinement.startInside(asked)
      if (inside) {
        const { pid, ended, ...streams } = inside
        if (pid !== null) sessions.add(pid)
        return {
          ...streams,
          ended: ended.then(told),
          signal: (name) => signalFamily(familyOf(pid), name),
          end: async () => {
            await endFamily(familyOf(pid), clock)
            if (!(await isOver(ended, clock))) await confinement.end() // who would tell was stopped, too
          },
        }
      }
      const spawn = await confinement.prepare(asked, (pid) => cgroups.placeSoon(id, pid))
      const { pid, ended, ...process } = await startProcess(spawn, clock)
      sessions.add(pid)
      return {
        ...process,
        ended: ended.then(told),
        signal: (name) => confinement.signal(pid, name),
        end: async () => void (await endFamily(familyOf(pid), clock)),
      }
    },
    endAll,
    [Symbol.asyncDispose]: async () => {
      watching.stop()
      await endAll()
      await cgroups.remove(id)
    },
  }
}

/** Whether the end of a program that was killed is told soon. */
const isOver = async (ended: Promise<unknown>, clock: Clock): Promise<boolean> => {
  const over = new AbortController()
  const late = clock.sleep(untilToldMs, over.signal).then(() => false)
  const isTold = await Promise.race([ended.then(() => true), late]).catch(() => true)
  over.abort()
  late.catch(() => undefined)
  return isTold
}
const untilToldMs = 3000

/** SIGXFSZ, or what a shell makes of it. */
const isFileTooLarge = ({ exitCode, signal }: Ending): boolean => signal === 'SIGXFSZ' || exitCode === 128 + 25
const fileTooLarge = ({ diskBytes }: JobLimits): string =>
  `a file grew larger than ${describeSize(diskBytes ?? 0)}, which is all that a job may have on the disk`
