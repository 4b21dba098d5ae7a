import type { Kysely } from 'kysely'
import type { QualityRules } from '../golden/service.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { CommitId, Digest, ProjectName, RepositoryName } from '../names.ts'
import { Digest as DigestName } from '../names.ts'
import type { Gate } from './commits.ts'
import { qualityEvaluated } from './facts.ts'
import { newlyFlaky, type Past, pastOf } from './history.ts'
import { type Evidence, judge, strictest } from './quality.ts'
import { coverageOf, isIn, p95Of } from './receive.ts'
import type { CaseResult, TestResults } from './results.ts'
import type { Shelf } from './shelf.ts'
import { caseId, type ReportRow, type TestTables } from './views.ts'

/** The runs that a push or an event started, all of which have succeeded. */
export type GateQuestion = {
  /** One of both; the other is null. */
  readonly push: string | null
  readonly event: string | null
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly ref: string
  readonly commit: CommitId
  readonly runs: readonly string[]
  /** Who pushed it. */
  readonly actor: string
  /** The commit of its target that a change stands on; null for what is no change. */
  readonly base: CommitId | null
}

/** The gates that a commit is held to: of a service that its base has already, in the same folder or by the same name, the rules of both. */
export const heldTo = (own: readonly Gate[], base: readonly Gate[]): AskedGate[] =>
  own.flatMap(({ service, path, rules }) => {
    const before = base.find((one) => one.path === path) ?? base.find((one) => one.service === service)
    const asked = rules && before?.rules ? strictest(rules, before.rules) : (rules ?? before?.rules ?? null)
    return asked === null ? [] : [{ service, path, rules: asked }]
  })
export type AskedGate = Gate & { readonly rules: QualityRules }

type Reported = { readonly row: ReportRow; readonly results: TestResults; readonly past: Past }

/** The subject of the verdict. */
export const subjectOf = ({ push, event }: GateQuestion): string => (push === null ? `event:${event}` : `push:${push}`)

/** The newest report of each job of some runs. */
export const newestReports = async (db: Kysely<TestTables>, runs: readonly string[]): Promise<ReportRow[]> => {
  if (runs.length === 0) return []
  const rows = await db.selectFrom('test_reports').selectAll().where('run', 'in', runs).orderBy('seq').execute()
  return [...new Map(rows.map((row) => [`${row.run}/${row.job}`, row])).values()]
}

/** The verdict on all gates of a commit, as the fact to be recorded. */
export const evaluateGates = async (
  question: GateQuestion,
  gates: readonly AskedGate[],
  rows: readonly ReportRow[],
  { db, shelf }: { readonly db: Kysely<TestTables>; readonly shelf: Shelf },
): Promise<NewFact<'quality.evaluated', ReturnType<typeof qualityEvaluated.payload.parse>>> => {
  const reported: Reported[] = []
  for (const row of rows) {
    const results = await shelf.get(digestOf(row))
    if (results) reported.push({ row, results, past: await pastOf(db, row) })
  }
  const before = await resultsBefore(db, shelf, question, rows)
  const services = gates.map(({ service, path, rules }) => ({
    service,
    path,
    checks: judge(rules, evidenceIn(path, reported, before)),
  }))
  const { push, event, project, repository, ref, commit, runs } = question
  const isMet = services.every(({ checks }) => checks.every((check) => check.isMet))
  return fact(qualityEvaluated, {
    subject: subjectOf(question),
    actor: 'system:test',
    payload: {
      ...{ project, repository, ref, commit, push, event, runs: [...runs], isMet, services },
      reports: rows.map(({ seq }) => Number(seq)),
    },
  })
}

const evidenceIn = (folder: string, reported: readonly Reported[], before: readonly TestResults[]): Evidence => {
  const newest = reported.map(({ results }) => results)
  return {
    coverage: coverageOf(newest, folder),
    coverageBefore: coverageOf(before, folder),
    p95Ms: p95Of(newest, folder),
    newlyFailing: pick(reported, folder, ({ outcome }, id, { failing }) => outcome === 'failed' && !failing.has(id)),
    newlyFlaky: pick(reported, folder, (_, id, past) => newlyFlaky(past).has(id)),
  }
}

const pick = (
  reported: readonly Reported[],
  folder: string,
  isMeant: (one: CaseResult, id: string, past: Past) => boolean,
): CaseResult[] =>
  reported.flatMap(({ row, results, past }) =>
    results.reports
      .filter(({ path }) => isIn(folder, path))
      .flatMap(({ cases }) => cases.filter((one) => isMeant(one, idIn(row, one), past))),
  )

/** A case of a report's job. */
export const idIn = ({ project, repository, job_name }: ReportRow, one: Pick<CaseResult, 'suite' | 'name'>): string =>
  caseId({ project, repository, jobName: job_name }, one)

/** What the default branch showed before: of each job the newest report that tells of coverage, which is kept. */
const resultsBefore = async (
  db: Kysely<TestTables>,
  shelf: Shelf,
  { project, repository, runs }: GateQuestion,
  rows: readonly ReportRow[],
): Promise<TestResults[]> => {
  const found: TestResults[] = []
  for (const { job_name, seq } of rows) {
    const before = await db
      .selectFrom('test_reports')
      .selectAll()
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('in_window', '=', 1)
      .where('job_name', '=', job_name)
      .where('on_main', '=', 1)
      .where('covered', 'is not', null)
      .where('seq', '<', seq)
      .$if(runs.length > 0, (query) => query.where('run', 'not in', runs))
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    const results = before ? await shelf.get(digestOf(before)) : null
    if (results) found.push(results)
  }
  return found
}

const digestOf = ({ results }: ReportRow): Digest => DigestName.parse(results)
