import { z } from 'zod'
import { CarriedCommit, commitsAtOnce } from '../learn/facts.ts'
import { defineFact } from '../ledger/fact.ts'
import { Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Mapping } from './records.ts'
import { SourceKind } from './sources/reading.ts'

/** What names a source or a subscription in its project. */
export const SourceName = z
  .string()
  .max(40)
  .regex(/^[a-z]([a-z0-9-]*[a-z0-9])?$/, 'a name is lower-case letters, digits and dashes, starting with a letter')

const Moment = z.number().int().nonnegative()

/** A system that may tell of itself. `secret` names what is sealed beside the ledger. */
export const Source = z.object({
  project: ProjectName,
  source: SourceName,
  kind: SourceKind,
  secret: z.string(),
  /** Where everything belongs that no mapping says otherwise of. */
  service: ServiceName.nullable(),
  environment: EnvironmentName.nullable(),
  mappings: z.array(Mapping).max(200),
  /** Patterns of the jobs and workflows that deploy. */
  deployJobs: z.array(z.string().min(1).max(200)).max(50),
  releases: z.boolean(),
  incidentLabels: z.array(z.string().min(1).max(100)).max(50),
})
export type Source = z.infer<typeof Source>
/** Subject `event-source:<project>/<source>`. */
export const sourceSet = defineFact('event-source.set', 1, Source)
export const sourceRemoved = defineFact(
  'event-source.removed',
  1,
  z.object({ project: ProjectName, source: SourceName }),
)

/**
 * Something was told by another system and taken. It stands in the ledger after what was made of it. Subject
 * `event:<project>/<source>/<identity>`: what comes under one identity again is taken no second time.
 */
export const eventReceived = defineFact(
  'event.received',
  1,
  z.object({
    project: ProjectName,
    source: SourceName,
    /** `cdevents`: what lies under the digest goes out again as it came. */
    kind: z.union([SourceKind, z.literal('import')]),
    /** As its sender names it; null: it has no name but what it says. */
    id: z.string().max(1_000).nullable(),
    type: z.string().max(1_000),
    about: z.string().max(1_000).nullable(),
    /** By the sender's clock. */
    occurredAt: Moment.nullable(),
    /** How far that was ahead of ours; what is further ahead than some minutes counts as of its arrival. */
    aheadMs: z.number().int().nonnegative(),
    /** The bytes that came. */
    received: Digest,
    /** In a batch: which one of it. */
    place: z.number().int().nonnegative(),
    /** How many facts were made of it. */
    facts: z.number().int().nonnegative(),
    /** What was told of something whose service or environment nobody has named. */
    unplaced: z.array(z.string().max(500)).max(20),
  }),
)

/** Commits that came to a branch elsewhere, oldest first. Subject `delivery:<key>`. */
export const commitsPushed = defineFact(
  'commits.pushed',
  1,
  z.object({
    key: z.string(),
    project: ProjectName,
    source: SourceName,
    repository: z.string(),
    ref: z.string(),
    before: z.string().nullable(),
    after: z.string().nullable(),
    commits: z.array(CarriedCommit).max(commitsAtOnce),
    received: Digest,
  }),
)

/** Somebody is told what happens in a project. Address and secret are sealed; `host` is what may be seen of it. */
export const subscriptionSet = defineFact(
  'event-subscription.set',
  1,
  z.object({
    project: ProjectName,
    subscription: SourceName,
    secret: z.string(),
    host: z.string(),
    /** Patterns of CDEvents types; empty: everything. */
    types: z.array(z.string().min(1).max(200)).max(50),
    /** Told of what comes after this fact. */
    after: z.number().int().nonnegative(),
  }),
)
export const subscriptionRemoved = defineFact(
  'event-subscription.removed',
  1,
  z.object({ project: ProjectName, subscription: SourceName }),
)

export const eventsFacts = [
  sourceSet,
  sourceRemoved,
  eventReceived,
  commitsPushed,
  subscriptionSet,
  subscriptionRemoved,
] as const
