type Timed = { readonly job: string; readonly startedAt: number | null; readonly finishedAt: number | null }

/**
 * Jobs in columns: those of one began before any of them had ended. What waits for others stands last. The API does not tell which job
 * needs which, but what ran one after another shows as much of it as can be known.
 */
export const layersOf = <Job extends Timed>(jobs: readonly Job[]): readonly (readonly Job[])[] => {
  const begun = jobs.filter(({ startedAt }) => startedAt !== null)
  const layers: Job[][] = []
  let firstEnd = Number.NEGATIVE_INFINITY
  for (const job of begun.toSorted((one, other) => (one.startedAt ?? 0) - (other.startedAt ?? 0))) {
    if ((job.startedAt ?? 0) >= firstEnd) {
      layers.push([])
      firstEnd = Number.POSITIVE_INFINITY
    }
    layers.at(-1)?.push(job)
    firstEnd = Math.min(firstEnd, job.finishedAt ?? Number.POSITIVE_INFINITY)
  }
  const waiting = jobs.filter(({ startedAt }) => startedAt === null)
  return waiting.length > 0 ? [...layers, waiting] : layers
}
