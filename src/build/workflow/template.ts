import type { Json } from './expression.ts'

/** Where a value stands in its file; counted from 1. */
export type At = { readonly line: number; readonly column: number }

export type Scalar = string | number | boolean | null

/** A value of a workflow file as it was written, with its expressions still to be evaluated. */
export type Template =
  | { readonly kind: 'literal'; readonly value: Scalar; readonly at: At }
  /** `text` is what stands in the file, `expression` what is to be evaluated. */
  | { readonly kind: 'expression'; readonly expression: string; readonly text: string; readonly at: At }
  | { readonly kind: 'insert'; readonly at: At }
  | { readonly kind: 'sequence'; readonly items: readonly Template[]; readonly at: At }
  | { readonly kind: 'mapping'; readonly entries: readonly Entry[]; readonly at: At }

export type Entry = { readonly key: Template; readonly value: Template }

/** A mapping's literal keys with their values, in order; keys that are expressions are left out. */
export const literalEntries = (template: Template | undefined): { name: string; key: Template; value: Template }[] =>
  template?.kind === 'mapping'
    ? template.entries.flatMap(({ key, value }) =>
        key.kind === 'literal' ? [{ name: String(key.value), key, value }] : [],
      )
    : []

/** The value under a literal key of a mapping. */
export const valueAt = (template: Template | undefined, name: string): Template | undefined =>
  literalEntries(template).find((entry) => entry.name === name)?.value

/** The text of a literal; undefined for anything else. */
export const textOf = (template: Template | undefined): string | undefined =>
  template?.kind === 'literal' && template.value !== null ? String(template.value) : undefined

/** The value of a template without expressions; undefined where there is one, or nothing. */
export const plainValueOf = (template: Template | undefined): Json | undefined => {
  switch (template?.kind) {
    case 'literal':
      return template.value
    case 'sequence': {
      const items = template.items.map(plainValueOf)
      return items.every((item) => item !== undefined) ? items : undefined
    }
    case 'mapping': {
      const entries = template.entries.map(({ key, value }) => [textOf(key), plainValueOf(value)] as const)
      const plain = entries.flatMap(([key, value]): [string, Json][] =>
        key === undefined || value === undefined ? [] : [[key, value]],
      )
      return plain.length === entries.length ? Object.fromEntries(plain) : undefined
    }
    default:
      return undefined
  }
}

/** A string or a list of strings as a list; undefined when there is neither. */
export const textsOf = (template: Template | undefined): string[] | undefined => {
  if (template?.kind === 'sequence') return template.items.flatMap((item) => textOf(item) ?? [])
  const text = textOf(template)
  return text === undefined ? undefined : [text]
}

export const literal = (value: Scalar, at: At = { line: 1, column: 1 }): Template => ({ kind: 'literal', value, at })

/** A command or a value as people read it: literals as they are, expressions as they were written. */
export const describeTemplate = (template: Template): string => {
  switch (template.kind) {
    case 'literal':
      return String(template.value ?? '')
    case 'expression':
      return template.text
    default:
      return `(${template.kind})`
  }
}
