import { z } from 'zod'
import { describeProblem, Problem } from '../../problem.ts'
import { type Artifact, type Artifacts, fileNameOf } from './artifacts.ts'
import type { Caches } from './caches.ts'
import type { Answer } from './http.ts'
import type { JobSubject } from './token.ts'

/** What the methods answer by: the services, and the signed addresses of bytes. */
export type TwirpParts = {
  readonly artifacts: Artifacts
  readonly caches: Caches
  uploadUrl(upload: string): string
  downloadUrl(content: { digest: string; fileName: string; mime: string }): string
}

export type TwirpCall = { readonly service: string; readonly method: string; readonly subject: JobSubject }

/**
 * The methods of GitHub's results service that @actions/artifact 6 and @actions/cache 6 call, in Twirp's JSON form
 * (generated/results/api/v1/artifact.ts and cache.ts there; twitchtv.github.io/twirp/docs/spec_v7.html). Fields have their protobuf
 * names, wrapped scalars and times are strings, 64-bit numbers too.
 */
export const answerTwirp = async (call: TwirpCall, body: unknown, parts: TwirpParts): Promise<Answer> => {
  const method = methods[`${call.service}/${call.method}`]
  if (!method) return twirpError(404, 'bad_route', `there is no method ${call.service}/${call.method}`)
  try {
    return { status: 200, body: await method(call.subject, body, parts) }
  } catch (error) {
    if (error instanceof z.ZodError)
      return twirpError(
        400,
        'invalid_argument',
        error.issues.map(({ message, path }) => `${path.join('.')}: ${message}`).join('; '),
      )
    // Only what is Headway's own fault is worth trying again: the clients do so from 500 on, and at 429.
    if (error instanceof Problem && error.status < 500)
      return twirpError(error.status, codeOf(error.status), describeProblem(error).replace(/\s*\n\s*/g, '; '))
    throw error
  }
}

export const twirpError = (status: number, code: string, message: string): Answer => ({
  status,
  body: { code, msg: message },
})

const codeOf = (status: number): string =>
  ({ 403: 'permission_denied', 404: 'not_found', 409: 'already_exists', 413: 'resource_exhausted' })[status] ??
  'invalid_argument'

type Method = (subject: JobSubject, body: unknown, parts: TwirpParts) => Promise<unknown>

const number = z.union([z.string(), z.number()]).transform(Number)
const Ids = z.object({ workflow_run_backend_id: z.string(), workflow_job_run_backend_id: z.string() })
const CreateArtifact = Ids.extend({
  name: z.string(),
  expires_at: z.string().optional(),
  mime_type: z.string().optional(),
})
const FinalizeArtifact = Ids.extend({ name: z.string(), size: number.optional(), hash: z.string().optional() })
const ListArtifacts = Ids.extend({ name_filter: z.string().optional(), id_filter: number.optional() })
const NamedArtifact = Ids.extend({ name: z.string() })
const CacheEntry = z.object({ key: z.string().default(''), version: z.string().regex(/^[\w.-]{1,128}$/) })
const FinalizeCacheEntry = CacheEntry.extend({ size_bytes: number.optional() })
const FindCacheEntry = CacheEntry.extend({ restore_keys: z.array(z.string()).max(100).default([]) })

const artifactService = 'github.actions.results.api.v1.ArtifactService'
const cacheService = 'github.actions.results.api.v1.CacheService'

const methods: Readonly<Record<string, Method>> = {
  [`${artifactService}/CreateArtifact`]: async (subject, body, { artifacts, uploadUrl }) => {
    const { name, expires_at, mime_type = 'application/zip', ...ids } = CreateArtifact.parse(body)
    mustBeOwn(subject, ids)
    const expiresAt = expires_at === undefined ? null : Date.parse(expires_at)
    const upload = await artifacts.begin(subject, { name, mime: mime_type, expiresAt: expiresAt || null })
    return { ok: true, signed_upload_url: uploadUrl(upload) }
  },
  [`${artifactService}/FinalizeArtifact`]: async (subject, body, { artifacts }) => {
    const { name, size, hash, ...ids } = FinalizeArtifact.parse(body)
    mustBeOwn(subject, ids)
    const stored = await artifacts.finish(subject, name, { sizeBytes: size ?? null, digest: hash ?? null })
    return { ok: true, artifact_id: String(stored.artifact) }
  },
  [`${artifactService}/ListArtifacts`]: async (subject, body, { artifacts }) => {
    const { name_filter, id_filter, ...ids } = ListArtifacts.parse(body)
    mustBeOwn(subject, ids)
    const all = await artifacts.ofRun(subject.run)
    const isAsked = ({ name, artifact }: Artifact): boolean =>
      (name_filter === undefined || name === name_filter) && (id_filter === undefined || artifact === id_filter)
    return { artifacts: all.filter(isAsked).map(listed) }
  },
  [`${artifactService}/GetSignedArtifactURL`]: async (subject, body, { artifacts, downloadUrl }) => {
    const { digest, name, mime } = await ownArtifact(subject, NamedArtifact.parse(body), artifacts)
    return { signed_url: downloadUrl({ digest, fileName: fileNameOf({ name, mime }), mime }) }
  },
  [`${artifactService}/DeleteArtifact`]: async (subject, body, { artifacts }) => {
    const artifact = await ownArtifact(subject, NamedArtifact.parse(body), artifacts)
    await artifacts.remove(artifact, 'deleted', `job:${subject.run}/${subject.job}`)
    return { ok: true, artifact_id: String(artifact.artifact) }
  },
  [`${cacheService}/CreateCacheEntry`]: async (subject, body, { caches, uploadUrl }) => {
    const { key, version } = CacheEntry.parse(body)
    const reserved = await caches.begin(subject, key, version)
    if (reserved.kind === 'begun') return { ok: true, signed_upload_url: uploadUrl(reserved.upload) }
    if (reserved.kind === 'denied') return { ok: false, message: reserved.detail }
    throw new Problem({ kind: 'already-exists', status: 409, detail: reserved.detail })
  },
  [`${cacheService}/FinalizeCacheEntryUpload`]: async (subject, body, { caches }) => {
    const { key, version, size_bytes } = FinalizeCacheEntry.parse(body)
    return { ok: true, entry_id: String(await caches.finish(subject, key, version, size_bytes ?? null)) }
  },
  [`${cacheService}/GetCacheEntryDownloadURL`]: async (subject, body, { caches, downloadUrl }) => {
    const { key, version, restore_keys } = FindCacheEntry.parse(body)
    const found = await caches.find(subject, { key, version, restoreKeys: restore_keys })
    if (!found) return { ok: false }
    const address = { digest: found.digest, fileName: 'cache', mime: 'application/octet-stream' }
    return { ok: true, signed_download_url: downloadUrl(address), matched_key: found.key }
  },
}

/** The identifiers are in the token; whoever names others asks for another run's. */
const mustBeOwn = ({ run }: JobSubject, ids: z.infer<typeof Ids>): void => {
  if (ids.workflow_run_backend_id === encodeURIComponent(run)) return
  throw new Problem({
    kind: 'forbidden',
    status: 403,
    detail: `this token is for the run ${run}`,
    next: 'to download from another run, give download-artifact a run-id and a github-token',
  })
}

const ownArtifact = async (
  subject: JobSubject,
  { name, ...ids }: z.infer<typeof NamedArtifact>,
  artifacts: Artifacts,
): Promise<Artifact> => {
  mustBeOwn(subject, ids)
  const found = (await artifacts.ofRun(subject.run)).find((one) => one.name === name)
  if (found) return found
  throw new Problem({ kind: 'not-found', status: 404, detail: `the run ${subject.run} has no artifact ${name}` })
}

const listed = (artifact: Artifact) => ({
  workflow_run_backend_id: encodeURIComponent(artifact.run),
  workflow_job_run_backend_id: encodeURIComponent(artifact.job),
  database_id: String(artifact.artifact),
  name: artifact.name,
  size: String(artifact.sizeBytes),
  created_at: new Date(artifact.storedAt).toISOString(),
  digest: artifact.digest,
})
