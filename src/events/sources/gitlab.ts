import { z } from 'zod'
import type { OutsideRecordInput, Told } from '../records.ts'
import { timeOr } from '../times.ts'
import { noCommit } from './github.ts'
import { type Reading, saidIn, titled } from './reading.ts'

const at = z.string().nullish()
const Project = z.object({ path_with_namespace: z.string() })
type ChangeInput = Extract<OutsideRecordInput, { type: 'change' }>

const Push = z.object({
  ref: z.string(),
  before: z.string(),
  after: z.string(),
  project: Project,
  commits: z.array(z.object({ id: z.string(), timestamp: z.string(), message: z.string().default('') })).default([]),
})
const MergeRequestHook = z.object({
  project: Project,
  object_attributes: z.object({
    iid: z.number().int(),
    action: z.string().nullish(),
    created_at: z.string(),
    updated_at: at,
    merge_commit_sha: z.string().nullish(),
    last_commit: z.object({ id: z.string() }).nullish(),
  }),
})
const PipelineHook = z.object({
  project: Project,
  object_attributes: z.object({
    id: z.number(),
    name: z.string().nullish(),
    ref: z.string().nullish(),
    sha: z.string(),
    status: z.string(),
    source: z.string().nullish(),
    created_at: at,
    finished_at: at,
  }),
})
const DeploymentHook = z.object({
  project: Project,
  status: z.string(),
  status_changed_at: at,
  deployment_id: z.number(),
  environment: z.string(),
  short_sha: z.string().nullish(),
  commit_url: z.string().nullish(),
})
const JobHook = z.object({
  build_name: z.string(),
  build_status: z.string(),
  build_finished_at: at,
  project_name: z.string().nullish(),
})
const IssueHook = z.object({
  project: Project,
  object_attributes: z.object({
    iid: z.number().int(),
    title: z.string(),
    action: z.string().nullish(),
    type: z.string().nullish(),
    created_at: z.string(),
    updated_at: at,
    closed_at: at,
  }),
  labels: z.array(z.object({ title: z.string() })).nullish(),
})

/** A webhook of GitLab, by its documented payloads (docs.gitlab.com, "Webhook events"). */
export const readGitLab: Reading = ({ content, source }): Told => {
  const kind = z.object({ object_kind: z.string() }).parse(content).object_kind
  switch (kind) {
    case 'push':
      return pushed(Push.parse(content))
    case 'merge_request': {
      const { project, object_attributes: change } = MergeRequestHook.parse(content)
      const repository = project.path_with_namespace
      const records = changeRecord(change, repository)
      return {
        type: `${kind}.${change.action ?? ''}`,
        about: `${repository}!${change.iid}`,
        at: timeOr(change.updated_at),
        records,
      }
    }
    case 'pipeline': {
      const { project, object_attributes: pipeline } = PipelineHook.parse(content)
      const records = pipelineRecords(pipeline, project.path_with_namespace, source.deployJobs)
      return {
        type: `${kind}.${pipeline.status}`,
        about: project.path_with_namespace,
        at: timeOr(pipeline.finished_at),
        records,
      }
    }
    case 'deployment': {
      const hook = DeploymentHook.parse(content)
      const repository = hook.project.path_with_namespace
      return {
        type: `${kind}.${hook.status}`,
        about: `${repository} ${hook.environment}`,
        at: timeOr(hook.status_changed_at),
        records: deployed(hook),
      }
    }
    case 'build': {
      const job = JobHook.parse(content)
      return { type: `job.${job.build_status}`, about: job.build_name, at: timeOr(job.build_finished_at), records: [] }
    }
    case 'issue':
    case 'incident': {
      const hook = IssueHook.parse(content)
      const issue = hook.object_attributes
      const isIncident =
        kind === 'incident' ||
        issue.type?.toLowerCase() === 'incident' ||
        (hook.labels ?? []).some(({ title }) => source.incidentLabels.includes(title))
      const repository = hook.project.path_with_namespace
      const records = isIncident ? incidentRecords(issue, repository) : []
      return {
        type: `${kind}.${issue.action ?? ''}`,
        about: `${repository}#${issue.iid}`,
        at: timeOr(issue.updated_at),
        records,
      }
    }
    default:
      return { type: kind, about: null, at: null, records: [] }
  }
}

const pushed = (push: z.infer<typeof Push>): Told => {
  const orNull = (id: string): string | null => (noCommit.test(id) ? null : id)
  const repository = push.project.path_with_namespace
  const commits = push.commits.map(({ id, timestamp, message }) => ({ commit: id, at: timestamp, ...saidIn(message) }))
  const { ref, before, after } = push
  return {
    type: 'push',
    about: `${repository} ${ref}`,
    at: null,
    records: [{ type: 'push', repository, ref, before: orNull(before), after: orNull(after), commits }],
  }
}

const states = new Map<string, ChangeInput['state']>([
  ['open', 'opened'],
  ['approved', 'approved'],
  ['approval', 'approved'],
  ['merge', 'merged'],
  ['close', 'closed'],
])

const changeRecord = (
  change: z.infer<typeof MergeRequestHook>['object_attributes'],
  repository: string,
): OutsideRecordInput[] => {
  const state = states.get(change.action ?? '')
  if (!state) return []
  const { iid, created_at: created, updated_at: updated, merge_commit_sha: merged, last_commit: last } = change
  const when = state === 'opened' ? created : (updated ?? created)
  return [
    {
      ...{ type: 'change', id: String(iid), repository, state, at: when },
      ...(last ? { head: last.id } : {}),
      ...(state === 'merged' && merged ? { merged } : {}),
    },
  ]
}

/** All that a merge request of the API has come to. */
export const MergeRequest = z.object({
  iid: z.number().int(),
  created_at: z.string(),
  merged_at: at,
  closed_at: at,
  sha: z.string().nullish(),
  merge_commit_sha: z.string().nullish(),
  squash_commit_sha: z.string().nullish(),
})
export const mergeRequestStates = (change: z.infer<typeof MergeRequest>, repository: string): ChangeInput[] => {
  const about = {
    type: 'change' as const,
    id: String(change.iid),
    repository,
    ...(change.sha ? { head: change.sha } : {}),
  }
  const merged = change.merge_commit_sha ?? change.squash_commit_sha
  const opened: ChangeInput = { ...about, state: 'opened', at: change.created_at }
  if (change.merged_at)
    return [opened, { ...about, state: 'merged', at: change.merged_at, ...(merged ? { merged } : {}) }]
  return change.closed_at ? [opened, { ...about, state: 'closed', at: change.closed_at }] : [opened]
}

const outcomes = new Map<string, 'succeeded' | 'failed' | 'cancelled'>([
  ['success', 'succeeded'],
  ['failed', 'failed'],
  ['canceled', 'cancelled'],
])

/** A pipeline that has ended, of the webhook or of the API. */
export const pipelineRecords = (
  pipeline: z.infer<typeof PipelineHook>['object_attributes'],
  repository: string,
  deployJobs: (name: string) => boolean,
): OutsideRecordInput[] => {
  const outcome = outcomes.get(pipeline.status)
  const finishedAt = pipeline.finished_at
  if (!outcome || !finishedAt) return []
  const { id, sha, created_at: startedAt = null } = pipeline
  const workflow = pipeline.name || pipeline.ref || 'pipeline'
  const about = { id: `${repository}/pipelines/${id}`, repository, startedAt, finishedAt }
  const records: OutsideRecordInput[] = [{ type: 'run', ...about, commit: sha, workflow, outcome }]
  if (deployJobs(workflow) && outcome !== 'cancelled')
    records.push({
      type: 'deployment',
      ...about,
      unit: workflow,
      revision: sha,
      outcome,
      automatic: pipeline.source !== 'web',
    })
  return records
}
export const Pipeline = PipelineHook.shape.object_attributes

const deployed = (hook: z.infer<typeof DeploymentHook>): OutsideRecordInput[] => {
  // The whole name of the commit stands only in the address of its page.
  const revision = /\/commit\/([0-9a-f]{40,64})$/.exec(hook.commit_url ?? '')?.[1] ?? hook.short_sha ?? null
  return hook.status_changed_at
    ? deploymentRecords(
        { id: hook.deployment_id, status: hook.status, finishedAt: hook.status_changed_at, startedAt: null, revision },
        hook.environment,
        hook.project.path_with_namespace,
      )
    : []
}

/** A deployment that has ended, of the webhook or of the API. */
export const deploymentRecords = (
  deployment: { id: number; status: string; startedAt: string | null; finishedAt: string; revision: string | null },
  environment: string,
  repository: string,
): OutsideRecordInput[] => {
  const outcome = deployment.status === 'success' ? 'succeeded' : deployment.status === 'failed' ? 'failed' : null
  if (!outcome) return []
  const { id, revision, startedAt, finishedAt } = deployment
  return [
    {
      ...{ type: 'deployment', id: `${repository}/deployments/${id}/${outcome}`, repository, environment },
      ...{ startedAt, finishedAt, outcome, ...(revision ? { revision } : {}) },
    },
  ]
}

const incidentRecords = (
  issue: z.infer<typeof IssueHook>['object_attributes'],
  repository: string,
): OutsideRecordInput[] => {
  const about = { type: 'incident' as const, id: `${repository}#${issue.iid}`, repository, title: titled(issue.title) }
  const opened: OutsideRecordInput = { ...about, state: 'opened', at: issue.created_at }
  const now = issue.updated_at ?? issue.created_at
  if (issue.action === 'close') return [opened, { ...about, state: 'resolved', at: issue.closed_at ?? now }]
  return issue.action === 'reopen' ? [opened, { ...about, state: 'reopened', at: now }] : [opened]
}
