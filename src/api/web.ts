import { createHash } from 'node:crypto'
import { createReadStream, readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where `npm run build` and an installation put the web: beside `src/` in a checkout, beside `dist/` in a package. */
export const builtWeb = fileURLToPath(new URL('../../web/dist', import.meta.url))

export type Web = {
  /** Answers when this is a file of the web, or the address of one of its pages; says whether it did. */
  serve(request: IncomingMessage, response: ServerResponse): boolean
  /** Whether it was built. */
  isBuilt(): boolean
  /** Whether its sources lie beside it and one of them was changed since. An installed package has none. */
  isOutdated(): boolean
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
}

/** Scripts and styles come from here alone and stand in files of their own; nothing is asked of anybody else, nothing may frame it. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

const headers = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'permissions-policy':
    'camera=(), microphone=(), geolocation=(), publickey-credentials-create=(self), publickey-credentials-get=(self)',
} as const

/** Paths beneath which the web has no page: what is not found there is an error in its own terms. */
const notPages = /^\/(api|git|health|_apis|assets)(\/|$)/

/**
 * The page that an address stands for which a workflow puts together as GitHub has it (`$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/...`),
 * for links in chats and mails; null for any other.
 */
const pageOfElsewhere = (path: string): string | null => {
  const [, project, repository, kind, id] =
    /^\/([\w.-]+)\/([\w.-]+)\/(actions\/runs|pull)\/([\w.-]+)(?:\/|$)/.exec(path) ?? []
  if (project === undefined) return null
  return kind === 'pull' ? `/projects/${project}/changes/${repository}/${id}` : `/projects/${project}/runs/${id}`
}

/** Serves the built web from a directory; reads each file when it is asked for, so that an idle server holds none. */
export const createWeb = (directory: string = builtWeb): Web => {
  const isFile = (file: string): boolean => statSync(file, { throwIfNoEntry: false })?.isFile() === true
  const index = join(directory, 'index.html')

  /** The page that every address of the web opens; asked for again each time, so that a new version is seen at once. */
  const sendPage = (request: IncomingMessage, response: ServerResponse): void => {
    const content = readFileSync(index)
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 22)}"`
    const fresh = { ...headers, 'cache-control': 'no-cache', etag }
    if (request.headers['if-none-match'] === etag) return void response.writeHead(304, fresh).end()
    response.writeHead(200, { ...fresh, 'content-type': types['.html'], 'content-length': content.length })
    response.end(request.method === 'HEAD' ? undefined : content)
  }

  const sendFile = (request: IncomingMessage, response: ServerResponse, file: string, isNamedByContent: boolean) => {
    const coding = codings(request).find((one) => isFile(`${file}${one.suffix}`)) ?? { name: null, suffix: '' }
    const path = `${file}${coding.suffix}`
    response.writeHead(200, {
      ...headers,
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'content-length': statSync(path).size,
      'cache-control': isNamedByContent ? 'public, max-age=31536000, immutable' : 'no-cache',
      vary: 'accept-encoding',
      ...(coding.name === null ? {} : { 'content-encoding': coding.name }),
    })
    if (request.method === 'HEAD') return void response.end()
    createReadStream(path)
      .on('error', () => response.destroy())
      .pipe(response)
  }

  return {
    isBuilt: () => isFile(index),
    isOutdated: () => isFile(index) && newestSource(join(directory, '..'), directory) > statSync(index).mtimeMs,
    serve: (request, response) => {
      if ((request.method !== 'GET' && request.method !== 'HEAD') || !isFile(index)) return false
      const path = pathOf(request.url ?? '/')
      if (path === null) return false
      const file = join(directory, path)
      if (path !== '/' && extname(path) in types && isFile(file)) {
        sendFile(request, response, file, path.startsWith('/assets/'))
        return true
      }
      const page = notPages.test(path) ? null : pageOfElsewhere(path)
      if (page !== null) {
        response.writeHead(302, { ...headers, location: page }).end()
        return true
      }
      const isAskedFor = path === '/' || /\btext\/html\b/.test(request.headers.accept ?? '')
      if (notPages.test(path) || !isAskedFor) return false
      sendPage(request, response)
      return true
    },
  }
}

/** When a source of the web was last written, in milliseconds since 1970; 0 where there are none. */
const newestSource = (root: string, built: string): number => {
  if (statSync(join(root, 'vite.config.ts'), { throwIfNoEntry: false }) === undefined) return 0
  const times = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.startsWith(built) && !/\.test\.tsx?$/.test(entry.name))
    .map((entry) => statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return Math.max(0, ...times)
}

/** The path that a file may be looked for under; null for whatever would lead out of the directory. */
const pathOf = (url: string): string | null => {
  try {
    const path = decodeURIComponent(url.replace(/[?#].*$/s, ''))
    return path.startsWith('/') && !path.includes('\0') && normalize(path) === path ? path : null
  } catch {
    return null
  }
}

const codings = (request: IncomingMessage) => {
  const accepted = String(request.headers['accept-encoding'] ?? '')
  return [
    { name: 'br', suffix: '.br' },
    { name: 'gzip', suffix: '.gz' },
  ].filter(({ name }) => new RegExp(`\\b${name}\\b(?!;q=0(?:\\.0*)?(?:,|$))`).test(accepted))
}
