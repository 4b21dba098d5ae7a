import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type CodeServer, type CodeServerOptions, startCodeServer } from './server-testing.ts'

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string }

const env = {
  PATH: process.env.PATH ?? '/usr/bin:/bin',
  HOME: '/nonexistent',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_COMMITTER_NAME: 'Ada',
  GIT_COMMITTER_EMAIL: 'ada@example.com',
}

/** A real git client in a directory. `onError` sees stderr as it comes. */
export const gitIn = (
  directory: string,
  args: readonly string[],
  options: { input?: string | Buffer; onError?: (text: string) => void; env?: Record<string, string> } = {},
): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd: directory, env: { ...env, ...options.env } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString('utf8')
      options.onError?.(chunk.toString('utf8'))
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })

/** A working copy with one commit on `main`. */
export type WorkingCopy = {
  readonly directory: string
  git(...args: string[]): Promise<Ended>
  /** Output of a call that must succeed. */
  must(...args: string[]): Promise<string>
  commit(files: Readonly<Record<string, string | Buffer>>): Promise<string>
}

export const makeWorkingCopy = async (directory: string): Promise<WorkingCopy> => {
  mkdirSync(directory, { recursive: true })
  const git = (...args: string[]) => gitIn(directory, args)
  const must = async (...args: string[]): Promise<string> => {
    const outcome = await git(...args)
    if (outcome.code !== 0) throw new Error(`git ${args.join(' ')}: ${outcome.stderr}`)
    return outcome.stdout.trim()
  }
  await must('init', '--quiet', '--initial-branch=main')
  const copy: WorkingCopy = {
    directory,
    git,
    must,
    commit: async (files) => {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(directory, path)), { recursive: true })
        writeFileSync(join(directory, path), text)
      }
      await must('add', '--all')
      await must('commit', '--quiet', '--allow-empty', '--message', 'change')
      return must('rev-parse', 'HEAD')
    },
  }
  await copy.commit({ 'README.md': 'hello\n' })
  return copy
}

export type TestCode = CodeServer &
  AsyncDisposable & { readonly root: string; copy(name?: string): Promise<WorkingCopy> }

/** A server of one's own and working copies beside it, in a temporary directory. */
export const openTestCode = async (options: CodeServerOptions = {}): Promise<TestCode> => {
  const root = mkdtempSync(join(tmpdir(), 'headway-code-'))
  chmodSync(root, 0o711)
  const server = await startCodeServer(root, options)
  let copies = 0
  return {
    ...server,
    root,
    copy: (name) => {
      copies += 1
      return makeWorkingCopy(join(root, name ?? `copy-${copies}`))
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
