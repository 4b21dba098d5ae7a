/** A workflow command as a program prints it: `::error file=a.js,line=3::It broke`. */
export type WorkflowCommand = {
  /** In lower case. */
  readonly name: string
  /** By name in lower case. */
  readonly properties: Readonly<Record<string, string>>
  readonly value: string
}

/** The commands that are obeyed; a line with any other name is printed as it is. */
export const commandNames = [
  'add-mask',
  'add-matcher',
  'add-path',
  'debug',
  'echo',
  'endgroup',
  'error',
  'group',
  'notice',
  'remove-matcher',
  'save-state',
  'set-env',
  'set-output',
  'stop-commands',
  'warning',
] as const
export type CommandName = (typeof commandNames)[number]

const known: ReadonlySet<string> = new Set(commandNames)
export const isCommandName = (name: string): name is CommandName => known.has(name)

/** Whether a text can hold a command at all; most output does not, and is not looked at line by line. */
export const mayHoldCommands = (lines: Buffer): boolean => lines.includes('::') || lines.includes('##[')

/**
 * The command on a line whose name `isKnown`, in either of its forms, or null. As actions/runner, src/Runner.Common/ActionCommand.cs:
 * `::name key=value,key=value::data` at the line's start, or `##[name key=value;key=value]data` anywhere in it; names ignore case.
 */
export const parseCommand = (line: string, isKnown: (name: string) => boolean): WorkflowCommand | null => {
  const text = line.trimStart()
  if (text.startsWith('::')) {
    const end = text.indexOf('::', 2)
    if (end > 0) {
      const command = commandOf(text.slice(2, end), ',', text.slice(end + 2), dataCodes, propertyCodes)
      if (isKnown(command.name)) return command
    }
  }
  const start = line.indexOf('##[')
  const end = start < 0 ? -1 : line.indexOf(']', start)
  if (end < 0) return null
  const command = commandOf(line.slice(start + 3, end), ';', line.slice(end + 1), bracketCodes, bracketCodes)
  return isKnown(command.name) ? command : null
}

type Codes = Readonly<Record<string, string>>

/** A percent sign is decoded last, so that `%250A` stays the text `%0A`; the codes are upper case only. */
const dataCodes: Codes = { '%0D': '\r', '%0A': '\n', '%25': '%' }
const propertyCodes: Codes = { '%0D': '\r', '%0A': '\n', '%3A': ':', '%2C': ',', '%25': '%' }
const bracketCodes: Codes = { '%3B': ';', '%0D': '\r', '%0A': '\n', '%5D': ']', '%25': '%' }

const commandOf = (
  info: string,
  separator: string,
  data: string,
  ofData: Codes,
  ofProperties: Codes,
): WorkflowCommand => {
  const space = info.indexOf(' ')
  const name = space < 0 ? info : info.slice(0, space)
  const pairs =
    space < 0
      ? []
      : info
          .slice(space + 1)
          .trim()
          .split(separator)
  const properties = pairs.flatMap((pair): [string, string][] => {
    const equals = pair.indexOf('=')
    return equals < 1 || equals === pair.length - 1
      ? []
      : [[pair.slice(0, equals).toLowerCase(), decode(pair.slice(equals + 1), ofProperties)]]
  })
  return { name: name.toLowerCase(), properties: Object.fromEntries(properties), value: decode(data, ofData) }
}

const decode = (text: string, codes: Codes): string =>
  text.includes('%')
    ? Object.entries(codes).reduce((decoded, [code, sign]) => decoded.replaceAll(code, sign), text)
    : text
