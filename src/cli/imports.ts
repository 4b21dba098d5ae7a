import { createReadStream, lstatSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { effect } from '../effect.ts'
import type { CsvFile } from '../events/import/csv.ts'
import type { History } from '../events/import/spool.ts'
import type { OutsideRecordInput } from '../events/records.ts'
import { ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { run } from '../processes/run.ts'
import { identityOf } from '../processes/tree.ts'
import { askedAgain } from './again.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { dim, printable, printJson } from './output.ts'
import { showing, type Work } from './progress.ts'

const readAtOnceBytes = 256 * 1024

type Receipt = { readonly outcome: string; readonly facts: number; readonly unplaced: readonly string[] }
type Own = {
  readonly service?: ServiceName
  readonly environment: string
  readonly repository?: string
  readonly as?: string
  readonly tags: string
  readonly deployJobs: string[]
  readonly incidentLabel: string[]
  readonly releases?: boolean
}
const serviceNamed = (said: string): ServiceName => {
  const { data, error } = ServiceName.safeParse(said)
  if (data !== undefined) return data
  const why = error.issues[0]?.message ?? 'no name of a service'
  throw new Problem({ kind: 'invalid-value', status: 400, detail: `--service is "${said}"; ${why}` })
}
const several = (value: string, before: string[] = []): string[] => [...before, value]

/** History from elsewhere, under the same keys as what is told as it happens, so that doing it twice changes nothing. */
export const importCommands = (program: Command): void => {
  const imports = program.command('import').description('take in the history of other systems')

  imports
    .command('git')
    .argument('<repository>', 'a URL, or a directory here')
    .option('--tags <pattern>', 'the tags that stand for deployments', '*')
    .requiredOption('--service <name>', 'the service that was deployed', serviceNamed)
    .option('--environment <name>', 'where to', 'production')
    .option('--repository <name>', 'what its commits are known by (default: owner/name of the URL)')
    .option('--as <source>', 'the source that it counts as', 'git')
    .description('deployments from tags, with the commits between them')
    .action(async (place: string, own: Own, command: Command) => {
      const { gitHistory } = await import('../importing.ts')
      const repository = own.repository ?? nameOf(place)
      await withClone(place, async (directory) => {
        if (process.stderr.isTTY) process.stderr.write('reading the history ...\n')
        using history = await gitHistory({ directory, repository, tags: own.tags, environment: own.environment })
        await send(withService(history.records(), own.service), own.as ?? 'git', command, history.total)
      })
    })

  for (const kind of ['github', 'gitlab'] as const)
    imports
      .command(kind)
      .argument('<files...>', 'JSON as its API answers it, or directories of such files')
      .requiredOption('--repository <owner/name>', 'whose answers they are')
      .option(
        '--service <name>',
        'the service that is deployed (default: as the mappings of the source say)',
        serviceNamed,
      )
      .option('--deploy-jobs <pattern>', 'workflows or pipelines that deploy; may be repeated', several, [])
      .option('--incident-label <label>', 'issues with it are incidents; may be repeated', several, ['incident'])
      .option('--releases', 'published releases are deployments')
      .option('--as <source>', 'the source that it counts as', kind)
      .description(`what the API of ${kind === 'github' ? 'GitHub' : 'GitLab'} answered`)
      .action(async (files: string[], own: Own, command: Command) => {
        const { readGitHubDump, readGitLabDump } = await import('../importing.ts')
        const { repository = '', deployJobs, incidentLabel: incidentLabels } = own
        const rules = { repository, deployJobs, incidentLabels, releases: own.releases === true }
        const readDump = kind === 'github' ? readGitHubDump : readGitLabDump
        using history = await readFiles(filesIn(files, '.json'), (content) => readDump(content, rules))
        await send(withService(history.records(), own.service), own.as ?? kind, command, history.total)
      })

  imports
    .command('csv')
    .argument('<files...>', 'tables of DevLake as CSV, or directories of such files')
    .option(
      '--service <name>',
      'the service that is deployed (default: as the mappings of the source say)',
      serviceNamed,
    )
    .option('--as <source>', 'the source that it counts as', 'devlake')
    .description('deployments, commits, pull requests and incidents of Apache DevLake')
    .action(async (files: string[], own: Own, command: Command) => {
      const { readDevLake } = await import('../importing.ts')
      using history = await readFiles(filesIn(files, '.csv'), readDevLake)
      await send(withService(history.records(), own.service), own.as ?? 'devlake', command, history.total)
    })
}

async function* withService(
  records: AsyncIterable<OutsideRecordInput> | Iterable<OutsideRecordInput>,
  service: ServiceName | undefined,
): AsyncGenerator<OutsideRecordInput> {
  for await (const record of records)
    yield service && (record.type === 'deployment' || record.type === 'incident') ? { ...record, service } : record
}

/**
 * Says on a terminal how far it is; the next parcel is made while the server works on one. Once it has begun, it goes on when Headway is started
 * again meanwhile: a parcel is taken once however often it is sent.
 */
const send = async (
  records: AsyncIterable<OutsideRecordInput>,
  source: string,
  command: Command,
  total: number,
): Promise<void> => {
  const options = command.optsWithGlobals<GlobalOptions>()
  const { oneAhead, parcelsOf } = await import('../importing.ts')
  const client = connect(options)
  const sum = { records: 0, facts: 0, unplaced: [] as string[] }
  let done = 0
  await shown('importing', 'records', total, async (tell) => {
    for await (const parcel of oneAhead(parcelsOf(records))) {
      const ask = () => client.send<Receipt>('POST', at`/projects/${options.project}/events`, parcel, { source })
      const receipt = await (sum.records === 0 ? ask() : askedAgain(ask, delay))
      sum.records += parcel.length
      sum.facts += receipt.facts
      sum.unplaced.push(...receipt.unplaced)
      done += parcel.filter(({ type }) => type !== 'carried').length
      tell(done)
    }
  })
  if (options.json) return printJson(sum)
  console.log(`${sum.records} records, ${sum.facts} new facts`)
  for (const text of sum.unplaced.slice(0, 20)) console.log(dim(`  ${printable(text)}`))
}

const shown = <Result>(what: string, unit: string, total: number, work: Work<Result>): Promise<Result> =>
  showing({ what, unit }, process.stderr, () => performance.now(), total, work)

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

const filesIn = (places: readonly string[], ending: string): string[] =>
  places.flatMap((place) => {
    const found = statSync(place, { throwIfNoEntry: false })
    if (!found) throw noFile(place, 'is not there', `name a file *${ending}, or a directory of such files`)
    if (!found.isDirectory()) return [place]
    const names = readdirSync(place).filter((name) => name.endsWith(ending))
    if (names.length === 0) throw noFile(place, `holds no file *${ending}`, 'name the files themselves')
    return names.sort().map((name) => join(place, name))
  })

/** Reads files, and says on a terminal how far it is. */
const readFiles = (
  names: readonly string[],
  read: (files: Iterable<CsvFile>) => Promise<History>,
): Promise<History> => {
  const total = names.reduce((sum, name) => sum + statSync(name).size, 0)
  return shown('reading', 'bytes', total, (tell) => read(openedIn(names, tell)))
}

/** Opened one after the other; `tell` hears how many bytes of all were read. */
function* openedIn(names: readonly string[], tell: (bytes: number) => void): Generator<CsvFile> {
  let sum = 0
  const counted = async function* (name: string): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(name, { highWaterMark: readAtOnceBytes })) {
      sum += chunk.length
      tell(sum)
      yield chunk
    }
  }
  for (const name of names) yield { name, content: counted(name) }
}

const noFile = (place: string, what: string, next: string): Problem =>
  new Problem({ kind: 'no-file', status: 422, detail: `${place} ${what}`, next })

const notCloned = (place: string, stderr: string): Problem =>
  new Problem({
    kind: 'not-cloned',
    status: 422,
    detail: `Git cannot fetch ${place.replace(/\/\/[^/@]*@/, '//')}: ${stderr.trim().split('\n').at(-1)?.slice(0, 300) ?? ''}`,
    next: 'clone it yourself and name the directory',
  })
