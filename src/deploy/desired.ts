import { stringify } from 'yaml'
import { z } from 'zod'
import { EdgeKey } from '../golden/edge.ts'
import { MigrationPlan, ReleaseRules } from '../golden/release.ts'
import type { ReleasedDefinition } from '../golden/service.ts'
import { CommitId, Digest, EnvironmentName, isPreview } from '../names.ts'
import type { Target } from './target.ts'
import { readYamlFile } from './yaml-file.ts'

/**
 * What should run for one service in one environment: a file of the environments repository. Code and configuration stand
 * together, so that going back to an older file brings both back. Values of secrets never stand here, only their names.
 */
export const DesiredState = z
  .strictObject({
    release: Digest,
    commit: CommitId,
    replicas: z.number().int().min(0).max(100).default(1),
    database: z.literal('postgres').nullable().default(null),
    hosts: z
      .array(z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'a host is a lower-case domain name'))
      .default([]),
    health: z
      .strictObject({
        path: z.string().startsWith('/').default('/'),
        readyTimeoutMs: z.number().int().min(1).max(3_600_000).default(60_000),
      })
      .default({ path: '/', readyTimeoutMs: 60_000 }),
    env: z.record(z.string(), z.string()).default({}),
    secrets: z.array(z.string()).default([]),
    resources: z
      .strictObject({
        memoryBytes: z.number().int().positive().nullable().default(null),
        cpus: z.number().positive().nullable().default(null),
      })
      .default({ memoryBytes: null, cpus: null }),
    /** How it takes the place of what runs; null: as the environment has it. */
    rollout: ReleaseRules.nullable().default(null),
    migrate: MigrationPlan.nullable().default(null),
    /** What the edge does for it, as its headway.yaml says it. */
    edge: EdgeKey.nullable().default(null),
    /** What fills the database of a preview once, after the migration. */
    seed: z
      .strictObject({ run: z.string().min(1), timeoutMs: z.number().positive() })
      .nullable()
      .default(null),
    /** The environment of which a preview's database is a copy. */
    copy: EnvironmentName.nullable().default(null),
  })
  .readonly()
export type DesiredState = z.infer<typeof DesiredState>

/** The desired state that a release brings with it: what its headway.yaml says. */
export const desiredOf = (release: Digest, commit: CommitId, definition: ReleasedDefinition): DesiredState =>
  DesiredState.parse({
    release,
    commit,
    replicas: definition.replicas,
    database: definition.database,
    hosts: [...definition.hosts],
    health: definition.health,
    env: { ...definition.env },
    secrets: [...definition.secrets],
    resources: definition.resources,
    rollout: definition.release,
    migrate: definition.migrate,
    edge: definition.edge,
  })

/**
 * The same for one target. The preview of a change is small and by itself: one instance, none of the hosts that users know, at once, and its
 * database filled as the change says.
 */
export const desiredFor = (
  target: Target,
  release: Digest,
  commit: CommitId,
  definition: ReleasedDefinition,
): DesiredState => {
  const state = desiredOf(release, commit, definition)
  if (!isPreview(target.environment)) return state
  const fill = definition.preview?.fill ?? { kind: 'empty' }
  return DesiredState.parse({
    ...state,
    ...{ replicas: Math.min(1, state.replicas), hosts: [], rollout: null },
    seed: fill.kind === 'seed' ? { run: fill.run, timeoutMs: fill.timeoutMs } : null,
    copy: fill.kind === 'copy' ? fill.from : null,
  })
}

/** The file's text: the same state always gives the same bytes. */
export const writeDesired = (target: Target, state: DesiredState): string => {
  const header = [
    `# What runs as ${target.project}/${target.service} in ${target.environment}. Headway brings the world to what stands here.`,
    `# A deployment and a rollback are commits to this file; so is a change by hand.`,
  ].join('\n')
  const { release, commit, replicas, database, hosts, health, secrets, resources, migrate, seed, copy } = state
  const env = Object.fromEntries(Object.entries(state.env).sort(([left], [right]) => (left < right ? -1 : 1)))
  const ordered = {
    release,
    commit,
    replicas,
    database,
    hosts: [...hosts],
    health: { path: health.path, readyTimeoutMs: health.readyTimeoutMs },
    env,
    secrets: [...secrets],
    resources: { memoryBytes: resources.memoryBytes, cpus: resources.cpus },
    ...(state.rollout === null ? {} : { rollout: state.rollout }),
    ...(state.edge === null ? {} : { edge: state.edge }),
    ...(migrate ? { migrate: { run: migrate.run, timeoutMs: migrate.timeoutMs, repeatable: migrate.repeatable } } : {}),
    ...(seed ? { seed: { run: seed.run, timeoutMs: seed.timeoutMs } } : {}),
    ...(copy ? { copy } : {}),
  }
  return `${header}\n${stringify(ordered, { lineWidth: 0 })}`
}

/** Reads a file of the environments repository; throws a Problem with line and column when it cannot be read. */
export const readDesired = (file: string, text: string): DesiredState =>
  readYamlFile(DesiredState, file, text, {
    kind: 'desired-state-unreadable',
    next: `mend ${file} in the environments repository and push it; until then what runs now stays`,
    keys: [...Object.keys(DesiredState.unwrap().shape), ...Object.keys(ReleaseRules.shape)],
  }).value
