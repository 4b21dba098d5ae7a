import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const launcher = join(repositoryRoot, 'headway')

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

/** Runs a program to its end; `onLine` sees its standard error and output as they come. */
export const execute = (
  argv: readonly [string, ...string[]],
  options: { cwd?: string; env?: Record<string, string>; input?: string; onLine?: (line: string) => void } = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const [program, ...rest] = argv
    const child = spawn(program, rest, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let partial = ''
    const see = (text: string) => {
      if (!options.onLine) return
      const lines = (partial + text).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) options.onLine(line)
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      see(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      see(text)
    })
    child.on('error', reject)
    child.on('close', (code) => {
      if (partial) options.onLine?.(partial)
      resolve({ code, stdout, stderr })
    })
    child.stdin.on('error', () => undefined) // it may end without reading
    child.stdin.end(options.input ?? '')
  })

export type Platform = {
  readonly home: string
  readonly url: string
  readonly edgePort: number
  readonly controlPlane: ChildProcess
  /** Runs `headway <words>` against this one. */
  headway(...words: string[]): Promise<Ended>
  /** Sets a secret of the default project; rejects with what was said when that fails. */
  setSecret(name: string, value: string): Promise<void>
  /** A new working copy with these files, one commit and the remote `headway`. */
  repository(name: string, files?: Record<string, string>): Promise<Repository>
  get(
    host: string,
    path?: string,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: string; headers: Record<string, unknown> }>
  /** Kills the control plane with SIGKILL; traffic goes on. */
  crash(): Promise<void>
  /** Starts the control plane again on the same data. */
  restart(env?: Record<string, string>): Promise<void>
  /** Stops everything that this Headway started, services included, and removes its data. */
  destroy(): Promise<void>
}

/** A Headway of one's own: its own home, free ports, the real launcher. */
export const startPlatform = async (
  options: {
    home?: string
    port?: number
    edgePort?: number
    env?: Record<string, string>
    /** Leave the data where it is when everything is stopped. */
    keep?: boolean
    /** Another `headway` than the checkout's. */
    launcher?: string
    /** Those of a new home; one where nothing is said, as most tests and benches are about what happens in one. */
    environments?: string
    /** Of pipeline jobs; the best that works where nothing is said. */
    isolation?: string
  } = {},
): Promise<Platform> => {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'headway-'))
  const program = options.launcher ?? launcher
  const isolation = options.isolation === undefined ? [] : ['--isolation', options.isolation]
  const words = ['--home', home, '--environments', options.environments ?? 'production', ...isolation]
  let controlPlane = await up(program, words, options.port ?? 0, options.edgePort ?? 0, options.env)
  let server = serverOf(home)
  const platform: Platform = {
    home,
    get url() {
      return server.url
    },
    get edgePort() {
      return server.edgePort
    },
    get controlPlane() {
      return controlPlane
    },
    headway: (...words) => execute([program, ...words], { env: { HEADWAY_HOME: home } }),
    setSecret: async (name, value) => {
      const ended = await execute([program, 'secret', 'set', name], { env: { HEADWAY_HOME: home }, input: value })
      if (ended.code !== 0) throw new Error(ended.stderr)
    },
    repository: (name, files) => createRepository(platform, program, name, files),
    get: (host, path = '/', headers = {}) => get(server.edgePort, host, path, headers),
    crash: async () => {
      const gone = ended(controlPlane)
      controlPlane.kill('SIGKILL')
      await gone
    },
    restart: async (env) => {
      controlPlane = await up(program, words, Number(new URL(server.url).port), server.edgePort, {
        ...options.env,
        ...env,
      })
      server = serverOf(home)
    },
    destroy: async () => {
      const gone = ended(controlPlane)
      const down = await platform.headway('down')
      if (controlPlane.exitCode === null && controlPlane.signalCode === null) controlPlane.kill('SIGTERM')
      await gone
      if (down.code !== 0) throw new Error(`headway down failed: ${down.stderr}`)
      if (!options.keep) rmSync(home, { recursive: true, force: true })
    },
  }
  return platform
}

const serverOf = (home: string): { url: string; edgePort: number } =>
  JSON.parse(readFileSync(join(home, 'server.json'), 'utf8'))

const ended = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((done) => child.once('exit', () => done()))

/** Starts `headway up` and resolves once it has said that it is ready. */
const up = (
  program: string,
  words: readonly string[],
  port: number,
  edgePort: number,
  env: Record<string, string> = {},
): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, ['up', ...words, '--port', String(port), '--edge-port', String(edgePort)], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    const hear = (text: Buffer) => {
      said += text.toString()
      if (/\bready\b/i.test(said)) resolve(child)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(new Error(`headway up ended (${code ?? signal}) before it was ready:\n${said}`)),
    )
  })

const get = (
  port: number,
  host: string,
  path: string,
  headers: Record<string, string>,
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> =>
  new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port, path, agent: false, headers: { ...headers, host: `${host}:${port}` } },
      (incoming) => {
        let body = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (text: string) => {
          body += text
        })
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, body, headers: incoming.headers }))
        incoming.on('error', reject)
      },
    )
    outgoing.on('error', reject)
    outgoing.end()
  })

export type Repository = {
  readonly directory: string
  /** Writes these files, commits them and returns the commit. */
  commit(message: string, files: Record<string, string>): Promise<string>
  /** `git push headway <words>`; both streams are in `stderr`'s order of arrival in `output`. */
  push(words?: readonly string[], onLine?: (line: string) => void): Promise<Ended & { output: string }>
  git(...words: string[]): Promise<Ended>
}

const identity = {
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
}

const createRepository = async (
  platform: Platform,
  program: string,
  name: string,
  files: Record<string, string> = {},
): Promise<Repository> => {
  const { mkdirSync, writeFileSync } = await import('node:fs')
  const directory = mkdtempSync(join(tmpdir(), `headway-${name}-`))
  const git = (...words: string[]) => execute(['git', ...words], { cwd: directory, env: identity })
  const must = async (...words: string[]) => {
    const outcome = await git(...words)
    if (outcome.code !== 0) throw new Error(`git ${words.join(' ')} failed: ${outcome.stderr}`)
    return outcome.stdout.trim()
  }
  const write = (contents: Record<string, string>) => {
    for (const [path, text] of Object.entries(contents)) {
      mkdirSync(dirname(join(directory, path)), { recursive: true })
      writeFileSync(join(directory, path), text)
    }
  }
  await must('init', '--quiet', '--initial-branch=main')
  await must('remote', 'add', 'headway', `${platform.url}/git/default/${name}.git`)
  await must('config', 'credential.helper', `!HEADWAY_HOME='${platform.home}' '${program}' credential`)
  const repository: Repository = {
    directory,
    git,
    commit: async (message, contents) => {
      write(contents)
      await must('add', '--all')
      await must('commit', '--quiet', '--allow-empty', '--message', message)
      return must('rev-parse', 'HEAD')
    },
    push: async (words = ['main'], onLine) => {
      let output = ''
      const outcome = await execute(['git', 'push', 'headway', ...words], {
        cwd: directory,
        env: identity,
        onLine: (line) => {
          output += `${line}\n`
          onLine?.(line)
        },
      })
      return { ...outcome, output }
    },
  }
  if (Object.keys(files).length > 0) await repository.commit('First version', files)
  return repository
}
