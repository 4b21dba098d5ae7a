import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** What a schema has against a value: where, what, and what is allowed. */
export const flawsIn = (issues: readonly Issue[]): { readonly path: string; readonly said: string }[] =>
  issues.map((issue) => ({ path: issue.path.map(String).join('.'), said: wordsOf(issue) }))

/** A schema's own words stay; those of the validator's, which speak of types of its language, are said in ours. */
const wordsOf = (issue: Issue): string => {
  if (!/^(Invalid |Too |Unrecognized )/.test(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.endsWith('received undefined') ? 'is missing' : `is no ${kindOf(issue.expected)}`
    case 'invalid_value':
      return issue.values.length === 1 ? `is not ${issue.values.join()}` : `is none of ${listed(issue.values)}`
    case 'too_small':
      return tooSmall(issue)
    case 'too_big':
      return tooBig(issue)
    case 'unrecognized_keys':
      return `has no ${issue.keys.length === 1 ? 'field' : 'fields'} ${listed(issue.keys.map((key) => `"${key}"`))}`
    case 'invalid_union':
      return ofUnion(issue)
    default:
      return issue.message
  }
}

const kinds: Readonly<Record<string, string>> = {
  ...{ string: 'text', number: 'number', int: 'whole number', boolean: 'true or false', array: 'list' },
  ...{ object: 'object', record: 'object' },
}
const kindOf = (expected: string): string => kinds[expected] ?? expected

const listed = (values: readonly unknown[]): string =>
  [values.slice(0, -1).map(String).join(', '), String(values.at(-1))].filter(Boolean).join(' and ')

const tooSmall = ({ origin, minimum, inclusive }: Extract<Issue, { code: 'too_small' }>): string => {
  const least = Number(minimum)
  if (origin === 'string') return least === 1 ? 'is empty' : `has fewer than ${least} characters`
  if (origin === 'array' || origin === 'set') return least === 1 ? 'is empty' : `has fewer than ${least} entries`
  return inclusive === false ? `must be more than ${least}` : `must be ${least} or more`
}

const tooBig = ({ origin, maximum, inclusive }: Extract<Issue, { code: 'too_big' }>): string => {
  const most = Number(maximum)
  if (origin === 'string') return `has more than ${most} characters`
  if (origin === 'array' || origin === 'set') return `has more than ${most} entries`
  return inclusive === false ? `must be less than ${most}` : `must be ${most} or less`
}

/** Of several that a value could have been none fits: the nearest is told. */
const ofUnion = (issue: Extract<Issue, { code: 'invalid_union' }>): string => {
  if ('options' in issue && Array.isArray(issue.options)) return `is none of ${listed(issue.options)}`
  const flaws = issue.errors.map((own) => flawsIn(own).map(({ path, said }) => (path ? `${path} ${said}` : said)))
  const fewest = Math.min(...flaws.map(({ length }) => length))
  const nearest = flaws.filter(({ length }) => length === fewest && length > 0).map((own) => own.join(', '))
  return nearest.length > 0 ? [...new Set(nearest)].join(', and ') : issue.message
}
