type Needing = { readonly job: string; readonly needs: readonly string[] }

/** Jobs in columns: each stands right of all that it needs, as far left as it can. */
export const layersOf = <Job extends Needing>(jobs: readonly Job[]): readonly (readonly Job[])[] => {
  const known = new Map(jobs.map((one) => [one.job, one]))
  const columns = new Map<string, number>()
  const columnOf = (job: string): number => {
    const column = columns.get(job)
    if (column !== undefined) return column
    columns.set(job, 0) // jobs that need each other in a circle never ran; the walk ends all the same
    const before = (known.get(job)?.needs ?? []).filter((one) => known.has(one)).map((one) => columnOf(one) + 1)
    const own = Math.max(0, ...before)
    columns.set(job, own)
    return own
  }
  const layers: Job[][] = []
  for (const one of jobs) {
    const column = columnOf(one.job)
    for (let at = layers.length; at <= column; at += 1) layers.push([])
    layers[column]?.push(one)
  }
  return layers
}
