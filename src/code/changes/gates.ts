import { skipNote } from '../../build/facts.ts'
import { gateName } from '../../test/facts.ts'
import type { Change, Test } from './change.ts'
import type { Rules } from './rules.ts'

/** What stands between a change and its merge. */
export type Blocker = {
  readonly kind: 'closed' | 'conflict' | 'untested' | 'checks-running' | 'checks-failed' | 'approvals' | 'red-target'
  readonly detail: string
}

export type Surroundings = {
  readonly rules: Rules
  /** Those who are developers of the project today, of everybody who has approved. */
  readonly developers: ReadonlySet<string>
  /** Whether the newest verified commit of the target has failed. */
  readonly isTargetRed: boolean
}

/** All that stands in the way of merging this version, whoever asks for it. */
export const blockersOf = (change: Change, around: Surroundings): Blocker[] => {
  if (change.status !== 'open') return [{ kind: 'closed', detail: `it is ${change.status}` }]
  return [
    ...conflicts(change),
    ...checks(change, around.rules),
    ...approvals(change, around),
    ...redness(change, around),
  ]
}

const conflicts = ({ conflict, target }: Change): Blocker[] => {
  if (!conflict) return []
  const files = conflict.files.length === 0 ? '' : `: ${listed(conflict.files)}`
  return [{ kind: 'conflict', detail: `${conflict.detail || `it conflicts with ${target}`}${files}` }]
}

const checks = ({ test, conflict, isOfJob, number, repository }: Change, rules: Rules): Blocker[] => {
  if (conflict) return []
  if (!test && isOfJob)
    return [
      {
        kind: 'untested',
        detail: `a job pushed it, which starts nothing; headway changes retest ${repository}/${number}`,
      },
    ]
  if (!test) return [{ kind: 'checks-running', detail: 'the merge result is not made yet' }]
  const outcome = outcomeOf(test, rules)
  return outcome.kind === 'passed' ? [] : [{ kind: `checks-${outcome.kind}`, detail: outcome.detail }]
}

export type ChecksOutcome =
  | { readonly kind: 'passed' }
  | { readonly kind: 'running' | 'failed'; readonly detail: string }

/**
 * How the checks that the rules want have gone, once all have ended: a quality gate is judged last, and counts whatever is named. A
 * skipped check has passed, as on GitHub.
 */
export const outcomeOf = (test: Test, { requiredChecks }: Rules): ChecksOutcome => {
  const { conclusion, failure } = test
  if (requiredChecks?.length === 0) return { kind: 'passed' }
  const lost = (requiredChecks ?? []).map((name) => lossOf(test, name)).find((loss) => loss !== null)
  if (lost) return { kind: 'failed', detail: lost }
  if (conclusion === null) return { kind: 'running', detail: 'its checks are running' }
  if (failure?.job === gateName) return { kind: 'failed', detail: 'its quality gate is not met' }
  const skip = test.notes.find((note) => note.startsWith(skipNote))
  if (conclusion === 'skipped' && skip) return { kind: 'failed', detail: `nothing has checked it: ${skip}` }
  if (conclusion === 'skipped' && test.changesChecks) return { kind: 'failed', detail: takenAway }
  if (requiredChecks !== null || conclusion === 'success' || conclusion === 'skipped') return { kind: 'passed' }
  return { kind: 'failed', detail: conclusion === 'cancelled' ? 'its checks were cancelled' : 'its checks have failed' }
}

const takenAway =
  'it changes the workflows so that nothing checks it; an operator names what must run, or none: headway changes rules --checks'

/** Why a named check will not pass any more; null while it may, or has. */
const lossOf = ({ checks, conclusion, notes }: Test, wanted: string): string | null => {
  const runs = new Map(checks.flatMap(({ run, job, name }) => (job === null ? [[run, name] as const] : [])))
  const found = checks.filter(
    ({ run, job, name }) => name === wanted || (job !== null && `${runs.get(run) ?? ''} / ${name}` === wanted),
  )
  const bad = found.find((check) => check.conclusion === 'failure' || check.conclusion === 'cancelled')
  if (bad) return `the check ${wanted} has ended with ${bad.conclusion}`
  if (found.length > 0 || conclusion === null) return null
  return `the check ${wanted} is required and did not run${notes[0] ? ` (${notes[0]})` : ''}`
}

const approvals = (change: Change, { rules, developers }: Surroundings): Blocker[] => {
  const count = countedApprovals(change, rules, developers).length
  if (count >= rules.approvals) return []
  const wanted = `${rules.approvals} approval${rules.approvals === 1 ? '' : 's'}`
  return [
    {
      kind: 'approvals',
      detail: `${wanted} of developers who have not written it ${rules.approvals === 1 ? 'is' : 'are'} needed, and there ${count === 1 ? 'is' : 'are'} ${count}`,
    },
  ]
}

/** The approvals that count: of this version unless they are kept, by developers of today who have no part in it. */
export const countedApprovals = (change: Change, rules: Rules, developers: ReadonlySet<string>): string[] =>
  change.approvals
    .filter(({ version }) => rules.keepApprovals || version === change.version)
    .map(({ user }) => user)
    .filter((user) => developers.has(user) && !hasPartIn(change, user))

/** Whether somebody has opened the change or pushed to it. */
export const hasPartIn = ({ author, versions }: Change, user: string): boolean =>
  author === user || versions.some((version) => version.user === user)

const redness = ({ wish, reverts, target }: Change, { rules, isTargetRed }: Surroundings): Blocker[] =>
  rules.holdOnRed && isTargetRed && !wish?.mends && reverts === null
    ? [{ kind: 'red-target', detail: `${target} is red, and nothing is merged until it is green again` }]
    : []

const listed = (files: readonly string[]): string =>
  files.length > 5 ? `${files.slice(0, 5).join(', ')} and ${files.length - 5} more` : files.join(', ')
