import type { Kysely } from 'kysely'
import type { AgentEvent } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { describeError } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Migration } from '../store/migrations.ts'
import type { Store } from '../store/store.ts'
import { instanceExited } from './facts.ts'

const waitMs = 60_000

type CursorTables = { operate_agent_cursor: { agent: string; seq: number } }

const createCursorTable = async (db: Kysely<CursorTables>): Promise<void> => {
  await db.schema
    .createTable('operate_agent_cursor')
    .addColumn('agent', 'text', (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .execute()
}

/** How far the agent's events have been read; it counts them by itself, so this stands beside the ledger. */
export const operateMigrations: readonly Migration[] = [{ name: 'operate-agent-cursor', up: createCursorTable }]

/**
 * Writes what the machine's agent saw into the ledger, also what it saw while nobody listened. The cursor moves only after the facts
 * are recorded, and an event that comes twice has the same subject and is recorded once: a crash between the two neither
 * loses nor doubles one.
 */
export const followExits = async (
  ports: {
    ledger: Ledger
    store: Store
    runtime: Runtime
    clock: Clock
    onError?: ((message: string) => void) | undefined
  },
  signal: AbortSignal,
): Promise<void> => {
  const { ledger, runtime, clock } = ports
  const db = ports.store.tables<CursorTables>()
  let after: number | null = null
  for (let pauseMs = 250; !signal.aborted; ) {
    try {
      after ??= await readCursor(db)
      const { events, next } = await runtime.events(after, waitMs, signal)
      for (const exited of events.map(exitFact).filter((one) => one !== null))
        await ledger.append([exited], { expect: { subject: exited.subject, seq: 0 } })
      if (next !== after) await keepCursor(db, next)
      else if (events.length === 0) await clock.sleep(250, signal) // in case it did not wait for long
      after = next
      pauseMs = 250
    } catch (error) {
      if (signal.aborted) return
      ports.onError?.(`asking the agent what has ended: ${describeError(error)}`)
      await clock.sleep(pauseMs, signal).catch(() => {})
      pauseMs = Math.min(pauseMs * 2, 30_000)
    }
  }
}

const agent = 'local'

const readCursor = async (db: Kysely<CursorTables>): Promise<number> =>
  (await db.selectFrom('operate_agent_cursor').select('seq').where('agent', '=', agent).executeTakeFirst())?.seq ?? 0

const keepCursor = async (db: Kysely<CursorTables>, seq: number): Promise<void> => {
  await effect('operate.keep-cursor', () =>
    db
      .insertInto('operate_agent_cursor')
      .values({ agent, seq })
      .onConflict((clash) => clash.column('agent').doUpdateSet({ seq }))
      .execute(),
  )
}

const exitFact = (event: AgentEvent): NewFact | null => {
  if (event.kind !== 'exited' || !event.exit) return null
  const project = ProjectName.safeParse(event.owner.project)
  const service = ServiceName.safeParse(event.owner.service)
  const environment = EnvironmentName.safeParse(event.owner.environment)
  if (!project.success || !service.success || !environment.success) return null
  return fact(instanceExited, {
    subject: `exit:${event.instance}@${event.exit.at}`,
    actor: 'agent:local',
    payload: {
      project: project.data,
      service: service.data,
      environment: environment.data,
      instance: event.instance,
      exitCode: event.exit.exitCode,
      signal: event.exit.signal,
      outOfMemory: event.exit.outOfMemory,
      exitedAt: event.exit.at,
      restartInMs: event.restartInMs,
    },
  })
}
