import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { defaultEnvironment, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import type { Operate } from './index.ts'

const DatabaseBody = z
  .object({
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    database: z.string(),
    createdAt: z.number(),
    /** Whether its service is deployed; only then it can be removed. */
    inUse: z.boolean(),
    lastBackup: z.string().nullable(),
    lastBackupAt: z.number().nullable(),
  })
  .meta({ id: 'Database' })

const BackupBody = z
  .object({
    backup: z.string(),
    at: z.number(),
    sizeBytes: z.number(),
    databases: z.array(z.object({ project: z.string(), service: z.string(), environment: z.string() })),
  })
  .meta({ id: 'DatabaseBackup' })

const ExitBody = z
  .object({
    instance: z.string(),
    service: z.string(),
    environment: z.string(),
    exitCode: z.number().nullable(),
    signal: z.string().nullable(),
    outOfMemory: z.boolean(),
    exitedAt: z.number(),
    restartInMs: z.number().nullable(),
  })
  .meta({ id: 'InstanceExit' })

const inProject = z.object({ project: ProjectName })
const ofService = z.object({ project: ProjectName, service: ServiceName })
const environment = EnvironmentName.default(defaultEnvironment)

/** Databases, their backups, and the instances that ended without being asked to. */
export const operateRoutes = (operate: Operate) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/databases',
          request: { params: inProject },
          responses: { 200: json(z.array(DatabaseBody), 'The databases of the project.') },
        },
      ),
      async (context) => {
        await operate.caughtUp()
        const rows = await operate.queries.databases(context.req.valid('param').project)
        const found = rows.map((row) => ({
          project: row.project,
          service: row.service,
          environment: row.environment,
          database: row.database_name,
          createdAt: row.created_at,
          inUse: row.in_use === 1,
          lastBackup: row.last_backup,
          lastBackupAt: row.last_backup_at,
        }))
        return context.json(found, 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/services/{service}/database/connection',
          request: { params: ofService, query: z.object({ environment }) },
          responses: {
            200: json(
              z.object({ database: z.string(), url: z.string() }),
              'How psql connects as the service. The URL is a secret.',
            ),
          },
        },
      ),
      async (context) => {
        const owner = { ...context.req.valid('param'), ...context.req.valid('query') }
        return context.json(await operate.connection(owner), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/services/{service}/database/dump',
          request: { params: ofService, query: z.object({ environment }) },
          responses: { 200: json(z.object({ file: z.string() }), 'Where the dump was written on the server.') },
        },
      ),
      async (context) => {
        const owner = { ...context.req.valid('param'), ...context.req.valid('query') }
        return context.json(await operate.dumps.dump(owner), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/services/{service}/database',
          request: { params: ofService, query: z.object({ environment, confirm: z.string().optional() }) },
          responses: { 200: json(z.object({ removed: z.string() }), 'Its data is gone for good.') },
        },
      ),
      async (context) => {
        const { confirm, environment: where } = context.req.valid('query')
        const owner = { ...context.req.valid('param'), environment: where }
        await operate.removeDatabase(owner, confirm, context.get('identity').actor)
        return context.json({ removed: `${owner.project}/${owner.service}` }, 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'instance' },
        {
          method: 'get',
          path: '/database-backups',
          responses: { 200: json(z.array(BackupBody), 'Newest first.') },
        },
      ),
      (context) => context.json(operate.backups.list(), 200),
    )
    .openapi(
      route(
        { role: 'operator', in: 'instance' },
        {
          method: 'post',
          path: '/database-backups',
          responses: { 200: json(BackupBody, 'All databases of the engine, copied while it runs.') },
        },
      ),
      async (context) => context.json(await operate.backups.backup(context.get('identity').actor), 200),
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'post',
          path: '/database-backups/{backup}/restore',
          request: { params: z.object({ backup: z.string() }) },
          responses: { 200: json(BackupBody, 'All databases are as they were then; what came later is gone.') },
        },
      ),
      async (context) => {
        const { backup } = context.req.valid('param')
        return context.json(await operate.backups.restore(backup, context.get('identity').actor), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/exits',
          request: {
            params: inProject,
            query: z.object({
              service: ServiceName.optional(),
              limit: z.coerce.number().int().min(1).max(1000).default(50),
            }),
          },
          responses: { 200: json(z.array(ExitBody), 'Instances that ended without being asked to, newest first.') },
        },
      ),
      async (context) => {
        await operate.caughtUp()
        const { project } = context.req.valid('param')
        const rows = await operate.queries.exits({ project, ...context.req.valid('query') })
        const found = rows.map((row) => ({
          instance: row.instance,
          service: row.service,
          environment: row.environment,
          exitCode: row.exit_code,
          signal: row.ended_by,
          outOfMemory: row.out_of_memory === 1,
          exitedAt: row.exited_at,
          restartInMs: row.restart_in_ms,
        }))
        return context.json(found, 200)
      },
    )
