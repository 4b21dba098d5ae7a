import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'

const owner = { project: ProjectName, service: ServiceName, environment: EnvironmentName }

export const databaseCreated = defineFact(
  'database.created',
  1,
  z.object({ ...owner, engine: z.literal('postgres'), database: z.string() }),
)
/** A new database got what stood in that of the same service in another environment. */
export const databaseCopied = defineFact(
  'database.copied',
  1,
  z.object({ ...owner, from: EnvironmentName, database: z.string() }),
)
export const databaseBackedUp = defineFact(
  'database.backed-up',
  1,
  z.object({ ...owner, backup: z.string(), sizeBytes: z.number() }),
)
export const databaseRestored = defineFact('database.restored', 1, z.object({ ...owner, backup: z.string() }))
export const databaseRemoved = defineFact('database.removed', 1, z.object({ ...owner, database: z.string() }))
/** An instance ended without being asked to. Reported by the machine's agent, also for the time when nobody listened. */
export const instanceExited = defineFact(
  'instance.exited',
  1,
  z.object({
    ...owner,
    instance: z.string(),
    exitCode: z.number().int().nullable(),
    signal: z.string().nullable(),
    outOfMemory: z.boolean(),
    exitedAt: z.number(),
    restartInMs: z.number().nullable(),
  }),
)

export const operateFacts = [
  databaseCreated,
  databaseCopied,
  databaseBackedUp,
  databaseRestored,
  databaseRemoved,
  instanceExited,
] as const
