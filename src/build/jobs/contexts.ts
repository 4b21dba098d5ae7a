import type { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import type { Json } from '../workflow/expression.ts'

/** What a run is of: one workflow at one pushed commit. */
export type RunSource = {
  readonly run: string
  readonly push: string
  readonly project: ProjectName
  readonly repository: RepositoryName
  /** The full ref: `refs/heads/main`. */
  readonly ref: string
  readonly before: CommitId | null
  readonly commit: CommitId
  /** Who pushed, as recorded: `user:alice`. */
  readonly actor: string
  /** How many runs of this workflow there were before, plus one. */
  readonly number: number
  readonly attempt: number
}

/** The `github` context of a job, without what changes from step to step. */
export const githubContext = (
  source: RunSource,
  about: { workflow: string; job: string; workspace: string; serverUrl: string; eventPath: string },
): Record<string, Json> => ({
  action: '',
  actor: userOf(source.actor),
  triggering_actor: userOf(source.actor),
  api_url: `${about.serverUrl}/api/v1`,
  base_ref: '',
  head_ref: '',
  event: eventOf(source, about.serverUrl),
  event_name: 'push',
  event_path: about.eventPath,
  job: about.job,
  ref: source.ref,
  ref_name: refName(source.ref),
  ref_type: source.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
  ref_protected: false,
  repository: `${source.project}/${source.repository}`,
  repository_owner: source.project,
  repositoryUrl: `${about.serverUrl}/git/${source.project}/${source.repository}.git`,
  run_id: source.run,
  run_number: String(source.number),
  run_attempt: String(source.attempt),
  server_url: about.serverUrl,
  sha: source.commit,
  workflow: about.workflow,
  workspace: about.workspace,
})

/** The payload of a push as GitHub's webhook has it, in the parts that workflows read. */
export const eventOf = (source: RunSource, serverUrl: string): Json => ({
  ref: source.ref,
  before: source.before ?? '0'.repeat(source.commit.length),
  after: source.commit,
  created: source.before === null,
  deleted: false,
  forced: false,
  repository: {
    name: source.repository,
    full_name: `${source.project}/${source.repository}`,
    owner: { login: source.project, name: source.project },
    default_branch: 'main',
    html_url: `${serverUrl}/git/${source.project}/${source.repository}`,
  },
  head_commit: { id: source.commit },
  pusher: { name: userOf(source.actor) },
  sender: { login: userOf(source.actor) },
})

/** The variables that every step has and that a workflow cannot overwrite. */
export const fixedVariables = (
  github: Readonly<Record<string, Json>>,
  runner: Readonly<Record<string, string>>,
): Record<string, string> => ({
  ...Object.fromEntries(inVariables.map((name) => [`GITHUB_${name.toUpperCase()}`, String(github[name] ?? '')])),
  GITHUB_ACTIONS: 'true',
  ...Object.fromEntries(Object.entries(runner).map(([name, value]) => [`RUNNER_${name.toUpperCase()}`, value])),
})

const inVariables = [
  'action',
  'actor',
  'triggering_actor',
  'api_url',
  'base_ref',
  'head_ref',
  'event_name',
  'event_path',
  'job',
  'ref',
  'ref_name',
  'ref_type',
  'ref_protected',
  'repository',
  'repository_owner',
  'run_id',
  'run_number',
  'run_attempt',
  'server_url',
  'sha',
  'workflow',
  'workspace',
]

export const refName = (ref: string): string => ref.replace(/^refs\/(heads|tags)\//, '')
const userOf = (actor: string): string => actor.replace(/^[a-z]+:/, '').replace(/\/.*$/, '')
