import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { loadKeyring } from '../access/seal.ts'
import { effectSync } from '../effect.ts'
import type { Home } from '../home.ts'
import { describeError } from '../problem.ts'
import { syncDirectory, writeDurably } from '../processes/files.ts'
import type { ProcessIdentity } from '../processes/tree.ts'
import { fields, finite, flag, orNull, text, whole } from './check.ts'
import { parseExit, parseId, parseSpec } from './parse.ts'
import type { Exit, InstanceSpec } from './protocol.ts'
import type { Say } from './say.ts'

/** All that a successor needs to know of an instance; what is not here is forgotten when the agent dies. */
export type InstanceRecord = {
  readonly spec: InstanceSpec
  readonly port: number | null
  /** Its directory is complete. */
  readonly prepared: boolean
  readonly process: ProcessIdentity | null
  /** Milliseconds since 1970; of the first start, by which readyTimeoutMs counts, and of the last one. */
  readonly firstStartedAt: number | null
  readonly startedAt: number | null
  readonly restarts: number
  readonly everHealthy: boolean
  readonly isHealthy: boolean
  readonly failed: boolean
  readonly stopping: boolean
  readonly lastExit: Exit | null
  readonly lastProbe: string | null
}

export const newRecord = (spec: InstanceSpec): InstanceRecord => ({
  spec,
  port: null,
  prepared: false,
  process: null,
  firstStartedAt: null,
  startedAt: null,
  restarts: 0,
  everHealthy: false,
  isHealthy: false,
  failed: false,
  stopping: false,
  lastExit: null,
  lastProbe: null,
})

export type Records = {
  /** All that can be read; one that cannot is put aside with a word in the log, and its instance counts as unknown. */
  load(): InstanceRecord[]
  /** Durable when it returns. */
  save(record: InstanceRecord): void
  remove(id: string): void
}

/** One file for each instance; the environment, which holds its secrets, is sealed under the home's master key. */
export const openRecords = (home: Pick<Home, 'masterKey'>, directory: string, say: Say): Records => {
  const fileOf = (id: string): string => join(directory, `${id}.json`)
  return {
    load: () =>
      readdirSync(directory)
        .filter((name) => name.endsWith('.json'))
        .flatMap((name) => {
          try {
            return [unsealed(home, readFileSync(join(directory, name), 'utf8'))]
          } catch (error) {
            say(`${name} cannot be read and is put aside: ${describeError(error)}`)
            effectSync('agent.record-put-aside', () => writeDurably(join(directory, `${name}.unreadable`), ''))
            effectSync('agent.record-drop', () => rmSync(join(directory, name)))
            return []
          }
        }),
    save: (record) => effectSync('agent.record-save', () => writeDurably(fileOf(record.spec.id), sealed(home, record))),
    remove: (id) =>
      effectSync('agent.record-remove', () => {
        rmSync(fileOf(id), { force: true })
        syncDirectory(directory)
      }),
  }
}

const sealName = (id: string): string => `agent instance ${id}`

const sealed = (home: Pick<Home, 'masterKey'>, record: InstanceRecord): string => {
  const env = Buffer.from(JSON.stringify(record.spec.env))
  const bytes = loadKeyring(home.masterKey).seal(sealName(record.spec.id), env)
  return JSON.stringify({ ...record, spec: { ...record.spec, env: {} }, env: Buffer.from(bytes).toString('base64') })
}

const unsealed = (home: Pick<Home, 'masterKey'>, content: string): InstanceRecord => {
  const record = fields(JSON.parse(content), 'record')
  const spec = fields(record.spec, 'spec')
  const bytes = Buffer.from(text(record.env, 'env'), 'base64')
  const env: unknown = JSON.parse(
    Buffer.from(loadKeyring(home.masterKey).open(sealName(parseId(spec.id)), bytes)).toString('utf8'),
  )
  return {
    spec: parseSpec({ ...spec, env }),
    port: orNull(record.port, 'port', whole),
    prepared: flag(record.prepared, 'prepared'),
    process: orNull(record.process, 'process', parseProcess),
    firstStartedAt: orNull(record.firstStartedAt, 'firstStartedAt', finite),
    startedAt: orNull(record.startedAt, 'startedAt', finite),
    restarts: whole(record.restarts, 'restarts'),
    everHealthy: flag(record.everHealthy, 'everHealthy'),
    isHealthy: flag(record.isHealthy, 'isHealthy'),
    failed: flag(record.failed, 'failed'),
    stopping: flag(record.stopping, 'stopping'),
    lastExit: orNull(record.lastExit, 'lastExit', parseExit),
    lastProbe: orNull(record.lastProbe, 'lastProbe', text),
  }
}

const parseProcess = (value: unknown, at: string): ProcessIdentity => {
  const process = fields(value, at)
  return { pid: whole(process.pid, `${at}.pid`), start: text(process.start, `${at}.start`) }
}
