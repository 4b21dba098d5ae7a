import type { Transform } from 'node:stream'
import { constants, createGzip, createZstdCompress } from 'node:zlib'
import { fieldIn } from './headers.ts'

export type Coding = 'zstd' | 'gzip'

/** Of an answer's length; smaller ones do not become smaller by much. */
const leastBytes = 512
const worthwhile =
  /^(text\/|application\/(json|javascript|xml|wasm|manifest\+json|[a-z0-9.+-]+\+(json|xml))|image\/svg\+xml|font\/(ttf|otf))/i

/** The best coding that the client takes (RFC 9110, 12.5.3); null when it takes none of ours. */
export const codingFor = (acceptEncoding: string | undefined): Coding | null => {
  if (acceptEncoding === undefined) return null
  const weights = new Map<string, number>()
  for (const one of acceptEncoding.toLowerCase().split(',').slice(0, 32)) {
    const [coding = '', ...parameters] = one.split(';').map((part) => part.trim())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    const weight = quality === undefined ? 1 : /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(quality) ? Number(quality) : 0
    weights.set(coding, weight)
  }
  const weightOf = (coding: Coding): number => weights.get(coding) ?? weights.get('*') ?? 0
  const [zstd, gzip] = [weightOf('zstd'), weightOf('gzip')]
  if (zstd === 0 && gzip === 0) return null
  return zstd >= gzip ? 'zstd' : 'gzip'
}

/**
 * The lines of an answer that is to be compressed, or that might have been for another client (`coding` null, Vary said all the same);
 * null for one that stays as it is: encoded already, a part of something, for HEAD or without a body, forbidden to be changed
 * (RFC 9110, 7.7), with a strong validator of its own kind kept by weakening it.
 */
export const compressed = (
  lines: string,
  { method, status, acceptEncoding }: { method: string; status: number; acceptEncoding: string | undefined },
): { lines: string; coding: Coding | null; isStream: boolean } | null => {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 206 || status === 304) return null
  const pairs = lines.split('\r\n').flatMap((line, index) => {
    const colon = line.indexOf(':')
    return colon === -1 || (index === 0 && line.startsWith('HTTP/'))
      ? []
      : [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  const type = fieldIn(pairs, 'content-type') ?? ''
  const length = fieldIn(pairs, 'content-length')
  if (!worthwhile.test(type) || fieldIn(pairs, 'content-encoding') !== undefined) return null
  if (fieldIn(pairs, 'content-range') !== undefined || /no-transform/i.test(fieldIn(pairs, 'cache-control') ?? ''))
    return null
  if (length !== undefined && Number(length) < leastBytes) return null
  const coding = codingFor(acceptEncoding)
  let vary: string | null = null
  let changed = lines.startsWith('HTTP/') ? lines.slice(0, lines.indexOf('\r\n') + 2) : ''
  for (let at = 0; at < pairs.length; at += 2) {
    const [name = '', value = ''] = [pairs[at], pairs[at + 1]]
    const lower = name.toLowerCase()
    if (lower === 'vary') vary = vary === null ? value : `${vary}, ${value}`
    else if (
      coding !== null &&
      (lower === 'content-length' ||
        lower === 'accept-ranges' ||
        lower === 'content-md5' ||
        lower === 'digest' ||
        lower === 'content-digest')
    )
      continue
    else if (coding !== null && lower === 'etag')
      changed += `${name}: ${value.startsWith('W/') ? value : `W/${value}`}\r\n`
    else changed += `${name}: ${value}\r\n`
  }
  const names = (vary ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  const said =
    names.includes('*') || names.includes('accept-encoding')
      ? vary
      : [vary, 'Accept-Encoding'].filter(Boolean).join(', ')
  changed += `Vary: ${said}\r\n`
  if (coding !== null) changed += `Content-Encoding: ${coding}\r\n`
  return { lines: changed, coding, isStream: length === undefined }
}

/** What compresses; it is flushed where an answer comes in pieces that somebody waits for. */
export const createEncoder = (coding: Coding): Transform & { flush(): void } =>
  coding === 'gzip'
    ? createGzip({ level: 5, flush: constants.Z_NO_FLUSH })
    : createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
