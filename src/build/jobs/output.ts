import { isUtf8 } from 'node:buffer'
import { describeError } from '../../problem.ts'
import { type Annotations, describeRemark, levelOf, type Remark, remark, remarkOf } from './annotations.ts'
import { isRefusedVariable } from './command-files.ts'
import { isCommandName, mayHoldCommands, parseCommand, type WorkflowCommand } from './commands.ts'
import { readLines } from './line-stream.ts'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'
import { createMatchReader, type Matchers, type MatchReader, parseMatchers } from './matchers.ts'
import { foundPlace, namedPlace } from './places.ts'
import type { Output } from './processes.ts'

/** What a step's program told by commands, besides annotations. */
export type ToldByCommands = {
  readonly outputs: Readonly<Record<string, string>>
  readonly state: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  /** Oldest first. */
  readonly paths: readonly string[]
}

export type OutputReader = {
  /** Reads a program's stdout or stderr into the log, line by line, obeying workflow commands. */
  read(stream: Output): void
  /** From now on output is only logged: the step is over, what it left running is not. */
  endCommands(): void
  /** What a command was refused for, which fails the step. */
  refusal(): string | null
  told(): ToldByCommands
}

/** What the output of a job's steps goes into. */
export type OutputPlace = {
  readonly log: JobLog
  readonly mask: Mask
  readonly matchers: Matchers
  readonly annotations: Annotations
  /** The root of the workspace, which paths are relative to. */
  readonly work: string
  /** Whether `::debug::` is shown: ACTIONS_STEP_DEBUG. */
  readonly isDebug: boolean
  /** The text of a file that a command names; throws when the job may not read it. */
  readFile(path: string): string
}

/** The output of one step: commands are obeyed, problems annotated, secrets hidden, the rest is logged. */
export const createOutputReader = (
  { log, mask, matchers, annotations, work, isDebug, readFile }: OutputPlace,
  step: { readonly name: string; readonly env: Readonly<Record<string, string>> },
): OutputReader => {
  const outputs: Record<string, string> = {}
  const state: Record<string, string> = {}
  const env: Record<string, string> = {}
  const paths: string[] = []
  let obeys = true
  let refusal: string | null = null
  let stopToken: string | null = null
  let echoes = false

  /** A program's own line must not look like one of our marks. */
  const plain = (line: string): string => `${line.startsWith('##[') ? ' ' : ''}${mask.hide(line)}\n`
  const annotate = (one: Remark, shown = describeRemark(one)): string => {
    const hidden = { ...one, message: mask.hide(one.message), title: one.title && mask.hide(one.title) }
    annotations.add({ ...hidden, file: one.file && mask.hide(one.file), step: step.name })
    return marked(one.level === 'failure' ? 'error' : one.level, mask.hide(shown))
  }
  const warn = (message: string): string => annotate(remark('warning', message))
  const refuse = (command: string, why: string): string => {
    refusal ??= why
    return (
      annotate(remark('failure', `Unable to process command '${command}' successfully.`)) +
      marked('error', mask.hide(why))
    )
  }

  const obey = (command: WorkflowCommand, line: string): string => {
    const { name, value, properties } = command
    const echo = echoes ? plain(line) : ''
    switch (name) {
      case 'stop-commands':
        if (value === '' || isCommandName(value.toLowerCase()) || value.toLowerCase() === 'pause-logging')
          return refuse(line, `stop-commands needs a token of its own, not "${value}"`)
        stopToken = value
        // As actions/runner, ActionCommandManager.cs: nobody shall learn it from the log.
        if (value.length > 6) mask.add(value)
        return plain(line)
      case 'add-mask':
        if (value.trim() === '') return warn("Can't add secret mask for empty string in ##[add-mask] command.")
        mask.add(value)
        return echoes ? '::add-mask::***\n' : ''
      case 'error':
      case 'warning':
      case 'notice': {
        const said = remarkOf(levelOf(name), value, properties)
        return annotate({ ...said, file: said.file && namedPlace(work, said.file) })
      }
      case 'debug':
        return isDebug ? marked('debug', mask.hide(value)) : ''
      case 'group':
        return echo + marked('group', mask.hide(value))
      case 'endgroup':
        return `${echo}##[endgroup]\n`
      case 'echo':
        if (!/^\s*(on|off)\s*$/i.test(value))
          return refuse(
            line,
            `Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '${value}'.`,
          )
        echoes = value.trim().toLowerCase() === 'on'
        return echo
      case 'set-output':
      case 'save-state': {
        if (!properties.name) return refuse(line, `Required field 'name' is missing in ##[${name}] command.`)
        const kept = name === 'set-output' ? outputs : state
        kept[properties.name] = value
        return echo
      }
      case 'set-env':
      case 'add-path':
        return echo + change(name, properties.name ?? '', value, line)
      case 'add-matcher':
        return echo + addMatchers(value, line)
      case 'remove-matcher':
        return echo + removeMatchers(properties.owner ?? '', value, line)
      default:
        return plain(line)
    }
  }

  const change = (command: 'set-env' | 'add-path', name: string, value: string, line: string): string => {
    if (step.env.ACTIONS_ALLOW_UNSECURE_COMMANDS?.toLowerCase() !== 'true')
      return refuse(line, `The command ${command} is not allowed; write to $GITHUB_ENV or $GITHUB_PATH`)
    if (command === 'add-path') {
      paths.push(value)
      return ''
    }
    if (name === '') return refuse(line, "Required field 'name' is missing in ##[set-env] command.")
    if (isRefusedVariable(name))
      return annotate(remark('failure', `Can't update ${name} environment variable using ::set-env:: command.`))
    env[name] = value
    return ''
  }

  const addMatchers = (file: string, line: string): string => {
    if (file === '') return warn('File path must be specified.')
    try {
      matchers.add(parseMatchers(readFile(file)))
      return ''
    } catch (error) {
      return refuse(line, describeError(error))
    }
  }
  const removeMatchers = (owner: string, file: string, line: string): string => {
    if ((owner === '') === (file === ''))
      return warn('Either an owner name or a file path must be specified in ##[remove-matcher] command.')
    try {
      matchers.removeOwners(owner === '' ? parseMatchers(readFile(file)).map((one) => one.owner) : [owner])
      return ''
    } catch (error) {
      return refuse(line, describeError(error))
    }
  }

  /** Lines that are no commands, which may be problems. */
  const ordinary = (lines: readonly string[], problems: MatchReader): string => {
    if (matchers.list().length === 0 || !obeys) return lines.map(plain).join('')
    const found = problems.problemsOn(lines)
    return lines
      .map((line, at) => {
        const problem = found[at]
        if (!problem) return plain(line)
        const { file } = problem.remark
        return annotate({ ...problem.remark, file: file && foundPlace(work, file, problem.fromPath) }, line)
      })
      .join('')
  }

  const take = (lines: Buffer, problems: MatchReader): boolean => {
    const hasCommands = mayHoldCommands(lines)
    const isPlain = !hasCommands && matchers.list().length === 0 && !lines.includes(carriageReturn)
    if (isPlain && isUtf8(lines) && !mask.isIn(lines)) return log.write(lines)
    const complete = lines.toString()
    const text = complete.includes('\r') ? complete.replaceAll('\r\n', '\n') : complete
    if (!hasCommands && matchers.list().length === 0) return log.write(mask.hide(text))
    let written = ''
    let waiting: string[] = []
    const flush = (): void => {
      written += ordinary(waiting, problems)
      waiting = []
    }
    for (const line of text.slice(0, -1).split('\n')) {
      const isToken = (name: string): boolean => stopToken !== null && name.toLowerCase() === stopToken.toLowerCase()
      const command = obeys && hasCommands ? parseCommand(line, (name) => isCommandName(name) || isToken(name)) : null
      if (command === null || (stopToken !== null && !isToken(command.name))) {
        waiting.push(line)
        continue
      }
      flush()
      if (stopToken !== null) {
        stopToken = null
        written += plain(line)
      } else written += obey(command, line)
    }
    flush()
    return written === '' || log.write(written)
  }

  return {
    read: (stream) => {
      const problems = createMatchReader(matchers, (message) => void log.write(warn(message)))
      readLines(stream, log, mask, (lines) => take(lines, problems))
    },
    endCommands: () => {
      obeys = false
    },
    refusal: () => refusal,
    told: () => ({ outputs, state, env, paths }),
  }
}

const carriageReturn = 13

/** A mark in the log; of several lines, each is marked, as nobody may print a mark's continuation as text. */
export const marked = (kind: string, text: string): string =>
  text
    .split('\n')
    .map((line) => `##[${kind}]${line}\n`)
    .join('')
