import type { Conduct, JobEnd } from './conductor.ts'
import { worstOf } from './conductor.ts'
import { EndedBecause } from './ended-because.ts'
import type { RowOfJob } from './row.ts'
import { conductRow } from './row.ts'
import type { Finished } from './run.ts'
import { evaluateTemplate, flagFrom, numberFrom } from './workflow/evaluate.ts'
import type { Json, Scope } from './workflow/expression.ts'
import { MatrixFault, rowLabel, rowsOf } from './workflow/matrix.ts'
import type { Job } from './workflow/workflow.ts'

export { nothing } from './row.ts'

/** One row of a job's matrix, or the whole job where it has none. */
export type JobRow = { readonly key: string; readonly matrix: Json; readonly label: string }

/** Throws a MatrixFault that says what is wrong with the matrix and where it stands. */
export const rowsFor = async ({ prefix }: Conduct, job: Job, scope: Scope): Promise<readonly JobRow[]> => {
  const matrix = job.strategy?.matrix
  if (!matrix) return [{ key: `${prefix}${job.id}`, matrix: null, label: '' }]
  const { evaluated, rows } = await evaluateTemplate(matrix, scope)
    .then((value) => ({ evaluated: value, rows: rowsOf(value) }))
    .catch((error: unknown) => {
      throw new MatrixFault(error, matrix.at)
    })
  return rows.map((row, index) => {
    return { key: `${prefix}${job.id}.${index + 1}`, matrix: row, label: rowLabel(row, evaluated) }
  })
}

/** Runs the rows, as many at a time as `max-parallel` allows. */
export const conductRows = async (
  about: Pick<RowOfJob, 'conduct' | 'job' | 'needs' | 'scope' | 'isAnew' | 'cancel'>,
  rows: readonly JobRow[],
): Promise<JobEnd> => {
  const { job, scope } = about
  const failFast = (await flagFrom(job.strategy?.failFast, scope)) ?? true
  const maxParallel = Math.max(1, (await numberFrom(job.strategy?.maxParallel, scope)) ?? rows.length)
  const siblings = new AbortController()
  const cancel = AbortSignal.any([about.cancel, siblings.signal])
  const ends: Finished[] = []
  const queue = [...rows.entries()]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, row] = next
      const strategy = {
        'fail-fast': failFast,
        'job-index': index,
        'job-total': rows.length,
        'max-parallel': maxParallel,
      }
      const contexts = { ...scope.contexts, matrix: row.matrix, strategy }
      const end = await conductRow({ ...about, ...row, scope: { ...scope, contexts }, strategy, cancel })
      ends.push(end)
      if (failFast && end.conclusion === 'failure')
        siblings.abort(new EndedBecause(`${job.id}${row.label} failed, and fail-fast ends the rest of its matrix`))
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(maxParallel, rows.length) }, worker))
  for (const end of settled) if (end.status === 'rejected') throw end.reason
  return {
    conclusion: worstOf(ends.map(({ conclusion }) => conclusion)),
    outputs: outputsOf(ends),
    isAnew: ends.some(({ keptFrom }) => keptFrom === undefined),
  }
}

/**
 * The rows' outputs together: of the same name the last that ended counts, and an empty one, as of a row that sets another, takes
 * nothing away. https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#using-job-outputs-in-a-matrix-job
 */
const outputsOf = (ends: readonly Finished[]): Record<string, string> => {
  const outputs: Record<string, string> = {}
  for (const end of ends)
    for (const [name, value] of Object.entries(end.outputs))
      if (value !== '' || !(name in outputs)) outputs[name] = value
  return outputs
}
