import { existsSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { run } from '../processes/run.ts'
import { findClient } from './binaries.ts'
import { clientEnvironment, clientMissing } from './dumps.ts'

const longestMs = 1_800_000

/** What one database holds, brought into another, empty one by pg_dump and pg_restore; owners and privileges become those of the new one. */
export const createCopies = ({ home }: { readonly home: Pick<Home, 'root'> }) => {
  const directory = join(home.root, 'copying')

  const must = async (program: string, words: readonly string[], url: string, what: string): Promise<void> => {
    const found = findClient(program, null)
    if (!found) throw clientMissing(program, 'or choose another preview: in headway.yaml')
    const env = { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...clientEnvironment(url) }
    const outcome = await run({ argv: [found, '--no-password', ...words], cwd: '/', env, timeoutMs: longestMs })
    if (outcome.exitCode === 0) return
    const said = outcome.stderr.trim().split('\n').at(-1) ?? ''
    throw new Problem({
      kind: 'copy-failed',
      status: 409,
      detail: `${what}: ${program} ended with ${outcome.exitCode ?? outcome.signal}: ${said}`,
      next: 'mend what it says, or choose another preview: in headway.yaml',
    })
  }

  const forget = async (name: string): Promise<void> => {
    const file = join(directory, `${name}.dump`)
    if (existsSync(file)) await effect('operate.copy-forget', () => rm(file, { force: true }))
  }

  return {
    /** `name` is that of the new database, of which one copy is made at a time. */
    copy: async (fromUrl: string, toUrl: string, name: string): Promise<void> => {
      const file = join(directory, `${name}.dump`)
      try {
        await effect('operate.copy-out', async () => {
          await mkdir(directory, { recursive: true, mode: 0o700 })
          await must('pg_dump', ['--format=custom', `--file=${file}`], fromUrl, `reading the database for ${name}`)
        })
        const plain = ['--no-owner', '--no-privileges', '--no-comments', '--exit-on-error', '--single-transaction']
        const { PGDATABASE = name } = clientEnvironment(toUrl)
        await effect('operate.copy-in', () =>
          must('pg_restore', [...plain, `--dbname=${PGDATABASE}`, file], toUrl, `filling ${name}`),
        )
      } finally {
        await forget(name)
      }
    },
    /** Removes what a copy that was killed has left. */
    forget,
  }
}
export type Copies = ReturnType<typeof createCopies>
