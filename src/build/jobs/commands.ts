/** A workflow command as a program prints it: `::error file=a.js,line=3::It broke`. */
export type WorkflowCommand = {
  readonly name: string
  readonly properties: Readonly<Record<string, string>>
  readonly value: string
}

/** What a line of output means. A line that is no command that we know is printed as it is. */
export type LineMeaning =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'mask'; readonly value: string }
  | { readonly kind: 'annotate'; readonly level: 'error' | 'warning' | 'notice' | 'debug'; readonly text: string }
  | { readonly kind: 'group'; readonly title: string }
  | { readonly kind: 'end-group' }
  | { readonly kind: 'refuse'; readonly detail: string }
  | { readonly kind: 'nothing' }

/** Reads lines one after another, as `::stop-commands::token` makes the next ones plain text until `::token::`. */
export const createLineReader = (): ((line: string) => LineMeaning) => {
  let stopToken: string | null = null
  return (line) => {
    const command = parseCommand(line)
    if (command === null) return { kind: 'print', text: line }
    if (stopToken !== null) {
      if (command.name.toLowerCase() !== stopToken.toLowerCase()) return { kind: 'print', text: line }
      stopToken = null
      return { kind: 'nothing' }
    }
    if (command.name === 'stop-commands') {
      if (reserved.has(command.value.toLowerCase()) || command.value === '')
        return { kind: 'refuse', detail: `stop-commands needs a token of its own, not "${command.value}"` }
      stopToken = command.value
      return { kind: 'nothing' }
    }
    return meaningOf(command, line)
  }
}

/** Whether a text can hold a command at all; most output does not, and is not looked at line by line. */
export const mayHoldCommands = (text: string): boolean => text.includes('::') || text.includes('##[')

export const parseCommand = (line: string): WorkflowCommand | null => {
  const match = /^\s*::([^\s:,][^\s:,]*)(?:\s+(.*?))?::(.*)$/s.exec(line) ?? /^\s*##\[([a-z-]+)()\](.*)$/s.exec(line)
  if (!match) return null
  const [, name = '', properties = '', value = ''] = match
  return { name: name.toLowerCase(), properties: propertiesOf(properties), value: decode(value, dataCodes) }
}

const meaningOf = (command: WorkflowCommand, line: string): LineMeaning => {
  switch (command.name) {
    case 'add-mask':
      return command.value.trim() === ''
        ? { kind: 'refuse', detail: 'add-mask needs a value' }
        : { kind: 'mask', value: command.value }
    case 'error':
    case 'warning':
    case 'notice':
      return { kind: 'annotate', level: command.name, text: withPlace(command) }
    case 'debug':
      return { kind: 'annotate', level: 'debug', text: command.value }
    case 'group':
      return { kind: 'group', title: command.value }
    case 'endgroup':
      return { kind: 'end-group' }
    case 'set-env':
    case 'add-path':
      return {
        kind: 'refuse',
        detail: `The command ${command.name} is not allowed; write to $GITHUB_ENV or $GITHUB_PATH`,
      }
    case 'echo':
    case 'add-matcher':
    case 'remove-matcher':
      return { kind: 'nothing' }
    default:
      return { kind: 'print', text: line }
  }
}

const reserved = new Set([
  'pause-logging',
  'add-mask',
  'error',
  'warning',
  'notice',
  'debug',
  'group',
  'endgroup',
  'set-env',
  'set-output',
  'save-state',
  'add-path',
  'echo',
  'stop-commands',
  'add-matcher',
  'remove-matcher',
])

const withPlace = ({ properties, value }: WorkflowCommand): string => {
  const place = [properties.file, properties.line, properties.col].filter(Boolean).join(':')
  const title = properties.title ? `${properties.title}: ` : ''
  return `${place ? `${place}: ` : ''}${title}${value}`
}

const propertiesOf = (text: string): Record<string, string> =>
  Object.fromEntries(
    text
      .split(',')
      .map((pair) => pair.trim())
      .filter((pair) => pair.includes('='))
      .map((pair) => [pair.slice(0, pair.indexOf('=')), decode(pair.slice(pair.indexOf('=') + 1), propertyCodes)]),
  )

const dataCodes = /%(25|0D|0A)/gi
const propertyCodes = /%(25|0D|0A|3A|2C)/gi
const decode = (text: string, codes: RegExp): string =>
  text.replaceAll(codes, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
