/** A small fault in the engine, as somebody could make it, which the cases with these words must notice. */
export type Fault = {
  readonly breaks: string
  /** Below `src/build`. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  /** Parts of files or names of cases; only these are played. */
  readonly words: readonly string[]
}

const fault = (breaks: string, file: string, find: string, replace: string, ...words: string[]): Fault => ({
  breaks,
  file,
  find,
  replace,
  words,
})

export const faults: readonly Fault[] = [
  fault(
    'a condition without a status function runs after a failure',
    'workflow/expression.ts',
    'if (!asksForStatus(expression) && !scope.status.success) return false',
    'if (!asksForStatus(expression) && scope.status.cancelled) return false',
    'conditions.yaml',
  ),
  fault(
    'no condition at all means always',
    'workflow/expression.ts',
    'if (expression === undefined) return scope.status.success',
    'if (expression === undefined) return true',
    'conditions.yaml',
  ),
  fault(
    'a status function in a text counts as one',
    'workflow/expression.ts',
    'statusFunctions.has(token.lexeme.toLowerCase()) &&',
    '',
    'conditions.yaml',
  ),
  fault(
    'names of status functions tell upper from lower case',
    'workflow/expression.ts',
    'statusFunctions.has(token.lexeme.toLowerCase())',
    'statusFunctions.has(token.lexeme)',
    'conditions.yaml',
  ),
  fault(
    'always() does not hold',
    'workflow/expression.ts',
    "flag('always', true)",
    "flag('always', status.success)",
    'conditions.yaml',
  ),
  fault(
    'failure() holds when nothing failed',
    'workflow/expression.ts',
    "flag('failure', status.failure)",
    "flag('failure', !status.cancelled)",
    'conditions.yaml',
  ),
  fault(
    'empty lists do not hold',
    'workflow/expression.ts',
    "return typeof plain === 'object' ? plain !== null : Boolean(plain)",
    'return Array.isArray(plain) ? plain.length > 0 : Boolean(plain)',
    'conditions.yaml',
    'expressions.yaml',
  ),
  fault(
    'only the first doubled quote is one quote',
    'workflow/faults/doubled-quotes.ts',
    `.replaceAll("''", "'")`,
    `.replace("''", "'")`,
    'expressions.yaml',
  ),
  fault(
    'the environment ignores case',
    'workflow/faults/dictionary-keys.ts',
    'isCaseSensitive ? (key) => key : (key) => key.toLowerCase()',
    'isCaseSensitive ? (key) => key.toLowerCase() : (key) => key.toLowerCase()',
    'environment.yaml',
  ),
  fault(
    'contexts tell upper from lower case',
    'workflow/faults/dictionary-keys.ts',
    'isCaseSensitive ? (key) => key : (key) => key.toLowerCase()',
    'isCaseSensitive ? (key) => key : (key) => key',
    'expressions.yaml',
    'masks.yaml',
  ),
  fault(
    'texts over several lines are taken as they stand in the file',
    'workflow/faults/block-scalars-with-expressions.ts',
    'token instanceof StringToken && isMultiLine',
    'token instanceof StringToken && !isMultiLine',
    'expressions.yaml',
  ),
]
