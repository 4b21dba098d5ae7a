import { mkdir } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Identity, Seal } from '../../access/access.ts'
import type { Clock, Ids } from '../../clock.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Problem } from '../../problem.ts'
import { createMutex } from '../../store/mutex.ts'
import type { Store } from '../../store/store.ts'
import type { JobServices } from '../jobs/job.ts'
import { toolkitAddress } from './address.ts'
import { type Artifact, type Artifacts, createArtifacts, fileNameOf } from './artifacts.ts'
import { downloadPath, serveBlobs, uploadPath } from './blob-http.ts'
import { type Blobs, openBlobs } from './blobs.ts'
import { answerCacheOne, cacheOnePath } from './cache-v1.ts'
import { type Caches, createCaches } from './caches.ts'
import { answerJson, drain, jsonOf, originOf } from './http.ts'
import { openResultKeys, type ResultKeys } from './keys.ts'
import { discoveryDocument, issueIdentity, issuerPath } from './oidc.ts'
import { identityOfJob, type Owners } from './rights.ts'
import { issueJobToken, type JobSubject, subjectOfJob, type TokenUse, verifyJobToken } from './token.ts'
import { answerTwirp, twirpError } from './twirp.ts'
import { defaultLimits, type ResultsLimits } from './uploads.ts'

export type ResultsParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly seal: Seal
  /** Where keys and contents are kept; closed to everybody else. */
  readonly directory: string
  /** By what address jobs reach this server. */
  readonly serverUrl: () => string
  /** The certificate that this server has made for itself, in PEM. */
  readonly certificate?: string | null
  /** By what address others verify who a job is, where that is another. */
  readonly publicUrl?: string
  /** The repository of a run; null: there is none in the project. */
  repositoryOf(project: string, run: string): Promise<string | null>
  /** Whether a job is under way: its tokens count for no longer. */
  isRunning(run: string, job: string, attempt: number): Promise<boolean>
  readonly limits?: Partial<ResultsLimits>
}

/** What jobs are given besides a place to run in: artifacts, caches, tokens and an identity. */
export type Results = JobServices & {
  readonly artifacts: Artifacts
  readonly caches: Caches
  readonly blobs: Blobs
  readonly keys: ResultKeys
  /** Who a job's token for Git and the API speaks for; null when it counts no more. */
  identify(token: string): Promise<Identity | null>
  /** Answers what is at the paths of `isResultsPath` (door.ts). */
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Where the bytes of an artifact can be had without a token, for some time; a path of this server. */
  pathOf(artifact: Artifact): string
  /** Forgets what has expired, removes what nobody needs, renews keys. */
  tidy(): Promise<void>
}

/** An upload that nobody has written to for so long is given up. */
const abandonedMs = 24 * 60 * 60_000
const idTokenPath = '/results/id-token'

export const openResults = async (parts: ResultsParts): Promise<Results> => {
  const { clock, directory } = parts
  const limits = { ...defaultLimits, ...parts.limits }
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const keys = openResultKeys(join(directory, 'keys'), parts.seal, clock)
  const blobs = await openBlobs(directory)
  const keeping = createMutex()
  const shelf = { ...parts, limits, blobs, keeping }
  const artifacts = createArtifacts(shelf)
  const caches = createCaches(shelf)
  const { secret } = keys
  const blobHttp = { ...parts, secret, blobs, artifacts, limits }
  const issuer = (): string => `${(parts.publicUrl ?? parts.serverUrl()).replace(/\/+$/, '')}${issuerPath}`

  const owners: Owners = {
    ofRun: parts.repositoryOf,
    ofArtifact: async (project, number) => (await artifacts.find(project, number))?.repository ?? null,
    ofCache: async (project, number) =>
      (await caches.list(project)).find(({ cache }) => cache === number)?.repository ?? null,
  }
  const subjectBehind = async (token: string, use: TokenUse): Promise<JobSubject | null> => {
    const subject = verifyJobToken(secret, token, use, clock)
    return subject && (await parts.isRunning(subject.run, subject.job, subject.runAttempt)) ? subject : null
  }
  const subjectOf = (request: IncomingMessage, use: TokenUse): Promise<JobSubject | null> => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1]
    return token === undefined ? Promise.resolve(null) : subjectBehind(token, use)
  }

  const serveTwirp = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const [, , service = '', method = ''] = url.pathname.split('/')
    const subject = await subjectOf(request, 'results')
    if (!subject || request.method !== 'POST') {
      drain(request)
      const why = subject ? twirpError(405, 'bad_route', 'this is called by POST') : noToken
      return answerJson(response, why)
    }
    const origin = originOf(request)
    const addresses = {
      uploadUrl: (upload: string) => `${origin}${uploadPath(blobHttp, upload)}`,
      downloadUrl: (content: { digest: string; fileName: string; mime: string }) =>
        `${origin}${downloadPath(blobHttp, content)}`,
    }
    const call = { service, method, subject }
    answerJson(response, await answerTwirp(call, await jsonOf(request), { artifacts, caches, ...addresses }))
  }

  const serveCacheOne = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    const subject = await subjectOf(request, 'results')
    if (!subject) drain(request)
    answerJson(response, subject ? await answerCacheOne(request, url, subject, { ...blobHttp, caches }) : noToken)
  }

  const serveIdentity = async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    drain(request)
    const subject = await subjectOf(request, 'id-token')
    const audience = url.searchParams.get('audience')
    const asked = { issuer: issuer(), serverUrl: parts.serverUrl(), audience: audience || null }
    const value = subject && (await issueIdentity(keys, subject, asked, parts))
    answerJson(response, value === null ? noToken : { status: 200, body: { count: 1, value } })
  }

  const servePublic = async (response: ServerResponse, path: string): Promise<void> => {
    const headers = { 'cache-control': 'public, max-age=3600' }
    if (path === `${issuerPath}/.well-known/openid-configuration`)
      return answerJson(response, { status: 200, body: discoveryDocument(issuer()), headers })
    if (path === `${issuerPath}/.well-known/jwks`)
      return answerJson(response, { status: 200, body: await keys.published(), headers })
    answerJson(response, twirpError(404, 'not_found', `there is nothing at ${path}`))
  }

  return {
    artifacts,
    caches,
    blobs,
    keys,
    certificate: parts.certificate ?? null,
    tokenFor: async (order) => issueJobToken(secret, subjectOfJob(order), 'api', clock),
    variablesFor: async (order, address = parts.serverUrl()) => {
      const subject = subjectOfJob(order)
      const mayProve = subject.permissions['id-token'] === 'write'
      return {
        ACTIONS_RUNTIME_TOKEN: issueJobToken(secret, subject, 'results', clock),
        ACTIONS_RUNTIME_URL: `${address}/`,
        ACTIONS_RESULTS_URL: `${address}/`,
        ACTIONS_CACHE_URL: `${address}/`,
        ACTIONS_CACHE_SERVICE_V2: 'true',
        GITHUB_RETENTION_DAYS: String(limits.artifactDays),
        GITHUB_SERVER_URL: toolkitAddress(address),
        ...(mayProve
          ? {
              ACTIONS_ID_TOKEN_REQUEST_TOKEN: issueJobToken(secret, subject, 'id-token', clock),
              ACTIONS_ID_TOKEN_REQUEST_URL: `${address}${idTokenPath}?api-version=2.0`,
            }
          : {}),
      }
    },
    identify: async (token) => {
      const subject = await subjectBehind(token, 'api')
      return subject && identityOfJob(subject, owners)
    },
    handle: async (request, response) => {
      try {
        const url = new URL(request.url ?? '/', 'http://localhost')
        if (url.pathname.startsWith('/twirp/')) return await serveTwirp(request, response, url)
        if (url.pathname.startsWith(cacheOnePath)) return await serveCacheOne(request, response, url)
        if (url.pathname === idTokenPath) return await serveIdentity(request, response, url)
        if (url.pathname.startsWith(`${issuerPath}/`)) return await servePublic(response, url.pathname)
        await serveBlobs(request, response, url, blobHttp)
      } catch (error) {
        if (!(error instanceof Problem) || error.status >= 500 || response.headersSent) throw error
        drain(request)
        answerJson(response, twirpError(error.status, 'malformed', error.detail))
      }
    },
    pathOf: ({ digest, name, mime }) => downloadPath(blobHttp, { digest, fileName: fileNameOf({ name, mime }), mime }),
    tidy: async () => {
      await keys.keepFresh()
      const leave = await keeping.enter()
      try {
        await artifacts.expire()
        await caches.expire()
        const wanted = new Set([...(await artifacts.digests()), ...(await caches.digests())])
        await blobs.sweep(wanted, clock.now() - abandonedMs)
      } finally {
        leave()
      }
    },
  }
}

const noToken = twirpError(401, 'unauthenticated', 'this needs the token of a job that is under way')
