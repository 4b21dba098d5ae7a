import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { allPids, environmentOf, groupMembers, identityOf, sendSignal } from '../processes/tree.ts'

/** The variables by which processes of an instance are found again, whoever their parent is by then. */
export const marksOf = (id: string, instances: string) => ({ HEADWAY_INSTANCE: id, HEADWAY_INSTANCES: instances })

/** The instance of this agent's that a process belongs to by its environment. */
export const markedInstance = (pid: number, instances: string): string | null => {
  const environment = environmentOf(pid)
  if (!environment.includes(`HEADWAY_INSTANCES=${instances}`)) return null
  return environment.find((entry) => entry.startsWith('HEADWAY_INSTANCE='))?.slice('HEADWAY_INSTANCE='.length) ?? null
}

/** The processes of this home's edges, whoever started them: also those that have no socket yet, and those that answer nobody. */
export const edgeProcesses = ({ root }: Pick<Home, 'root'>): number[] =>
  allPids().filter((pid) => environmentOf(pid).includes(`HEADWAY_EDGE_HOME=${root}`) && identityOf(pid) !== null)

export type Family = {
  readonly id: string
  readonly instances: string
  /** The process that leads its group; null when there was none. */
  readonly leader: number | null
  /** Members of its control group. */
  members(): readonly number[]
}

/** Kills whatever is left of an instance, and looks again until nothing is found: those found may be starting others. */
export const killLeftovers = async (family: Family, clock: Clock): Promise<void> => {
  for (let round = 0; round < 100; round += 1) {
    const left = leftoversOf(family)
    if (left.length === 0) return
    for (const pid of left) effectSync('agent.leftover-kill', () => sendSignal(pid, 'SIGKILL'))
    await clock.sleep(5)
  }
}

const leftoversOf = ({ id, instances, leader, members }: Family): number[] => {
  const marked = allPids().filter((pid) => markedInstance(pid, instances) === id)
  const grouped = leader === null ? [] : groupMembers(leader)
  return [...new Set([...members(), ...marked, ...grouped])].filter((pid) => identityOf(pid) !== null)
}
