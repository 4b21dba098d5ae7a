import { sign } from 'node:crypto'
import type { Clock, Ids } from '../../clock.ts'
import { checkRunId, idOf, userOf } from '../jobs/contexts.ts'
import type { ResultKeys } from './keys.ts'
import type { JobSubject } from './token.ts'

/** Where a job's identity can be verified, below the address of the server. */
export const issuerPath = '/oidc'

/** docs.github.com/actions/reference/security/oidc: tokens are good for minutes; a verifier's clock may be behind. */
const lifetimeSeconds = 300
const skewSeconds = 60

/** The discovery document of OpenID Connect Discovery 1.0 at `<issuer>/.well-known/openid-configuration`. */
export const discoveryDocument = (issuer: string) => ({
  issuer,
  jwks_uri: `${issuer}/.well-known/jwks`,
  subject_types_supported: ['public', 'pairwise'],
  response_types_supported: ['id_token'],
  claims_supported: [
    ...['sub', 'aud', 'exp', 'iat', 'iss', 'jti', 'nbf', 'ref', 'sha', 'repository', 'repository_owner', 'run_id'],
    ...['run_number', 'run_attempt', 'actor', 'workflow', 'workflow_ref', 'workflow_sha', 'head_ref', 'base_ref'],
    ...['repository_id', 'repository_owner_id', 'actor_id', 'repository_visibility', 'ref_protected', 'check_run_id'],
    ...['event_name', 'ref_type', 'environment', 'job_workflow_ref', 'job_workflow_sha', 'runner_environment'],
  ],
  id_token_signing_alg_values_supported: ['RS256'],
  scopes_supported: ['openid'],
})

/**
 * The subject as GitHub forms it (docs.github.com/actions/reference/security/oidc#example-subject-claims): the environment where the job
 * has one, else that it is a pull request, else the ref.
 */
export const subjectOf = ({ project, repository, environment, eventName, ref }: JobSubject): string => {
  const about =
    environment !== null
      ? `environment:${environment.replaceAll(':', '%3A')}`
      : eventName === 'pull_request'
        ? 'pull_request'
        : `ref:${ref}`
  return `repo:${project}/${repository}:${about}`
}

export type IdentityRequest = { readonly issuer: string; readonly serverUrl: string; readonly audience: string | null }

/** What a job's identity says, by GitHub's names. */
export const claimsOf = (
  subject: JobSubject,
  { issuer, serverUrl, audience }: IdentityRequest,
  about: { readonly id: string; readonly now: number },
) => {
  const name = `${subject.project}/${subject.repository}`
  // A workflow of another repository is called by its whole address.
  const refOf = (file: string): string => (file.includes('@') ? file : `${name}/${file}@${subject.ref}`)
  const issuedAt = Math.floor(about.now / 1000)
  return {
    jti: about.id,
    sub: subjectOf(subject),
    aud: audience ?? `${serverUrl}/${subject.project}`,
    ref: subject.ref,
    sha: subject.commit,
    repository: name,
    repository_id: String(idOf('repository', name)),
    repository_owner: subject.project,
    repository_owner_id: String(idOf('project', subject.project)),
    repository_visibility: 'private',
    run_id: subject.run,
    run_number: String(subject.runNumber),
    run_attempt: String(subject.runAttempt),
    actor: userOf(subject.actor),
    actor_id: String(idOf('user', userOf(subject.actor))),
    workflow: subject.workflow,
    workflow_ref: refOf(subject.workflowFile),
    workflow_sha: subject.commit,
    head_ref: subject.headRef ?? '',
    base_ref: subject.baseRef ?? '',
    event_name: subject.eventName,
    ref_type: subject.ref.startsWith('refs/tags/') ? 'tag' : 'branch',
    ref_protected: String(subject.isRefProtected ?? false),
    check_run_id: String(checkRunId(subject.run, subject.runAttempt, subject.job)),
    ...(subject.environment === null ? {} : { environment: subject.environment }),
    job_workflow_ref: refOf(subject.jobWorkflowFile),
    job_workflow_sha: subject.jobWorkflowCommit ?? subject.commit,
    runner_environment: 'self-hosted',
    iss: issuer,
    nbf: issuedAt - skewSeconds,
    exp: issuedAt + lifetimeSeconds,
    iat: issuedAt,
  }
}

/** A signed identity for a job; null where it has not the permission `id-token: write`. */
export const issueIdentity = async (
  keys: ResultKeys,
  subject: JobSubject,
  request: IdentityRequest,
  { clock, ids }: { clock: Clock; ids: Ids },
): Promise<string | null> => {
  if (subject.permissions['id-token'] !== 'write') return null
  const { id: kid, privateKey } = await keys.current()
  const claims = claimsOf(subject, request, { id: ids('identity'), now: clock.now() })
  const signed = `${encode({ typ: 'JWT', alg: 'RS256', kid })}.${encode(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
