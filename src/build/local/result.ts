import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Build } from '../build.ts'
import {
  type Annotation,
  type Conclusion,
  type Failure,
  jobFinished,
  jobStarted,
  runFinished,
  runQueued,
  runStarted,
  workflowEventConcluded,
} from '../facts.ts'

/** What became of an order: the worst of its runs, `skipped` when it started none. */
export type LocalResult = {
  readonly conclusion: Conclusion
  readonly runs: readonly LocalRun[]
  readonly failure: Failure | null
  /** What was left out and why. */
  readonly notes: readonly string[]
}

export type LocalRun = {
  readonly run: string
  /** The file's path; null: the workflow that headway.yaml stands for. */
  readonly workflow: string | null
  readonly name: string
  /** As `run-name` says, else what the commit or the event says. */
  readonly title: string
  readonly conclusion: Conclusion
  /** How its jobs were kept apart; null when none of them ran. */
  readonly isolation: string | null
  readonly failure: Failure | null
  /** By their keys, in the order in which they ended. */
  readonly jobs: Readonly<Record<string, LocalJob>>
}

export type LocalJob = {
  readonly name: string
  /** Whether it had a runner at all. */
  readonly hasRun: boolean
  readonly conclusion: Conclusion
  readonly outputs: Readonly<Record<string, string>>
  readonly steps: ReturnType<typeof jobFinished.payload.parse>['steps']
  readonly failure: Failure | null
  readonly annotations: readonly Annotation[]
  /** What it was let into, and where that is reached, as the job says; null where it names none. */
  readonly environment: { readonly name: string; readonly url: string | null } | null
  /** In Markdown, masked; empty where there is none. */
  readonly summary: string
  /** Masked, without times. */
  readonly log: readonly string[]
}

/** Puts together what the facts of an event say, with the logs of its jobs. */
export const resultOf = async (
  facts: readonly RecordedFact[],
  event: string,
  build: Pick<Build, 'followLog' | 'summary'>,
): Promise<LocalResult> => {
  const concluded = facts.findLast((one) => isFact(workflowEventConcluded, one) && one.payload.event === event)
  const runs: LocalRun[] = []
  for (const one of facts) if (isFact(runQueued, one)) runs.push(await runOf(facts, one.payload, build))
  const ending = concluded && isFact(workflowEventConcluded, concluded) ? concluded.payload : null
  return {
    conclusion: ending?.conclusion ?? 'skipped',
    runs,
    failure: ending?.failure ?? null,
    notes: ending?.notes ?? [],
  }
}

const runOf = async (
  facts: readonly RecordedFact[],
  { run, workflow, name, title }: ReturnType<typeof runQueued.payload.parse>,
  build: Pick<Build, 'followLog' | 'summary'>,
): Promise<LocalRun> => {
  const own = facts.filter(({ subject }) => subject === `run:${run}`)
  const names = new Map<string, string>()
  const jobs: Record<string, LocalJob> = {}
  let isolation: string | null = null
  let conclusion: Conclusion = 'skipped'
  let failure: Failure | null = null
  for (const one of own) {
    if (isFact(runStarted, one)) isolation = one.payload.isolation
    if (isFact(jobStarted, one)) names.set(one.payload.job, one.payload.name)
    if (isFact(runFinished, one)) ({ conclusion, failure } = one.payload)
    if (!isFact(jobFinished, one)) continue
    const { job, outputs, steps } = one.payload
    const hasRun = names.has(job)
    const lines: string[] = []
    if (hasRun) for await (const { text } of build.followLog(run, job)) lines.push(text)
    jobs[job] = {
      name: names.get(job) ?? one.payload.name ?? job,
      hasRun,
      conclusion: one.payload.conclusion,
      outputs,
      steps,
      failure: one.payload.failure ?? null,
      annotations: one.payload.annotations ?? [],
      environment: one.payload.environment ?? null,
      summary: hasRun ? await build.summary(run, job) : '',
      log: lines,
    }
  }
  return { run, workflow, name, title: title ?? name, conclusion, isolation, failure, jobs }
}
