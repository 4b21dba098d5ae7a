import { z } from 'zod'
import type { OutsideRecordInput } from '../records.ts'
import * as github from '../sources/github.ts'
import * as gitlab from '../sources/gitlab.ts'
import { fits } from '../sources/reading.ts'

export type DumpRules = {
  /** `octo/shop`: the answers of the API do not say it. */
  readonly repository: string
  readonly deployJobs: readonly string[]
  readonly releases: boolean
  readonly incidentLabels: readonly string[]
}

/** The items of an answer, or of several one after the other: an array, or what stands under a name such as `workflow_runs`. */
export const itemsIn = (content: unknown): unknown[] => {
  if (Array.isArray(content)) return content.flatMap((one) => (Array.isArray(one) ? one : [one]))
  const lists = Object.values(z.record(z.string(), z.unknown()).parse(content)).filter((value) => Array.isArray(value))
  return lists.length > 0 ? lists.flat() : [content]
}

const Status = github.DeploymentStatus.extend({ deployment_url: z.string() })

/**
 * What GitHub's API answers for pulls, runs, deployments and their statuses, releases and issues (`gh api --paginate`), as the webhooks
 * told it when it happened: under the same keys, so that one may follow the other.
 */
export const readGitHubDump = (items: readonly unknown[], rules: DumpRules): OutsideRecordInput[] => {
  const { repository, releases, incidentLabels } = rules
  const deployJobs = (name: string): boolean => rules.deployJobs.some((pattern) => fits(pattern, name))
  const deployments = new Map(
    items.flatMap((item) => {
      const one = github.Deployment.safeParse(item).data
      return one ? [[one.id, one] as const] : []
    }),
  )
  return items.flatMap((item): OutsideRecordInput[] => {
    const status = Status.safeParse(item).data
    if (status) {
      const deployment = deployments.get(Number(/\/deployments\/(\d+)$/.exec(status.deployment_url)?.[1]))
      return deployment ? github.deploymentRecords(deployment, status, repository) : []
    }
    const pull = github.PullRequest.safeParse(item).data
    if (pull) return github.changeStates(pull, repository)
    const run = github.WorkflowRun.safeParse(item).data
    if (run) return run.status === 'completed' ? github.runRecords(run, repository, deployJobs) : []
    const release = github.Release.safeParse(item).data
    if (release) return releases ? github.releaseRecords(release, repository) : []
    const issue = github.Issue.safeParse(item).data
    return issue ? github.issueRecords(issue, repository, incidentLabels) : []
  })
}

const Deployment = z.object({
  id: z.number(),
  status: z.string(),
  sha: z.string(),
  created_at: z.string(),
  updated_at: z.string().nullish(),
  environment: z.object({ name: z.string() }),
  deployable: z.object({ started_at: z.string().nullish(), finished_at: z.string().nullish() }).nullish(),
})
const Pipeline = gitlab.Pipeline.extend({ updated_at: z.string().nullish() })
const Issue = z.object({
  iid: z.number().int(),
  title: z.string(),
  issue_type: z.string(),
  labels: z.array(z.string()).default([]),
  created_at: z.string(),
  closed_at: z.string().nullish(),
})

/** The same of GitLab's API: merge requests, pipelines, deployments and issues. */
export const readGitLabDump = (items: readonly unknown[], rules: DumpRules): OutsideRecordInput[] => {
  const { repository, incidentLabels } = rules
  const deployJobs = (name: string): boolean => rules.deployJobs.some((pattern) => fits(pattern, name))
  return items.flatMap((item): OutsideRecordInput[] => {
    const deployed = Deployment.safeParse(item).data
    if (deployed) {
      const { id, status, sha, deployable, created_at: created, updated_at: updated } = deployed
      const times = {
        startedAt: deployable?.started_at ?? null,
        finishedAt: deployable?.finished_at ?? updated ?? created,
      }
      return gitlab.deploymentRecords({ id, status, revision: sha, ...times }, deployed.environment.name, repository)
    }
    const issue = Issue.safeParse(item).data
    if (issue) {
      const isIncident = issue.issue_type === 'incident' || issue.labels.some((label) => incidentLabels.includes(label))
      const about = {
        type: 'incident' as const,
        id: `${repository}#${issue.iid}`,
        repository,
        title: issue.title.slice(0, 500),
      }
      const opened = { ...about, state: 'opened' as const, at: issue.created_at }
      if (!isIncident) return []
      return issue.closed_at ? [opened, { ...about, state: 'resolved' as const, at: issue.closed_at }] : [opened]
    }
    const pipeline = Pipeline.safeParse(item).data
    if (pipeline)
      return gitlab.pipelineRecords(
        { ...pipeline, finished_at: pipeline.finished_at ?? pipeline.updated_at },
        repository,
        deployJobs,
      )
    const change = gitlab.MergeRequest.safeParse(item).data
    return change ? gitlab.mergeRequestStates(change, repository) : []
  })
}
