import { createHmac, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import { workflowPath } from '../../golden/workflow.ts'
import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import type { JobOrder } from '../jobs/job.ts'
import { onlyReading } from '../workflow/permissions.ts'
import type { WorkflowOrigin } from '../workflow/workflow.ts'
import { apiPrefix } from './door.ts'

/** The job that a token speaks for, and what is known of its run. */
export const JobSubject = z.object({
  run: z.string(),
  job: z.string(),
  project: ProjectName,
  repository: RepositoryName,
  /** What the job may do, already cut down where the run is not trusted; what is not named, it may not. */
  permissions: z.record(z.string(), z.enum(['read', 'write'])),
  isTrusted: z.boolean(),
  /** `refs/heads/main`, `refs/pull/7/merge` */
  ref: z.string(),
  commit: CommitId,
  /** Names of branches, for pull requests. */
  baseRef: z.string().nullable(),
  headRef: z.string().nullable(),
  defaultBranch: z.string(),
  /** Absent in tokens of earlier versions. */
  isRefProtected: z.boolean().optional(),
  eventName: z.string(),
  /** Who started it, as recorded: `user:alice`. */
  actor: z.string(),
  workflow: z.string(),
  /** The workflow's path in the repository. */
  workflowFile: z.string(),
  /** The same of the workflow that the job stands in: another one where that is called; its whole address where it is of another repository. */
  jobWorkflowFile: z.string(),
  /** The commit that one is from, where it is of another repository. */
  jobWorkflowCommit: z.string().optional(),
  environment: z.string().nullable(),
  runNumber: z.number().int(),
  runAttempt: z.number().int(),
})
export type JobSubject = z.infer<typeof JobSubject>

/** The subject of a job's tokens. */
export const subjectOfJob = ({ source, workflow, key, permissions, environment }: JobOrder): JobSubject => ({
  run: source.run,
  job: key,
  project: source.project,
  repository: source.repository,
  permissions: { ...(source.isTrusted ? permissions : onlyReading(permissions)) },
  isTrusted: source.isTrusted,
  ref: source.ref,
  commit: source.commit,
  baseRef: source.event.baseRef,
  headRef: source.event.headRef,
  defaultBranch: source.defaultBranch,
  isRefProtected: source.isRefProtected,
  eventName: source.event.name,
  actor: source.actor,
  workflow: source.workflowName,
  workflowFile: source.workflowFile ?? workflowPath,
  ...calledFrom(source.workflowFile === null ? workflowPath : workflow.file, workflow.origin),
  environment,
  runNumber: source.number,
  runAttempt: source.attempt,
})

const calledFrom = (
  file: string,
  origin: WorkflowOrigin | undefined,
): Pick<JobSubject, 'jobWorkflowFile' | 'jobWorkflowCommit'> =>
  origin
    ? { jobWorkflowFile: `${origin.repository}/${file}@${origin.ref}`, jobWorkflowCommit: origin.commit }
    : { jobWorkflowFile: file }

/** What a token is good for: Git and the API, the artifact and cache services, or asking for an OIDC token. */
export type TokenUse = 'api' | 'results' | 'id-token'

const Claims = JobSubject.extend({ use: z.enum(['api', 'results', 'id-token']), exp: z.number() })

/** A job's token outlives no job by much: it is refused as soon as the job has ended, and after a day in any case. */
const lifetimeSeconds = 24 * 60 * 60

/**
 * A JSON Web Token (RFC 7519, HS256) for one job and one use. The official clients read the run and the job from the scope
 * `Actions.Results:<run>:<job>` of the token for results (@actions/artifact, internal/shared/util.ts).
 */
export const issueJobToken = (secret: Uint8Array, subject: JobSubject, use: TokenUse, clock: Clock): string => {
  const now = Math.floor(clock.now() / 1000)
  const scope = `Actions.Results:${encodeURIComponent(subject.run)}:${encodeURIComponent(subject.job)}`
  const claims = { ...subject, use, ...(use === 'results' ? { scp: scope } : {}), iat: now, exp: now + lifetimeSeconds }
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${use === 'api' ? apiPrefix : ''}${signed}.${signatureOf(secret, signed)}`
}

/** The job behind a token for this use; null when it was not issued here, is for another use, or has expired. */
export const verifyJobToken = (secret: Uint8Array, token: string, use: TokenUse, clock: Clock): JobSubject | null => {
  const match = /^(?:hwj_)?([\w-]+\.([\w-]+))\.([\w-]+)$/.exec(token)
  const [, signed = '', payload = '', signature = ''] = match ?? []
  if (!match || !isSame(signature, signatureOf(secret, signed))) return null
  const claims = Claims.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  if (!claims.success || claims.data.use !== use || claims.data.exp * 1000 <= clock.now()) return null
  const { use: _, exp: __, ...subject } = claims.data
  return subject
}

/** Parameters that a signature covers, besides the path and the time until which it counts. */
export type SignedParameters = { readonly name?: string; readonly type?: string }

/** A path that is good until a time, in milliseconds since 1970: who has it needs no token. */
export const signPath = (
  secret: Uint8Array,
  path: string,
  until: number,
  parameters: SignedParameters = {},
): string => {
  const query = new URLSearchParams({ ...parameters, se: String(until) })
  query.set('sig', signatureOf(secret, signedText(path, query)))
  return `${path}?${query}`
}

/** Whether it was signed here and still counts. Parameters that a client adds of its own are not covered. */
export const isSigned = (secret: Uint8Array, path: string, query: URLSearchParams, clock: Clock): boolean =>
  isSame(query.get('sig') ?? '', signatureOf(secret, signedText(path, query))) && Number(query.get('se')) > clock.now()

const signedText = (path: string, query: URLSearchParams): string =>
  JSON.stringify(['url', path, query.get('name'), query.get('type'), query.get('se')])

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const signatureOf = (secret: Uint8Array, text: string): string =>
  createHmac('sha256', secret).update(text).digest('base64url')
const isSame = (one: string, other: string): boolean =>
  one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other))
