import type { NewFact } from '../ledger/fact.ts'
import { describeError } from '../problem.ts'
import type { Conduct } from './conductor.ts'
import type { Annotation } from './facts.ts'
import type { JobLog } from './jobs/log.ts'
import { marked } from './jobs/output.ts'
import type { JobResult } from './jobs/result.ts'

const mostAnnotations = 50
const levels = ['failure', 'warning', 'notice'] as const

/** What is recorded beside the end of a job: the facts of its reports, and all its annotations, those of failing tests included. */
export const readJobReports = async (
  { tools, source }: Conduct,
  about: { readonly job: string; readonly jobName: string },
  { reports, annotations }: JobResult,
  openLog: () => Promise<JobLog>,
): Promise<{ readonly facts: readonly NewFact[]; readonly annotations: Annotation[] }> => {
  const nothing = { facts: [], annotations: [] }
  const reading = reports.length === 0 ? undefined : tools.readReports?.({ source, ...about }, reports)
  const read = await reading?.catch(async (error: unknown) => {
    const log = await openLog()
    log.write(marked('warning', `The reports of this job were not kept: ${describeError(error)}`))
    return nothing
  })
  return {
    facts: read?.facts ?? [],
    annotations: [...(read?.annotations ?? []), ...annotations]
      .toSorted((one, other) => levels.indexOf(one.level) - levels.indexOf(other.level))
      .slice(0, mostAnnotations),
  }
}
