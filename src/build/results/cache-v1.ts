import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { Problem } from '../../problem.ts'
import { type BlobHttpParts, downloadPath } from './blob-http.ts'
import { TooLarge } from './blobs.ts'
import { type Caches, scopesOf } from './caches.ts'
import { type Answer, bytesOf, drain, jsonOf, originOf } from './http.ts'
import type { JobSubject } from './token.ts'
import { noRoom, roomFor, Upload, uploadName } from './uploads.ts'

/** Where @actions/cache before version 4 looks for the service, below ACTIONS_CACHE_URL. */
export const cacheOnePath = '/_apis/artifactcache/'

export type CacheOneParts = BlobHttpParts & { readonly caches: Caches }

const Reserve = z.object({ key: z.string(), version: z.string().regex(/^[\w.-]{1,128}$/) })
const Commit = z.object({ size: z.number().int().min(1) })

/**
 * The first version of GitHub's cache service, which @actions/cache 1 to 3 call (internal/cacheHttpClient.ts there): the same caches, so that
 * old and new clients find what the other has saved. Refusals are `{"message": ...}`, which those clients print.
 */
export const answerCacheOne = async (
  request: IncomingMessage,
  url: URL,
  subject: JobSubject,
  parts: CacheOneParts,
): Promise<Answer> => {
  const [what = '', id, ...rest] = url.pathname.slice(cacheOnePath.length).split('/')
  const asked = `${request.method} ${what}${id === undefined ? '' : '/id'}`
  try {
    if (rest.length > 0) throw nothingThere()
    if (asked === 'PATCH caches/id') return await receive(request, Number(id), subject, parts)
    if (asked === 'POST caches/id') return await commit(Commit.parse(await jsonOf(request)), Number(id), subject, parts)
    if (asked === 'POST caches') return await reserve(Reserve.parse(await jsonOf(request)), subject, parts)
    drain(request)
    if (asked === 'GET cache') return await find(request, url, subject, parts)
    if (asked === 'GET caches') return await list(url, subject, parts)
    throw nothingThere()
  } catch (error) {
    const refusal = error instanceof z.ZodError ? malformed(error) : error
    if (!(refusal instanceof Problem) || refusal.status >= 500) throw error
    drain(request)
    return { status: refusal.status, body: { message: refusal.detail, typeKey: refusal.kind } }
  }
}

const find = async (
  request: IncomingMessage,
  { searchParams }: URL,
  subject: JobSubject,
  parts: CacheOneParts,
): Promise<Answer> => {
  const [key = '', ...restoreKeys] = (searchParams.get('keys') ?? '').split(',')
  const query = { key, restoreKeys, version: searchParams.get('version') ?? '' }
  const found = await parts.caches.find(subject, query)
  if (!found) return { status: 204, body: null }
  const address = { digest: found.digest, fileName: 'cache', mime: 'application/octet-stream' }
  const archiveLocation = `${originOf(request)}${downloadPath(parts, address)}`
  return { status: 200, body: { ...shown(found), archiveLocation } }
}

/** What there is of a key, for whoever wonders why none was found. */
const list = async ({ searchParams }: URL, subject: JobSubject, { caches }: CacheOneParts): Promise<Answer> => {
  const scopes = scopesOf(subject)
  const known = (await caches.list(subject.project)).filter(
    ({ repository, scope, key }) =>
      repository === subject.repository && scopes.includes(scope) && key.startsWith(searchParams.get('key') ?? ''),
  )
  return { status: 200, body: { totalCount: known.length, artifactCaches: known.map(shown) } }
}

const shown = ({ key, scope, version, savedAt }: Awaited<ReturnType<Caches['list']>>[number]) => ({
  cacheKey: key,
  scope,
  cacheVersion: version,
  creationTime: new Date(savedAt).toISOString(),
})

const reserve = async (
  { key, version }: z.infer<typeof Reserve>,
  subject: JobSubject,
  { caches }: CacheOneParts,
): Promise<Answer> => {
  const reserved = await caches.begin(subject, key, version)
  if (reserved.kind === 'begun') return { status: 201, body: { cacheId: numberOf(reserved.upload) } }
  const status = reserved.kind === 'taken' ? 409 : 403
  throw new Problem({ kind: 'ArtifactCacheItemNotReserved', status, detail: reserved.detail })
}

/** A piece that says where in the whole it belongs; several come at once, and one may come again. */
const receive = async (
  request: IncomingMessage,
  id: number,
  subject: JobSubject,
  parts: CacheOneParts,
): Promise<Answer> => {
  const { name, upload } = uploadOf(id, subject, parts)
  const start = /^bytes (\d+)-\d+\/(?:\*|\d+)$/.exec(request.headers['content-range'] ?? '')?.[1]
  if (start === undefined) throw new Problem({ kind: 'malformed', status: 400, detail: 'there is no Content-Range' })
  const room = await roomFor(upload, parts.blobs, { ...parts, usage: noUsage })
  const atFirst = room()
  try {
    await parts.blobs.putBlock(name, String(Number(start)), bytesOf(request), room)
  } catch (error) {
    if (error instanceof TooLarge) throw noRoom(upload, atFirst)
    throw error
  }
  return { status: 204, body: null }
}

/** Puts the pieces together: each begins where the one before it ends. */
const commit = async (
  { size }: z.infer<typeof Commit>,
  id: number,
  subject: JobSubject,
  parts: CacheOneParts,
): Promise<Answer> => {
  const { blobs, caches } = parts
  const { name, upload } = uploadOf(id, subject, parts)
  const blocks: string[] = []
  for (let at = 0; at < size; ) {
    const bytes = (await blobs.blockSize(name, String(at))) ?? 0
    if (bytes === 0)
      throw new Problem({ kind: 'malformed', status: 400, detail: `nothing was sent from byte ${at} on` })
    blocks.push(String(at))
    at += bytes
  }
  const room = await roomFor(upload, blobs, { ...parts, usage: noUsage })
  await blobs.join(name, blocks, room)
  await caches.finish(subject, upload.key, upload.version, size)
  return { status: 204, body: null }
}

const noUsage = async () => ({ inProject: 0, inAll: 0 })

type CacheUpload = Upload & { readonly kind: 'cache' }

/** These clients name an upload by a number: what 52 bits of its name are, looked for among those of this job. */
const uploadOf = (id: number, subject: JobSubject, { blobs }: CacheOneParts): { name: string; upload: CacheUpload } => {
  const { project, repository, run, job } = subject
  for (const { about } of blobs.underWay()) {
    const upload = Upload.safeParse(about).data
    if (upload?.kind !== 'cache' || upload.run !== run || upload.job !== job) continue
    const name = uploadName('cache', project, repository, upload.scope, upload.version, upload.key)
    if (numberOf(name) === id) return { name, upload }
  }
  throw new Problem({ kind: 'not-found', status: 404, detail: `this job has begun no cache ${id}` })
}

const numberOf = (name: string): number => Number.parseInt(name.slice(0, 13), 16)

const nothingThere = (): Problem => new Problem({ kind: 'not-found', status: 404, detail: 'there is nothing here' })

const malformed = ({ issues }: z.ZodError): Problem =>
  new Problem({
    kind: 'malformed',
    status: 400,
    detail: issues.map(({ message, path }) => `${path.join('.')}: ${message}`).join('; '),
  })
