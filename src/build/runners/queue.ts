import { hasLabels } from './labels.ts'

/** A job that waits for a runner. */
export type Ticket = {
  readonly project: string
  readonly run: string
  readonly job: string
  readonly name: string
  readonly labels: readonly string[]
  /** When it began to wait, in milliseconds since 1970. */
  readonly since: number
}

/** Somebody who takes jobs. */
export type Worker = {
  readonly name: string
  readonly labels: readonly string[]
  /** The only project whose jobs it takes; null: all. */
  readonly project: string | null
  /** How many more it would take now. */
  free(): number
  /** It has one more, or one less: called at once, before anything else happens. */
  took(): void
  left(): void
}

export type Seat<Taker extends Worker> = {
  readonly worker: Taker
  /** The job is over: others may have its share. */
  leave(): void
}

/** Jobs that wait and those who take them. */
export type Queue<Taker extends Worker> = {
  /** Waits for a worker; rejects with the signal's reason when that aborts before. */
  wait(ticket: Ticket, signal: AbortSignal): Promise<Seat<Taker>>
  /** A job that has a worker already counts as running. */
  occupy(ticket: Ticket): { leave(): void }
  /** Somebody takes jobs from now on, until the returned function is called. */
  join(worker: Taker): () => void
  /** Somebody may take more than before. */
  changed(): void
  /** In the order of their turns, as it is now. */
  waiting(): readonly Ticket[]
}

/**
 * In whose turn it is: jobs of the project of which the fewest run, among those of the run of which the fewest run, the oldest run first,
 * within it in the order in which they came. So one project with a thousand jobs, or one run with a matrix of 256, holds up nobody else.
 */
export const createQueue = <Taker extends Worker>(): Queue<Taker> => {
  const waiting = new Map<Ticket, (seat: Seat<Taker>) => void>()
  const workers = new Set<Taker>()
  const shares = createShares()

  const occupy = (ticket: Ticket, worker?: Taker): { leave(): void } => {
    shares.add(ticket, 1)
    let isLeft = false
    return {
      leave: () => {
        if (isLeft) return
        isLeft = true
        shares.add(ticket, -1)
        worker?.left()
        changed()
      },
    }
  }
  const changed = (): void => {
    for (const worker of workers) {
      while (waiting.size > 0 && worker.free() > 0) {
        const ticket = nextFor(worker, waiting.keys(), shares)
        if (!ticket) break
        const give = waiting.get(ticket)
        waiting.delete(ticket)
        worker.took()
        give?.({ worker, leave: occupy(ticket, worker).leave })
      }
    }
  }
  return {
    wait: (ticket, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason)
      return new Promise((resolve, reject) => {
        const leave = (): void => {
          waiting.delete(ticket)
          reject(signal.reason)
        }
        waiting.set(ticket, (seat) => {
          signal.removeEventListener('abort', leave)
          resolve(seat)
        })
        signal.addEventListener('abort', leave, { once: true })
        changed()
      })
    },
    occupy: (ticket) => occupy(ticket),
    join: (worker) => {
      workers.add(worker)
      changed()
      return () => {
        workers.delete(worker)
      }
    },
    changed,
    waiting: () => [...waiting.keys()].sort((one, other) => compared(one, other, shares)),
  }
}

export const serves = (worker: Pick<Worker, 'labels' | 'project'>, { labels, project }: Ticket): boolean =>
  (worker.project === null || worker.project === project) && hasLabels(worker.labels, labels)

const nextFor = (worker: Worker, tickets: Iterable<Ticket>, shares: Shares): Ticket | undefined => {
  let best: Ticket | undefined
  for (const ticket of tickets)
    if (serves(worker, ticket) && (best === undefined || compared(ticket, best, shares) < 0)) best = ticket
  return best
}

/** Below 0: the one comes first; 0: whichever came first. Ids of runs sort by the time of their creation. */
const compared = (one: Ticket, other: Ticket, shares: Shares): number =>
  shares.ofProject(one) - shares.ofProject(other) ||
  shares.ofRun(one) - shares.ofRun(other) ||
  (one.run < other.run ? -1 : one.run > other.run ? 1 : 0)

type Shares = {
  add(ticket: Ticket, change: 1 | -1): void
  ofProject(ticket: Ticket): number
  ofRun(ticket: Ticket): number
}

const createShares = (): Shares => {
  const projects = new Map<string, number>()
  const runs = new Map<string, number>()
  const add = (counts: Map<string, number>, key: string, change: number): void => {
    const count = (counts.get(key) ?? 0) + change
    if (count === 0) counts.delete(key)
    else counts.set(key, count)
  }
  return {
    add: ({ project, run }, change) => {
      add(projects, project, change)
      add(runs, run, change)
    },
    ofProject: ({ project }) => projects.get(project) ?? 0,
    ofRun: ({ run }) => runs.get(run) ?? 0,
  }
}
