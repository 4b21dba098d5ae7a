import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { defaultEnvironment, EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { MigrationFinding, MigrationOutcome, migrationAdvised, migrationFinished, migrationStarted } from './facts.ts'
import type { Migrations } from './index.ts'

const MigrationBody = z
  .object({
    deployment: z.string(),
    release: z.string(),
    commit: z.string(),
    attempt: z.number().int(),
    startedAt: z.number(),
    finishedAt: z.number().nullable(),
    /** Null while it runs. */
    outcome: MigrationOutcome.nullable(),
    exitCode: z.number().int().nullable(),
    detail: z.string().nullable(),
    lastLines: z.array(z.string()),
    /** Statements that the version which ran then may not have survived. */
    findings: z.array(MigrationFinding),
  })
  .meta({ id: 'Migration' })
type MigrationBody = z.infer<typeof MigrationBody>

const ofService = z.object({ project: ProjectName, service: ServiceName })
const environment = EnvironmentName.default(defaultEnvironment)
const limit = z.coerce.number().int().min(1).max(500).default(20)

/** What releases have done to their databases before they ran. */
export const migrationRoutes = (migrations: Pick<Migrations, 'history' | 'log'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services/{service}/migrations',
          request: { params: ofService, query: z.object({ environment, limit }) },
          responses: { 200: json(z.array(MigrationBody), 'Newest first.') },
        },
      ),
      async (context) => {
        const query = context.req.valid('query')
        const target = { ...context.req.valid('param'), environment: query.environment }
        // A try has three facts at most.
        const facts = await migrations.history(target, query.limit * 3)
        return context.json(bodiesOf(facts).slice(0, query.limit), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services/{service}/migrations/{deployment}/{attempt}/log',
          request: {
            params: ofService.extend({ deployment: z.string(), attempt: z.coerce.number().int().min(1) }),
            query: z.object({ environment }),
          },
          responses: { 200: { description: 'text/plain: what it wrote (the last MiB), secrets taken out.' } },
        },
      ),
      async (context) => {
        const { project, service, deployment, attempt } = context.req.valid('param')
        const target = { project, service, environment: context.req.valid('query').environment }
        // The ledger says whose it is: a log of another service is not found, and no name from outside becomes a path.
        const known = (await migrations.history(target, 1500)).some(
          (one) =>
            isFact(migrationFinished, one) && one.payload.deployment === deployment && one.payload.attempt === attempt,
        )
        const text = known ? migrations.log(deployment, attempt) : null
        if (text === null) throw noLog(deployment, service)
        return context.text(text)
      },
    )

const bodiesOf = (newestFirst: readonly RecordedFact[]): MigrationBody[] => {
  const bodies = new Map<string, MigrationBody>()
  const advised = new Map<string, MigrationBody['findings']>()
  for (const one of newestFirst.toReversed()) {
    if (isFact(migrationAdvised, one)) advised.set(one.payload.deployment, one.payload.findings)
    if (isFact(migrationStarted, one)) {
      const { deployment, release, commit, attempt } = one.payload
      const findings = advised.get(deployment) ?? []
      const open = { startedAt: one.at, finishedAt: null, outcome: null, exitCode: null, detail: null, lastLines: [] }
      bodies.set(`${deployment} ${attempt}`, { deployment, release, commit, attempt, ...open, findings })
    }
    if (isFact(migrationFinished, one)) {
      const { deployment, release, commit, attempt, outcome, exitCode, detail, lastLines, durationMs } = one.payload
      const key = `${deployment} ${attempt}`
      const startedAt = bodies.get(key)?.startedAt ?? one.at - durationMs
      const findings = bodies.get(key)?.findings ?? []
      const about = { deployment, release, commit, attempt, startedAt, finishedAt: one.at }
      bodies.set(key, { ...about, outcome, exitCode, detail, lastLines, findings })
    }
  }
  return [...bodies.values()].reverse()
}

const noLog = (deployment: string, service: string): Problem =>
  new Problem({
    kind: 'migration-log-not-found',
    status: 404,
    detail: `no log of a migration of ${deployment} is kept for ${service}`,
    next: `headway migrations ${service} lists them`,
  })
