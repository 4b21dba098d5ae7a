import type { Command } from 'commander'
import { at, connect, type GlobalOptions } from './client.ts'
import { repositoryHere } from './here.ts'
import { printable, printJson, printTable } from './output.ts'

type Rules = {
  readonly requiredChecks: readonly string[] | null
  readonly approvals: number
  readonly keepApprovals: boolean
  readonly holdOnRed: boolean
  readonly method: string
  readonly trustDevelopers: boolean
}

/** What a change must have before it is merged: shown and changed. */
export const ruleCommand = (changes: Command): void => {
  changes
    .command('rules')
    .option('--repository <name>', 'default: that of the remote headway here')
    .option('--whole-project', 'all repositories without rules of their own')
    .option('--checks <name...>', 'the checks that must succeed; none, or every, which is the default')
    .option('--approvals <count>', 'how many, by others than who has written it')
    .option('--keep-approvals <yes|no>', 'whether an approval counts for later versions')
    .option('--hold-on-red <yes|no>', 'whether nothing is merged while the target is red')
    .option('--method <method>', 'merge, squash or rebase')
    .option('--trust-developers <yes|no>', 'whether their changes are tested with secrets')
    .description('what a change must have before it is merged; without options, show it')
    .action(async (own: RuleOptions, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>()
      const client = connect(options)
      const repository = own.wholeProject ? null : (own.repository ?? repositoryHere())
      const project = at`/projects/${options.project}`
      const path =
        repository === null ? `${project}/change-rules` : `${project}${at`/repositories/${repository}`}/change-rules`
      const old = await client.get<Rules>(path)
      const fresh = withRules(old, own)
      const rules = JSON.stringify(fresh) === JSON.stringify(old) ? old : await client.send<Rules>('PUT', path, fresh)
      if (options.json) return printJson(rules)
      printTable(['rule', ''], ruleRows(rules), '')
    })
}

type RuleOptions = {
  repository?: string
  wholeProject?: boolean
  checks?: string[]
  approvals?: string
  keepApprovals?: string
  holdOnRed?: string
  method?: string
  trustDevelopers?: string
}

const withRules = (old: Rules, own: RuleOptions): Rules => {
  const flag = (text: string | undefined, before: boolean): boolean => (text === undefined ? before : text === 'yes')
  const checks = own.checks?.[0] === 'every' ? null : own.checks?.[0] === 'none' ? [] : own.checks
  return {
    requiredChecks: checks === undefined ? old.requiredChecks : checks,
    approvals: own.approvals === undefined ? old.approvals : Number(own.approvals),
    keepApprovals: flag(own.keepApprovals, old.keepApprovals),
    holdOnRed: flag(own.holdOnRed, old.holdOnRed),
    method: own.method ?? old.method,
    trustDevelopers: flag(own.trustDevelopers, old.trustDevelopers),
  }
}

const ruleRows = (rules: Rules): string[][] => [
  [
    'checks',
    rules.requiredChecks === null ? 'every one that runs' : rules.requiredChecks.map(printable).join(', ') || 'none',
  ],
  ['approvals', `${rules.approvals}${rules.keepApprovals ? ', kept over versions' : ''}`],
  ['on a red target', rules.holdOnRed ? 'held' : 'merged'],
  ['method', rules.method],
  ['secrets', rules.trustDevelopers ? "for developers' changes" : 'for no change'],
]
