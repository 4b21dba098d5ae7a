import { z } from 'zod'
import type { OutsideRecordInput, Told } from '../records.ts'
import { timeOr } from '../times.ts'
import { type Reading, saidIn, titled } from './reading.ts'

const Repository = z.object({ full_name: z.string() })
const at = z.string().nullish()

export const Push = z.object({
  ref: z.string(),
  before: z.string(),
  after: z.string(),
  deleted: z.boolean().optional(),
  repository: Repository,
  commits: z.array(z.object({ id: z.string(), timestamp: z.string(), message: z.string().default('') })).default([]),
})
export const PullRequest = z.object({
  number: z.number().int(),
  state: z.string(),
  merged: z.boolean().nullish(),
  merged_at: at,
  merge_commit_sha: z.string().nullish(),
  created_at: z.string(),
  updated_at: at,
  closed_at: at,
  additions: z.number().int().nullish(),
  deletions: z.number().int().nullish(),
  head: z.object({ sha: z.string() }),
  base: z.object({ sha: z.string() }).nullish(),
})
export const WorkflowRun = z.object({
  id: z.number(),
  name: z.string().nullish(),
  path: z.string().nullish(),
  run_attempt: z.number().int().nullish(),
  head_sha: z.string(),
  event: z.string().nullish(),
  status: z.string().nullish(),
  conclusion: z.string().nullish(),
  run_started_at: at,
  created_at: at,
  updated_at: at,
})
export const Deployment = z.object({
  id: z.number(),
  sha: z.string(),
  ref: z.string().nullish(),
  task: z.string().nullish(),
  environment: z.string(),
  created_at: z.string(),
})
export const DeploymentStatus = z.object({ state: z.string(), created_at: z.string() })
export const Release = z.object({
  id: z.number(),
  tag_name: z.string(),
  draft: z.boolean().nullish(),
  prerelease: z.boolean().nullish(),
  published_at: at,
})
export const Issue = z.object({
  number: z.number().int(),
  title: z.string(),
  labels: z.array(z.union([z.object({ name: z.string() }), z.string()])).nullish(),
  created_at: z.string(),
  closed_at: at,
  updated_at: at,
  pull_request: z.unknown().optional(),
})

/**
 * A webhook of GitHub, by its documented payloads (docs.github.com/webhooks). An event that is not known, or says nothing that is measured,
 * is kept and has no records.
 */
export const readGitHub: Reading = ({ headers, content, source }): Told => {
  const event = headers.get('x-github-event') ?? ''
  const action = z.object({ action: z.string().optional() }).parse(content).action
  const type = action === undefined ? event : `${event}.${action}`
  switch (event) {
    case 'push':
      return pushed(type, Push.parse(content))
    case 'pull_request': {
      const { pull_request: change, repository } = z
        .object({ pull_request: PullRequest, repository: Repository })
        .parse(content)
      const records = changeStates(change, repository.full_name).filter(({ state }) => isToldBy(state, action))
      return { type, about: `${repository.full_name}#${change.number}`, at: timeOr(change.updated_at), records }
    }
    case 'pull_request_review':
      return reviewed(type, content)
    case 'workflow_run': {
      const { workflow_run: run, repository } = z
        .object({ workflow_run: WorkflowRun, repository: Repository })
        .parse(content)
      const records = action === 'completed' ? runRecords(run, repository.full_name, source.deployJobs) : []
      return { type, about: `${repository.full_name} ${run.name ?? ''}`.trim(), at: timeOr(run.updated_at), records }
    }
    case 'deployment_status': {
      const {
        deployment,
        deployment_status: status,
        repository,
      } = z
        .object({ deployment: Deployment, deployment_status: DeploymentStatus, repository: Repository })
        .parse(content)
      const records = deploymentRecords(deployment, status, repository.full_name)
      return {
        type: `${event}.${status.state}`,
        about: `${repository.full_name} ${deployment.environment}`,
        at: timeOr(status.created_at),
        records,
      }
    }
    case 'release': {
      const { release, repository } = z.object({ release: Release, repository: Repository }).parse(content)
      const records = action === 'published' && source.releases ? releaseRecords(release, repository.full_name) : []
      return { type, about: `${repository.full_name} ${release.tag_name}`, at: timeOr(release.published_at), records }
    }
    case 'issues': {
      const { issue, repository } = z.object({ issue: Issue, repository: Repository }).parse(content)
      const records = issueRecords(issue, repository.full_name, source.incidentLabels, action)
      return { type, about: `${repository.full_name}#${issue.number}`, at: timeOr(issue.updated_at), records }
    }
    default: {
      const { repository } = z.object({ repository: Repository.optional() }).parse(content)
      return { type, about: repository?.full_name ?? null, at: null, records: [] }
    }
  }
}

/** What stands for no commit. */
export const noCommit = /^0+$/

const pushed = (type: string, push: z.infer<typeof Push>): Told => {
  const orNull = (id: string): string | null => (noCommit.test(id) ? null : id)
  const commits = push.commits.map(({ id, timestamp, message }) => ({ commit: id, at: timestamp, ...saidIn(message) }))
  const { ref, repository } = push
  return {
    type,
    about: `${repository.full_name} ${ref}`,
    at: null,
    records: [
      {
        type: 'push',
        repository: repository.full_name,
        ref,
        before: orNull(push.before),
        after: orNull(push.after),
        commits,
      },
    ],
  }
}

type ChangeInput = Extract<OutsideRecordInput, { type: 'change' }>

/** All that a pull request has come to, as the webhooks told it one after the other. */
export const changeStates = (change: z.infer<typeof PullRequest>, repository: string): ChangeInput[] => {
  const { number, head, base, additions, deletions, merge_commit_sha: merged } = change
  const lines = additions === undefined || additions === null ? null : additions + (deletions ?? 0)
  const about = {
    type: 'change' as const,
    id: String(number),
    repository,
    head: head.sha,
    lines,
    ...(base ? { base: base.sha } : {}),
  }
  const opened: ChangeInput = { ...about, state: 'opened', at: change.created_at }
  if (change.merged_at)
    return [opened, { ...about, state: 'merged', at: change.merged_at, ...(merged ? { merged } : {}) }]
  return change.closed_at ? [opened, { ...about, state: 'closed', at: change.closed_at }] : [opened]
}

const isToldBy = (state: ChangeInput['state'], action: string | undefined): boolean =>
  action === 'closed' ? state === 'merged' || state === 'closed' : action === 'opened' && state === 'opened'

const reviewed = (type: string, content: unknown): Told => {
  const {
    pull_request: change,
    repository,
    review,
  } = z
    .object({
      pull_request: z.object({ number: z.number().int(), head: z.object({ sha: z.string() }) }),
      repository: Repository,
      review: z.object({ state: z.string(), submitted_at: at }),
    })
    .parse(content)
  const state = review.state === 'approved' ? ('approved' as const) : ('reviewed' as const)
  const about = {
    type: 'change' as const,
    id: String(change.number),
    repository: repository.full_name,
    head: change.head.sha,
  }
  return {
    type,
    about: `${repository.full_name}#${change.number}`,
    at: timeOr(review.submitted_at),
    records: review.submitted_at ? [{ ...about, state, at: review.submitted_at }] : [],
  }
}

/** A run that has ended; one of a workflow that deploys is a deployment besides. */
export const runRecords = (
  run: z.infer<typeof WorkflowRun>,
  repository: string,
  deployJobs: (name: string) => boolean,
): OutsideRecordInput[] => {
  const finishedAt = run.updated_at
  const outcome = outcomes.get(run.conclusion ?? '')
  if (!finishedAt || outcome === undefined) return []
  const workflow = run.name ?? run.path ?? String(run.id)
  const id = `${repository}/runs/${run.id}/${run.run_attempt ?? 1}`
  const about = { id, repository, startedAt: run.run_started_at ?? run.created_at ?? null, finishedAt }
  const records: OutsideRecordInput[] = [
    { type: 'run', ...about, commit: run.head_sha, workflow, outcome, isRerun: (run.run_attempt ?? 1) > 1 },
  ]
  if (deployJobs(workflow) && outcome !== 'cancelled')
    records.push({
      ...{ type: 'deployment', ...about, unit: workflow, revision: run.head_sha, outcome },
      automatic: run.event !== 'workflow_dispatch',
    })
  return records
}
const outcomes = new Map<string, 'succeeded' | 'failed' | 'cancelled'>([
  ['success', 'succeeded'],
  ['failure', 'failed'],
  ['timed_out', 'failed'],
  ['startup_failure', 'failed'],
  ['cancelled', 'cancelled'],
])

/** null: the deployment is not over. */
export const deploymentOutcome = ({ state }: z.infer<typeof DeploymentStatus>): 'succeeded' | 'failed' | null =>
  state === 'success' ? 'succeeded' : /^(failure|error)$/.test(state) ? 'failed' : null

/** What a status says of a deployment, once it is over. */
export const deploymentRecords = (
  deployment: z.infer<typeof Deployment>,
  status: z.infer<typeof DeploymentStatus>,
  repository: string,
): OutsideRecordInput[] => {
  const outcome = deploymentOutcome(status)
  if (outcome === null) return []
  const { id, environment, sha, created_at: startedAt, task } = deployment
  return [
    {
      ...{
        type: 'deployment',
        id: `${repository}/deployments/${id}/${outcome}`,
        repository,
        environment,
        revision: sha,
      },
      ...{ startedAt, finishedAt: status.created_at, outcome, kind: task === 'rollback' ? 'rollback' : 'planned' },
      ...(task ? { unit: task } : {}),
    },
  ]
}

export const releaseRecords = (release: z.infer<typeof Release>, repository: string): OutsideRecordInput[] =>
  release.published_at && !release.draft && !release.prerelease
    ? [
        {
          ...{ type: 'deployment', id: `${repository}/releases/${release.id}`, repository, unit: release.tag_name },
          ...{ revision: release.tag_name, finishedAt: release.published_at, outcome: 'succeeded' },
        },
      ]
    : []

/** An issue with one of these labels is an incident, from when it was opened until it was closed. */
export const issueRecords = (
  issue: z.infer<typeof Issue>,
  repository: string,
  incidentLabels: readonly string[],
  action?: string,
): OutsideRecordInput[] => {
  const labels = (issue.labels ?? []).map((label) => (typeof label === 'string' ? label : label.name))
  if (issue.pull_request || !labels.some((label) => incidentLabels.includes(label))) return []
  const about = {
    type: 'incident' as const,
    id: `${repository}#${issue.number}`,
    repository,
    title: titled(issue.title),
  }
  const opened = { ...about, state: 'opened' as const, at: issue.created_at }
  if (action === 'reopened' && issue.updated_at) return [opened, { ...about, state: 'reopened', at: issue.updated_at }]
  const isClosed = issue.closed_at && (action === undefined || action === 'closed')
  return isClosed ? [opened, { ...about, state: 'resolved' as const, at: issue.closed_at ?? '' }] : [opened]
}
