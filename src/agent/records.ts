import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { effectSync } from '../effect.ts'
import { syncDirectory, writeDurably } from '../processes/files.ts'
import type { ProcessIdentity } from '../processes/tree.ts'
import type { Exit, InstanceSpec } from './protocol.ts'
import type { Sealing } from './sealing.ts'

/** What is written down of an instance: enough to find it again, or to start it again, after a crash at any instant. */
export type InstanceRecord = {
  readonly spec: InstanceSpec
  readonly port: number
  /** Null while it has no process. */
  readonly process: ProcessIdentity | null
  readonly startedAt: number | null
  readonly restarts: number
  readonly lastExit: Exit | null
  /** Whether it was healthy once: from then on it is started again whenever it ends. */
  readonly provenAt: number | null
  readonly phase: 'running' | 'failed' | 'stopping'
}

/** One sealed file for each instance. */
export const createRecords = (directory: string, sealing: Sealing) => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const fileOf = (id: string): string => join(directory, `${id}.json`)
  return {
    /** Every record that can be read; a file that cannot is reported and left where it is. */
    all: (report: (problem: string) => void): InstanceRecord[] =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => {
          try {
            const { env, ...record } = JSON.parse(readFileSync(join(directory, name), 'utf8'))
            return [
              {
                ...record,
                spec: { ...record.spec, env: JSON.parse(sealing.open(record.spec.id, env)) },
              } as InstanceRecord,
            ]
          } catch (error) {
            report(`${join(directory, name)} cannot be read: ${error instanceof Error ? error.message : error}`)
            return []
          }
        }),
    write: (record: InstanceRecord): void => {
      const { env, ...spec } = record.spec
      const text = JSON.stringify({ ...record, spec, env: sealing.seal(spec.id, JSON.stringify(env)) })
      effectSync('agent.write-instance', () => writeDurably(fileOf(spec.id), text))
    },
    remove: (id: string): void =>
      effectSync('agent.remove-instance', () => {
        rmSync(fileOf(id), { force: true })
        syncDirectory(directory)
      }),
  }
}
export type Records = ReturnType<typeof createRecords>
