import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'

/**
 * What people tell, and what other systems did, as this stage learns from it. All times are milliseconds since 1970 UTC. A `key` is
 * `<source>:<id there>`: what comes twice under one key is the same thing, told again. `received` is the blob of what was received.
 */

const Moment = z.number().int().nonnegative()
const Name = z.string().min(1).max(200)
export const DeliveryKey = z.string().min(1).max(300)
const fromElsewhere = { key: DeliveryKey, source: Name, received: Digest.nullable().default(null) }

/** A commit that a deployment or a change holds. Elsewhere it may be no Git commit, so its name is any. */
export const CarriedCommit = z.object({
  repository: Name,
  commit: Name,
  /** Null: nobody knows; then it has no lead time, and is counted as such. */
  committedAt: Moment.nullable(),
  /** Merge commits have no lead time of their own. */
  isMerge: z.boolean().default(false),
  /** The commit that it takes back, as its message or its change says. */
  reverts: Name.nullable().default(null),
})
export type CarriedCommit = z.infer<typeof CarriedCommit>
/** More than these are told by further `delivery.carried`. */
export const commitsAtOnce = 2_000
const Commits = z.array(CarriedCommit).max(commitsAtOnce)

/** `hotfix`: unplanned, because of an incident. `rollback`: back to what ran before. */
export const DeploymentKind = z.enum(['planned', 'hotfix', 'rollback'])
export type DeploymentKind = z.infer<typeof DeploymentKind>

const lane = { project: ProjectName, service: ServiceName, environment: EnvironmentName }

/** Another system has deployed. Subject `delivery:<key>`. */
export const deliveryDeployed = defineFact(
  'delivery.deployed',
  1,
  z.object({
    ...fromElsewhere,
    ...lane,
    startedAt: Moment.nullable(),
    finishedAt: Moment,
    /** `failed`: it never took traffic. What took traffic and was taken back has succeeded, and is rolled back by the next. */
    outcome: z.enum(['succeeded', 'failed']),
    /** What runs since: a commit, a tag, an image; the same again later is a rollback. Null: nobody knows. */
    revision: Name.nullable(),
    commits: Commits,
    lines: z.number().int().nonnegative().nullable().default(null),
    kind: DeploymentKind,
    /** The deployment that it takes back, by its key; null: the first one undone, by revision. */
    rollsBack: DeliveryKey.nullable(),
    /** Nobody had to do anything by hand. Null: nobody knows. */
    automatic: z.boolean().nullable(),
  }),
)

/**
 * What a deployment brought that was not in production before: every commit since the one that succeeded there last. `deployment` is
 * its id, or the key of one made elsewhere. Told once for Headway's own, in parts where there are many. Subject `delivery:<deployment>`.
 */
export const deliveryCarried = defineFact(
  'delivery.carried',
  1,
  z.object({
    deployment: DeliveryKey,
    commits: Commits,
    /** Lines added and removed; null: not counted. */
    lines: z.number().int().nonnegative().nullable().default(null),
  }),
)

/** A pull or merge request elsewhere has come this far. Subject `delivery:<key>`. */
export const deliveryChange = defineFact(
  'delivery.change',
  1,
  z.object({
    ...fromElsewhere,
    project: ProjectName,
    repository: Name,
    state: z.enum(['opened', 'reviewed', 'approved', 'merged', 'closed']),
    at: Moment,
    /** Its own commits, which are what counts where it was squashed; empty: not told this time. */
    commits: Commits,
    /** The commit that it became on its target, once merged. */
    mergedAs: Name.nullable().default(null),
    lines: z.number().int().nonnegative().nullable(),
  }),
)

/**
 * What only Git knows of a change or a push of Headway's own, told once it is part of its target. Subject
 * `measured:<project>/<repository>/<commit>`.
 */
export const deliveryMeasured = defineFact(
  'delivery.measured',
  1,
  z.object({
    project: ProjectName,
    repository: Name,
    /** What the target was moved to. */
    commit: Name,
    /** When the first of its own commits was made; null: it has none, or Git does not know. */
    committedAt: Moment.nullable(),
    /** Its own commits, merges left aside. */
    commits: z.number().int().nonnegative(),
    lines: z.number().int().nonnegative().nullable(),
  }),
)

/** A pipeline elsewhere has run. Subject `delivery:<key>`. */
export const deliveryRun = defineFact(
  'delivery.run',
  1,
  z.object({
    ...fromElsewhere,
    project: ProjectName,
    repository: Name,
    commit: Name,
    workflow: Name,
    startedAt: Moment.nullable(),
    finishedAt: Moment,
    outcome: z.enum(['succeeded', 'failed', 'cancelled']),
    /** It ran before on the same commit. */
    isRerun: z.boolean().default(false),
  }),
)

/** Somebody says of a deployment what the rules got wrong. `null`: the rules shall say again. Subject `correction:<deployment>`. */
export const deliveryCorrected = defineFact(
  'delivery.corrected',
  1,
  z.object({
    deployment: DeliveryKey,
    isFailure: z.boolean().nullable(),
    isRework: z.boolean().nullable(),
    why: z.string().max(2_000),
  }),
)

/** Subject of facts about an incident. */
export const incidentSubject = (incident: string): string => `incident:${incident}`

const Incident = z.string().min(1).max(300)
export const incidentOpened = defineFact(
  'incident.opened',
  1,
  z.object({
    incident: Incident,
    project: ProjectName,
    /** Null: not known, or none in particular; then no deployment is blamed for it unless somebody says which. */
    service: ServiceName.nullable(),
    environment: EnvironmentName.nullable(),
    title: z.string().min(1).max(500),
    impactStartedAt: Moment.nullable(),
    detectedAt: Moment,
    /** `rollback`, `alert`, `person`, or the system that it comes from: `pagerduty`. */
    source: Name,
    causedBy: z.object({ deployment: DeliveryKey }).nullable(),
    /** `<source>:<id there>`; null for Headway's own. */
    key: DeliveryKey.nullable(),
    received: Digest.nullable().default(null),
  }),
)
const reached = z.object({ incident: Incident, at: Moment })
export const incidentAcknowledged = defineFact('incident.acknowledged', 1, reached)
export const incidentMitigated = defineFact('incident.mitigated', 1, reached)
export const incidentResolved = defineFact('incident.resolved', 1, reached)
/** It was not over after all. */
export const incidentReopened = defineFact('incident.reopened', 1, reached)
/** It was none: it counts for nothing any more. */
export const incidentDismissed = defineFact('incident.dismissed', 1, z.object({ incident: Incident, why: z.string() }))
/** Somebody says which deployment caused it; null: none did. What was said last holds. */
export const incidentAttributed = defineFact(
  'incident.attributed',
  1,
  z.object({ incident: Incident, deployment: DeliveryKey.nullable(), how: z.string().max(500), by: z.string() }),
)

/** How long after a deployment an incident of the same service is suspected to come from it. Subject `project:<project>`. */
export const attributionWindowSet = defineFact(
  'attribution.window-set',
  1,
  z.object({ project: ProjectName, windowMs: z.number().int().nonnegative() }),
)

/** Work by hand that a machine could do. Subject `project:<project>`. */
export const toilLogged = defineFact(
  'toil.logged',
  1,
  z.object({
    toil: z.string(),
    project: ProjectName,
    service: ServiceName.nullable(),
    what: z.string().min(1).max(200),
    minutes: z.number().positive().max(10_000),
    by: z.string(),
    at: Moment,
  }),
)

/** It was none after all, or was told twice. */
export const toilRemoved = defineFact(
  'toil.removed',
  1,
  z.object({ toil: z.string(), project: ProjectName, by: z.string() }),
)
/** How many hours a week a team has for running its services: what toil is a share of. Subject `project:<project>`. */
export const toilCapacitySet = defineFact(
  'toil.capacity-set',
  1,
  z.object({ project: ProjectName, hoursPerWeek: z.number().positive().max(100_000) }),
)

/** How many must have answered before anything that they said is told. */
export const fewestAnswers = 5
/** All surveys of a project are one subject, so that two cannot be ended as one. */
export const surveysSubject = (project: string): string => `surveys:${project}`

/** People were asked how they work together. Who was is nowhere: each has got a link from whoever asked. Subject `surveys:<project>`. */
export const surveyOpened = defineFact(
  'survey.opened',
  1,
  z.object({
    survey: z.string(),
    project: ProjectName,
    /** How many links there are; each counts once. */
    links: z.number().int().min(fewestAnswers),
    closesAt: Moment,
    /** The statements as they stand in this version of Headway's list. */
    questions: z.string(),
    by: z.string(),
  }),
)

/** What all said together of one statement, 1 (not at all) to 7 (very much); null where fewer than five said anything. */
export const StatementSum = z
  .object({
    n: z.number().int().min(fewestAnswers),
    mean: z.number().min(1).max(7),
    /** 5 to 7. */
    agree: z.number().int().nonnegative(),
    /** 4. */
    neutral: z.number().int().nonnegative(),
    /** 1 to 3. */
    disagree: z.number().int().nonnegative(),
  })
  .nullable()
export type StatementSum = z.infer<typeof StatementSum>

/** A survey is over. What one person said was never written down: only sums were. Subject `surveys:<project>`. */
export const surveyClosed = defineFact(
  'survey.closed',
  1,
  z.object({
    survey: z.string(),
    project: ProjectName,
    /** Null: fewer than five answered, and nothing is told, ever. */
    result: z.object({ answers: z.number().int().min(fewestAnswers), statements: z.array(StatementSum) }).nullable(),
    by: z.string(),
  }),
)

/** Of a project's digests. */
export const digestSubject = (project: string): string => `digest:${project}`
/** A day of the week (1: Monday) and an hour on the clocks of a time zone. */
export const DigestSchedule = z.object({
  day: z.number().int().min(1).max(7),
  hour: z.number().int().min(0).max(23),
  zone: z.string().min(1).max(60),
})
export type DigestSchedule = z.infer<typeof DigestSchedule>
/** When a project's digest is to be written, every week from the next such moment on; null: no more. Subject `digest:<project>`. */
export const digestScheduled = defineFact(
  'digest.scheduled',
  1,
  z.object({ project: ProjectName, schedule: DigestSchedule.nullable(), by: z.string() }),
)
/** What a week came to, as Markdown; once for each week. Subject `digest:<project>`. */
export const digestWritten = defineFact(
  'digest.written',
  1,
  z.object({
    project: ProjectName,
    /** The Monday that the week began with: `2026-01-05`. */
    week: z.string().regex(/^\d{4}-\d\d-\d\d$/),
    from: Moment,
    until: Moment,
    markdown: z.string().max(100_000),
  }),
)

export const learnFacts = [
  deliveryDeployed,
  deliveryCarried,
  deliveryChange,
  deliveryMeasured,
  deliveryRun,
  deliveryCorrected,
  incidentOpened,
  incidentAcknowledged,
  incidentMitigated,
  incidentResolved,
  incidentReopened,
  incidentDismissed,
  incidentAttributed,
  attributionWindowSet,
  toilLogged,
  toilRemoved,
  toilCapacitySet,
  surveyOpened,
  surveyClosed,
  digestScheduled,
  digestWritten,
] as const
