import { data, Evaluator, type Expr, Lexer, Parser } from '@actions/expressions'
import type { FunctionDefinition } from '@actions/expressions/funcs/info'
import { MappedDictionary } from './faults/dictionary-keys.ts'
import { withQuotesUnescaped } from './faults/doubled-quotes.ts'
import './faults/number-text.ts'

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json }

/** What an expression can see. `env` is case-sensitive, every other context is not. */
export type Scope = {
  readonly contexts: Readonly<Partial<Record<ContextName, Json>>>
  /** What `success()`, `failure()` and `cancelled()` answer here; `always()` is always true. */
  readonly status: Status
  readonly hashFiles?: (patterns: readonly string[]) => Promise<string>
}

export type Status = { readonly success: boolean; readonly failure: boolean; readonly cancelled: boolean }

const contextNames = [
  'github',
  'env',
  'vars',
  'secrets',
  'inputs',
  'needs',
  'jobs',
  'steps',
  'job',
  'runner',
  'strategy',
  'matrix',
] as const
export type ContextName = (typeof contextNames)[number]

/** The value of an expression without braces. Throws an Error whose message says what is wrong with it. */
export const evaluate = async (expression: string, scope: Scope): Promise<Json> =>
  toJson(await evaluateData(expression, scope))

/** The value as it is put into text: `true`, `1`, an empty string for null. */
export const evaluateText = async (expression: string, scope: Scope): Promise<string> =>
  (await evaluateData(expression, scope)).coerceString()

/** Whether an `if` holds. One that asks for no status means `success() && (...)`; none at all means `success()`. */
export const holds = async (expression: string | undefined, scope: Scope): Promise<boolean> => {
  if (expression === undefined) return scope.status.success
  if (!asksForStatus(expression) && !scope.status.success) return false
  return isTruthy(await evaluateData(expression, scope))
}

/** What is wrong with a condition of a job or a step that may see these contexts; undefined when nothing is. */
export const conditionFault = (
  expression: string,
  contexts: readonly string[],
  of: 'job' | 'step',
): string | undefined => {
  try {
    parse(expression, contexts, functionsOf[of])
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** The names that an expression reads below a context, such as the step ids of `steps.<id>`; for noticing unknown ones. */
export const namesBelow = (expression: string, context: string): string[] => {
  const tokens = tokensOf(expression)
  return tokens.flatMap((token, at) => {
    const isContext = token.type === identifier && token.lexeme.toLowerCase() === context
    const next = tokens[at + 2]
    const isDirect = tokens[at - 1]?.type !== dot && tokens[at + 1]?.type === dot
    return isContext && isDirect && next?.type === identifier ? [next.lexeme] : []
  })
}

const identifier = 19
const dot = 6
const leftParenthesis = 1
const statusFunctions = new Set(['success', 'failure', 'always', 'cancelled'])
const noScope: Scope = { contexts: {}, status: { success: true, failure: false, cancelled: false } }

const tokensOf = (expression: string) => withQuotesUnescaped(new Lexer(expression).lex().tokens)

const asksForStatus = (expression: string): boolean => {
  const tokens = tokensOf(expression)
  return tokens.some(
    (token, at) =>
      token.type === identifier &&
      statusFunctions.has(token.lexeme.toLowerCase()) &&
      tokens[at + 1]?.type === leftParenthesis,
  )
}

const parse = (expression: string, contexts: readonly string[], functions: readonly FunctionDefinition[]): Expr => {
  const tree: Expr | undefined = new Parser(tokensOf(expression), [...contexts], [...functions]).parse()
  if (tree === undefined) throw new Error('An expression was expected')
  return tree
}

/**
 * Evaluating is synchronous, hashing files is not: an evaluation that asks for a hash which is not known yet is repeated
 * once it is. Expressions change nothing, so that repeating them is safe.
 */
const evaluateData = async (expression: string, scope: Scope): Promise<data.ExpressionData> => {
  const hashes = new Map<string, string>()
  for (;;) {
    const wanted = new Map<string, readonly string[]>()
    const functions = functionsFor(scope, (patterns) => {
      const key = JSON.stringify(patterns)
      if (!hashes.has(key)) wanted.set(key, patterns)
      return hashes.get(key) ?? ''
    })
    const value = run(expression, scope, functions)
    if (wanted.size === 0) return value
    if (!scope.hashFiles) throw new Error('hashFiles() can only be used in steps')
    for (const [key, patterns] of wanted) hashes.set(key, await scope.hashFiles(patterns))
  }
}

const run = (expression: string, scope: Scope, functions: readonly FunctionDefinition[]): data.ExpressionData => {
  try {
    const tree = parse(expression, contextNames, functions)
    const byName = new Map(functions.map((definition) => [definition.name.toLowerCase(), definition]))
    return new Evaluator(tree, rootOf(scope), byName).evaluate()
  } catch (error) {
    throw new Error(`\${{ ${shortened(expression)} }}: ${messageOf(error)}`, { cause: error })
  }
}

const rootOf = ({ contexts }: Scope): MappedDictionary =>
  new MappedDictionary(
    contextNames.map((name) => [name, toData(contexts[name] ?? (name === 'inputs' ? {} : null), name === 'env')]),
    { isCaseSensitive: false },
  )

const functionsFor = ({ status }: Scope, hash: (patterns: readonly string[]) => string): FunctionDefinition[] => [
  flag('success', status.success),
  flag('failure', status.failure),
  flag('cancelled', status.cancelled),
  flag('always', true),
  {
    name: 'hashFiles',
    minArgs: 1,
    maxArgs: 255,
    call: (...patterns) => new data.StringData(hash(patterns.map((pattern) => pattern.coerceString()))),
  },
]

const flag = (name: string, value: boolean, maxArgs = 255): FunctionDefinition => ({
  name,
  minArgs: 0,
  maxArgs,
  call: () => new data.BooleanData(value),
})

/** As GitHub's workflow schema says of `job-if` and `step-if`: a job may ask about other jobs, and hashes no files. */
const functionsOf: Readonly<Record<'job' | 'step', readonly FunctionDefinition[]>> = {
  job: [flag('success', true), flag('failure', true), flag('cancelled', true, 0), flag('always', true, 0)],
  step: functionsFor(noScope, () => '').map((one) => (one.name === 'hashFiles' ? one : { ...one, maxArgs: 0 })),
}

const toData = (value: Json, isCaseSensitive = false): data.ExpressionData => {
  if (value === null) return new data.Null()
  if (typeof value === 'string') return new data.StringData(value)
  if (typeof value === 'number') return new data.NumberData(value)
  if (typeof value === 'boolean') return new data.BooleanData(value)
  if (isList(value)) return new data.Array(...value.map((item) => toData(item)))
  return new MappedDictionary(
    Object.entries(value).map(([key, item]) => [key, toData(item)]),
    { isCaseSensitive },
  )
}

const isList = (value: Json): value is readonly Json[] => Array.isArray(value)

const toJson = (value: data.ExpressionData): Json => {
  if (value instanceof data.StringData || value instanceof data.BooleanData || value instanceof data.NumberData)
    return value.value
  if (value instanceof data.Array) return value.values().map(toJson)
  if (value instanceof data.Dictionary)
    return Object.fromEntries(value.pairs().map(({ key, value: item }) => [key, toJson(item)]))
  return null
}

/** As GitHub converts: false, 0, NaN, the empty string and null do not hold. */
const isTruthy = (value: data.ExpressionData): boolean => {
  const plain = toJson(value)
  return typeof plain === 'object' ? plain !== null : Boolean(plain)
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text)
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
