import type { QualityRules } from '../golden/service.ts'
import type { QualityCheck } from './facts.ts'
import { type CaseResult, type Coverage, caseLabel, percentOf } from './results.ts'

/** What a service's reports show, of all jobs of a push together. */
export type Evidence = {
  /** Null: no report told of it. */
  readonly coverage: Coverage | null
  /** On the default branch, as it was last reported there. */
  readonly coverageBefore: Coverage | null
  readonly p95Ms: number | null
  readonly newlyFailing: readonly CaseResult[]
  readonly newlyFlaky: readonly CaseResult[]
}

/** What both ask for: whoever wants less of a rule than the other does not get it. */
export const strictest = (one: QualityRules, other: QualityRules): QualityRules => ({
  coverage: {
    minimumPercent: most(one.coverage.minimumPercent, other.coverage.minimumPercent),
    largestDropPercent: least(one.coverage.largestDropPercent, other.coverage.largestDropPercent),
  },
  p95Ms: least(one.p95Ms, other.p95Ms),
  refuse: [...new Set([...one.refuse, ...other.refuse])],
})

type Rule = number | null
const most = (one: Rule, other: Rule): Rule => (one === null || other === null ? (one ?? other) : Math.max(one, other))
const least = (one: Rule, other: Rule): Rule => (one === null || other === null ? (one ?? other) : Math.min(one, other))

/** What becomes of each rule that a service asks for. A rule without a report to judge it by is not met. */
export const judge = (rules: QualityRules, evidence: Evidence): QualityCheck[] => {
  const { minimumPercent, largestDropPercent } = rules.coverage
  const checks: QualityCheck[] = []
  if (minimumPercent !== null) checks.push(coverageAtLeast(minimumPercent, evidence))
  if (largestDropPercent !== null) checks.push(coverageNotBelow(largestDropPercent, evidence))
  if (rules.p95Ms !== null) checks.push(p95AtMost(rules.p95Ms, evidence))
  for (const rule of rules.refuse) checks.push(noneOf(rule, evidence))
  return checks
}

const coverageAtLeast = (minimum: number, { coverage }: Evidence): QualityCheck => {
  const rule = 'coverage'
  if (coverage === null) return { rule, isMet: false, detail: 'no report told of coverage', next: writeCoverage }
  const percent = percentOf(coverage)
  if (percent >= minimum) return met(rule, `${percent} % of the lines are covered (at least ${minimum} %)`)
  const missing = Math.ceil((minimum / 100) * coverage.total - coverage.covered)
  return {
    rule,
    isMet: false,
    detail: `${percent} % of the lines are covered, and at least ${minimum} % must be`,
    next: `cover ${missing} more of the ${coverage.total} lines, or lower quality.coverage in headway.yaml`,
  }
}

const coverageNotBelow = (largestDrop: number, { coverage, coverageBefore }: Evidence): QualityCheck => {
  const rule = 'coverage-drop'
  if (coverage === null) return { rule, isMet: false, detail: 'no report told of coverage', next: writeCoverage }
  if (coverageBefore === null) return met(rule, 'the default branch has no coverage yet to compare with')
  const [now, before] = [percentOf(coverage), percentOf(coverageBefore)]
  const drop = Math.round((before - now) * 100) / 100
  const detail = `coverage is ${now} %, on the default branch ${before} %`
  if (drop <= largestDrop) return met(rule, detail)
  const most = largestDrop === 0 ? 'must not be lower' : `may be lower by ${largestDrop} points`
  return {
    rule,
    isMet: false,
    detail: `${detail}, and ${most}`,
    next: 'cover the lines that this change adds, or raise quality.coverage.drop in headway.yaml',
  }
}

const p95AtMost = (limitMs: number, { p95Ms }: Evidence): QualityCheck => {
  const rule = 'p95'
  if (p95Ms === null)
    return {
      rule,
      isMet: false,
      detail: 'no summary of k6 was found',
      next: 'let a step run k6 with --summary-export k6-summary.json, or name its file under tests in headway.yaml',
    }
  const detail = `the 95th percentile of request durations is ${Math.round(p95Ms * 10) / 10} ms`
  if (p95Ms <= limitMs) return met(rule, `${detail} (at most ${limitMs} ms)`)
  return {
    rule,
    isMet: false,
    detail: `${detail}, and at most ${limitMs} ms are allowed`,
    next: 'look at what became slower, or raise quality.p95 in headway.yaml',
  }
}

const noneOf = (rule: 'newly-failing' | 'newly-flaky', evidence: Evidence): QualityCheck => {
  const cases = rule === 'newly-failing' ? evidence.newlyFailing : evidence.newlyFlaky
  const [first, ...others] = cases
  const what =
    rule === 'newly-failing' ? 'fails and passed on the default branch' : 'passes and fails for the same code'
  if (first === undefined) return met(rule, `no test ${what}`)
  const more = others.length === 0 ? '' : `, and ${others.length} more`
  const place = first.file === null ? '' : ` (${first.file}${first.line === null ? '' : `:${first.line}`})`
  return {
    rule,
    isMet: false,
    detail: `${caseLabel(first)}${place} ${what}${more}`,
    next:
      rule === 'newly-failing'
        ? 'mend it: headway tests --failed shows why'
        : 'mend or remove it, as it will hold up others: headway tests --flaky shows its history',
  }
}

const writeCoverage =
  'let the tests write coverage/lcov.info or coverage.xml (Cobertura), or name the file under tests in headway.yaml'

const met = (rule: QualityCheck['rule'], detail: string): QualityCheck => ({ rule, isMet: true, detail, next: null })
