import { spawn } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough, type Readable, Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { atLeast, type Identity } from '../access/access.ts'
import { effectSync } from '../effect.ts'
import { describeError, describeProblem, Problem } from '../problem.ts'
import { run } from '../processes/run.ts'
import { type GitRequest, isForLargeFiles, parseGitRequest, type RepositoryKey } from './address.ts'
import { gitEnvironment, servingConfiguration } from './git.ts'
import { type PushParts, servePush } from './push.ts'
import type { Repositories } from './repositories.ts'

export type SmartHttpParts = PushParts & {
  readonly repositories: Repositories
  /** Makes the repository and records it; nothing when it is there. */
  create(key: RepositoryKey, actor: string): Promise<void>
}

export type GitHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  identity: Identity | null,
) => Promise<void>

/** What a fetch may ask in one request. */
const longestFetchBytes = 32 * 1024 * 1024

/** Git's smart HTTP protocol, spoken by the real git; here are only the door and the pipes. */
export const createSmartHttp = (parts: SmartHttpParts, stopping: AbortSignal): GitHandler => {
  const { repositories, limits } = parts
  const configuration = servingConfiguration(parts.hooks, limits)

  const serve = async (request: IncomingMessage, response: ServerResponse, identity: Identity): Promise<void> => {
    const asked = parseGitRequest(request.method, request.url)
    if (!asked) throw notAnAddress()
    const { project, repository, service, step } = asked
    const key = { project, repository }
    const there = repositories.exists(key)
    const refusal = refusalOf(identity, asked, there)
    if (refusal && there && service === 'git-receive-pack')
      await parts.refusals.door(key, identity.actor, refusal.detail)
    if (refusal) throw refusal
    response.setHeader('cache-control', 'no-cache, max-age=0, must-revalidate')
    response.setHeader('content-type', `application/x-${service}-${step === 'advertise' ? 'advertisement' : 'result'}`)
    const directory = there ? repositories.pathOf(key) : repositories.template
    const protocol = service === 'git-upload-pack' ? protocolOf(request) : {}
    if (step === 'advertise') return advertise(asked, directory, protocol, response)
    const body = bodyOf(request, service === 'git-upload-pack' ? longestFetchBytes : limits.maxPackBytes + 2 ** 24)
    if (service === 'git-upload-pack') return serveFetch(directory, protocol, body, response)
    if (!there) await parts.create(key, identity.actor)
    const role = identity.roleIn(project)
    const push = { key, directory: repositories.pathOf(key), actor: identity.actor, role, body }
    return servePush(parts, push, response, stopping)
  }

  const advertise = async (
    { service }: GitRequest,
    directory: string,
    protocol: Record<string, string>,
    response: ServerResponse,
  ): Promise<void> => {
    const outcome = await run({
      argv: ['git', ...configuration, service.slice('git-'.length), '--stateless-rpc', '--advertise-refs', directory],
      env: { ...gitEnvironment, ...protocol },
      cwd: directory,
    })
    if (outcome.exitCode !== 0) throw new Error(`git ${service} could not list the refs: ${outcome.stderr}`)
    const greeting = `# service=${service}\n`
    const length = (greeting.length + 4).toString(16).padStart(4, '0')
    const isSecondVersion = /(^|:)version=2(:|$)/.test(protocol.GIT_PROTOCOL ?? '')
    if (!isSecondVersion) response.write(`${length}${greeting}0000`)
    response.end(outcome.stdout)
  }

  const serveFetch = async (
    directory: string,
    protocol: Record<string, string>,
    body: Readable,
    response: ServerResponse,
  ): Promise<void> => {
    const child = effectSync('code.upload-pack', () =>
      spawn('git', [...configuration, 'upload-pack', '--stateless-rpc', '--strict', directory], {
        env: { ...gitEnvironment, ...protocol },
        cwd: directory,
        stdio: ['pipe', 'pipe', 'ignore'],
        detached: true,
      }),
    )
    child.stdin.on('error', () => {}) // it has read enough
    body.on('error', () => child.stdin.destroy())
    body.pipe(child.stdin)
    child.stdout.pipe(response)
    const stop = (): void => void child.kill('SIGTERM')
    response.once('close', stop)
    stopping.addEventListener('abort', stop)
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', () => resolve())
    }).finally(() => stopping.removeEventListener('abort', stop))
    if (!response.writableEnded) response.end()
  }

  return async (request, response, identity) => {
    if (!identity) {
      response.setHeader('www-authenticate', 'Basic realm="Headway", charset="UTF-8"')
      return answer(
        response,
        401,
        'Headway needs a token: headway init sets Git up for it, headway token create makes one',
      )
    }
    if (isForLargeFiles(request.url)) return refuseLargeFiles(response)
    try {
      await serve(request, response, identity)
    } catch (error) {
      const isForPeople = error instanceof Problem && error.status < 500
      if (!isForPeople) parts.report(`Git over HTTP: ${describeError(error)}`)
      if (response.headersSent) return void response.destroy()
      answer(response, error instanceof Problem ? error.status : 500, textOf(error))
    }
  }
}

const textOf = (error: unknown): string =>
  error instanceof Problem ? describeProblem(error) : 'Headway could not serve this; its log says why'

/** Git shows plain text as lines of `remote:`. */
const answer = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(`${text}\n`)
}

/**
 * With this status a client goes on without locks, and shows the message where it would store files
 * (https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md).
 */
const refuseLargeFiles = (response: ServerResponse): void => {
  const message =
    'this Git host keeps no files of Git LFS: let lfs.url in .lfsconfig name a server that does, or take them into the commits with git lfs migrate export'
  response.writeHead(501, { 'content-type': 'application/vnd.git-lfs+json', 'cache-control': 'no-store' })
  response.end(JSON.stringify({ message }))
}

/** Why somebody may not do this; null: they may. */
const refusalOf = (
  identity: Identity,
  { project, repository, service }: GitRequest,
  there: boolean,
): Problem | null => {
  const role = identity.roleIn(project)
  const name = `${project}/${repository}`
  const isWrite = service === 'git-receive-pack'
  if (identity.limits?.mayUseRepository({ project, repository }, isWrite) === false)
    return new Problem({
      kind: 'beyond-permissions',
      status: 403,
      detail: `the job may not ${isWrite ? 'push to' : 'read'} ${name} (${identity.actor})`,
      next: `give it permissions: { contents: ${isWrite ? 'write' : 'read'} }; other repositories need a token of a person, as a secret`,
    })
  if (service === 'git-upload-pack' && atLeast(role, 'viewer') && there) return null
  if (service === 'git-receive-pack' && atLeast(role, 'developer')) return null
  if (service === 'git-receive-pack' && role !== null)
    return new Problem({
      kind: 'push-refused',
      status: 403,
      detail: `${identity.user} may read ${name}, but pushing needs the role developer in the project ${project}`,
      next: `an administrator grants it: headway user role ${identity.user} developer --project ${project}`,
    })
  return new Problem({
    kind: 'repository-not-found',
    status: 404,
    detail: `there is no repository ${name} that ${identity.user} may see`,
    next: 'the first push by a developer of the project makes it: git push headway main',
  })
}

const notAnAddress = (): Problem =>
  new Problem({
    kind: 'repository-address',
    status: 404,
    detail: 'a repository is at /git/<project>/<repository>.git, named by lower-case letters, digits and single dashes',
    next: 'headway init sets the address',
  })

const protocolOf = (request: IncomingMessage): Record<string, string> => {
  const asked = request.headers['git-protocol']
  return typeof asked === 'string' && /^[a-z0-9=:.-]{1,100}$/.test(asked) ? { GIT_PROTOCOL: asked } : {}
}

/** The client's bytes, unpacked and counted: no small request becomes a large one. */
const bodyOf = (request: IncomingMessage, mostBytes: number): Readable => {
  const encoding = request.headers['content-encoding'] ?? 'identity'
  if (encoding !== 'identity' && encoding !== 'gzip' && encoding !== 'x-gzip')
    throw new Problem({ kind: 'encoding', status: 415, detail: `the content encoding ${encoding} is not known` })
  const unpacked = encoding === 'identity' ? new PassThrough() : createGunzip()
  let seen = 0
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      seen += chunk.length
      if (seen > mostBytes) done(new Error(`more than ${mostBytes} bytes`))
      else done(null, chunk)
    },
  })
  request.on('error', (error) => unpacked.destroy(error))
  request.on('close', () => {
    if (!request.complete) unpacked.destroy(new Error('the client went away'))
  })
  unpacked.on('error', (error) => {
    counted.destroy(error)
    request.resume()
  })
  counted.on('error', () => request.resume())
  return request.pipe(unpacked).pipe(counted)
}
