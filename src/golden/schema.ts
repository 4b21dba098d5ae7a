import { z } from 'zod'
import { ServiceName } from '../names.ts'
import { defineAlerts, ServiceAlerts } from './alerts.ts'
import { EdgeKey } from './edge.ts'
import { definePreview, PreviewKey } from './preview.ts'
import { defineMigration, defineRelease, ReleaseKey } from './release.ts'
import type { LanguageName, QualityRules, ServiceDefinition } from './service.ts'
import { amountOfBytes, bytesOf } from './units.ts'

/** The port that a service of this language would take by itself. */
const usualPort: Readonly<Record<LanguageName, number>> = { node: 3000, python: 8000, go: 8080, static: 8080 }

/** What Headway itself puts into a service's environment; a file that sets one of these would be overruled silently. */
export const givenVariables = ['PORT', 'HOST', 'DATABASE_URL', 'HOME', 'TMPDIR', 'PATH'] as const

const variableName = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a variable name is letters, digits and underscores, not starting with a digit')
  .max(128)
  .refine((name) => !givenVariables.some((given) => given === name), 'Headway sets this variable itself')

const path = z
  .string()
  .regex(/^\/[^\s#]*$/, 'expected a path that starts with a slash, such as /health')
  .max(200)

const expectedTime = 'expected a time such as 30s, 500ms or 2m'
const duration = z
  .union([z.string().regex(/^[0-9]+(\.[0-9]+)?(ms|s|m)$/, expectedTime), z.number().positive(expectedTime)], {
    error: expectedTime,
  })
  .describe('A number of seconds, or a number with ms, s or m: 30s.')

const memory = amountOfBytes('expected an amount of memory such as 512Mi or 1Gi')

const expectedPatterns = 'expected a path such as reports/*.xml, or a list of them'
const reportPattern = z
  .string({ error: expectedPatterns })
  .trim()
  .min(1)
  .max(200)
  .refine((text) => !text.startsWith('/') && !text.split('/').includes('..'), 'expected a path within the folder')

const expectedCoverage = 'expected a percentage such as 80, or { minimum: 80, drop: 0 }'
const percent = z
  .number({ error: 'expected a percentage between 0 and 100' })
  .min(0, 'expected a percentage between 0 and 100')
  .max(100, 'expected a percentage between 0 and 100')

const portRange = 'expected a port between 1 and 65535'
const expectedOthers = 'expected other services than this one'
const someCores = 'expected more than 0 and at most 256 cores'
const replicaRange = 'expected between 1 and 100 replicas'
const line = z.string().trim().min(1).max(2000)

const ServiceKeys = z.strictObject({
  name: ServiceName.describe('The name of the service: its host name, its database and its folder are named after it.'),
  language: z.enum(['node', 'python', 'go', 'static']).describe('How it is installed, tested, built and started.'),
  port: z
    .int()
    .min(1, portRange)
    .max(65535, portRange)
    .optional()
    .describe('The port that the service takes by itself. On Headway it listens on the one in PORT.'),
  database: z.enum(['postgres', 'none']).optional().describe('A database of its own, reached by DATABASE_URL.'),
  replicas: z
    .int()
    .min(1, replicaRange)
    .max(100, replicaRange)
    .optional()
    .describe('How many instances run. Default 1.'),
  owner: z.string().trim().min(1).max(100).optional().describe('The team that answers for the service.'),
  health: z
    .union([path, z.strictObject({ path: path.optional(), timeout: duration.optional() })])
    .optional()
    .describe(
      'What is asked whether an instance is healthy (any answer below 500). Default / within 60s of its start.',
    ),
  env: z
    .record(
      variableName,
      z.union([z.string(), z.number(), z.boolean()], { error: 'expected text, a number, true or false' }),
    )
    .optional()
    .describe('Settings that are no secrets, given to the service as environment variables.'),
  secrets: z
    .array(variableName)
    .max(100)
    .optional()
    .describe('Names of secrets and variables that the service is given (headway secret set).'),
  hosts: z
    .array(
      z
        .string()
        .regex(
          /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$/,
          'expected a host name such as shop.example.com',
        ),
    )
    .max(50)
    .optional()
    .describe('Further host names that lead to the service.'),
  resources: z
    .strictObject({
      memory: memory.optional().describe('The most memory that an instance may use: 512Mi.'),
      cpu: z
        .number()
        .positive(someCores)
        .max(256, someCores)
        .optional()
        .describe('The most processor time, in cores: 0.5.'),
    })
    .optional()
    .describe('Limits of each instance.'),
  commands: z
    .strictObject({ lint: line.optional(), test: line.optional(), build: line.optional(), start: line.optional() })
    .optional()
    .describe('Shell lines that stand instead of what the language would do.'),
  tests: z
    .union([reportPattern, z.array(reportPattern).min(1).max(20)], { error: expectedPatterns })
    .optional()
    .describe('Where test, coverage and load reports are written. Default: where the usual tools write them.'),
  quality: z
    .strictObject({
      coverage: z
        .union(
          [
            percent,
            z.strictObject({
              minimum: percent.optional().describe('Of the lines, in per cent.'),
              drop: percent
                .optional()
                .describe('By how many points it may be below the default branch: 0 for not at all.'),
            }),
          ],
          { error: expectedCoverage },
        )
        .optional()
        .describe('Lines that the tests must cover, from lcov or Cobertura: 80, or { minimum: 80, drop: 0 }.'),
      p95: duration
        .optional()
        .describe('The most that the 95th percentile of request durations in a k6 summary may be: 300ms.'),
      refuse: z
        .array(z.enum(['newly-failing', 'newly-flaky']))
        .max(2)
        .optional()
        .describe('Tests that must not appear: newly-failing against the default branch, newly-flaky.'),
    })
    .optional()
    .describe('What the reports of a push must show before it is packaged.'),
  alerts: ServiceAlerts.optional().describe('What is watched while it runs, and what is done when it holds.'),
  preview: PreviewKey.optional().describe(
    "What the database of a change's preview holds: nothing (default), what a command puts there, or a copy; false: no preview.",
  ),
  edge: EdgeKey.optional().describe(
    'What the edge does for it: which requests it gets, limits, timeouts, compression.',
  ),
  release: ReleaseKey.optional().describe('How a new version takes the place of the old one.'),
})

/**
 * What may stand in `headway.yaml`. The published JSON Schema (schema/headway.schema.json) is made from this, the messages and
 * the defaults are here, and nothing else decides what is valid.
 */
export const ServiceFile = ServiceKeys.superRefine(({ name, release }, context) => {
  const own = release?.with?.indexOf(name) ?? -1
  if (own >= 0) context.addIssue({ code: 'custom', path: ['release', 'with', own], message: expectedOthers })
})
export type ServiceFile = z.infer<typeof ServiceFile>

/** The definition that a file stands for, every default filled in. */
export const define = (file: ServiceFile): ServiceDefinition => {
  const health = typeof file.health === 'string' ? { path: file.health } : (file.health ?? {})
  return {
    name: file.name,
    language: file.language,
    port: file.port ?? usualPort[file.language],
    database: file.database === 'postgres' ? 'postgres' : null,
    replicas: file.replicas ?? 1,
    owner: file.owner ?? null,
    health: { path: health.path ?? '/', readyTimeoutMs: millisecondsOf(health.timeout ?? '60s') },
    env: Object.fromEntries(Object.entries(file.env ?? {}).map(([name, value]) => [name, String(value)])),
    secrets: file.secrets ?? [],
    hosts: file.hosts ?? [],
    resources: {
      memoryBytes: file.resources?.memory === undefined ? null : bytesOf(file.resources.memory),
      cpus: file.resources?.cpu ?? null,
    },
    commands: {
      lint: file.commands?.lint ?? null,
      test: file.commands?.test ?? null,
      build: file.commands?.build ?? null,
      start: file.commands?.start ?? null,
    },
    migrate: defineMigration(file.release?.migrate),
    tests: typeof file.tests === 'string' ? [file.tests] : (file.tests ?? []),
    quality: file.quality ? qualityOf(file.quality) : null,
    alerts: defineAlerts(file.alerts ?? []),
    preview: definePreview(file.preview),
    release: file.release ? defineRelease(file.release) : null,
    edge: file.edge ?? null,
  }
}

const qualityOf = ({ coverage, p95, refuse }: NonNullable<ServiceFile['quality']>): QualityRules => {
  const { minimum, drop } = typeof coverage === 'number' ? { minimum: coverage, drop: undefined } : (coverage ?? {})
  return {
    coverage: { minimumPercent: minimum ?? null, largestDropPercent: drop ?? null },
    p95Ms: p95 === undefined ? null : millisecondsOf(p95),
    refuse: refuse ?? [],
  }
}

/** The JSON Schema that editors use, from the same definition. */
export const publishedSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(ServiceFile, { io: 'input', target: 'draft-2020-12' }),
  $id: 'https://headway.dev/schema/headway.schema.json',
  title: 'headway.yaml',
  description: 'A service on the golden path. The first five keys are complete as they stand.',
})

const millisecondsOf = (time: string | number): number => {
  if (typeof time === 'number') return time * 1000
  const [, amount, unit] = /^([0-9.]+)(ms|s|m)$/.exec(time) ?? []
  return Number(amount) * (unit === 'ms' ? 1 : unit === 's' ? 1000 : 60_000)
}
