import type { Command } from 'commander'
import { describeDuration } from '../duration.ts'
import { shortCommit, shortDigest } from '../names.ts'
import { Problem } from '../problem.ts'
import { freezeIn, windowIn } from './calendar.ts'
import { at, connect, type GlobalOptions } from './client.ts'
import { ago, bold, dim, printable, printJson, printTable, red } from './output.ts'
import { previewsOf, printPreviews } from './previews.ts'

type Environment = {
  readonly environment: string
  readonly from: string
  readonly policy: string
  readonly soakMs: number
  readonly approval: { readonly role: string; readonly quorum: number }
  readonly strategy: string | null
  readonly drift: string
  readonly isOpen: boolean
  readonly broken: string | null
  readonly closed: { readonly detail: string } | null
}
type Promotion = {
  readonly promotion: string
  readonly service: string
  readonly environment: string
  readonly commit: string
  readonly from: string
  readonly authors: readonly string[]
  readonly requestedAt: number
  readonly approvals: readonly { readonly user: string }[]
  readonly held: { readonly detail: string } | null
  readonly outcome: string | null
  readonly detail: string | null
  readonly deployment: string | null
}
type ProtectedEnvironment = {
  readonly environment: string
  readonly needsApproval: boolean
  readonly allowsOwnApproval: boolean
  readonly refs: readonly string[] | null
  readonly waiting: readonly { readonly run: string; readonly name: string }[]
}

/** Environments, what goes into them, and what jobs need that name one. */
export const environmentCommands = (program: Command): void => {
  const environments = program.command('environments').description('where releases go, and what they need for it')
  environments
    .command('list', { isDefault: true })
    .description('the environments in order of promotion, and what pipeline jobs need that name one')
    .action(async (_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const found = await client.get<Environment[]>(at`/projects/${options.project}/environments`)
      const { environments: protectedOnes } = await client.get<{ environments: ProtectedEnvironment[] }>(
        at`/projects/${options.project}/pipeline-environments`,
      )
      const previews = await previewsOf(client, options)
      if (options.json) return printJson({ environments: found, protected: protectedOnes, previews })
      printTable(
        ['environment', 'takes from', 'policy', 'strategy', 'drift', 'now'],
        found.map((one) => [
          bold(one.environment),
          one.from,
          policyOf(one),
          one.strategy ?? '',
          one.drift,
          one.closed ? printable(one.closed.detail) : 'open',
        ]),
        '',
      )
      const broken = found[0]?.broken
      for (const line of broken?.split('\n') ?? [])
        console.log(`\n${red('✗')} ${printable(line)}\n  until it is mended, what held before holds`)
      if (protectedOnes.length > 0) printProtected(protectedOnes)
      if (previews.some(({ status }) => status !== 'none')) {
        console.log('\npreviews of open changes:')
        printPreviews(previews, '')
      }
    })
  for (const [word, text] of [
    ['add', 'make an environment'],
    ['set', 'change what is said of an environment; what is not said stays'],
  ] as const)
    wished(environments.command(word).argument('<environment>').description(text)).action(
      async (environment: string, own: Wish, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const client = connect(options)
        const known = await client.get<Environment[]>(at`/projects/${options.project}/environments`)
        refuseUnless(word, known.some((one) => one.environment === environment) === (word === 'set'), environment)
        const { quorum, ownApproval, window, freeze, anyTime, unplanned, ...said } = own
        const wish = {
          ...said,
          ...(anyTime ? { windows: [] } : window ? { windows: window.map(windowIn) } : {}),
          ...(unplanned ? { freezes: [] } : freeze ? { freezes: freeze.map(freezeIn) } : {}),
          ...(quorum === undefined ? {} : { quorum: Number(quorum) }),
          ...(ownApproval ? { notAuthor: false } : {}),
        }
        const done = await client.send<{ environments: string[] }>('PUT', at`/environments/${environment}`, wish)
        if (options.json) return printJson(done)
        console.log(`a release goes through ${done.environments.join(', then ')}`)
      },
    )
  environments
    .command('remove')
    .argument('<environment>')
    .description('take an environment away in which nothing stands')
    .action(async (environment: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const done = await connect(options).send<{ environments: string[] }>('DELETE', at`/environments/${environment}`)
      if (options.json) return printJson(done)
      console.log(
        `${environment} is gone; there ${done.environments.length === 1 ? 'is' : 'are'} ${done.environments.join(', ')}`,
      )
    })
  environments
    .command('protect')
    .argument('<environment>')
    .option('--approval', 'each job that names it waits until an operator approves')
    .option('--not-own', 'who caused a run cannot approve its jobs')
    .option('--ref <pattern...>', 'only runs of these branches and tags may use it')
    .description('say what a pipeline job needs that names it; without options: nothing')
    .action(
      async (environment: string, own: { approval?: boolean; notOwn?: boolean; ref?: string[] }, command: Command) => {
        const options = command.optsWithGlobals<GlobalOptions>()
        const protection = {
          needsApproval: own.approval === true,
          allowsOwnApproval: own.notOwn !== true,
          refs: own.ref ?? null,
        }
        const path = at`/projects/${options.project}/pipeline-environments/${environment}/protection`
        await connect(options).send('PUT', path, protection)
        if (options.json) return printJson({ environment, ...protection })
        console.log(`${environment}: ${own.approval ? 'an approval is needed' : 'no approval is needed'}`)
      },
    )

  program
    .command('promotions')
    .argument('[service]')
    .option('--all', 'those that have ended as well')
    .option('--limit <count>', 'how many', '50')
    .description('what is on its way into an environment, and what it waits for')
    .action(async (service: string | undefined, own: { all?: boolean; limit: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const query = { service, limit: own.limit, ...(own.all ? {} : { open: 'true' }) }
      const found = await connect(options).get<Promotion[]>(at`/projects/${options.project}/promotions`, query)
      if (options.json) return printJson(found)
      printTable(
        ['promotion', 'service', 'commit', 'from', 'into', 'by', 'asked', 'state'],
        found.map((one) => [
          one.promotion,
          bold(one.service),
          shortCommit(one.commit),
          one.from,
          one.environment,
          one.authors.map(printable).join(', '),
          ago(one.requestedAt),
          printable(stateOf(one)),
        ]),
        'nothing is on its way: headway promotions --all shows what was',
      )
    })

  program
    .command('promote')
    .argument('<service>')
    .requiredOption('--to <environment>', 'where it is to go')
    .option(
      '--release <release>',
      'a release or commit, by its first characters (default: the newest there is where it comes from)',
    )
    .description('ask for a release in the next environment; it goes as soon as the policy lets it')
    .action(async (service: string, own: { to: string; release?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/services/${service}/promotions`
      told(await connect(options).send<Promotion>('POST', path, own), options)
    })

  program
    .command('approve')
    .argument('<what>', 'a promotion (or the service that it is of), or a run of the pipeline')
    .argument('[environment]', 'where to; needed for a run, and for a service that several promotions are of')
    .option('--reject', 'say no')
    .option('--comment <text>', 'why')
    .description('agree to a promotion, or to the jobs of a run that wait for an environment')
    .action(async (what: string, environment: string | undefined, own: Answer, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      if (what.startsWith('run-')) return approveRun(options, what, environment, own)
      const promotion = await promotionOf(options, what, environment)
      const path = at`/projects/${options.project}/promotions/${promotion}`
      const client = connect(options)
      told(
        own.reject
          ? await client.send<Promotion>('POST', `${path}/rejection`, { reason: own.comment ?? 'not now' })
          : await client.send<Promotion>('POST', `${path}/approvals`),
        options,
      )
    })

  program
    .command('diff')
    .argument('<environment>')
    .argument('<other>')
    .description(
      'what differs between two environments: releases, settings, which secrets are set; fails where something does',
    )
    .action(async (left: string, right: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/environments/${right}/differences`
      const { services } = await connect(options).get<{ services: Parity[] }>(path, { from: left })
      if (services.some(({ differences }) => differences.length > 0)) process.exitCode = 1
      if (options.json) return printJson(services)
      printTable(
        ['service', 'what', left, right],
        services.flatMap(({ service, differences }) =>
          differences.map((one) => [bold(service), one.key, side(one.left), side(one.right)]),
        ),
        `${left} and ${right} are the same`,
      )
    })

  program
    .command('freeze')
    .argument('<environment>')
    .requiredOption('--reason <text>', 'why; everybody who is held by it reads this')
    .option('--until <time>', 'when it ends by itself, such as 2026-12-27T08:00:00Z')
    .description('deploy nothing new there; going back is always possible')
    .action(async (environment: string, own: { reason: string; until?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const until = own.until === undefined ? null : timeIn(own.until)
      const path = at`/projects/${options.project}/environments/${environment}/freeze`
      const found = await connect(options).send<Environment[]>('PUT', path, { reason: own.reason, until })
      sayOpening(found, environment, options)
    })

  program
    .command('unfreeze')
    .argument('<environment>')
    .option('--reason <text>', 'why')
    .description('lift a freeze; what it held goes on')
    .action(async (environment: string, own: { reason?: string }, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const path = at`/projects/${options.project}/environments/${environment}/freeze`
      const found = await connect(options).send<Environment[]>('DELETE', path, undefined, own)
      sayOpening(found, environment, options)
    })
}

type Parity = {
  readonly service: string
  readonly differences: readonly { readonly key: string; readonly left: string | null; readonly right: string | null }[]
}
type Wish = {
  readonly quorum?: string
  readonly ownApproval?: boolean
  readonly window?: readonly string[]
  readonly anyTime?: boolean
  readonly freeze?: readonly string[]
  readonly unplanned?: boolean
}

const wished = (command: Command): Command =>
  command
    .option('--from <source>', 'push, or the environment in which a release must have succeeded')
    .option('--before <environment>', 'it stands between that one and what that one has taken from until now')
    .option('--policy <policy>', 'automatic, soak or approval')
    .option('--soak <time>', 'how long a release must have run where it comes from: 30m')
    .option('--role <role>', 'who may approve: at least this role')
    .option('--quorum <count>', 'how many people must')
    .option('--expires <time>', 'how long they have: 24h')
    .option('--own-approval', 'authors may approve what is their own')
    .option('--strategy <name>', 'for services that say none: rolling, canary, blue-green or shadow')
    .option('--drift <what>', 'mend or report')
    .option('--window <when>', 'deployments begin then: "mon-fri 09:00-17:00 Europe/Zurich"; may be repeated', several)
    .option('--any-time', 'deployments begin at any time')
    .option('--freeze <when>', 'none begins then: "2026-12-24..2027-01-02 the holidays"; may be repeated', several)
    .option('--unplanned', 'no freeze is planned any more')

const several = (text: string, before: readonly string[] = []): readonly string[] => [...before, text]

const refuseUnless = (word: 'add' | 'set', isRight: boolean, environment: string): void => {
  if (isRight) return
  throw new Problem({
    kind: word === 'add' ? 'environment-exists' : 'environment-not-found',
    status: word === 'add' ? 409 : 404,
    detail:
      word === 'add' ? `there is an environment ${environment} already` : `there is no environment ${environment}`,
    next: `headway environments ${word === 'add' ? 'set' : 'add'} ${environment}`,
  })
}

type Answer = { readonly reject?: boolean; readonly comment?: string }

const policyOf = ({ policy, soakMs, approval }: Environment): string =>
  [
    policy === 'approval'
      ? `approval by ${approval.quorum} ${approval.role}${approval.quorum === 1 ? '' : 's'}`
      : policy,
    ...(soakMs > 0 ? [`soak ${describeDuration(soakMs)}`] : []),
  ].join(', ')

const stateOf = ({ outcome, detail, held }: Promotion): string =>
  outcome === null ? (held?.detail ?? 'it is looked at') : `${outcome}${detail ? `: ${detail}` : ''}`

const told = (promotion: Promotion, options: GlobalOptions): void => {
  if (options.json) {
    printJson(promotion)
    return
  }
  const { service, commit, environment, outcome, deployment } = promotion
  const what = `${service} ${shortCommit(commit)} into ${environment}`
  if (outcome === 'granted')
    console.log(`${what} is granted${deployment ? `; headway deployments ${service} shows how it fares` : ''}`)
  else if (outcome === null) {
    console.log(`${what}: ${printable(stateOf(promotion))}`)
    console.log(dim(`  ${promotion.promotion}`))
  } else console.log(`${what} was ${printable(stateOf(promotion))}`)
}

/** The one open promotion that is meant by a service; itself when it is named. */
const promotionOf = async (options: GlobalOptions, what: string, environment: string | undefined): Promise<string> => {
  if (what.startsWith('promotion-')) return what
  const query = { service: what, open: 'true' }
  const open = await connect(options).get<Promotion[]>(at`/projects/${options.project}/promotions`, query)
  const wanted = open.filter((one) => environment === undefined || one.environment === environment)
  const [only] = wanted
  if (only && wanted.length === 1) return only.promotion
  throw new Problem({
    kind: only ? 'promotion-ambiguous' : 'promotion-not-found',
    status: only ? 409 : 404,
    detail: only
      ? `${what} has ${wanted.length} promotions under way: ${wanted.map((one) => `${one.promotion} (${shortCommit(one.commit)} into ${one.environment})`).join(', ')}`
      : `no promotion of ${what}${environment ? ` into ${environment}` : ''} waits`,
    next: only ? 'headway approve <promotion> names one' : 'headway promotions lists those that do',
  })
}

const approveRun = async (
  options: GlobalOptions,
  run: string,
  environment: string | undefined,
  own: Answer,
): Promise<void> => {
  if (environment === undefined)
    throw new Problem({
      kind: 'environment-missing',
      status: 422,
      detail: 'nothing says which environment the jobs of the run may use',
      next: `headway approve ${run} <environment>`,
    })
  const answer = { environment, isApproved: own.reject !== true, comment: own.comment ?? null }
  const path = at`/projects/${options.project}/runs/${run}/approvals`
  const { jobs } = await connect(options).send<{ jobs: string[] }>('POST', path, answer)
  if (options.json) return printJson({ run, jobs })
  console.log(`${own.reject ? 'rejected' : 'approved'}: ${jobs.map(printable).join(', ')}`)
}

const timeIn = (text: string): number => {
  const time = Date.parse(text)
  if (!Number.isNaN(time)) return time
  throw new Problem({
    kind: 'no-time',
    status: 422,
    detail: `${text} is no time`,
    next: 'write it as 2026-12-27T08:00:00Z',
  })
}

const sayOpening = (found: readonly Environment[], environment: string, options: GlobalOptions): void => {
  const one = found.find(({ environment: name }) => name === environment)
  if (options.json) printJson(one ?? null)
  else console.log(one?.closed ? printable(one.closed.detail) : `${environment} is open`)
}

const printProtected = (found: readonly ProtectedEnvironment[]): void => {
  console.log('\npipeline jobs that name one need:')
  printTable(
    ['environment', 'approval', 'branches and tags', 'waiting'],
    found.map((one) => [
      bold(printable(one.environment)),
      one.needsApproval ? `needed${one.allowsOwnApproval ? '' : ', by somebody else'}` : 'not needed',
      one.refs === null ? 'all' : one.refs.map(printable).join(', '),
      one.waiting.map(({ run, name }) => `${run} ${printable(name)}`).join(', '),
    ]),
    '',
  )
}

/** A commit or digest by its first characters. */
const side = (value: string | null): string => {
  if (value === null) return '-'
  if (value.startsWith('sha256:')) return shortDigest(value)
  return /^[0-9a-f]{40}$|^[0-9a-f]{64}$/.test(value) ? shortCommit(value) : printable(value)
}
