import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { effect } from '../effect.ts'
import type { OutsideRecordInput } from '../events/records.ts'
import { ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { run } from '../processes/run.ts'
import { identityOf } from '../processes/tree.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { dim, printable, printJson } from './output.ts'

type Receipt = { readonly outcome: string; readonly facts: number; readonly unplaced: readonly string[] }
type Own = {
  readonly service?: string
  readonly environment: string
  readonly repository?: string
  readonly as?: string
  readonly tags: string
  readonly deployJobs: string[]
  readonly incidentLabel: string[]
  readonly releases?: boolean
}
const several = (value: string, before: string[] = []): string[] => [...before, value]

/** History from elsewhere, under the same keys as what is told as it happens, so that doing it twice changes nothing. */
export const importCommands = (program: Command): void => {
  const imports = program.command('import').description('take in the history of other systems')

  imports
    .command('git')
    .argument('<repository>', 'a URL, or a directory here')
    .option('--tags <pattern>', 'the tags that stand for deployments', '*')
    .requiredOption('--service <name>', 'the service that was deployed')
    .option('--environment <name>', 'where to', 'production')
    .option('--repository <name>', 'what its commits are known by (default: owner/name of the URL)')
    .option('--as <source>', 'the source that it counts as', 'git')
    .description('deployments from tags, with the commits between them')
    .action(async (place: string, own: Own, command: Command) => {
      const { gitHistory } = await import('../importing.ts')
      const repository = own.repository ?? nameOf(place)
      await withClone(place, async (directory) => {
        const history = gitHistory({ directory, repository, tags: own.tags, environment: own.environment }, run)
        await send(withService(history, own.service), own.as ?? 'git', command)
      })
    })

  for (const kind of ['github', 'gitlab'] as const)
    imports
      .command(kind)
      .argument('<files...>', 'JSON as its API answers it, or directories of such files')
      .requiredOption('--repository <owner/name>', 'whose answers they are')
      .option('--service <name>', 'the service that is deployed (default: as the mappings of the source say)')
      .option('--deploy-jobs <pattern>', 'workflows or pipelines that deploy; may be repeated', several, [])
      .option('--incident-label <label>', 'issues with it are incidents; may be repeated', several, ['incident'])
      .option('--releases', 'published releases are deployments')
      .option('--as <source>', 'the source that it counts as', kind)
      .description(`what the API of ${kind === 'github' ? 'GitHub' : 'GitLab'} answered`)
      .action(async (files: string[], own: Own, command: Command) => {
        const { itemsIn, readGitHubDump, readGitLabDump } = await import('../importing.ts')
        const items = filesIn(files, '.json').flatMap(({ name, text }) => itemsIn(parse(name, text)))
        const { repository = '', deployJobs, incidentLabel: incidentLabels } = own
        const rules = { repository, deployJobs, incidentLabels, releases: own.releases === true }
        const records = (kind === 'github' ? readGitHubDump : readGitLabDump)(items, rules)
        await send(withService(records, own.service), own.as ?? kind, command)
      })

  imports
    .command('csv')
    .argument('<files...>', 'tables of DevLake as CSV, or directories of such files')
    .option('--service <name>', 'the service that is deployed (default: as the mappings of the source say)')
    .option('--as <source>', 'the source that it counts as', 'devlake')
    .description('deployments, commits, pull requests and incidents of Apache DevLake')
    .action(async (files: string[], own: Own, command: Command) => {
      const { readDevLake } = await import('../importing.ts')
      await send(withService(readDevLake(filesIn(files, '.csv')), own.service), own.as ?? 'devlake', command)
    })
}

async function* withService(
  records: AsyncIterable<OutsideRecordInput> | Iterable<OutsideRecordInput>,
  name: string | undefined,
): AsyncGenerator<OutsideRecordInput> {
  const service = name === undefined ? undefined : ServiceName.parse(name)
  for await (const record of records)
    yield service && (record.type === 'deployment' || record.type === 'incident') ? { ...record, service } : record
}

const send = async (records: AsyncIterable<OutsideRecordInput>, source: string, command: Command): Promise<void> => {
  const options = command.optsWithGlobals<GlobalOptions>()
  const { parcelsOf } = await import('../importing.ts')
  const client = connect(options)
  const sum = { records: 0, facts: 0, unplaced: [] as string[] }
  for await (const parcel of parcelsOf(records)) {
    const receipt = await client.send<Receipt>('POST', at`/projects/${options.project}/events`, parcel, { source })
    sum.records += parcel.length
    sum.facts += receipt.facts
    sum.unplaced.push(...receipt.unplaced)
    if (process.stderr.isTTY) process.stderr.write(`\r${sum.records} records, ${sum.facts} new facts`)
  }
  if (process.stderr.isTTY) process.stderr.write('\r')
  if (options.json) return printJson(sum)
  console.log(`${sum.records} records, ${sum.facts} new facts`)
  for (const text of sum.unplaced.slice(0, 20)) console.log(dim(`  ${printable(text)}`))
}

/** A repository elsewhere is fetched without its files into a folder that goes again; Git asks for its own credentials. */
const withClone = async (place: string, use: (directory: string) => Promise<void>): Promise<void> => {
  if (statSync(place, { throwIfNoEntry: false })?.isDirectory()) return use(place)
  for (const left of abandonedClones()) await removeClone(left)
  const directory = mkdtempSync(join(tmpdir(), `${cloneName}${process.pid}-`))
  try {
    const { exitCode, stderr } = await effect('cli.clone-history', () =>
      run({
        argv: ['git', 'clone', '--quiet', '--bare', '--filter=blob:none', '--', place, directory],
        env: definedOf(process.env),
        timeoutMs: 3_600_000,
      }),
    )
    if (exitCode !== 0) throw notCloned(place, stderr)
    await use(directory)
  } finally {
    await removeClone(directory)
  }
}

const cloneName = 'headway-import-'

/** Of this user's, by processes that were killed: nobody else would remove them. */
const abandonedClones = (): string[] =>
  readdirSync(tmpdir()).flatMap((name) => {
    const path = join(tmpdir(), name)
    const pid = Number(new RegExp(`^${cloneName}(\\d+)-`).exec(name)?.[1])
    const isOurs = () => lstatSync(path, { throwIfNoEntry: false })?.uid === process.getuid?.()
    return pid > 0 && identityOf(pid) === null && isOurs() ? [path] : []
  })

const removeClone = (directory: string): Promise<void> =>
  effect('cli.remove-history', () => rmSync(directory, { recursive: true, force: true }))

const definedOf = (env: NodeJS.ProcessEnv): Record<string, string> =>
  Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))

const nameOf = (place: string): string =>
  place
    .replace(/\/+$/, '')
    .replace(/(\/\.git|\.git)$/, '')
    .split(/[/:]/)
    .slice(-2)
    .join('/')

const filesIn = (places: readonly string[], ending: string): { name: string; text: string }[] =>
  places.flatMap((place) => {
    const names = statSync(place).isDirectory()
      ? readdirSync(place)
          .filter((name) => name.endsWith(ending))
          .sort()
          .map((name) => join(place, name))
      : [place]
    return names.map((name) => ({ name, text: readFileSync(name, 'utf8') }))
  })

/** Pages that were appended to each other, as `gh api --paginate` writes them, are one array. */
const parse = (name: string, text: string): unknown => {
  for (const candidate of [text, `[${text.trim().replace(/([\]}])\s*(?=[[{])/g, '$1,')}]`])
    try {
      return JSON.parse(candidate)
    } catch {
      // the next reading, or none
    }
  throw new Problem({
    kind: 'invalid-json',
    status: 422,
    detail: `${name} is no JSON`,
    where: { file: name },
    next: 'write it with gh api --paginate, or with curl',
  })
}

const notCloned = (place: string, stderr: string): Problem =>
  new Problem({
    kind: 'not-cloned',
    status: 422,
    detail: `Git cannot fetch ${place.replace(/\/\/[^/@]*@/, '//')}: ${stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? ''}`,
    next: 'clone it yourself and name the directory',
  })
