import type { ProjectName } from '../../names.ts'
import type { Change } from './change.ts'
import type { Conduct } from './conduct.ts'
import { type Blocker, blockersOf } from './gates.ts'
import type { ChangeQueries } from './queries.ts'
import { type Standing, standingsOf } from './queue.ts'

/** What is on its way to one branch of one repository. */
export type Queue = {
  readonly repository: string
  readonly target: string
  /** Whether nothing lands there until the branch is green again. */
  readonly isHeld: boolean
  /** The first one lands first. */
  readonly queued: readonly (Change & { readonly standing: Standing })[]
  /** Asked to be merged, and kept from the queue by something. */
  readonly asked: readonly (Change & { readonly blockers: readonly Blocker[] })[]
  /** Open ones that were put out or taken out, and why, the newest first. */
  readonly left: readonly (Change & { readonly note: string })[]
}

const mostOpen = 1000
const mostLeft = 10

/** All queues of a project in which something is, or was put out of; as new as the views are. */
export const readQueues = async (
  project: ProjectName,
  { queries, surroundings }: { queries: ChangeQueries; surroundings: Conduct['surroundings'] },
): Promise<Queue[]> => {
  const open = await queries.changes({ project, status: 'open', limit: mostOpen })
  const told = open.filter(({ wish, queuedSeq, note }) => wish !== null || queuedSeq !== null || note !== null)
  const groups = Object.groupBy(told, ({ repository, target }) => JSON.stringify([repository, target]))
  const queues: Queue[] = []
  for (const group of Object.values(groups)) {
    const [first] = group ?? []
    if (!group || !first) continue
    const { repository, target } = first
    const tip = await queries.branch(first, target)
    const rules = await queries.rules(first)
    const queue = await queries.queue(first, target)
    const standings = tip ? standingsOf(tip.object, queue, rules) : []
    const waiting: Standing = { kind: 'waiting', detail: null }
    const asked = group.filter(({ wish, queuedSeq }) => wish !== null && queuedSeq === null)
    queues.push({
      ...{ repository, target },
      isHeld: rules.holdOnRed && (await queries.isRed(first, target)),
      queued: queue.map((change, place) => ({ ...change, standing: standings[place] ?? waiting })),
      asked: await Promise.all(
        asked.map(async (change) => ({ ...change, blockers: blockersOf(change, await surroundings(change)) })),
      ),
      left: group
        .flatMap((change) => (change.wish === null && change.note !== null ? [{ ...change, note: change.note }] : []))
        .toSorted((one, other) => other.updatedAt - one.updatedAt)
        .slice(0, mostLeft),
    })
  }
  return queues
}
