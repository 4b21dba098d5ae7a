import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

const fragments = z.array(z.string())
const texts = z.record(z.string(), z.string())
const lines = z.strictObject({ has: fragments.default([]), lacks: fragments.default([]) })

/** What must come of a case. What is not said is not looked at, but for the reason of a failure, which must be said. */
const Expectation = z.strictObject({
  /** `ignored`: the event starts nothing. */
  conclusion: z.enum(['success', 'failure', 'cancelled', 'skipped', 'ignored']),
  /** A part of what the run's failure says. */
  reason: z.string().optional(),
  /** The run is refused as a whole, with this place in the workflow's file and a part of what is said. */
  refusal: z
    .strictObject({ line: z.number().optional(), column: z.number().optional(), detail: z.string().optional() })
    .optional(),
  step: z.string().optional(),
  command: z.string().optional(),
  exitCode: z.number().optional(),
  /** Parts of the failure's last lines, in this order. */
  lastLines: fragments.optional(),
  /** All jobs of the run by their keys, rows of a matrix as `id.1`, and their conclusions. */
  jobs: texts.optional(),
  /** All jobs that had a runner. */
  ran: fragments.optional(),
  names: texts.optional(),
  outputs: z.record(z.string(), texts).optional(),
  /** All steps of a job: `outcome`, or `outcome/conclusion` where they differ. */
  steps: z.record(z.string(), fragments).optional(),
  stepNames: z.record(z.string(), fragments).optional(),
  /** Parts of what a job's steps printed, in this order; and what must not be among it. */
  log: z.record(z.string(), lines).optional(),
  /** Parts of what any job printed. */
  anyLog: fragments.optional(),
  annotations: z.record(z.string(), z.array(z.record(z.string(), z.unknown()))).optional(),
  summary: z.record(z.string(), lines).optional(),
  runName: z.string().optional(),
  /** What must occur nowhere: no log, name, output, annotation, summary or reason. */
  nowhere: fragments.optional(),
})
export type Expectation = z.infer<typeof Expectation>

const Written = z.strictObject({
  name: z.string(),
  /** Where GitHub says so; see README.md. */
  source: z.string(),
  /** One of these: a whole file; the steps of a job `a` for pushes; expressions and the texts that they give. */
  workflow: z.string().optional(),
  steps: z.string().optional(),
  values: texts.optional(),
  files: texts.default({}),
  event: z.string().default('push'),
  action: z.string().optional(),
  ref: z.string().optional(),
  baseRef: z.string().optional(),
  headRef: z.string().optional(),
  payload: z.record(z.string(), z.unknown()).optional(),
  inputs: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])).optional(),
  /** The files that the event changed; all others were there before. */
  changed: fragments.optional(),
  secrets: texts.default({}),
  /** Secrets that the workflow is given though it does not print them. */
  usesSecrets: fragments.default([]),
  vars: texts.default({}),
  only: z.string().optional(),
  /** Waiting for so long, as for a time limit, is over once a job has printed this line; all else takes its real time. */
  passes: z.strictObject({ seconds: z.number(), at: z.string() }).optional(),
  /** The run is cancelled when a job prints this line. */
  cancelAt: z.string().optional(),
  expect: Expectation.optional(),
})

const Theme = z.strictObject({
  theme: z.string(),
  files: texts.default({}),
  secrets: texts.default({}),
  cases: z.array(Written),
})

/** A case as it is played: the whole tree, the event, what must come of it. */
export type Case = Omit<z.infer<typeof Written>, 'workflow' | 'steps' | 'values' | 'expect'> & {
  readonly file: string
  readonly theme: string
  readonly expect: Expectation
}

const directory = new URL('cases/', import.meta.url)
const workflowFile = '.github/workflows/ci.yml'

/** All cases whose file or name contains one of the words; all without words. Throws an Error for a case that says nothing or no reason. */
export const loadCases = (words: readonly string[] = []): Case[] =>
  readdirSync(directory)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .flatMap(casesIn)
    .filter(({ file, name }) => words.length === 0 || words.some((word) => `${file} ${name}`.includes(word)))

const casesIn = (file: string): Case[] => {
  const parsed = Theme.safeParse(parse(readFileSync(new URL(file, directory), 'utf8')))
  if (!parsed.success) throw new Error(`${file}: ${z.prettifyError(parsed.error)}`)
  const { theme, cases } = parsed.data
  return cases.map((written) => {
    const { workflow, steps, values, expect, ...rest } = written
    const text = workflow ?? (steps === undefined ? valuesWorkflow(values) : stepsWorkflow(steps, written.usesSecrets))
    const expected = expect ?? expectedValues(values)
    if (text === undefined || expected === undefined)
      throw new Error(`${file}: ${written.name}: nothing to run or to expect`)
    if (expected.conclusion === 'failure' && !expected.reason && !expected.refusal)
      throw new Error(`${file}: ${written.name}: a failure needs its reason`)
    const files = { ...parsed.data.files, ...rest.files, [workflowFile]: text }
    return { ...rest, files, secrets: { ...parsed.data.secrets, ...rest.secrets }, file, theme, expect: expected }
  })
}

const stepsWorkflow = (steps: string, usesSecrets: readonly string[]): string => {
  const env = usesSecrets.map((name, at) => `      UNPRINTED_${at}: \${{ secrets.${name} }}\n`).join('')
  const indented = steps.replaceAll(/^(?=.)/gm, '      ')
  return `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n${env === '' ? '' : `    env:\n${env}`}    steps:\n${indented}`
}

const valuesWorkflow = (values: Readonly<Record<string, string>> | undefined): string | undefined => {
  if (!values) return undefined
  const outputs = Object.keys(values).map((text, at) => `      v${at}: ${JSON.stringify(`\${{ ${text} }}`)}\n`)
  return `on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    outputs:\n${outputs.join('')}    steps: [{ run: 'true' }]\n`
}

const expectedValues = (values: Readonly<Record<string, string>> | undefined): Expectation | undefined =>
  values && {
    conclusion: 'success',
    outputs: { a: Object.fromEntries(Object.values(values).map((value, at) => [`v${at}`, value])) },
  }
