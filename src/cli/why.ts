import type { Command } from 'commander'
import { shortDigest } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Explanation } from '../release/index.ts'
import type { MetricNumbers } from '../release/judge/judge.ts'
import { at, type Client, connect, type GlobalOptions } from './client.ts'
import { bold, dim, green, printable, printJson, printTable, red, yellow } from './output.ts'
import { asked, spoken } from './rollout-standing.ts'

type Judged = Explanation['verdicts'][number]

/** `headway rollout why`. */
export const whyCommand = (rollout: Command): void => {
  rollout
    .command('why')
    .argument('<rollout>', 'a service (its newest that was judged), a commit, or the name of its deployment')
    .description('each verdict with the numbers it was made from, computed anew from its evidence')
    .action(async (name: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const rollout = await named(client, options.project, name)
      const why = await client.get<Explanation>(at`/projects/${options.project}/rollouts/${rollout}/why`)
      if (options.json) printJson(why)
      else printWhy(why)
      if (why.verdicts.some(({ recomputed }) => recomputed.kind === 'differs')) process.exitCode = 1
    })
}

type Listed = {
  readonly deployment: string
  readonly service: string
  readonly commit: string
  readonly isJudged: boolean
}

/** The deployment that is meant by a service, by the commit that `headway history` shows, or by itself. */
const named = async (client: Client, project: string, name: string): Promise<string> => {
  if (name.startsWith('deployment-')) return name
  const path = at`/projects/${project}/rollouts`
  const ofService = await client.get<Listed[]>(path, { service: name, limit: 200 })
  const isCommit = /^[0-9a-f]{4,40}$/.test(name) && ofService.length === 0
  const meant = isCommit
    ? (await client.get<Listed[]>(path, { limit: 200 })).filter(({ commit }) => commit.startsWith(name))
    : ofService
  const found = meant.find(({ isJudged }) => isJudged) ?? meant[0]
  if (found) return found.deployment
  throw new Problem({
    kind: 'rollout-not-found',
    status: 404,
    detail: `no service, commit or deployment ${name} was released`,
    next: 'headway history lists what was',
  })
}

const printWhy = ({ rollout, service, environment, plan, verdicts, now, latency }: Explanation): void => {
  console.log(`${bold(`${service} in ${environment}`)} ${dim(rollout)}`)
  console.log(
    dim(
      `  stopped by chance at most once in ${Math.round(1 / plan.alpha)} releases that are no worse` +
        `${plan.tolerance > 0 ? ` than ${percent(plan.tolerance)} more errors` : ''}; judged by ${['errors', ...(plan.latency ? ['latency'] : []), 'restarts', ...(plan.metrics ?? [])].join(', ')}`,
    ),
  )
  for (const one of verdicts) printVerdict(one)
  if (verdicts.length === 0 && !now) console.log('  nothing was judged')
  if (verdicts.length > 0 || !now) return
  for (const one of asked(now, latency)) {
    console.log(`  ${spoken(one)}`)
    printNumbers(one.judgement.numbers)
  }
}

const printVerdict = (one: Judged): void => {
  const colour = one.verdict === 'fail' ? red : one.verdict === 'pass' ? green : yellow
  console.log(`\n${colour(one.verdict)} at step ${one.step + 1}, ${new Date(one.at).toISOString()}`)
  console.log(`  ${printable(one.reason)}`)
  printNumbers(one.numbers)
  console.log(`  ${describeRecomputed(one)}`)
}

const describeRecomputed = ({ recomputed, evidence }: Judged): string => {
  const named = evidence === null ? '' : shortDigest(evidence)
  if (recomputed.kind === 'agrees') return `${green('recomputed')} from evidence ${named}: the same to the last digit`
  if (recomputed.kind === 'gone') return `${yellow('not recomputed')}: evidence ${named} is not kept any more`
  if (recomputed.kind === 'none') return `${yellow('not recomputed')}: it was made without evidence`
  return `${red('NOT the same')}: evidence ${named} gives ${recomputed.judgement?.verdict}, ${printable(recomputed.judgement?.reason ?? '')}`
}

const printNumbers = (numbers: Judged['numbers']): void => {
  const metrics = metricsIn(numbers)
  if (metrics.length === 0) return
  console.log()
  printTable(
    ['', 'new version', 'old version', 'ratio', 'evidence'],
    metrics.map(({ metric, canary, baseline, ratio, lnE }) => [
      printable(metric.replace(/^own:/, '').replace(/^slower-than-(\d+)ms$/, 'slower than $1 ms')),
      tally(metric, canary),
      tally(metric, baseline),
      `${ratio.from.toFixed(2)} to ${ratio.until?.toFixed(2) ?? 'any'}`,
      odds(lnE),
    ]),
    '',
  )
}

/** What the judge says more than deploy goes by. */
export const metricsIn = (numbers: object): readonly MetricNumbers[] =>
  'metrics' in numbers && Array.isArray(numbers.metrics) ? numbers.metrics : []

const tally = (metric: string, { events, of }: MetricNumbers['canary']): string =>
  metric === 'restarts'
    ? String(events)
    : of === 0 && metric.startsWith('own:')
      ? 'nothing seen of it'
      : `${of === 0 ? '0 %' : percent(events / of)} (${rounded(events)} of ${rounded(of)})`
const rounded = (value: number): number => Number(value.toPrecision(9))
const percent = (share: number): string => `${Number((share * 100).toPrecision(2))} %`
const odds = (lnE: number): string =>
  lnE <= 0 ? 'none' : lnE > 14 ? `10^${Math.floor(lnE / Math.LN10)} to 1` : `${Math.round(Math.exp(lnE))} to 1`
