import type { Command } from 'commander'
import { defaultEnvironment, shortCommit, shortDigest } from '../names.ts'
import { Problem } from '../problem.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { ago, bold, bytes, dim, printable, printJson, printTable, red, span, stateColour, yellow } from './output.ts'

type Deployment = {
  readonly deployment: string
  readonly service: string
  readonly environment: string
  readonly release: string
  readonly commit: string
  readonly reason: string
  readonly requestedAt: number
  readonly finishedAt: number | null
  readonly outcome: string | null
  readonly url: string | null
  readonly detail: string | null
  readonly evidence: { readonly probe: string | null; readonly lastLines: readonly string[] } | null
  readonly next: string | null
  readonly leadTimeMs: number | null
}
type Instance = {
  readonly id: string
  readonly service: string
  readonly environment: string
  readonly commit: string
  readonly state: string
  readonly port: number
  readonly pid: number | null
  readonly startedAt: number | null
  readonly restarts: number
  readonly lastProbe: string | null
  readonly memoryBytes: number | null
}
type Service = {
  readonly service: string
  readonly environment: string
  readonly status: string
  readonly rollout: string | null
  readonly url: string | null
  readonly commit: string | null
  readonly healthy: number
  readonly replicas: number
  readonly lastDeployment: Deployment
  readonly instances?: readonly Instance[]
}
type Release = {
  readonly digest: string
  readonly commit: string
  readonly sizeBytes: number
  readonly createdAt: number
}

type BrokenMain = {
  readonly repository: string
  readonly ref: string
  readonly commit: string
  readonly brokenSince: number
  readonly author: { readonly name: string } | null
  readonly owners: readonly string[]
  readonly failure: { readonly detail: string } | null
}

/** What runs where, and how it is changed. */
export const serviceCommands = (program: Command): void => {
  program
    .command('status')
    .argument('[service]', 'one service, with its instances and its last deployment')
    .description('what is deployed and how it is')
    .action(async (service: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      if (service === undefined) {
        const services = await client.get<Service[]>(at`/projects/${options.project}/services`)
        if (options.json) return printJson(services)
        printServices(services)
        const { broken } = await client.get<{ broken: BrokenMain[] }>(at`/projects/${options.project}/broken-mains`)
        return printBroken(broken)
      }
      const details = await client.get<Service[]>(at`/projects/${options.project}/services/${service}`)
      if (options.json) return printJson(details)
      for (const detail of details) printDetail(detail)
    })

  program
    .command('ps')
    .argument('[service]')
    .description('the instances that run')
    .action(async (service: string | undefined, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const instances = await connect(options).get<Instance[]>(at`/projects/${options.project}/instances`, { service })
      if (options.json) return printJson(instances)
      printInstances(instances, ({ environment }) => [environment])
    })

  program
    .command('releases')
    .argument('<service>')
    .description('what can be deployed, newest first')
    .action(async (service: string, _options, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const { releases } = await connect(options).get<{ releases: Release[] }>(
        at`/projects/${options.project}/services/${service}/releases`,
      )
      if (options.json) return printJson(releases)
      printTable(
        ['release', 'commit', 'size', 'made'],
        releases.map((one) => [
          shortDigest(one.digest),
          shortCommit(one.commit),
          bytes(one.sizeBytes),
          ago(one.createdAt),
        ]),
        `no release of ${service} yet: git push headway main makes one`,
      )
    })

  program
    .command('deployments')
    .argument('[service]')
    .option('--limit <count>', 'how many', '20')
    .description('what was deployed and how it ended, newest first')
    .action(async (service: string | undefined, { limit }: { limit: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const deployments = await connect(options).get<Deployment[]>(at`/projects/${options.project}/deployments`, {
        service,
        limit,
      })
      if (options.json) return printJson(deployments)
      printTable(
        ['service', 'environment', 'commit', 'why', 'outcome', 'when', 'took'],
        deployments.map((one) => [
          one.service,
          one.environment,
          shortCommit(one.commit),
          one.reason,
          stateColour(one.outcome ?? 'under way'),
          ago(one.requestedAt),
          one.finishedAt === null ? '' : span(one.finishedAt - one.requestedAt),
        ]),
        'nothing was deployed yet: git push headway main',
      )
    })

  program
    .command('rollback')
    .argument('<service>')
    .option('--to <release>', 'a release or commit, by its first characters (default: the one before)')
    .option('--environment <name>', 'where (default: production)')
    .description('bring an earlier release back; takes seconds')
    .action(async (service: string, { to, environment }: { to?: string; environment?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const deployment = await client.send<Deployment>(
        'POST',
        at`/projects/${options.project}/services/${service}/rollback`,
        { ...(to ? { to } : {}), ...(environment ? { environment } : {}), wait: true },
      )
      concluded(deployment, options, 'rolled back')
    })

  program
    .command('deploy')
    .argument('<service>')
    .option(
      '--release <release>',
      'a release or commit, by its first characters (default: the one that runs, with its settings as they are now)',
    )
    .option('--environment <name>', 'where (default: production)')
    .description('deploy a release, or the running one again with its settings as they are now')
    .action(
      async (
        service: string,
        { release, environment }: { release?: string; environment?: string },
        command: Command,
      ) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const deployment = await connect(options).send<Deployment>(
          'POST',
          at`/projects/${options.project}/services/${service}/deploy`,
          { ...(release ? { release } : {}), ...(environment ? { environment } : {}), wait: true },
        )
        concluded(deployment, options, 'deployed')
      },
    )

  program
    .command('remove')
    .argument('<service>')
    .option('--purge-data <service>', 'its database too, for good: name the service a second time')
    .description('take a service away; its database stays unless it is said twice')
    .action(async (service: string, { purgeData }: { purgeData?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      if (purgeData !== undefined && purgeData !== service)
        throw new Problem({
          kind: 'not-confirmed',
          status: 400,
          detail: `--purge-data names ${purgeData}, not ${service}; nothing was changed`,
          next: `headway remove ${service} --purge-data ${service}`,
        })
      await removeService(client, options, service)
      if (purgeData !== undefined)
        await client.send('DELETE', at`/projects/${options.project}/services/${service}/database`, undefined, {
          confirm: service,
        })
      if (options.json) return printJson({ removed: service, data: purgeData === undefined ? 'kept' : 'removed' })
      console.log(
        purgeData === undefined
          ? `${service} is gone; its database, if it had one, stays (headway remove ${service} --purge-data ${service})`
          : `${service} and its data are gone`,
      )
    })
}

/** Gone already is as good as gone, so that its data can be removed later. */
const removeService = async (client: Client, options: GlobalOptions, service: string): Promise<void> => {
  const services = await client.get<Service[]>(at`/projects/${options.project}/services`)
  if (services.some((one) => one.service === service && one.status === 'removed')) return
  await client.send('DELETE', at`/projects/${options.project}/services/${service}`)
}

/** What is on its way says more than that something is. */
const standingText = ({ status, rollout }: Service): string =>
  rollout === null
    ? stateColour(status)
    : status === 'deploying'
      ? yellow(rollout)
      : `${stateColour(status)}, ${rollout}`

const printServices = (services: readonly Service[]): void =>
  printTable(
    ['service', 'environment', 'status', 'healthy', 'commit', 'deployed', 'url'],
    services.map((one) => [
      bold(one.service),
      one.environment,
      standingText(one),
      `${one.healthy} of ${one.replicas}`,
      one.commit ? shortCommit(one.commit) : '',
      ago(one.lastDeployment.finishedAt ?? one.lastDeployment.requestedAt),
      one.url ?? '',
    ]),
    'no service yet: in a repository of yours, headway init and then git push headway main',
  )

/** A red main stops the line: whoever looks sees it. */
const printBroken = (broken: readonly BrokenMain[]): void => {
  for (const { repository, ref, commit, brokenSince, author, owners, failure } of broken) {
    const who = [...(author ? [author.name] : []), ...owners].map(printable).join(', ')
    const branch = printable(ref.replace('refs/heads/', ''))
    console.log(
      `\n${red('✗')} ${bold(`${repository} ${branch}`)} has been red for ${span(Date.now() - brokenSince)} (${shortCommit(commit)}${who ? `, ${who}` : ''})`,
    )
    if (failure) console.log(`  ${printable(failure.detail)}`)
    console.log(dim(`  headway revert ${shortCommit(commit)} --repository ${repository}   takes it back`))
  }
}

/** Of one service in one environment, or of several: then with where each of them runs. */
const printInstances = (
  instances: readonly Instance[],
  where: (instance: Instance) => readonly string[] = () => [],
): void =>
  printTable(
    [
      'instance',
      ...(instances.some((one) => where(one).length > 0) ? ['environment'] : []),
      'state',
      'port',
      'pid',
      'memory',
      'up',
      'restarts',
      'last probe',
    ],
    instances.map((one) => [
      one.id,
      ...where(one),
      stateColour(one.state),
      String(one.port),
      one.pid === null ? '' : String(one.pid),
      one.memoryBytes === null ? '' : bytes(one.memoryBytes),
      one.startedAt === null ? '' : span(Date.now() - one.startedAt),
      String(one.restarts),
      printable(one.lastProbe ?? ''),
    ]),
    'nothing runs',
  )

const option = ({ environment }: Service): string =>
  environment === defaultEnvironment ? '' : ` --environment ${environment}`

const printDetail = (service: Service): void => {
  const { lastDeployment: last } = service
  const more = last.outcome === null ? `; headway rollout ${service.service}${option(service)} shows it` : ''
  console.log(`${bold(service.service)} in ${service.environment}: ${standingText(service)}  ${service.url ?? ''}`)
  console.log(
    dim(
      `  last deployment ${shortCommit(last.commit)} (${last.reason}) ${last.outcome ?? 'under way'}, ${ago(last.finishedAt ?? last.requestedAt)}${more}`,
    ),
  )
  if (last.leadTimeMs !== null) console.log(dim(`  lead time ${span(last.leadTimeMs)}`))
  if (last.outcome === 'failed') printFailure(last)
  console.log()
  printInstances(service.instances ?? [])
}

const printFailure = (deployment: Deployment): void => {
  console.log(`  ${red('✗')} ${printable(deployment.detail ?? 'it failed')}`)
  for (const line of deployment.evidence?.lastLines ?? []) console.log(`    │ ${printable(line)}`)
  if (deployment.next) console.log(`    next: ${printable(deployment.next)}`)
}

const concluded = (deployment: Deployment, options: GlobalOptions, done: string): void => {
  const { service, commit } = deployment
  const isBack = done === 'rolled back' && deployment.outcome === 'rolled-back'
  if (options.json) printJson(deployment)
  else if (isBack)
    console.log(`${service} is ${done}: ${shortCommit(commit)} was on its way, what was live before has all traffic`)
  else if (deployment.outcome === null)
    console.log(`${service} ${shortCommit(commit)} is on its way; headway rollout ${service} shows how it goes on`)
  else if (deployment.outcome === 'succeeded')
    console.log(
      `${deployment.service} is ${done} to ${shortCommit(deployment.commit)} in ${span((deployment.finishedAt ?? 0) - deployment.requestedAt)}: ${deployment.url ?? ''}`,
    )
  else {
    console.log(`${deployment.service} was not ${done}: ${deployment.outcome ?? 'it is still under way'}`)
    printFailure(deployment)
  }
  if (deployment.outcome !== 'succeeded' && deployment.outcome !== null && !isBack) process.exitCode = 1
}
