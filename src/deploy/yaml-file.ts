import { isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import type { z } from 'zod'
import { nearest } from '../golden/nearest.ts'
import { Problem } from '../problem.ts'

/** What is meant by a file of the environments repository, and what to do when it cannot be read. */
export type FileKind = { readonly kind: string; readonly next: string; readonly keys?: readonly string[] }

/** A value that was read, and where in its file each part of it stands. */
export type ReadFile<Value> = {
  readonly value: Value
  /** A Problem at the place of this path; for what only the whole of several files shows. */
  problemAt(path: readonly PropertyKey[], detail: string): Problem
}

/** Reads a YAML file by its schema; throws a Problem with line and column when it cannot be read. */
export const readYamlFile = <Value>(
  schema: z.ZodType<Value>,
  file: string,
  text: string,
  { kind, next, keys = [] }: FileKind,
): ReadFile<Value> => {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false })
  const problem = (detail: string, offset: number | undefined, hint = ''): Problem => {
    const { line, col } = offset === undefined ? { line: 1, col: 1 } : lines.linePos(offset)
    return new Problem({ kind, status: 422, detail, where: { file, line, column: col }, next: `${hint}${next}` })
  }
  const [broken] = document.errors
  if (broken) throw problem(broken.message.split('\n')[0] ?? broken.message, broken.pos[0])
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 10 }) ?? {}) // a file of comments alone says nothing
  if (parsed.success)
    return { value: parsed.data, problemAt: (path, detail) => problem(detail, offsetAt(document, path)) }
  const [issue] = parsed.error.issues
  const path = issue?.path ?? []
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  if (issue?.code === 'invalid_value') {
    const values = issue.values.map(String)
    const found = document.getIn(path)
    const meant = typeof found === 'string' ? nearest(found, values) : null
    const detail = `${path.join('.')}: expected ${values.join(', ')}, found ${JSON.stringify(found)}`
    throw problem(detail, offsetAt(document, path), meant === null ? '' : `did you mean ${meant}? `)
  }
  if (unknown === undefined)
    throw problem(`${path.join('.') || 'the file'}: ${issue?.message ?? 'is not readable'}`, offsetAt(document, path))
  const near = nearest(unknown, keys)
  const hint = near === null ? '' : `did you mean ${near}? `
  throw problem(`unknown key ${[...path, unknown].join('.')}`, offsetOfKey(document, path, unknown), hint)
}

const offsetOfKey = (
  document: ReturnType<typeof parseDocument>,
  path: readonly PropertyKey[],
  name: string,
): number | undefined => {
  const map = path.length === 0 ? document.contents : document.getIn(path, true)
  const keys = isMap(map) ? map.items.map(({ key }) => key) : []
  const key = keys.find((one) => isScalar(one) && one.value === name)
  return (isNode(key) ? key.range?.[0] : undefined) ?? offsetAt(document, path)
}

/** Where the value at a path begins, or that of its nearest ancestor which is there. */
const offsetAt = (document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number | undefined => {
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return node.range[0]
  }
  return undefined
}
