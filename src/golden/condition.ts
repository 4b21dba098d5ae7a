/** A condition over a service's traffic: `error_rate_5m > 2 % and deployment_in_progress`. */
export type Condition =
  | { readonly kind: 'or' | 'and'; readonly all: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'in-progress' }
  | Comparison

export type Comparison = {
  readonly kind: 'compare'
  readonly metric: Metric
  readonly windowMs: number
  readonly sign: '>' | '>=' | '<' | '<='
  /** A share from 0 to 1, milliseconds, requests, or requests a second; by the metric. */
  readonly limit: number
}

export const metrics = ['error_rate', 'p50', 'p95', 'p99', 'requests', 'request_rate'] as const
export type Metric = (typeof metrics)[number]

/** Something that is no condition, with the column (from 1) where it stops being one. */
export class ConditionError extends Error {
  readonly column: number

  constructor(expected: string, found: string, column: number) {
    super(`expected ${expected} at character ${column}, found ${found}`)
    this.column = column
  }
}

type Token = { readonly text: string; readonly column: number }

const longestText = 500
/** Deeper than people write, and far from the end of the stack. */
const deepest = 50

/**
 * Reads a condition. `or` binds weaker than `and`, `and` weaker than `not`; parentheses group; words in any case. Throws a
 * ConditionError with the place.
 */
export const parseCondition = (text: string): Condition => {
  if (text.length > longestText)
    throw new ConditionError('a shorter condition', `${text.length} characters`, longestText + 1)
  const tokens = tokensOf(text)
  let next = 0
  let depth = 0

  const peek = (): string => tokens[next]?.text.toLowerCase() ?? ''
  const take = (): Token => {
    const token = tokens[next] ?? { text: '', column: text.length + 1 }
    next += 1
    return token
  }
  const refuse = (expected: string): never => {
    const { text: found, column } = tokens[next] ?? { text: '', column: text.length + 1 }
    throw new ConditionError(expected, found === '' ? 'the end' : JSON.stringify(found), column)
  }

  const joined = (word: 'or' | 'and', inner: () => Condition): Condition => {
    const first = inner()
    const others: Condition[] = []
    while (peek() === word) {
      take()
      others.push(inner())
    }
    return others.length === 0 ? first : { kind: word, all: [first, ...others] }
  }
  const either = (): Condition => joined('or', both)
  const both = (): Condition => joined('and', single)

  const single = (): Condition => {
    depth += 1
    if (depth > deepest) refuse('less nesting')
    const found = unnested()
    depth -= 1
    return found
  }
  const unnested = (): Condition => {
    if (peek() === 'not') {
      take()
      return { kind: 'not', of: single() }
    }
    if (peek() === '(') {
      take()
      const inner = either()
      if (peek() !== ')') refuse('and, or, or a closing parenthesis')
      take()
      return inner
    }
    if (peek() === 'deployment_in_progress') {
      take()
      return { kind: 'in-progress' }
    }
    return comparison()
  }

  const comparison = (): Condition => {
    const [, name = '', amount = '', unit = ''] = /^([a-z0-9_]+)_([0-9]+)([mhd])$/.exec(peek()) ?? []
    const metric = metrics.find((one) => one === name)
    if (!metric) return refuse(expectedMetric)
    const windowMs = Number(amount) * (unit === 'm' ? 60_000 : unit === 'h' ? 3_600_000 : 86_400_000)
    if (windowMs < 60_000 || windowMs > 86_400_000) refuse('a window from 1m to 1d')
    take()
    const sign = (['>', '>=', '<', '<='] as const).find((one) => one === peek())
    if (!sign) return refuse('>, >=, < or <=')
    take()
    if (!/^[0-9]/.test(peek())) refuse('a number')
    const limit = limitOf(metric, peek())
    if (limit === null) return refuse(expectedLimit[metric])
    take()
    return { kind: 'compare', metric, windowMs, sign, limit }
  }

  const condition = either()
  if (next < tokens.length) refuse('and, or, or the end')
  return condition
}

const expectedMetric = `deployment_in_progress, not, ( or a metric with its window such as error_rate_5m (${metrics.join(', ')})`

const expectedLimit: Readonly<Record<Metric, string>> = {
  error_rate: 'a percentage from 0 % to 100 % such as 2 %',
  p50: 'a time such as 300ms or 2s',
  p95: 'a time such as 300ms or 2s',
  p99: 'a time such as 300ms or 2s',
  requests: 'a number of requests such as 100',
  request_rate: 'a number of requests a second such as 10 or 0.5',
}

/** Null: not in the metric's unit. */
const limitOf = (metric: Metric, text: string): number | null => {
  const [, digits = '', unit = ''] = /^([0-9]+(?:\.[0-9]+)?)\s*(%|ms|s|\/s)?$/.exec(text) ?? []
  if (digits === '') return null
  const amount = Number(digits)
  switch (metric) {
    case 'error_rate':
      return unit === '%' && amount <= 100 ? amount / 100 : null
    case 'p50':
    case 'p95':
    case 'p99':
      return unit === 'ms' ? amount : unit === 's' ? amount * 1000 : null
    case 'requests':
      return unit === '' ? amount : null
    case 'request_rate':
      return unit === '' || unit === '/s' ? amount : null
  }
}

/** A number keeps its unit: `2 %` is one token. What is none of these is one, too, and refused where it is met. */
const token = /[0-9]+(?:\.[0-9]+)?(?:\s*%|ms\b|s\b|\/s\b)?|[A-Za-z_][A-Za-z0-9_]*|>=|<=|[<>()]|\S/g

const tokensOf = (text: string): Token[] =>
  [...text.matchAll(token)].map(({ 0: found, index }) => ({ text: found, column: index + 1 }))

/** What is known of a service at a moment; null: no data. */
export type Reading = {
  readonly value: (metric: Metric, windowMs: number) => number | null
  readonly isInProgress: boolean
}

/**
 * Whether a condition holds; null where that hangs on data that there is not: `no data and false` is false, `no data or true` is true,
 * everything else that has no data in it is neither.
 */
export const holds = (condition: Condition, reading: Reading): boolean | null => {
  switch (condition.kind) {
    case 'or': {
      const all = condition.all.map((one) => holds(one, reading))
      return all.includes(true) ? true : all.includes(null) ? null : false
    }
    case 'and': {
      const all = condition.all.map((one) => holds(one, reading))
      return all.includes(false) ? false : all.includes(null) ? null : true
    }
    case 'not': {
      const inner = holds(condition.of, reading)
      return inner === null ? null : !inner
    }
    case 'in-progress':
      return reading.isInProgress
    case 'compare': {
      const value = reading.value(condition.metric, condition.windowMs)
      return value === null ? null : compare(value, condition.sign, condition.limit)
    }
  }
}

const compare = (value: number, sign: Comparison['sign'], limit: number): boolean => {
  switch (sign) {
    case '>':
      return value > limit
    case '>=':
      return value >= limit
    case '<':
      return value < limit
    case '<=':
      return value <= limit
  }
}

/** The comparisons of a condition, from left to right. */
export const comparisonsOf = (condition: Condition): Comparison[] => {
  switch (condition.kind) {
    case 'or':
    case 'and':
      return condition.all.flatMap(comparisonsOf)
    case 'not':
      return comparisonsOf(condition.of)
    case 'in-progress':
      return []
    case 'compare':
      return [condition]
  }
}
