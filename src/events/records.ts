import { z } from 'zod'
import { EnvironmentName, ServiceName } from '../names.ts'
import { timeIn } from './times.ts'

/** A moment, as ISO 8601 or in milliseconds since 1970; milliseconds from here on. */
const Moment = z.union([z.number().int().nonnegative(), z.string()]).transform((value, context): number => {
  const at = typeof value === 'number' ? value : timeIn(value)
  if (at !== null) return at
  context.addIssue({ code: 'custom', message: 'is no time: ISO 8601 with a zone, or milliseconds since 1970' })
  return z.NEVER
})
const Text = z.string().min(1).max(200)
/** What names something in another system, whatever it may be there. */
const Key = z.string().min(1).max(220)
const Revision = z.string().min(1).max(200)

/** A commit with the time at which it was made; null: not known. */
export const CommitRecord = z.object({
  commit: Revision,
  at: Moment.nullable(),
  repository: Text.optional(),
  isMerge: z.boolean().optional(),
  /** The commit that it takes back. */
  reverts: Revision.nullish(),
})
export type CommitRecord = z.infer<typeof CommitRecord>

/** Where it is found out by the mapping of its source when it is not said: `unit` is what it is called there (a job, an application). */
const place = {
  service: ServiceName.optional(),
  environment: z.string().min(1).max(200).optional(),
  repository: Text.optional(),
  unit: Text.optional(),
}

export const DeploymentRecord = z.object({
  type: z.literal('deployment'),
  /** Names this deployment for ever: the same again is the same deployment. */
  id: Key,
  ...place,
  startedAt: Moment.nullish(),
  finishedAt: Moment,
  outcome: z.enum(['succeeded', 'failed']),
  revision: Revision.optional(),
  /** What it brought; left out: what was pushed since the deployment before, as far as that is known. */
  commits: z.array(CommitRecord).optional(),
  /** Lines added and removed. */
  lines: z.number().int().nonnegative().nullish(),
  kind: z.enum(['planned', 'hotfix', 'rollback']).default('planned'),
  /** The id of the deployment that it takes back. */
  rollsBack: Key.nullish(),
  /** Whether nobody had to do anything for it; left out: not known. */
  automatic: z.boolean().nullish(),
})

export const ChangeRecord = z.object({
  type: z.literal('change'),
  /** The change: `12`. */
  id: Key,
  repository: Text,
  state: z.enum(['opened', 'reviewed', 'approved', 'merged', 'closed']),
  at: Moment,
  /** The commits that it is made of, where they are known. */
  commits: z.array(CommitRecord).optional(),
  /** What its branch stands on, its newest commit, and the one that it became on its target: after a squash the latter stands for all that is in the former. */
  base: Revision.optional(),
  head: Revision.optional(),
  merged: Revision.optional(),
  /** Lines added and removed. */
  lines: z.number().int().nonnegative().nullish(),
})

export const RunRecord = z.object({
  type: z.literal('run'),
  id: Key,
  repository: Text,
  commit: Revision.optional(),
  workflow: Text,
  startedAt: Moment.nullish(),
  finishedAt: Moment,
  outcome: z.enum(['succeeded', 'failed', 'cancelled']),
  /** It ran before on the same commit. */
  isRerun: z.boolean().default(false),
})

export const IncidentRecord = z.object({
  type: z.literal('incident'),
  /** The incident in its own system; the same in all that is told of it. */
  id: Key,
  ...place,
  state: z.enum(['opened', 'acknowledged', 'mitigated', 'resolved', 'reopened']),
  at: Moment,
  title: z.string().min(1).max(500).optional(),
  impactStartedAt: Moment.nullish(),
  /** The id of the deployment that caused it. */
  causedBy: Key.nullish(),
})

/** Commits that came to a branch; what a later deployment of one of them brought is found by it. */
export const PushRecord = z.object({
  type: z.literal('push'),
  repository: Text,
  ref: Text,
  before: Revision.nullable(),
  after: Revision.nullable(),
  /** Oldest first. */
  commits: z.array(CommitRecord),
})

/** More of what a deployment brought, where one body cannot hold it all. */
export const CarriedRecord = z.object({ type: z.literal('carried'), deployment: Key, commits: z.array(CommitRecord) })

/** What others tell of, in our own words; every system's events become these, and so does imported history. */
export const OutsideRecord = z.discriminatedUnion('type', [
  DeploymentRecord,
  ChangeRecord,
  RunRecord,
  IncidentRecord,
  PushRecord,
  CarriedRecord,
])
export type OutsideRecord = z.infer<typeof OutsideRecord>
/** The same as it may be written: times as text, defaults left out. */
export type OutsideRecordInput = z.input<typeof OutsideRecord>
export type RunRecord = z.infer<typeof RunRecord>
export type DeploymentRecord = z.infer<typeof DeploymentRecord>
export type ChangeRecord = z.infer<typeof ChangeRecord>
export type IncidentRecord = z.infer<typeof IncidentRecord>
export type PushRecord = z.infer<typeof PushRecord>

/** Where something of a source belongs. `match` is a pattern of the repository, the unit or the environment there (`*`: anything). */
export const Mapping = z.object({
  match: z.string().min(1).max(300),
  service: ServiceName,
  environment: EnvironmentName.optional(),
})
export type Mapping = z.infer<typeof Mapping>

/** What one delivery says. */
export type Told = {
  /** What its sender calls it: `deployment_status`, `dev.cdevents.service.deployed.0.3.0`. */
  readonly type: string
  /** What it is about there. */
  readonly about: string | null
  /** When it happened, by the sender's clock. */
  readonly at: number | null
  readonly records: readonly OutsideRecordInput[]
}
