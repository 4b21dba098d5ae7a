import { z } from '@hono/zod-openapi'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'

const target = { deployment: z.string(), project: ProjectName, service: ServiceName, environment: EnvironmentName }

/** The intent. Subject of deployment facts: `deployment:<id>`. */
export const deploymentRequested = defineFact(
  'deployment.requested',
  1,
  z.object({
    ...target,
    release: Digest,
    commit: CommitId,
    reason: z.enum(['push', 'rollback', 'manual', 'configuration', 'git']),
    push: z.string().nullable(),
  }),
)
/** The acknowledgement: desired state stands in the environments repository as this commit. */
export const deploymentCommitted = defineFact('deployment.committed', 1, z.object({ ...target, desired: CommitId }))
export const rolloutStarted = defineFact('rollout.started', 1, z.object({ ...target, instances: z.array(z.string()) }))
/** New instances are healthy and take the traffic; the old ones take none any more. */
export const rolloutShifted = defineFact('rollout.shifted', 1, z.object({ ...target, instances: z.array(z.string()) }))
export const deploymentFinished = defineFact(
  'deployment.finished',
  1,
  z.object({
    ...target,
    release: Digest,
    commit: CommitId,
    outcome: z.enum(['succeeded', 'failed', 'superseded']),
    url: z.string().nullable(),
    detail: z.string().nullable(),
    /** What was seen when it failed: the last probe and the last lines of the instance's log. */
    evidence: z
      .object({ instance: z.string().nullable(), probe: z.string().nullable(), lastLines: z.array(z.string()) })
      .nullable(),
    next: z.string().nullable(),
  }),
)
export const driftFound = defineFact(
  'drift.found',
  1,
  z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName, detail: z.string() }),
)
export const driftMended = defineFact(
  'drift.mended',
  1,
  z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName, detail: z.string() }),
)
/** The environments repository holds something that cannot be read; nothing was changed because of it. */
export const desiredStateRefused = defineFact(
  'desired-state.refused',
  1,
  z.object({
    desired: CommitId,
    file: z.string(),
    detail: z.string(),
    line: z.number().nullable(),
    column: z.number().nullable(),
  }),
)
export const serviceRemoved = defineFact('service.removed', 1, z.object({ project: ProjectName, service: ServiceName }))

export const deployFacts = [
  deploymentRequested,
  deploymentCommitted,
  rolloutStarted,
  rolloutShifted,
  deploymentFinished,
  driftFound,
  driftMended,
  desiredStateRefused,
  serviceRemoved,
] as const
