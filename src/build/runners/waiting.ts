import { hasLabels, isHostedElsewhere } from './labels.ts'
import { serves, type Ticket } from './queue.ts'

/** A runner as it matters to a job that waits. */
export type Candidate = {
  readonly name: string
  /** Null: not known since Headway was started. */
  readonly labels: readonly string[] | null
  readonly project: string | null
  readonly isOnline: boolean
  readonly jobs: number
  readonly parallel: number
}

/** Why a job has no runner yet. `isStuck`: nothing that runs now would ever take it. */
export type Wait = { readonly why: string; readonly isStuck: boolean }

/** What stands in a job's way, for people. `before`: how many jobs come before it. */
export const whyWaiting = (ticket: Ticket, runners: readonly Candidate[], before: number): Wait => {
  const able = runners.filter(({ labels, project }) => labels !== null && serves({ labels, project }, ticket))
  if (able.length === 0) {
    const closed = runners.filter(({ labels }) => labels !== null && hasLabels(labels, ticket.labels))
    const unknown = runners.filter(({ labels }) => labels === null)
    const why = closed.length > 0 ? ` for the project ${ticket.project}` : ''
    const perhaps =
      unknown.length > 0 ? `; not connected since the start: ${unknown.map(({ name }) => name).join(', ')}` : ''
    return {
      why: `no runner with labels [${ticket.labels.join(', ')}]${why}; runners: ${runners
        .filter(({ labels }) => labels !== null)
        .map(describe)
        .join('; ')}${perhaps}`,
      isStuck: true,
    }
  }
  const online = able.filter(({ isOnline }) => isOnline)
  if (online.length === 0)
    return {
      why: `${able.map(({ name }) => name).join(', ')} would take it, but ${able.length === 1 ? 'is' : 'are'} offline`,
      isStuck: true,
    }
  const busy = online.map(({ name, jobs, parallel }) => `${name} (${jobs} of ${parallel})`).join(', ')
  const place =
    before === 0 ? 'it is the next' : before === 1 ? 'one job comes before it' : `${before} jobs come before it`
  return { why: `busy: ${busy}; ${place}`, isStuck: false }
}

/**
 * Why a job will never have a runner; null when it may. It asks for a machine that GitHub hosts and that is of another kind than any of
 * ours; a label of one's own is waited for, as its runner may still be made.
 */
export const neverTaken = (ticket: Ticket, runners: readonly Candidate[]): string | null => {
  const elsewhere = ticket.labels.find(isHostedElsewhere)
  if (elsewhere === undefined || runners.some(({ labels }) => labels === null || hasLabels(labels, [elsewhere])))
    return null
  return `the job runs on [${ticket.labels.join(', ')}], but only GitHub hosts ${elsewhere} machines, and no runner here has that label; change runs-on to ubuntu-latest, or connect a machine of that kind (headway runners create --labels ${elsewhere})`
}

const describe = ({ name, labels, isOnline }: Candidate): string =>
  `${name} [${(labels ?? []).join(', ')}]${isOnline ? '' : ' (offline)'}`
