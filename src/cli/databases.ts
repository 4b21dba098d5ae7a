import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bytes, printJson, printTable } from './output.ts'

type Database = {
  readonly service: string
  readonly environment: string
  readonly database: string
  readonly inUse: boolean
  readonly lastBackupAt: number | null
}
type Backup = {
  readonly backup: string
  readonly at: number
  readonly sizeBytes: number
  readonly databases: readonly { readonly service: string }[]
}

/** The services' PostgreSQL. */
export const databaseCommands = (program: Command): void => {
  const db = program.command('db').description("the services' PostgreSQL databases")

  db.command('list')
    .description('the databases of the project')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const databases = await connect(options).get<Database[]>(at`/projects/${options.project}/databases`)
      if (options.json) return printJson(databases)
      printTable(
        ['service', 'environment', 'database', 'in use', 'last backup'],
        databases.map((one) => [
          one.service,
          one.environment,
          one.database,
          one.inUse ? 'yes' : 'no',
          ago(one.lastBackupAt),
        ]),
        'no database yet: write database: postgres into a headway.yaml and push',
      )
    })

  db.command('backups')
    .description('the backups that there are')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const backups = await connect(options).get<Backup[]>('/database-backups')
      if (options.json) return printJson(backups)
      printTable(
        ['backup', 'when', 'size', 'services'],
        backups.map((one) => [
          one.backup,
          ago(one.at),
          bytes(one.sizeBytes),
          one.databases.map(({ service }) => service).join(', '),
        ]),
        'no backup yet: headway db backup',
      )
    })

  db.command('backup')
    .description('copy all databases while they are in use')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const made = await connect(options).send<Backup>('POST', '/database-backups')
      if (options.json) return printJson(made)
      console.log(`${made.backup}: ${bytes(made.sizeBytes)}, ${made.databases.length} databases`)
    })

  db.command('restore')
    .argument('<backup>')
    .requiredOption('--confirm <backup>', 'name the backup a second time: what came after it is lost')
    .description('bring all databases back as they were then')
    .action(async (backup: string, { confirm }: { confirm: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      if (confirm !== backup)
        throw new Problem({
          kind: 'not-confirmed',
          status: 400,
          detail: `--confirm names ${confirm}, not ${backup}; nothing was changed`,
          next: `headway db restore ${backup} --confirm ${backup}`,
        })
      const restored = await connect(options).send<Backup>('POST', at`/database-backups/${backup}/restore`)
      if (options.json) return printJson(restored)
      console.log(`all databases are as they were ${ago(restored.at)}`)
    })

  db.command('psql')
    .argument('<service>')
    .option('--environment <name>', 'where (default: production)')
    .description("open psql on a service's database")
    .action(async (service: string, { environment }: { environment?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { url } = await connect(options).send<{ url: string }>(
        'POST',
        at`/projects/${options.project}/services/${service}/database/connection`,
        undefined,
        { environment },
      )
      process.exitCode = await psql(new URL(url))
    })

  db.command('dump')
    .argument('<service>')
    .option('--environment <name>', 'where (default: production)')
    .description("write a service's database to a file for pg_restore, where pg_dump is installed")
    .action(async (service: string, { environment }: { environment?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { file } = await connect(options).send<{ file: string }>(
        'POST',
        at`/projects/${options.project}/services/${service}/database/dump`,
        undefined,
        { environment },
      )
      if (options.json) return printJson({ file })
      console.log(file)
    })
}

/** The password goes through the environment: an argument could be read by everybody on the machine. */
const psql = (url: URL): Promise<number> =>
  new Promise((resolve, reject) => {
    const env = {
      ...process.env,
      PGHOST: url.hostname,
      PGPORT: url.port || '5432',
      PGUSER: decodeURIComponent(url.username),
      PGPASSWORD: decodeURIComponent(url.password),
      PGDATABASE: url.pathname.slice(1),
    }
    const child = effectSync('cli.psql', () => spawn('psql', [], { stdio: 'inherit', env }))
    child.once('error', (cause) =>
      reject(
        new Problem(
          {
            kind: 'program-missing',
            status: 500,
            detail: 'psql is not installed on this machine',
            next: "install PostgreSQL's client (Debian: apt-get install postgresql-client)",
          },
          { cause },
        ),
      ),
    )
    child.once('exit', (code) => resolve(code ?? 1))
  })
