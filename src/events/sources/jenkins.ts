import { z } from 'zod'
import type { OutsideRecordInput, Told } from '../records.ts'
import { timeOr } from '../times.ts'
import type { Reading } from './reading.ts'

const Job = z.object({
  name: z.string(),
  build: z.object({
    number: z.number().int(),
    phase: z.string(),
    status: z.string().nullish(),
    timestamp: z.string().nullish(),
    duration: z.number().nullish(),
    scm: z.object({ url: z.string().nullish(), branch: z.string().nullish(), commit: z.string().nullish() }).nullish(),
  }),
})
const outcomes = new Map<string, 'succeeded' | 'failed' | 'cancelled'>([
  ['SUCCESS', 'succeeded'],
  ['UNSTABLE', 'failed'],
  ['FAILURE', 'failed'],
  ['ABORTED', 'cancelled'],
])

/** What the Notification plugin of Jenkins posts as JSON; what its CDEvents plugin posts comes in as CDEvents. */
export const readJenkins: Reading = ({ content, source }): Told => {
  const { name, build } = Job.parse(content)
  const finishedAt = timeOr(build.timestamp)
  const outcome = outcomes.get(build.status ?? '')
  const isOver = build.phase === 'COMPLETED' || build.phase === 'FINALIZED'
  const about = `${name} #${build.number}`
  const type = `job.${build.phase.toLowerCase()}`
  if (!isOver || !outcome || finishedAt === null) return { type, about, at: finishedAt, records: [] }
  const repository = repositoryIn(build.scm?.url) ?? name
  const startedAt = build.duration ? finishedAt - build.duration : null
  const run = { id: `${name}/${build.number}`, repository, startedAt, finishedAt }
  const commit = build.scm?.commit
  const records: OutsideRecordInput[] = [
    { type: 'run', ...run, workflow: name, outcome, ...(commit ? { commit } : {}) },
  ]
  if (source.deployJobs(name) && outcome !== 'cancelled')
    records.push({ type: 'deployment', ...run, unit: name, outcome, ...(commit ? { revision: commit } : {}) })
  return { type, about, at: finishedAt, records }
}

/** `owner/name` in the address of a repository, however it is written; never what else stands in it, such as a password. */
export const repositoryIn = (address: string | null | undefined): string | null => {
  const path = /^(?:[a-z+]+:\/\/[^/]*\/|[^:/]+:)(.+)$/i.exec(address ?? '')?.[1]
  return (
    path
      ?.replace(/[?#].*$/, '')
      .replace(/^\/+|\/+$/g, '')
      .replace(/\.git$/, '')
      .slice(-200) || null
  )
}
