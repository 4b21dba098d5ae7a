import { TemplateContext, TemplateValidationErrors } from '@actions/workflow-parser/templates/template-context'
import { readTemplate as readTokens } from '@actions/workflow-parser/templates/template-reader'
import type { TemplateToken } from '@actions/workflow-parser/templates/tokens/template-token'
import {
  isBasicExpression,
  isBoolean,
  isMapping,
  isNumber,
  isSequence,
  isString,
} from '@actions/workflow-parser/templates/tokens/type-guards'
import { NoOperationTraceWriter } from '@actions/workflow-parser/templates/trace-writer'
import { WorkflowReader } from './faults/block-scalars-with-expressions.ts'
import { actionSchema, workflowSchema } from './faults/json-import-without-attribute.ts'
import { aliasFaults } from './faults/merge-keys-and-lost-aliases.ts'
import { type At, literal, type Template } from './template.ts'

/** Something wrong in a workflow file, and where. */
export type WorkflowFault = { readonly detail: string; readonly at: At }

export type TemplateReading =
  | { readonly kind: 'read'; readonly root: Template }
  | { readonly kind: 'refused'; readonly faults: readonly [WorkflowFault, ...WorkflowFault[]] }

const maximumBytes = 1024 * 1024
/** Nobody reads more at once. */
const maximumFaults = 50

/**
 * Reads a workflow file, or an action's, with GitHub's own parser and schema into a tree of our own. What the library's conversion drops
 * (`with`, `shell`, time limits, defaults, permissions) is in the tree, which is why that conversion is not used at all.
 */
export const readTemplate = (file: string, text: string, kind: 'workflow' | 'action' = 'workflow'): TemplateReading => {
  const { schema, root } = schemas[kind]
  if (Buffer.byteLength(text) > maximumBytes) return refused([{ detail: 'The file is larger than 1 MiB', at: start }])
  if (text.trim() === '') return refused([])
  const aliases = aliasFaults(text)
  if (aliases.length > 0) return refused(aliases)
  const context = new TemplateContext(
    new TemplateValidationErrors(maximumFaults),
    schema(),
    new NoOperationTraceWriter(),
  )
  const fileId = context.getFileId(file)
  const reader = new WorkflowReader(fileId, text)
  // Behind the first the YAML library complains of what stands where it lost its way.
  for (const { message, range } of reader.errors.slice(0, 1)) context.error(fileId, firstLine(message), range)
  const token = reader.errors.length === 0 ? readTokens(context, root, reader, fileId) : undefined
  const faults = context.errors.getErrors().map((error) => ({
    detail: error.rawMessage,
    at: error.range ? { line: error.range.start.line, column: error.range.start.column } : start,
  }))
  return faults.length > 0 || token === undefined ? refused(faults) : { kind: 'read', root: toTemplate(token) }
}

/** As GitHub does: a workflow may have nothing that is not known, an action may. */
const schemas = {
  workflow: { schema: workflowSchema, root: 'workflow-root-strict' },
  action: { schema: actionSchema, root: 'action-root' },
} as const

const start: At = { line: 1, column: 1 }

const refused = ([first, ...others]: readonly WorkflowFault[]): TemplateReading => ({
  kind: 'refused',
  faults: [first ?? { detail: 'The workflow is empty', at: start }, ...others],
})

/** The YAML library repeats the place and shows the line; both are said elsewhere. */
const firstLine = (message: string): string => (message.split('\n')[0] ?? message).replace(/ at line \d+.*$/, '')

const toTemplate = (token: TemplateToken): Template => {
  const at = { line: token.line ?? 1, column: token.col ?? 1 }
  if (isMapping(token)) {
    const entries = Array.from(token, ({ key, value }) => ({ key: toTemplate(key), value: toTemplate(value) }))
    return { kind: 'mapping', entries, at }
  }
  if (isSequence(token)) return { kind: 'sequence', items: Array.from(token, toTemplate), at }
  if (isBasicExpression(token)) {
    // One that was put together of text and expressions has the whole as its source.
    const text = token.originalExpressions ? (token.source ?? token.toString()) : token.toString()
    return { kind: 'expression', expression: token.expression, text, at }
  }
  if (isString(token) || isNumber(token) || isBoolean(token)) return literal(token.value, at)
  return token.isExpression ? { kind: 'insert', at } : literal(null, at)
}
