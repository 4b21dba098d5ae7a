import { z } from 'zod'
import { Role } from '../access/facts.ts'
import { defineAlerts, EnvironmentAlerts } from '../golden/alerts.ts'
import { Strategy } from '../golden/release.ts'
import { defaultEnvironment, EnvironmentName } from '../names.ts'
import type { Problem } from '../problem.ts'
import { type ReadFile, readYamlFile } from './yaml-file.ts'

/** Names that are no environments of their own: they are kept for previews of changes. */
const isKept = (name: EnvironmentName): boolean => name === 'preview' || /^change-[0-9]+$/.test(name)

const expectedSpan = 'expected a time such as 90s, 30m, 24h or 7d'
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** `30m` as milliseconds. */
const span = z
  .string(expectedSpan)
  .regex(/^[0-9]{1,6}[smhd]$/, expectedSpan)
  .transform((text) => Number(text.slice(0, -1)) * (unitMs[text.slice(-1)] ?? 0))

const clockTime = z
  .string('expected a time of day such as "09:00"')
  .regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$/, 'expected a time of day such as "09:00"')
const weekday = z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])
const isTimezone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** When deployments may begin: from one time of day to another, on these days (an end before its beginning is on the day after). */
export const DeploymentWindow = z
  .strictObject({
    days: z
      .array(weekday)
      .min(1)
      .default([...weekday.options]),
    from: clockTime.default('00:00'),
    to: clockTime.default('24:00'),
    timezone: z.string().refine(isTimezone, 'expected a time zone such as Europe/Zurich').default('UTC'),
  })
  .readonly()
export type DeploymentWindow = z.infer<typeof DeploymentWindow>

const expectedMoment = 'expected a moment such as 2026-12-24T00:00:00Z, with Z or an offset such as +01:00'
const moment = z.iso.datetime({ offset: true, error: expectedMoment })
const at = moment.transform((text) => Date.parse(text))
const freezeReason = z.string().trim().min(1).max(200).default('frozen')

/** As it stands in the file. */
export const PlannedFreeze = z.strictObject({ from: moment, until: moment, reason: freezeReason }).readonly()
export type PlannedFreeze = z.infer<typeof PlannedFreeze>

/** A time in which nothing new is deployed, known beforehand. Milliseconds since 1970. */
const Freeze = z
  .strictObject({ from: at, until: at, reason: freezeReason })
  .refine(({ from, until }) => from < until, 'it ends before it begins')
  .readonly()

const day = 86_400_000
const defaultApproval = { role: 'operator', quorum: 1, expires: day, notAuthor: true } as const

const Approval = z
  .strictObject({
    role: Role.default(defaultApproval.role),
    quorum: z.int().min(1).max(20).default(defaultApproval.quorum),
    expires: span.default(defaultApproval.expires),
    notAuthor: z.boolean().default(defaultApproval.notAuthor),
  })
  .readonly()

const Promotion = z
  .strictObject({
    /** What a release must have come from: a push whose checks passed, or success in another environment. */
    from: z.union([z.literal('push'), EnvironmentName]).default('push'),
    policy: z.enum(['automatic', 'soak', 'approval']).default('automatic'),
    /** How long it must have run where it comes from. */
    soak: span.default(0),
    approval: Approval.default(defaultApproval),
  })
  .refine(({ policy, soak }) => policy !== 'soak' || soak > 0, {
    message: 'the policy soak needs a time such as soak: 30m',
    path: ['soak'],
  })
  .refine(({ from, soak }) => from !== 'push' || soak === 0, {
    message: 'what comes from a push has run nowhere, so that there is nothing to soak',
    path: ['soak'],
  })
  .readonly()

const EnvironmentFile = z
  .strictObject({
    promote: Promotion.default({ from: 'push', policy: 'automatic', soak: 0, approval: defaultApproval }),
    windows: z.array(DeploymentWindow).max(50).default([]),
    freeze: z.array(Freeze).max(100).default([]),
    /** Rolling holds for every service, the others for those that say none. */
    strategy: Strategy.nullable().default(null),
    drift: z.enum(['mend', 'report']).default('mend'),
    /** Environments in which the release must have succeeded as well. */
    requires: z.array(EnvironmentName).max(20).default([]),
    /** What is watched of every service that runs here, besides what the service itself asks for. */
    alerts: EnvironmentAlerts.default([]).transform(defineAlerts),
  })
  .readonly()

/** What stands in `<environment>/environment.yaml`: who comes in, when, how, and what becomes of drift. Times in milliseconds. */
export type EnvironmentDefinition = z.infer<typeof EnvironmentFile> & { readonly name: EnvironmentName }

/** All environments, in order of promotion. */
export type EnvironmentSet = {
  readonly environments: readonly [EnvironmentDefinition, ...EnvironmentDefinition[]]
}

/** What holds where the repository says nothing: one environment, which every push goes to. */
export const defaultSet: EnvironmentSet = {
  environments: [{ ...EnvironmentFile.parse({}), name: defaultEnvironment }],
}

export const environmentPath = (environment: EnvironmentName): string => `${environment}/environment.yaml`

/** The environment that a file defines; null when it is no such file. */
export const parseEnvironmentPath = (path: string): EnvironmentName | null => {
  const [name, file, ...rest] = path.split('/')
  if (file !== 'environment.yaml' || rest.length > 0) return null
  return EnvironmentName.safeParse(name).data ?? null
}

/**
 * What the environment files say together. Throws a Problem with the place of the first thing that is wrong, within one file or between
 * them: then none of them counts, and what was before stays.
 */
export const readEnvironments = (
  files: readonly { readonly path: string; readonly text: string }[],
): EnvironmentSet => {
  const read = new Map<EnvironmentName, ReadFile<z.infer<typeof EnvironmentFile>>>()
  for (const { path, text } of files) {
    const name = parseEnvironmentPath(path)
    if (name === null) continue
    const about = { kind: 'environment-unreadable', next: nextFor(path) }
    const file = readYamlFile(EnvironmentFile, path, text, { ...about, keys: environmentKeys })
    if (isKept(name)) throw file.problemAt([], `the name ${name} is kept for previews of changes`)
    read.set(name, file)
  }
  const definitions = [...read].map(([name, { value }]) => ({ ...value, name }))
  for (const { name, promote, requires } of definitions) {
    const file = read.get(name)
    if (promote.from !== 'push' && !read.has(promote.from))
      throw file?.problemAt(['promote', 'from'], `there is no environment ${promote.from} to promote from`)
    const strange = requires.findIndex((one) => !read.has(one))
    if (strange >= 0) throw file?.problemAt(['requires', strange], `there is no environment ${requires[strange]}`)
  }
  const [first, ...others] = ordered(definitions, (name) =>
    read.get(name)?.problemAt(['promote', 'from'], `nothing can ever reach ${name}: what it comes from comes from it`),
  )
  return { environments: first ? [first, ...others] : defaultSet.environments }
}

/** Those that pushes go to first, each of the others after all that it comes from. */
const ordered = (
  definitions: readonly EnvironmentDefinition[],
  refusal: (name: EnvironmentName) => Problem | undefined,
): EnvironmentDefinition[] => {
  const waiting = definitions.toSorted((left, right) => (left.name < right.name ? -1 : 1))
  const reached: EnvironmentDefinition[] = []
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ promote, requires }) =>
      [promote.from, ...requires].every((one) => one === 'push' || reached.some(({ name }) => name === one)),
    )
    const [one] = waiting.splice(Math.max(next, 0), 1)
    if (one && next < 0) throw refusal(one.name)
    if (one) reached.push(one)
  }
  return reached
}

const nextFor = (path: string): string =>
  `mend ${path} in the environments repository and push it; until then what held before holds`

const environmentKeys = [
  ...['promote', 'from', 'policy', 'soak', 'approval', 'role', 'quorum', 'expires', 'notAuthor'],
  ...['windows', 'days', 'to', 'timezone', 'freeze', 'until', 'reason', 'strategy', 'drift', 'requires'],
  ...['alerts', 'name', 'when', 'for', 'do', 'notify', 'webhook', 'secret', 'command'],
]
