import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { z } from 'zod'
import type { ProblemDetails } from '../problem.ts'
import { nearest } from './nearest.ts'

export type Refused = { readonly kind: 'refused'; readonly problems: readonly [ProblemDetails, ...ProblemDetails[]] }

/** How one kind of file is spoken of. */
export type Wording = {
  /** `headway.yaml` */
  readonly called: string
  /** What to do who wrote several documents into one. */
  readonly several: string
  /** What to begin with who has nothing. */
  readonly begin: string
  /** By the path of a missing key, a line that would do. */
  readonly examples?: Readonly<Record<string, string>>
  /** By the path of a key of several kinds, what is expected there. */
  readonly expected?: Readonly<Record<string, string>>
}

/** Further ones are mostly consequences of the first. */
const mostProblems = 20

/**
 * Reads YAML by its schema. Everything that is wrong with it comes back at once, each with line and column, what was expected and, for
 * an unknown key, the valid one that is nearest. `file` is how it is named in the problems.
 */
export const readChecked = <Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  file: string,
  wording: Wording & { readonly mostBytes: number },
): { readonly kind: 'ok'; readonly value: z.output<Schema> } | Refused => {
  if (Buffer.byteLength(text) > wording.mostBytes)
    return refused([
      problem('file-too-large', `a ${wording.called} has at most ${wording.mostBytes / 1024} KiB`, { file }),
    ])
  const lines = new LineCounter()
  const document = readYaml(text, lines)
  if (typeof document === 'string') return refused([problem('broken-yaml', document, { file })])

  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  const broken = [
    ...[...document.errors, ...document.warnings].map(({ message, pos }) =>
      problem('broken-yaml', plainly(message, wording), at(pos[0])),
    ),
    ...aliasesOf(document).map((offset) =>
      problem('alias', `aliases are not supported in ${wording.called}; write the value out`, at(offset)),
    ),
  ]
  if (broken.length > 0) return refused(broken)

  const root = document.contents
  if (!isMap(root))
    return refused([
      {
        ...problem('wrong-type', `expected keys and values, found ${kindOf(document.toJS())}`, at(0)),
        next: wording.begin,
      },
    ])
  const parsed = schema.safeParse(document.toJS({ maxAliasCount: 0 }))
  if (parsed.success) return { kind: 'ok', value: parsed.data }
  return refused(parsed.error.issues.flatMap((issue) => explain(issue, { schema, root, at, wording })))
}

const refused = (problems: readonly ProblemDetails[]): Refused => {
  const [first, ...others] = problems
    .toSorted(({ where: a }, { where: b }) => (a?.line ?? 0) - (b?.line ?? 0) || (a?.column ?? 0) - (b?.column ?? 0))
    .slice(0, mostProblems)
  if (first === undefined) throw new Error('refused without a problem')
  return { kind: 'refused', problems: [first, ...others] }
}

/** The document, or what is wrong with it as a whole. */
const readYaml = (text: string, lineCounter: LineCounter): ReturnType<typeof parseDocument> | string => {
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: true, stringKeys: true })
    // The parser turns an exhausted stack into one error per bracket.
    return document.errors.some(({ message }) => message.startsWith('Maximum call stack'))
      ? 'nested too deeply'
      : document
  } catch (error) {
    return error instanceof RangeError ? 'nested too deeply' : `not YAML: ${String(error)}`
  }
}

const aliasesOf = (document: ReturnType<typeof parseDocument>): number[] => {
  const offsets: number[] = []
  visit(document, { Alias: (_, alias) => void offsets.push(alias.range?.[0] ?? 0) })
  return offsets
}

type Issue = {
  readonly code: string
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly keys?: readonly string[]
  readonly expected?: string
  readonly values?: readonly unknown[]
  readonly errors?: readonly (readonly Issue[])[]
  readonly issues?: readonly Issue[]
}
type At = (offset: number) => { file: string; line: number; column: number }
type Around = { readonly schema: z.ZodType; readonly root: Node; readonly at: At; readonly wording: Wording }

const explain = (issue: Issue, around: Around): ProblemDetails[] => {
  const { schema, root, at, wording } = around
  const { node, missing } = find(root, issue.path)
  const here = at(node.range?.[0] ?? 0)
  const key = issue.path.join('.')
  const found = missing || !node ? undefined : valueIn(node)
  if (issue.code === 'unrecognized_keys')
    return (issue.keys ?? []).map((name) => unknownKey(name, issue.path, node, at, keysAt(schema, issue.path)))
  if (missing)
    return [
      {
        ...problem('missing-key', `${key} is missing`, here),
        next: `add a line such as ${wording.examples?.[key] ?? `${String(issue.path.at(-1))}: ...`}`,
      },
    ]
  if (issue.code === 'invalid_union') {
    // The branch for what was written is the one that did not fail at its very type.
    const branch = issue.errors?.find((errors) =>
      errors.every(({ code, path }) => code !== 'invalid_type' || path.length > 0),
    )
    if (branch) return branch.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, around))
    return [wrong(key, wording.expected?.[key] ?? issue.message, found, here)]
  }
  if (issue.code === 'invalid_key')
    return [
      problem(
        'invalid-value',
        `${key}: ${issue.issues?.[0]?.message ?? issue.message}`,
        at(keyOffset(find(root, issue.path.slice(0, -1)).node, String(issue.path.at(-1)))),
      ),
    ]
  if (issue.code === 'invalid_value') {
    const values = (issue.values ?? []).map(String)
    const near = typeof found === 'string' ? nearest(found, values) : null
    const expected = `expected ${values.slice(0, -1).join(', ')}${values.length > 1 ? ' or ' : ''}${values.at(-1)}`
    return [{ ...wrong(key, expected, found, here), ...(near ? { next: `did you mean ${near}?` } : {}) }]
  }
  const expected =
    issue.code === 'invalid_type'
      ? issue.message.startsWith('expected')
        ? issue.message
        : `expected ${wordFor[issue.expected ?? ''] ?? issue.expected}`
      : issue.message
  // It is of the right kind: what it holds is what is wrong.
  if (issue.code === 'custom')
    return [problem('invalid-value', `${key}: ${expected}, found ${asWritten(node, found)}`, here)]
  return [wrong(key, expected, found, here)]
}

const wrong = (key: string, expected: string, found: unknown, where: ReturnType<At>): ProblemDetails =>
  problem('invalid-value', `${key}: ${expected}, found ${kindOf(found)}`, where)

const unknownKey = (
  name: string,
  path: readonly PropertyKey[],
  map: Node,
  at: At,
  valid: readonly string[],
): ProblemDetails => {
  const near = nearest(name, valid)
  return {
    ...problem('unknown-key', `unknown key ${JSON.stringify([...path, name].join('.'))}`, at(keyOffset(map, name))),
    next: near ? `did you mean ${near}?` : `use one of ${valid.join(', ')}, or leave it out`,
  }
}

/** The keys that the schema has at a path, over all kinds of value that may stand there. */
export const keysAt = (schema: z.ZodType, path: readonly PropertyKey[]): readonly string[] => {
  const keys = schemasAt([schema], path).flatMap((one) => Object.keys(shapeOf(one) ?? {}))
  return [...new Set(keys)]
}

const schemasAt = (schemas: readonly unknown[], path: readonly PropertyKey[]): readonly unknown[] => {
  const bare = schemas.flatMap(unwrapped)
  const [step, ...rest] = path
  if (step === undefined) return bare
  return schemasAt(
    bare.flatMap((one) => inside(one, step)),
    rest,
  )
}

/** What optional values and unions are made of. A schema's parts are known to Zod alone: they are read as data. */
const unwrapped = (schema: unknown): readonly unknown[] => {
  const { innerType, options, in: input } = partsOf(schema)
  if (innerType !== undefined) return unwrapped(innerType)
  if (Array.isArray(options)) return options.flatMap(unwrapped)
  return input === undefined ? [schema] : unwrapped(input)
}

const inside = (schema: unknown, step: PropertyKey): readonly unknown[] => {
  const { element, valueType } = partsOf(schema)
  const shaped: unknown = shapeOf(schema)?.[String(step)]
  return [shaped, element, valueType].filter((one) => one !== undefined)
}

const shapeOf = (schema: unknown): Readonly<Record<string, unknown>> | undefined => {
  const { shape } = partsOf(schema)
  return isRecord(shape) ? shape : undefined
}

const partsOf = (schema: unknown): Readonly<Record<string, unknown>> =>
  isRecord(schema) && isRecord(schema.def) ? schema.def : {}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** The node at a path, or the deepest one above it. */
const find = (root: Node, path: readonly PropertyKey[]): { node: Node; missing: boolean } => {
  let node = root
  for (const step of path) {
    const next: unknown =
      isMap(node) || 'get' in node ? Reflect.apply(Reflect.get(node, 'get'), node, [step, true]) : undefined
    if (!isNode(next)) return { node, missing: true }
    node = next
  }
  return { node, missing: false }
}
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'range' in value

const keyOffset = (map: Node, name: string): number => {
  const pair = isMap(map) ? map.items.find(({ key }) => isScalar(key) && String(key.value) === name) : undefined
  return (isScalar(pair?.key) ? pair.key.range?.[0] : map.range?.[0]) ?? 0
}

const valueIn = (node: Node): unknown => (isScalar(node) ? node.value : isAlias(node) ? '' : isMap(node) ? {} : [])

const wordFor: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text',
  array: 'a list',
  object: 'keys and values',
  record: 'keys and values',
  boolean: 'true or false',
}

const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'keys and values'
  const text = JSON.stringify(value)
  return typeof value === 'string'
    ? `the text ${text.length > 60 ? `${text.slice(0, 57)}..."` : text}`
    : `the ${typeof value} ${text}`
}

/** A list or keys and values in one line; what is long only by its kind. */
const asWritten = (node: Node | null, found: unknown): string => {
  if (node === null || isScalar(node)) return kindOf(found)
  const text = JSON.stringify(node)
  return text.length > 60 ? kindOf(found) : text
}

const plainly = (message: string, { several }: Wording): string =>
  message.startsWith('Source contains multiple documents')
    ? several
    : (message.split('\n')[0] ?? message).replace(/:$/, '')

const problem = (kind: string, detail: string, where: ProblemDetails['where'] & object): ProblemDetails => ({
  kind,
  status: 422,
  detail,
  where,
})
