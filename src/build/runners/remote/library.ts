import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../clock.ts'
import { effect, effectSync } from '../../../effect.ts'
import { describeError } from '../../../problem.ts'
import { run } from '../../../processes/run.ts'
import type { ActionFiles, ActionLibrary } from '../../actions/library.ts'
import { gitEnvironment } from '../../git.ts'
import { patiently } from './patience.ts'

const largestFileBytes = 1024 * 1024

/** Answers with the tar of an action's files and their key, or with why there are none. */
export type FetchAction = (
  fence: number,
  reference: { readonly owner: string; readonly repository: string; readonly ref: string },
) => Promise<
  | { readonly kind: 'found'; readonly key: string; readonly tar: Uint8Array }
  | { readonly kind: 'missing'; readonly detail: string }
>

/** The server's actions, brought here as they are asked for by a job and kept for the next. The server says each time which they are. */
export const createRemoteLibrary = (directory: string, fetchAction: FetchAction, clock: Clock) => ({
  /** As the job under this fencing token may see it. */
  forJob: (fence: number): ActionLibrary => ({
    find: async (reference) => {
      try {
        const answer = await patiently(() => fetchAction(fence, reference), clock)
        if (answer.kind === 'missing') return answer
        const file = join(directory, `${createHash('sha256').update(answer.key).digest('hex')}.tar`)
        if (!existsSync(file)) await keep(directory, file, answer.tar)
        return { kind: 'found', files: filesIn(file, answer.key) }
      } catch (error) {
        return { kind: 'missing', detail: `the server could not be asked: ${describeError(error)}` }
      }
    },
  }),
  /** Clears what a crash has left half written. */
  sweep: async (): Promise<void> => {
    for (const file of await readdir(directory).catch(() => []))
      if (file.endsWith('.half')) await effect('runner.sweep-actions', () => rm(join(directory, file), { force: true }))
  },
})

const keep = (directory: string, file: string, tar: Uint8Array): Promise<void> =>
  effect('runner.keep-action', async () => {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const half = `${file}.${process.hrtime.bigint()}.half`
    await writeFile(half, tar, { mode: 0o600 })
    await rename(half, file)
  })

const filesIn = (file: string, key: string): ActionFiles => ({
  key,
  read: async (path) => {
    const argv = ['tar', '--extract', '--to-stdout', '--file', file, '--', path] as const
    const outcome = await run({ argv: [...argv], env: gitEnvironment, maxOutputBytes: largestFileBytes }).catch(
      () => null,
    )
    return outcome?.exitCode === 0 ? outcome.stdout.toString('utf8') : null
  },
  archive: () => {
    const tar = effectSync('runner.read-action', () =>
      spawn('cat', [file], { env: gitEnvironment, stdio: ['ignore', 'pipe', 'ignore'] }),
    )
    const done = new Promise<void>((resolve, reject) => {
      tar.once('error', reject)
      tar.once('exit', (exitCode) => (exitCode === 0 ? resolve() : reject(new Error(`cat ended with ${exitCode}`))))
    })
    done.catch(() => undefined) // waited for after the reader
    return { tar, done }
  },
})
