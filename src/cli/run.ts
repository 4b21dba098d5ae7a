import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { LocalResult } from '../local.ts'
import { Problem } from '../problem.ts'
import type { GlobalOptions } from './client.ts'
import { failedLines } from './failure.ts'
import { bold, dim, printable, printJson, red, span, stateColour } from './output.ts'

type RunOptions = {
  readonly event?: string
  readonly payload?: string
  readonly input: readonly string[]
  readonly secretFile?: string
  readonly var: readonly string[]
  readonly job?: string
  readonly quiet?: boolean
}

/** Workflows of the working tree, without a server. */
export const localRunCommands = (program: Command): void => {
  program
    .command('run')
    .argument('[workflow]', 'a file of .github/workflows (default: all that the event starts)')
    .option('--event <name>', 'what is said to have happened (default: push, or what the workflow is for)')
    .option('--payload <file>', 'a JSON file with parts of github.event')
    .option('--input <name=value>', 'an input of a workflow_dispatch', collected, [])
    .option('--secret-file <file>', 'secrets, NAME=value on each line')
    .option('--var <name=value>', 'a variable', collected, [])
    .option('--job <id>', 'only this job and those that it needs')
    .option('--quiet', 'no logs, only how it ended')
    .description('run workflows of this folder here, without a server, uncommitted files included')
    .action(async (workflow: string | undefined, own: RunOptions, command: Command) => {
      const { json } = command.optsWithGlobals<GlobalOptions>()
      const { runLocally } = await import('../local.ts')
      const order = {
        directory: process.cwd(),
        workflow: workflow ?? null,
        job: own.job ?? null,
        event: {
          name: own.event ?? null,
          ...(own.payload === undefined ? {} : { payload: payloadIn(own.payload) }),
          inputs: pairsIn('--input', own.input),
        },
        secrets: own.secretFile === undefined ? {} : secretsIn(own.secretFile),
        variables: pairsIn('--var', own.var),
        ...(json || own.quiet ? {} : { onLine: printLine }),
      }
      const result = await runLocally(order, onInterrupts())
      if (json) printJson(result)
      else printResult(result)
      const isGood = result.runs.length > 0 && ['success', 'skipped'].includes(result.conclusion)
      // A pipe that is not read as fast as it was written would lose the rest.
      process.stdout.write('', () => process.exit(isGood ? 0 : 1))
    })
}

/** The first Ctrl-C asks the jobs to end, with the steps that run in any case; a second one ends all at once. */
const onInterrupts = (): { cancel: AbortSignal; stop: AbortSignal } => {
  const cancel = new AbortController()
  const stop = new AbortController()
  const interrupt = (): void => {
    if (cancel.signal.aborted) {
      stop.abort(new Error('stopped'))
      return
    }
    console.error(dim('cancelling; steps that always run still do (once more to stop at once)'))
    cancel.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt)
  return { cancel: cancel.signal, stop: stop.signal }
}

const collected = (value: string, before: readonly string[]): string[] => [...before, value]

const pairsIn = (option: string, pairs: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=')
      if (equals > 0) return [pair.slice(0, equals), pair.slice(equals + 1)]
      throw new Problem({
        kind: 'no-pair',
        status: 400,
        detail: `${option} ${pair} has no value`,
        next: `write ${option} ${pair}=<value>`,
      })
    }),
  )

const readText = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Problem({ kind: 'unreadable-file', status: 400, detail: `${file} cannot be read` }, { cause: error })
  }
}

const secretsIn = (file: string): Record<string, string> =>
  Object.fromEntries(
    readText(file)
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '' && !line.startsWith('#'))
      .map((line, at) => {
        const [, name, value = ''] = /^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line) ?? []
        if (name !== undefined) return [name, value.replace(/^(['"])(.*)\1$/, '$2')]
        throw new Problem({
          kind: 'no-secret',
          status: 400,
          detail: 'a line is no NAME=value', // never the line itself
          where: { file, line: at + 1 },
        })
      }),
  )

const payloadIn = (file: string): Record<string, unknown> => {
  const text = readText(file)
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // said below
  }
  throw new Problem({ kind: 'no-payload', status: 400, detail: `${file} is no JSON object`, where: { file } })
}

const printLine = (job: string, text: string): void => {
  const mark = /^##\[(group|endgroup|error|warning|notice|debug)\](.*)$/s.exec(text)
  if (mark?.[1] === 'endgroup') return
  const shown = printable(mark ? (mark[2] ?? '') : text)
  const line = mark?.[1] === 'group' ? bold(shown) : mark?.[1] === 'error' ? red(shown) : shown
  console.log(`${dim(`${printable(job)} │`)} ${line}`)
}

const printResult = ({ runs, conclusion, notes }: LocalResult): void => {
  for (const run of runs) {
    console.log(`\n${bold(printable(run.name))}: ${stateColour(run.conclusion)}`)
    if (run.isolation) console.log(dim(`  isolation: ${run.isolation}`))
    for (const { name, conclusion: ended, steps, environment } of Object.values(run.jobs)) {
      const url = environment?.url ? ` ${printable(environment.url)}` : ''
      console.log(`\n  ${bold(printable(name))} ${stateColour(ended)}${url}`)
      for (const step of steps)
        console.log(
          `    ${step.conclusion === 'success' ? '✓' : step.conclusion === 'skipped' ? '–' : red('✗')} ${printable(step.name)} ${dim(span(step.durationMs))}`,
        )
    }
    if (run.failure) for (const line of failedLines(run.failure, Object.values(run.jobs), red('✗'))) console.log(line)
  }
  if (runs.length > 0) return
  console.log(`nothing was run (${conclusion})`)
  for (const note of notes) console.log(dim(`  ${printable(note)}`))
  console.log(dim('  name another event with --event, or a workflow'))
}
