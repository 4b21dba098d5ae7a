import type { Workflow } from './workflow.ts'

/** The workflow with one job and those that it needs, directly or not; as it is where it has no such job. */
export const withOnlyJob = (workflow: Workflow, id: string): Workflow => {
  const byId = new Map(workflow.jobs.map((job) => [job.id.toLowerCase(), job]))
  const wanted = new Set<string>()
  const add = (name: string): void => {
    const job = byId.get(name.toLowerCase())
    if (!job || wanted.has(job.id)) return
    wanted.add(job.id)
    job.needs.forEach(add)
  }
  add(id)
  return wanted.size === 0 ? workflow : { ...workflow, jobs: workflow.jobs.filter((job) => wanted.has(job.id)) }
}
