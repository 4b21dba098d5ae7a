import { evaluateTemplate } from './evaluate.ts'
import type { Json, Scope } from './expression.ts'
import { type At, literalEntries, type Template, textOf, textsOf, valueAt } from './template.ts'

/** One of `on.workflow_dispatch.inputs` or `on.workflow_call.inputs`. */
export type InputDefinition = {
  readonly name: string
  readonly at: At
  readonly type: 'string' | 'boolean' | 'number' | 'choice' | 'environment'
  readonly isRequired: boolean
  readonly default: Template | undefined
  /** Of a choice. */
  readonly options: readonly string[]
  readonly description: string | null
}

export type SecretDefinition = { readonly name: string; readonly isRequired: boolean }

/** The value of an input as the `inputs` context has it. */
export type InputValue = string | boolean | number

export const inputDefinitionsOf = (inputs: Template | undefined): InputDefinition[] =>
  literalEntries(inputs).map(({ name, key, value }) => ({
    name,
    at: key.at,
    type: typeOf(textOf(valueAt(value, 'type'))),
    isRequired: textOf(valueAt(value, 'required')) === 'true',
    default: valueAt(value, 'default'),
    options: textsOf(valueAt(value, 'options')) ?? [],
    description: textOf(valueAt(value, 'description')) ?? null,
  }))

export const secretDefinitionsOf = (secrets: Template | undefined): SecretDefinition[] =>
  literalEntries(secrets).map(({ name, value }) => ({
    name,
    isRequired: textOf(valueAt(value, 'required')) === 'true',
  }))

const typeOf = (text: string | undefined): InputDefinition['type'] =>
  text === 'boolean' || text === 'number' || text === 'choice' || text === 'environment' ? text : 'string'

/** What is wrong with an input, in a sentence that names it. */
export type InputFault = { readonly input: string; readonly detail: string }

export type InputsReading =
  | { readonly kind: 'accepted'; readonly inputs: Readonly<Record<string, InputValue>> }
  | { readonly kind: 'refused'; readonly faults: readonly [InputFault, ...InputFault[]] }

/**
 * What was given, as the definitions want it; what was not given has its default, and without one the type's own empty value. Names
 * are compared without regard to case. `scope` is for defaults that are expressions.
 */
export const readInputs = async (
  definitions: readonly InputDefinition[],
  given: Readonly<Record<string, Json>>,
  scope: Scope,
): Promise<InputsReading> => {
  const values = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), value]))
  const known = new Set(definitions.map(({ name }) => name.toLowerCase()))
  const faults: InputFault[] = Object.keys(given)
    .filter((name) => !known.has(name.toLowerCase()))
    .map((name) => ({ input: name, detail: `Invalid input, ${name} is not defined in the workflow` }))
  const inputs: Record<string, InputValue> = {}
  for (const definition of definitions) {
    const value = values.get(definition.name.toLowerCase())
    if (value === undefined && definition.isRequired && definition.default === undefined) {
      faults.push({ input: definition.name, detail: `Input ${definition.name} is required, but not provided` })
      continue
    }
    const wanted = value === undefined ? await evaluateTemplate(definition.default, scope) : value
    const converted = convert(definition, wanted)
    if (converted.kind === 'fault') faults.push({ input: definition.name, detail: converted.fault })
    else inputs[definition.name] = converted.value
  }
  const [first, ...others] = faults
  return first === undefined ? { kind: 'accepted', inputs } : { kind: 'refused', faults: [first, ...others] }
}

type Conversion =
  | { readonly kind: 'value'; readonly value: InputValue }
  | { readonly kind: 'fault'; readonly fault: string }

const convert = ({ name, type, options, isRequired }: InputDefinition, value: Json): Conversion => {
  const fault = (wanted: string): Conversion => ({
    kind: 'fault',
    fault: `Input ${name} must be ${wanted}, not ${JSON.stringify(value)}`,
  })
  if (value !== null && typeof value === 'object') return fault(`a ${type}`)
  switch (type) {
    case 'boolean':
      if (value === null || value === '') return { kind: 'value', value: false }
      if (value === true || value === 'true') return { kind: 'value', value: true }
      return value === false || value === 'false' ? { kind: 'value', value: false } : fault('true or false')
    case 'number': {
      if (value === null || value === '') return { kind: 'value', value: 0 }
      const number = typeof value === 'boolean' ? Number.NaN : Number(value)
      return Number.isFinite(number) ? { kind: 'value', value: number } : fault('a number')
    }
    case 'choice': {
      // Nobody chose: the first option is what GitHub's form would have sent.
      const chosen = value === null ? (options[0] ?? '') : String(value)
      return options.includes(chosen) ? { kind: 'value', value: chosen } : fault(`one of ${options.join(', ')}`)
    }
    default: {
      const text = value === null ? '' : String(value)
      return isRequired && text === '' ? fault(`a ${type}`) : { kind: 'value', value: text }
    }
  }
}
