import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../../names.ts'

const ofRelease = {
  deployment: z.string(),
  project: ProjectName,
  service: ServiceName,
  environment: EnvironmentName,
  release: Digest,
  commit: CommitId,
}

/** Whether it is what fills the database of a preview, once for all its releases; left out: it is a migration. */
const isSeed = z.boolean().optional()

/**
 * `interrupted`: it ended while nobody looked and did not say how, so that it may have run in part; `not-begun`: Headway was ended
 * before the command began.
 */
export const MigrationOutcome = z.enum(['succeeded', 'failed', 'timed-out', 'interrupted', 'not-begun'])
export const MigrationFinding = z.object({
  file: z.string(),
  line: z.number().int(),
  statement: z.string(),
  advice: z.string(),
})

/** Subject of all three: `migration:<project>/<service>/<environment>`. Recorded before the command may begin. */
export const migrationStarted = defineFact(
  'migration.started',
  1,
  z.object({ ...ofRelease, attempt: z.number().int().positive(), isSeed }),
)
export const migrationFinished = defineFact(
  'migration.finished',
  1,
  z.object({
    ...ofRelease,
    attempt: z.number().int().positive(),
    isSeed,
    outcome: MigrationOutcome,
    exitCode: z.number().int().nullable(),
    durationMs: z.number().nonnegative(),
    /** Why it failed, in a sentence; null when it succeeded. */
    detail: z.string().nullable(),
    /** The last lines that it wrote, secrets taken out. */
    lastLines: z.array(z.string()),
  }),
)
/** Statements of the change which the version that is still running may not survive. Advice, never a refusal. */
export const migrationAdvised = defineFact(
  'migration.advised',
  1,
  z.object({
    ...ofRelease,
    findings: z.array(MigrationFinding),
  }),
)

export const migrationFacts = [migrationStarted, migrationFinished, migrationAdvised] as const
