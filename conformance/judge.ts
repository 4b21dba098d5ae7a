import type { LocalJob, LocalResult, LocalRun } from '../src/build/local.ts'
import type { Expectation } from './case.ts'

/** What is not as a case expects it, a sentence each; empty when all is. */
export const differences = (expect: Expectation, result: LocalResult): string[] => {
  const run = result.runs[0]
  const conclusion = run === undefined && result.failure === null ? 'ignored' : result.conclusion
  const wrong: string[] = []
  const compare = (what: string, found: unknown, wanted: unknown): void => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      wrong.push(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
  }
  compare('the conclusion', conclusion, expect.conclusion)
  if (wrong.length > 0) wrong.push(...result.notes)
  wrong.push(...failureDifferences(expect, result))
  if (run) wrong.push(...runDifferences(expect, run, compare))
  for (const fragment of expect.nowhere ?? [])
    for (const text of textsIn(result)) if (text.includes(fragment)) wrong.push(`${fragment} occurs in: ${text}`)
  return wrong
}

const failureDifferences = (expect: Expectation, { failure, notes }: LocalResult): string[] => {
  const { reason, refusal, step, command, exitCode, lastLines } = expect
  const told = failure?.detail ?? notes.join('\n')
  const where = failure?.where ?? {}
  const wrong: string[] = []
  if (reason !== undefined && !told.includes(reason)) wrong.push(`the reason is "${told}", without "${reason}"`)
  if (refusal?.detail !== undefined && !told.includes(refusal.detail))
    wrong.push(`it is refused because "${told}", without "${refusal.detail}"`)
  if (refusal && !failure?.where) wrong.push(`it is not refused with a place: ${JSON.stringify(failure)}`)
  for (const key of ['line', 'column'] as const)
    if (refusal?.[key] !== undefined && refusal[key] !== where[key])
      wrong.push(`it is refused at ${key} ${where[key]}, not ${refusal[key]}`)
  if (step !== undefined && failure?.step !== step) wrong.push(`the step is ${failure?.step}, not ${step}`)
  if (command !== undefined && !failure?.command?.includes(command))
    wrong.push(`the command is ${failure?.command}, without ${command}`)
  if (exitCode !== undefined && failure?.exitCode !== exitCode)
    wrong.push(`the exit code is ${failure?.exitCode}, not ${exitCode}`)
  const missing = missingIn(failure?.lastLines ?? [], lastLines ?? [])
  if (missing !== undefined) wrong.push(`the last lines lack "${missing}": ${JSON.stringify(failure?.lastLines)}`)
  return wrong
}

const runDifferences = (
  expect: Expectation,
  run: LocalRun,
  compare: (what: string, found: unknown, wanted: unknown) => void,
): string[] => {
  const wrong: string[] = []
  const jobs = Object.entries(run.jobs)
  const jobAt = (name: string): LocalJob | undefined => run.jobs[name] ?? jobs.find(([, job]) => job.name === name)?.[1]
  const eachJob = <Value>(
    wanted: Readonly<Record<string, Value>> | undefined,
    look: (at: string, job: LocalJob, value: Value) => void,
  ) => {
    for (const [at, value] of Object.entries(wanted ?? {})) {
      const job = jobAt(at)
      if (job) look(at, job, value)
      else wrong.push(`there is no job ${at} among ${jobs.map(([key, { name }]) => `${key} (${name})`).join(', ')}`)
    }
  }
  const sorted = (entries: readonly (readonly [string, string])[]) => Object.fromEntries([...entries].sort())
  if (expect.jobs && expect.ran === undefined && Object.keys(expect.jobs).length > 1)
    compare(
      'all jobs',
      sorted(jobs.map(([key, { conclusion }]) => [key, conclusion])),
      sorted(Object.entries(expect.jobs)),
    )
  eachJob(expect.jobs, (at, job, conclusion) => compare(`the conclusion of ${at}`, job.conclusion, conclusion))
  if (expect.ran) {
    const ran = jobs.flatMap(([key, job]) => (job.hasRun ? [key] : []))
    compare('what ran', ran.sort(), [...expect.ran].sort())
  }
  eachJob(expect.names, (at, job, name) => compare(`the name of ${at}`, job.name, name))
  eachJob(expect.outputs, (at, job, outputs) => {
    const names = new Set([...Object.keys(outputs), ...Object.keys(job.outputs)])
    for (const name of names) compare(`output ${name} of ${at}`, job.outputs[name] ?? '', outputs[name] ?? '')
  })
  eachJob(expect.steps, (at, job, steps) =>
    compare(
      `the steps of ${at}`,
      job.steps.map(({ outcome, conclusion }) => (outcome === conclusion ? outcome : `${outcome}/${conclusion}`)),
      steps,
    ),
  )
  eachJob(expect.stepNames, (at, job, names) =>
    compare(
      `the names of the steps of ${at}`,
      job.steps.map(({ name }) => name),
      names,
    ),
  )
  eachJob(expect.log, (at, job, { has, lacks }) =>
    wrong.push(...lineDifferences(`the log of ${at}`, printed(job), has, lacks)),
  )
  eachJob(expect.summary, (at, { summary }, { has, lacks }) =>
    wrong.push(...lineDifferences(`the summary of ${at}`, summary.split('\n'), has, lacks)),
  )
  const everything = jobs.flatMap(([, job]) => printed(job))
  for (const fragment of expect.anyLog ?? [])
    if (!everything.some((line) => line.includes(fragment))) wrong.push(`no job printed "${fragment}"`)
  eachJob(expect.annotations, (at, job, annotations) => {
    compare(
      `the number of annotations of ${at} (${JSON.stringify(job.annotations)})`,
      job.annotations.length,
      annotations.length,
    )
    for (const [index, wanted] of annotations.entries()) {
      const found: Readonly<Record<string, unknown>> = job.annotations[index] ?? {}
      for (const [key, value] of Object.entries(wanted))
        compare(`${key} of annotation ${index + 1} of ${at}`, found[key], value)
    }
  })
  if (expect.runName !== undefined && !run.title.startsWith(expect.runName))
    wrong.push(`the run is called ${run.title}, not ${expect.runName}`)
  return wrong
}

const lineDifferences = (
  what: string,
  lines: readonly string[],
  has: readonly string[],
  lacks: readonly string[],
): string[] => {
  const missing = missingIn(lines, has)
  const there = lacks.filter((fragment) => lines.some((line) => line.includes(fragment)))
  const shown = JSON.stringify(lines.slice(-30))
  return [
    ...(missing === undefined ? [] : [`${what} lacks "${missing}" (in this order): ${shown}`]),
    ...there.map((fragment) => `${what} has "${fragment}": ${shown}`),
  ]
}

/** The first fragment that no line holds behind those of the fragments before it. */
const missingIn = (lines: readonly string[], wanted: readonly string[]): string | undefined => {
  let at = 0
  for (const fragment of wanted) {
    const found = lines.findIndex((line, index) => index >= at && line.includes(fragment))
    if (found < 0) return fragment
    at = found + 1
  }
  return undefined
}

/** What the steps themselves printed, without the heads that show their scripts and inputs, and what they came to. */
const printed = ({ log, steps }: LocalJob): string[] => {
  const names = new Set(steps.map(({ name }) => name))
  const isVerdict = (line: string): boolean =>
    [...names].some((name) => line.startsWith(`##[error]${name}: `) || line.startsWith(`##[warning]${name}: `))
  const lines: string[] = []
  let isInHead = false
  for (const line of log) {
    const title = /^##\[group\](.*)$/.exec(line)?.[1]
    if (title !== undefined && (title.startsWith('Run ') || names.has(title))) isInHead = true
    else if (isInHead && line === '##[endgroup]') isInHead = false
    else if (!isInHead && !isVerdict(line)) lines.push(line)
  }
  return lines
}

const textsIn = (value: unknown): string[] => {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return [...Object.keys(value), ...Object.values(value).flatMap(textsIn)]
}
