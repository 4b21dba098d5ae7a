import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Seal } from '../../access/access.ts'
import { effectSync } from '../../effect.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { writeDurably } from '../../processes/files.ts'

/** A migration whose command may be running: enough to find its process again, to judge its end, and to hide what is secret. */
const Underway = z.object({
  deployment: z.string(),
  cause: z.number(),
  target: z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName }),
  release: Digest,
  commit: CommitId,
  attempt: z.number(),
  isSeed: z.boolean().default(false),
  startedAt: z.number(),
  timeoutMs: z.number(),
  process: z.object({ pid: z.number(), start: z.string() }),
  /** The name of its directory and of its control group. */
  id: z.string(),
  secretValues: z.array(z.string()),
})
export type Underway = z.infer<typeof Underway>

export type RecordFiles = { readonly output: string; readonly end: string }

/** What is on disk of migrations that have begun, one folder per database (`key`), sealed; and the logs of those that have ended. */
export const openRecords = (directory: string, seal: Seal) => {
  const folderOf = (key: string): string => join(directory, 'underway', key)
  const fileOf = (key: string): string => join(folderOf(key), 'record')
  const nameOf = (key: string): string => `migration/${key}`
  const files = (key: string): RecordFiles => ({
    output: join(folderOf(key), 'output'),
    end: join(folderOf(key), 'end'),
  })
  const logOf = (deployment: string, attempt: number): string => join(directory, 'logs', `${deployment}.${attempt}.log`)

  return {
    files,
    /** Empty files for a command that is about to be started, open for appending. */
    fresh: (key: string): { output: number; end: number } & Disposable => {
      effectSync('deploy.migration-files', () => {
        rmSync(folderOf(key), { recursive: true, force: true })
        mkdirSync(folderOf(key), { recursive: true, mode: 0o700 })
      })
      const { output, end } = files(key)
      const open = { output: openSync(output, 'ax', 0o600), end: openSync(end, 'ax', 0o600) }
      return {
        ...open,
        [Symbol.dispose]: () => {
          closeSync(open.output)
          closeSync(open.end)
        },
      }
    },
    write: (key: string, record: Underway): void => {
      const sealed = seal.seal(nameOf(key), Buffer.from(JSON.stringify(record)))
      effectSync('deploy.migration-record', () => writeDurably(fileOf(key), sealed))
    },
    read: (key: string): Underway | null => {
      if (!existsSync(fileOf(key))) return null
      return Underway.parse(JSON.parse(Buffer.from(seal.open(nameOf(key), readFileSync(fileOf(key)))).toString()))
    },
    forget: (key: string): void => {
      effectSync('deploy.migration-forget', () => rmSync(folderOf(key), { recursive: true, force: true }))
    },
    /** How the command's shell says that it began and how it ended. */
    endOf: (key: string): { hasBegun: boolean; exitCode: number | null } => {
      const [began, code] = readText(files(key).end).split('\n')
      return { hasBegun: began === 'began', exitCode: /^[0-9]+$/.test(code ?? '') ? Number(code) : null }
    },
    outputOf: (key: string): string => readText(files(key).output),
    outputBytes: (key: string): number => statSync(files(key).output, { throwIfNoEntry: false })?.size ?? 0,
    keepLog: (deployment: string, attempt: number, text: string): void => {
      effectSync('deploy.migration-log', () => {
        mkdirSync(join(directory, 'logs'), { recursive: true, mode: 0o700 })
        writeDurably(logOf(deployment, attempt), text)
      })
    },
    /** Removes the logs of these deployments. */
    forgetLogs: (deployments: ReadonlySet<string>): void => {
      const folder = join(directory, 'logs')
      const all = deployments.size > 0 && existsSync(folder) ? readdirSync(folder) : []
      const own = all.filter((name) => deployments.has(name.split('.')[0] ?? ''))
      if (own.length > 0)
        effectSync('deploy.migration-forget-logs', () => {
          for (const name of own) rmSync(join(folder, name), { force: true })
        })
    },
    /** Null where none is kept. */
    log: (deployment: string, attempt: number): string | null =>
      existsSync(logOf(deployment, attempt)) ? readText(logOf(deployment, attempt)) : null,
  }
}
export type Records = ReturnType<typeof openRecords>

const readText = (file: string): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
