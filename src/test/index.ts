import type { Failure } from '../build/facts.ts'
import type { ReportFile } from '../build/index.ts'
import type { Clock } from '../clock.ts'
import type { Home } from '../home.ts'
import { isFact } from '../ledger/fact.ts'
import type { Ledger, View, Views } from '../ledger/ledger.ts'
import { Digest, type ProjectName, type RepositoryName } from '../names.ts'
import { describeError } from '../problem.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import { openCommit } from './commits.ts'
import { gateName, qualityEvaluated, testFacts } from './facts.ts'
import { type AskedGate, evaluateGates, type GateQuestion, heldTo, newestReports, subjectOf } from './gate.ts'
import { createQueries, type TestQueries } from './queries.ts'
import { nothingReceived, type Received, type Reporting, receiveReports } from './receive.ts'
import { createShelf } from './shelf.ts'
import { createTestView, type TestTables } from './views.ts'

export type { GateQuestion } from './gate.ts'
export type { Received, Reporting } from './receive.ts'

export type TestParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly home: Home
  repositoryPath(project: ProjectName, repository: RepositoryName): string
  /** Whether somebody, as recorded, may ask less of a branch: then what a change of theirs asks for counts at once. */
  mayLower(actor: string, project: ProjectName): Promise<boolean>
  /** Says what went wrong while nobody was waiting for an answer. */
  report(message: string): void
}

export type TestStage = Stage & {
  /** Reads and keeps the reports that a job left; what it answers is recorded together with the job's end. */
  receive(about: Reporting, files: readonly ReportFile[]): Promise<Received>
  /** Judges the quality gates of a commit by the reports of its runs, and records the verdict; null: met, or none asked for. */
  evaluate(question: GateQuestion): Promise<Failure | null>
  readonly queries: TestQueries
}

const keptMs = 30 * 24 * 60 * 60_000
const sweepMs = 6 * 60 * 60_000

/** The view of this stage, which reads results where they lie below a home. */
export const testView = (home: Home): View => createTestView(createShelf(home))

/** The test stage: what the reports of jobs hold, the history of each test, and quality gates. */
export const createTest = (parts: TestParts): TestStage => {
  const { ledger, views, clock, home } = parts
  const db = parts.store.tables<TestTables>()
  const shelf = createShelf(home)
  const stopping = new AbortController()
  let sweeping: Promise<void> = Promise.resolve()
  const commitOf = ({ project, repository, commit }: Pick<GateQuestion, 'project' | 'repository' | 'commit'>) =>
    openCommit(parts.repositoryPath(project, repository), commit)

  const receive = async (about: Reporting, files: readonly ReportFile[]): Promise<Received> => {
    if (files.length === 0) return nothingReceived
    const [{ readReports, locatorFor }, commit] = await Promise.all([import('./read.ts'), commitOf(about.source)])
    return receiveReports(about, files, { commit, locate: locatorFor(commit.paths), read: readReports, shelf })
  }

  /** A change does not lower the bar that it has to pass: what its target asks for holds, too. */
  const gatesFor = async (question: GateQuestion): Promise<AskedGate[]> => {
    const { base, actor, project } = question
    const own = await (await commitOf(question)).gates()
    if (base === null || (await parts.mayLower(actor, project))) return heldTo(own, [])
    return heldTo(own, await (await commitOf({ ...question, commit: base })).gates())
  }

  const judge = async (question: GateQuestion): Promise<Failure | null> => {
    const gates = await gatesFor(question)
    if (gates.length === 0) return null
    await views.reach()
    const rows = await newestReports(db, question.runs)
    const known = await verdictOn(
      question,
      rows.map(({ seq }) => Number(seq)),
    )
    if (known) return failureOf(known)
    const verdict = await evaluateGates(question, gates, rows, { db, shelf })
    await ledger.append([verdict])
    return failureOf(verdict.payload)
  }

  /** What cannot be judged does not pass, and holds up nobody else. */
  const evaluate = (question: GateQuestion): Promise<Failure | null> =>
    judge(question).catch((error: unknown) => {
      stopping.signal.throwIfAborted()
      return {
        ...ofGate,
        job: null,
        detail: `the ${gateName} could not be judged: ${describeError(error)}`,
        lastLines: [],
      }
    })

  /** One that was recorded already for these reports: the server ended before it was used. */
  const verdictOn = async (question: GateQuestion, reports: readonly number[]): Promise<Verdict | null> => {
    const [newest] = await ledger.read({
      subject: subjectOf(question),
      types: [qualityEvaluated.type],
      newestFirst: true,
      limit: 1,
    })
    if (!newest || !isFact(qualityEvaluated, newest)) return null
    return newest.payload.reports.join() === reports.join() ? newest.payload : null
  }

  const sweep = async (): Promise<void> => {
    await views.reach()
    const rows = await db.selectFrom('test_reports').select('results').where('in_window', '=', 1).execute()
    await shelf.forgetBefore(clock.now() - keptMs, new Set(rows.map(({ results }) => Digest.parse(results))))
  }

  const sweepNowAndThen = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await sweep().catch((error: unknown) => parts.report(`sweeping old test results: ${describeError(error)}`))
      await clock.sleep(sweepMs, stopping.signal).catch(() => undefined)
    }
  }

  return {
    name: 'test',
    facts: testFacts,
    views: [testView(home)],
    receive,
    evaluate,
    queries: createQueries({ db, views, shelf }),
    start: async () => {
      sweeping = sweepNowAndThen()
    },
    stop: async () => {
      stopping.abort()
      await sweeping
    },
  }
}

type Verdict = ReturnType<typeof qualityEvaluated.payload.parse>

const ofGate = { job: gateName, step: null, command: null, exitCode: null, where: null }

const failureOf = ({ isMet, services }: Verdict): Failure | null => {
  if (isMet) return null
  const broken = services.flatMap(({ service, checks }) =>
    checks.filter((check) => !check.isMet).map((check) => ({ service, ...check })),
  )
  const describe = ({ service, detail }: (typeof broken)[number]): string =>
    services.length > 1 ? `${service}: ${detail}` : detail
  const [first, ...others] = broken
  const next = first?.next ? `; next: ${first.next}` : ''
  return {
    ...ofGate,
    detail: first ? `${describe(first)}${next}` : 'a quality gate is not met',
    lastLines: others.map((one) => `${describe(one)}${one.next ? `; next: ${one.next}` : ''}`),
  }
}
