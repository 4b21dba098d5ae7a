import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { Command } from 'commander'
import { effect } from '../effect.ts'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, bytes, dim, printable, printJson, printTable, span } from './output.ts'

type Artifact = {
  readonly artifact: number
  readonly name: string
  readonly job: string
  readonly sizeBytes: number
  readonly digest: string
  readonly mime: string
  readonly storedAt: number
  readonly expiresAt: number
}
type Cache = {
  readonly cache: number
  readonly repository: string
  readonly scope: string
  readonly key: string
  readonly sizeBytes: number
  readonly usedAt: number
}

/** What runs have left, and what they have put aside for later ones. */
export const artifactCommands = (program: Command): void => {
  const artifacts = program.command('artifacts').description('what the jobs of a run have left')
  addList(artifacts.command('list'))
  artifacts
    .command('download')
    .argument('<run>')
    .argument('[name]', 'one of them; default: all')
    .option('--to <directory>', 'where to', '.')
    .description('write artifacts into files, as they were uploaded: mostly zip archives')
    .action(async (run: string, name: string | undefined, own: { to: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const found = (await artifactsOf(client, options, run)).filter((one) => name === undefined || one.name === name)
      if (found.length === 0) throw noArtifact(run, name)
      const files: string[] = []
      for (const one of found) files.push(await download(client, options, one, resolve(own.to)))
      if (options.json) return printJson(files)
      for (const file of files) console.log(file)
    })
  artifacts
    .command('rm')
    .argument('<run>')
    .argument('<name>')
    .description('delete an artifact before it expires')
    .action(async (run: string, name: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const found = (await artifactsOf(client, options, run)).find((one) => one.name === name)
      if (!found) throw noArtifact(run, name)
      await client.send('DELETE', at`/projects/${options.project}/artifacts/${String(found.artifact)}`)
      if (options.json) return printJson({ run, name })
      console.log(`${printable(name)} of ${run} is gone`)
    })

  const caches = program.command('caches').description('what jobs have put aside for later runs')
  caches
    .command('list')
    .description('the caches of a project; those that are not used for long go by themselves')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { caches: found } = await connect(options).get<{ caches: Cache[] }>(at`/projects/${options.project}/caches`)
      if (options.json) return printJson(found)
      printTable(
        ['cache', 'repository', 'ref', 'key', 'size', 'used'],
        found.map((one) => [
          String(one.cache),
          one.repository,
          printable(one.scope.replace(/^refs\/(heads|tags)\//, '')),
          printable(one.key),
          bytes(one.sizeBytes),
          ago(one.usedAt),
        ]),
        'no job has put anything aside yet: uses: actions/cache@v4',
      )
    })
  caches
    .command('rm')
    .argument('<cache>', 'its number')
    .description('forget a cache')
    .action(async (cache: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      await connect(options).send('DELETE', at`/projects/${options.project}/caches/${cache}`)
      if (options.json) return printJson({ cache })
      console.log(`the cache ${printable(cache)} is gone`)
    })

  const runs = program.commands.find((command) => command.name() === 'runs')
  if (runs) addList(runs.command('artifacts'))
}

const addList = (command: Command): void => {
  command
    .argument('<run>')
    .description('what the jobs of a run have left')
    .action(async (run: string, _own, self: Command) => {
      const options = self.optsWithGlobals<GlobalOptions>()
      const found = await artifactsOf(connect(options), options, run)
      if (options.json) return printJson(found)
      printTable(
        ['name', 'job', 'size', 'left', 'kept for', 'digest'],
        found.map((one) => [
          printable(one.name),
          one.job,
          bytes(one.sizeBytes),
          ago(one.storedAt),
          span(one.expiresAt - Date.now()),
          dim(one.digest.slice(0, 19)),
        ]),
        `${run} has left nothing, or it has expired`,
      )
    })
}

const artifactsOf = async (client: Client, { project }: GlobalOptions, run: string): Promise<Artifact[]> =>
  (await client.get<{ artifacts: Artifact[] }>(at`/projects/${project}/runs/${run}/artifacts`)).artifacts

const download = async (
  client: Client,
  { project }: GlobalOptions,
  { artifact, name, mime }: Artifact,
  directory: string,
): Promise<string> => {
  const file = join(directory, mime === 'application/zip' ? `${name}.zip` : name)
  if (existsSync(file))
    throw new Problem({
      kind: 'exists',
      status: 409,
      detail: `${file} is there already; it was not touched`,
      next: 'name another directory with --to',
    })
  await mkdir(directory, { recursive: true })
  const partial = `${file}.partial`
  try {
    const body = await client.bytes(at`/projects/${project}/artifacts/${String(artifact)}/content`)
    await effect('cli.write-artifact', () => pipeline(body, createWriteStream(partial, { flush: true })))
    await effect('cli.place-artifact', () => rename(partial, file))
  } finally {
    await effect('cli.clear-artifact', () => rm(partial, { force: true }))
  }
  return file
}

const noArtifact = (run: string, name: string | undefined): Problem =>
  new Problem({
    kind: 'unknown-artifact',
    status: 404,
    detail: name === undefined ? `${run} has left nothing` : `${run} has no artifact ${name}`,
    next: `headway artifacts list ${run} shows what there is`,
  })
