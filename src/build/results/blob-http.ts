import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../clock.ts'
import { Digest } from '../../names.ts'
import { describeProblem, Problem } from '../../problem.ts'
import type { Artifacts } from './artifacts.ts'
import { type Blobs, TooLarge } from './blobs.ts'
import { bytesOf, disposition, drain, plainHeaders, rangeOf, send } from './http.ts'
import { isSigned, signPath } from './token.ts'
import { noRoom, type ResultsLimits, roomFor, Upload } from './uploads.ts'

export type BlobHttpParts = {
  readonly secret: Uint8Array
  readonly clock: Clock
  readonly blobs: Blobs
  readonly artifacts: Artifacts
  readonly limits: ResultsLimits
  readonly directory: string
  isRunning(run: string, job: string, attempt: number): Promise<boolean>
}

const uploads = '/results/uploads/'
const contents = '/results/contents/'
/** A large upload over a slow line takes hours; it also ends with its job. */
const uploadMs = 6 * 60 * 60_000
const downloadMs = 60 * 60_000
/** 50,000 blocks are the most that a block blob has. */
const longestListBytes = 8 * 1024 * 1024

/** Where a client puts the bytes of an upload: three names deep, as Azure's client takes the first two for an account and a container. */
export const uploadPath = ({ secret, clock }: BlobHttpParts, upload: string): string =>
  signPath(secret, `${uploads}${upload}`, clock.now() + uploadMs)

export const downloadPath = (
  { secret, clock }: BlobHttpParts,
  { digest, fileName, mime }: { digest: string; fileName: string; mime: string },
): string => {
  const path = `${contents}${digest.slice('sha256:'.length)}`
  return signPath(secret, path, clock.now() + downloadMs, { name: fileName, type: mime })
}

/**
 * The part of Azure's blob service that the toolkit's clients use (learn.microsoft.com/rest/api/storageservices: Put Blob, Put Block,
 * Put Block List, Get Blob), on signed paths. Refusals are XML, as that client reads them.
 */
export const serveBlobs = async (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  parts: BlobHttpParts,
): Promise<void> => {
  try {
    if (!isSigned(parts.secret, url.pathname, url.searchParams, parts.clock)) throw notSigned()
    if (request.method === 'PUT' && url.pathname.startsWith(uploads)) await receive(request, url, parts)
    else if (isReading(request) && url.pathname.startsWith(contents)) return await give(request, response, url, parts)
    else throw new Problem({ kind: 'UnsupportedHttpVerb', status: 405, detail: `${request.method} means nothing here` })
    response
      .writeHead(201, { ...plainHeaders, 'content-length': 0, etag: '"whole"', 'x-ms-version': '2025-01-05' })
      .end()
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error
    drain(request)
    refuse(response, error)
  }
}

const receive = async (request: IncomingMessage, url: URL, parts: BlobHttpParts): Promise<void> => {
  const { blobs, artifacts } = parts
  const name = url.pathname.slice(uploads.length)
  const upload = Upload.safeParse(await blobs.about(name)).data
  if (!upload || !(await parts.isRunning(upload.run, upload.job, upload.attempt))) throw noUpload()
  const room = await roomFor(upload, blobs, { ...parts, usage: () => artifacts.usage(upload.project) })
  const atFirst = room()
  if (Number(request.headers['content-length'] ?? 0) > atFirst) throw noRoom(upload, atFirst)
  try {
    if (url.searchParams.get('comp') === 'blocklist') {
      if (await blobs.join(name, blocksIn(await textOf(request)), room)) return
      throw new Problem({ kind: 'InvalidBlockList', status: 400, detail: 'a block of the list was never uploaded' })
    }
    if (url.searchParams.get('comp') === 'block')
      await blobs.putBlock(name, url.searchParams.get('blockid') ?? '', bytesOf(request), room)
    else await blobs.putWhole(name, bytesOf(request), room)
  } catch (error) {
    if (error instanceof TooLarge) throw noRoom(upload, atFirst)
    throw error
  }
}

const give = async (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  { blobs }: BlobHttpParts,
): Promise<void> => {
  const digest = Digest.safeParse(`sha256:${url.pathname.slice(contents.length)}`).data
  const sizeBytes = digest && (await blobs.contentSize(digest))
  if (!digest || sizeBytes === undefined || sizeBytes === null) throw gone()
  const range = rangeOf(request.headers.range, sizeBytes)
  if (range === 'outside')
    throw new Problem({ kind: 'InvalidRange', status: 416, detail: 'there are not so many bytes' })
  response.writeHead(range ? 206 : 200, {
    ...plainHeaders,
    'accept-ranges': 'bytes',
    'content-type': url.searchParams.get('type') ?? 'application/octet-stream',
    'content-disposition': disposition(url.searchParams.get('name') ?? 'content'),
    'content-length': range ? range.end - range.start + 1 : sizeBytes,
    etag: `"${digest.slice('sha256:'.length)}"`,
    ...(range ? { 'content-range': `bytes ${range.start}-${range.end}/${sizeBytes}` } : {}),
  })
  if (request.method === 'HEAD' || sizeBytes === 0) return void response.end()
  const bytes = await blobs.read(digest, range ?? undefined)
  if (!bytes) return void response.destroy()
  await send(bytes, response)
}

const isReading = ({ method }: IncomingMessage): boolean => method === 'GET' || method === 'HEAD'

/** `<BlockList><Latest>id</Latest>...</BlockList>`: the identifiers are base64, which holds nothing that XML would escape. */
const blocksIn = (xml: string): string[] =>
  Array.from(xml.matchAll(/<(Latest|Committed|Uncommitted)>([A-Za-z0-9+/=]+)<\/\1>/g), ([, , block]) => block ?? '')

const textOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let seen = 0
  for await (const chunk of bytesOf(request)) {
    seen += chunk.length
    if (seen > longestListBytes)
      throw new Problem({ kind: 'RequestBodyTooLarge', status: 413, detail: 'the list is too long' })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

const refuse = (response: ServerResponse, problem: Problem): void => {
  const xml = `<?xml version="1.0" encoding="utf-8"?><Error><Code>${escaped(problem.kind)}</Code><Message>${escaped(describeProblem(problem))}</Message></Error>`
  response.writeHead(problem.status, {
    ...plainHeaders,
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(xml),
    'x-ms-error-code': problem.kind,
  })
  response.end(xml)
}

const escaped = (text: string): string => text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`)

const notSigned = (): Problem =>
  new Problem({
    kind: 'AuthenticationFailed',
    status: 403,
    detail: 'this address was not signed here, or counts no more',
    next: 'ask for a new one',
  })

const noUpload = (): Problem =>
  new Problem({ kind: 'ContainerNotFound', status: 404, detail: 'there is no such upload, or its job has ended' })

const gone = (): Problem =>
  new Problem({ kind: 'BlobNotFound', status: 404, detail: 'this content has been removed meanwhile' })
