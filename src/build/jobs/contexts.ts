import { hash } from 'node:crypto'
import { workflowPath } from '../../golden/workflow.ts'
import type { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import type { Json } from '../workflow/expression.ts'
import type { InputValue } from '../workflow/inputs.ts'
import type { Workflow } from '../workflow/workflow.ts'

/** What a run is of: one workflow at one commit, which was pushed or which an event is about. */
export type RunSource = {
  readonly run: string
  /** Null: the run is of an event. */
  readonly push: string | null
  readonly event: SourceEvent
  /** `github.workflow`: the name of the run's own workflow, also in the workflows that it calls. */
  readonly workflowName: string
  /** Its file; null: the one that headway.yaml stands for. */
  readonly workflowFile: string | null
  readonly project: ProjectName
  readonly repository: RepositoryName
  /** The full ref: `refs/heads/main`. */
  readonly ref: string
  readonly before: CommitId | null
  readonly commit: CommitId
  /** What the commit says of itself; null when it cannot be read. */
  readonly head: CommitSummary | null
  readonly defaultBranch: string
  /** Whether its ref is a protected branch. */
  readonly isRefProtected: boolean
  /** Who pushed or caused the event, as recorded: `user:alice`. */
  readonly actor: string
  /** Who asked for this attempt; the same as the actor in the first one. */
  readonly triggeringActor: string
  /** How many runs of this workflow there were before, plus one. */
  readonly number: number
  /** Counts from 1. */
  readonly attempt: number
  /** False: no secrets, and a token that only reads. */
  readonly isTrusted: boolean
}

/** What started the run. */
export type SourceEvent = {
  /** Null: a push. */
  readonly id: string | null
  /** `github.event_name` */
  readonly name: string
  readonly baseRef: string | null
  readonly headRef: string | null
  /** `github.event` without repository and sender; a push's is made from the rest. */
  readonly payload: Readonly<Record<string, Json>>
  /** Of a `workflow_dispatch`: the `inputs` context. */
  readonly inputs: Readonly<Record<string, InputValue>>
}

/** Times as Git writes them in ISO 8601. */
export type CommitSummary = {
  readonly message: string
  readonly authorName: string
  readonly authorEmail: string
  readonly authoredAt: string
}

/** How long artifacts are kept where nobody says otherwise. */
export const artifactDays = 90

/** The `github` context of a job, without what changes from step to step. */
export const githubContext = (
  source: RunSource,
  about: { job: string; workspace: string; serverUrl: string; eventPath: string },
): Record<string, Json> => ({
  action: '',
  actor: userOf(source.actor),
  actor_id: String(idOf('user', userOf(source.actor))),
  triggering_actor: userOf(source.triggeringActor),
  api_url: `${about.serverUrl}/api/v1`,
  // There is none, but what finds no address sends its token to github.com.
  graphql_url: `${about.serverUrl}/api/graphql`,
  base_ref: source.event.baseRef ?? '',
  head_ref: source.event.headRef ?? '',
  event: eventOf(source, about.serverUrl),
  event_name: source.event.name,
  event_path: about.eventPath,
  job: about.job,
  ref: source.ref,
  ref_name: refName(source.ref),
  ref_type: source.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
  ref_protected: source.isRefProtected,
  repository: `${source.project}/${source.repository}`,
  repository_id: String(idOf('repository', `${source.project}/${source.repository}`)),
  repository_owner: source.project,
  repository_owner_id: String(idOf('project', source.project)),
  repositoryUrl: `${about.serverUrl}/git/${source.project}/${source.repository}.git`,
  run_id: source.run,
  run_number: String(source.number),
  run_attempt: String(source.attempt),
  server_url: about.serverUrl,
  sha: source.commit,
  workflow: source.workflowName,
  workflow_ref: `${source.project}/${source.repository}/${source.workflowFile ?? workflowPath}@${source.ref}`,
  workflow_sha: source.commit,
  retention_days: String(artifactDays),
  secret_source: source.isTrusted ? 'Actions' : 'None',
  workspace: about.workspace,
})

/** What the `job` context says of the job (by its key) and of the workflow that it stands in: another one than the run's where that is called. */
export const jobIdentity = (source: RunSource, key: string, { file, origin }: Workflow): Record<string, Json> => {
  const path = source.workflowFile === null ? workflowPath : file
  const repository = origin?.repository ?? `${source.project}/${source.repository}`
  return {
    check_run_id: checkRunId(source.run, source.attempt, key),
    workflow_ref: `${repository}/${path}@${origin?.ref ?? source.ref}`,
    workflow_sha: origin?.commit ?? source.commit,
    workflow_repository: repository,
    workflow_file_path: path,
  }
}

/** A number for what has but a name here, as GitHub has one of each: always the same of the same name. */
export const idOf = (kind: 'user' | 'project' | 'repository' | 'job', name: string): number =>
  hash('sha256', `${kind}:${name}`, 'buffer').readUIntBE(0, 6)

/** The number of a job in one attempt of a run: another one in every attempt, as on GitHub. */
export const checkRunId = (run: string, attempt: number, key: string): number => idOf('job', `${run}/${attempt}/${key}`)

/** The payload as GitHub's webhook has it, in the parts that workflows read. */
export const eventOf = (source: RunSource, serverUrl: string): Json => ({
  ...(source.event.name === 'push' ? pushPayload(source) : {}),
  ...source.event.payload,
  repository: {
    id: idOf('repository', `${source.project}/${source.repository}`),
    name: source.repository,
    full_name: `${source.project}/${source.repository}`,
    owner: { id: idOf('project', source.project), login: source.project, name: source.project },
    private: true,
    fork: false,
    default_branch: source.defaultBranch,
    html_url: `${serverUrl}/git/${source.project}/${source.repository}`,
    clone_url: `${serverUrl}/git/${source.project}/${source.repository}.git`,
  },
  sender: { id: idOf('user', userOf(source.actor)), login: userOf(source.actor) },
})

const pushPayload = ({ ref, before, commit, head, actor }: RunSource): Readonly<Record<string, Json>> => ({
  ref,
  before: before ?? '0'.repeat(commit.length),
  after: commit,
  created: before === null,
  deleted: false,
  forced: false,
  head_commit: {
    id: commit,
    ...(head
      ? {
          message: head.message,
          timestamp: head.authoredAt,
          author: { name: head.authorName, email: head.authorEmail },
        }
      : {}),
  },
  pusher: { name: userOf(actor) },
})

/** The variables that every step has and that a workflow cannot overwrite. */
export const fixedVariables = (
  github: Readonly<Record<string, Json>>,
  runner: Readonly<Record<string, string>>,
): Record<string, string> => {
  const variables: Record<string, string> = { GITHUB_ACTIONS: 'true' }
  for (const [name, variable] of inVariables) if (github[name] != null) variables[variable] = String(github[name])
  for (const [name, value] of Object.entries(runner)) variables[`RUNNER_${name.toUpperCase()}`] = value
  return variables
}

/** As actions/runner, src/Runner.Worker/GitHubContext.cs: `_contextEnvAllowlist`, in the parts that there are here. */
const inVariables = [
  'action',
  'action_path',
  'action_ref',
  'action_repository',
  'actor',
  'actor_id',
  'triggering_actor',
  'api_url',
  'graphql_url',
  'base_ref',
  'head_ref',
  'event_name',
  'event_path',
  'job',
  'ref',
  'ref_name',
  'ref_type',
  'ref_protected',
  'retention_days',
  'repository',
  'repository_id',
  'repository_owner',
  'repository_owner_id',
  'run_id',
  'run_number',
  'run_attempt',
  'server_url',
  'sha',
  'workflow',
  'workflow_ref',
  'workflow_sha',
  'workspace',
].map((name) => [name, `GITHUB_${name.toUpperCase()}`] as const)

export const refName = (ref: string): string => ref.replace(/^refs\/(heads|tags|pull)\//, '')
/** Who somebody is, without the kind and the token's name. */
export const userOf = (actor: string): string => actor.replace(/^[a-z]+:/, '').replace(/\/.*$/, '')
