import { createReadStream, existsSync } from 'node:fs'
import { open, realpath, stat } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

// This file is copied into the packages of static sites and runs there alone: it imports nothing but Node's own modules.
// usage: static-server FOLDER...  serves the first folder that is there, on HOST and PORT.

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.htm': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.txt': 'text/plain; charset=utf-8',
  '.md': 'text/markdown; charset=utf-8',
  '.xml': 'application/xml',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.avif': 'image/avif',
  '.ico': 'image/x-icon',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.ttf': 'font/ttf',
  '.wasm': 'application/wasm',
  '.pdf': 'application/pdf',
  '.mp4': 'video/mp4',
  '.webm': 'video/webm',
  '.mp3': 'audio/mpeg',
}

/** Encodings that a build may have put beside a file, best first. */
const encodings = [
  ['br', '.br'],
  ['gzip', '.gz'],
] as const

/** A handler that serves the files beneath `root`, never one outside it and none whose name starts with a dot. */
export const serveFiles =
  (root: string) =>
  async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end('only GET and HEAD\n')
      return
    }
    const path = pathOf(request.url ?? '/')
    if (path === null) {
      response.writeHead(400).end('not a path\n')
      return
    }
    const file = await find(root, path)
    if (file === null) {
      const page = await find(root, '/404.html')
      await send(request, response, page, 404)
    } else if (file.folder && !path.endsWith('/'))
      response.writeHead(308, { location: `./${encodeURIComponent(path.split('/').at(-1) ?? '')}/` }).end()
    else await send(request, response, file, 200)
  }

/** The decoded path; null for what is no path or tries to leave the folder. */
const pathOf = (url: string): string | null => {
  try {
    const path = decodeURIComponent(url.split(/[?#]/, 1)[0] ?? '')
    const parts = path.split('/')
    // .well-known is the one dotted name that the web itself defines (RFC 8615).
    const hidden = parts.some((part) => part.startsWith('.') && part !== '.well-known')
    return !path.startsWith('/') || hidden || /[\0\\]/.test(path) ? null : path
  } catch {
    return null
  }
}

type Found = { readonly path: string; readonly sizeBytes: number; readonly changedMs: number; readonly folder: boolean }

const find = async (root: string, path: string): Promise<Found | null> => {
  const plain = join(root, path)
  const candidates = path.endsWith('/')
    ? [join(plain, 'index.html')]
    : [plain, `${plain}.html`, join(plain, 'index.html')]
  for (const candidate of candidates) {
    const real = await realpath(candidate).catch(() => null)
    if (real === null || !real.startsWith(root + sep)) continue
    const status = await stat(real)
    const folder = candidate.startsWith(plain + sep) && !path.endsWith('/')
    if (status.isFile()) return { path: real, sizeBytes: status.size, changedMs: status.mtimeMs, folder }
  }
  return null
}

const send = async (
  request: IncomingMessage,
  response: ServerResponse,
  found: Found | null,
  status: number,
): Promise<void> => {
  if (found === null) {
    response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end('not found\n')
    return
  }
  const { file, encoding } = await encoded(found, request.headers['accept-encoding'] ?? '')
  const tag = `"${file.sizeBytes.toString(16)}-${Math.floor(file.changedMs).toString(16)}${encoding ? `-${encoding}` : ''}"`
  const headers = {
    'content-type': types[extname(found.path).toLowerCase()] ?? 'application/octet-stream',
    'cache-control': cachingOf(found.path, status),
    'last-modified': new Date(found.changedMs).toUTCString(),
    'x-content-type-options': 'nosniff',
    vary: 'accept-encoding',
    etag: tag,
    ...(encoding ? { 'content-encoding': encoding } : { 'accept-ranges': 'bytes' }),
  }
  if (status === 200 && isFresh(request, tag, found.changedMs)) {
    response.writeHead(304, headers).end()
    return
  }
  const range = status === 200 && !encoding ? rangeOf(request, tag, file.sizeBytes) : null
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${file.sizeBytes}` }).end()
    return
  }
  const { start, end } = range ?? { start: 0, end: file.sizeBytes - 1 }
  response.writeHead(range ? 206 : status, {
    ...headers,
    'content-length': end - start + 1,
    ...(range ? { 'content-range': `bytes ${start}-${end}/${file.sizeBytes}` } : {}),
  })
  if (request.method === 'HEAD' || file.sizeBytes === 0) {
    response.end()
    return
  }
  const stream = createReadStream(file.path, { start, end })
  stream.on('error', () => response.destroy())
  response.on('close', () => stream.destroy())
  stream.pipe(response)
}

/** The file, or the compressed one beside it that the client takes. */
const encoded = async (found: Found, accepted: string): Promise<{ file: Found; encoding: string | null }> => {
  for (const [encoding, ending] of encodings) {
    if (!new RegExp(`(^|,)\\s*${encoding}\\s*(;\\s*q=(?!0(\\.0+)?\\s*(,|$))[^,]*)?(,|$)`).test(accepted)) continue
    const beside = await open(found.path + ending).catch(() => null)
    if (beside === null) continue
    const { size } = await beside.stat()
    await beside.close()
    return { file: { ...found, path: found.path + ending, sizeBytes: size }, encoding }
  }
  return { file: found, encoding: null }
}

/** Names that hold a hash of their content (`app-4f3c9a1b.js`) never change; everything else is asked for again each time. */
const cachingOf = (path: string, status: number): string =>
  status === 200 && /[.-](?=[\w-]*\d)[A-Za-z0-9_-]{8,}\.(?!html?$)\w+$/.test(path)
    ? 'public, max-age=31536000, immutable'
    : 'no-cache'

const isFresh = (request: IncomingMessage, tag: string, changedMs: number): boolean => {
  const match = request.headers['if-none-match']
  if (match !== undefined)
    return match === '*' || match.split(',').some((one) => one.trim().replace(/^W\//, '') === tag)
  const since = Date.parse(request.headers['if-modified-since'] ?? '')
  return Math.floor(changedMs / 1000) * 1000 <= since
}

/** One range as RFC 9110 has it; several at once are answered with the whole file. */
const rangeOf = (
  request: IncomingMessage,
  tag: string,
  sizeBytes: number,
): { start: number; end: number } | 'unsatisfiable' | null => {
  const condition = request.headers['if-range']
  if (condition !== undefined && condition !== tag) return null
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '') ?? []
  if (first === undefined || last === undefined || first + last === '') return null
  const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first)
  const end = first === '' || last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1)
  return start > end || start >= sizeBytes ? 'unsatisfiable' : { start, end }
}

const main = async (folders: readonly string[]): Promise<void> => {
  const folder = folders.find((name) => existsSync(name))
  if (folder === undefined) {
    console.error(`none of ${folders.join(', ')} is here; the build wrote nothing to serve`)
    process.exit(1)
  }
  const handle = serveFiles(await realpath(folder))
  // An import of it would cost each instance some megabytes more: src/http.ts.
  const server = process.getBuiltinModule('node:http').createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error)
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end('failed\n')
    })
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => server.close(() => process.exit(0)))
  server.listen(Number(process.env.PORT ?? 8080), process.env.HOST ?? '127.0.0.1', () =>
    console.log(`serving ${folder}`),
  )
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.slice(2))
