import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument, visit } from 'yaml'
import type { ProblemDetails } from '../problem.ts'
import { metricKeys } from './metrics.ts'
import { nearest } from './nearest.ts'
import { ReleaseKey } from './release.ts'
import { define, ServiceFile } from './schema.ts'
import type { ServiceDefinition } from './service.ts'

export type ServiceParsing =
  | { readonly kind: 'ok'; readonly service: ServiceDefinition }
  | { readonly kind: 'refused'; readonly problems: readonly [ProblemDetails, ...ProblemDetails[]] }

/** Further ones are mostly consequences of the first. */
const mostProblems = 20

/** Many times what a service could want to say; beyond it something else was meant. */
const largestFileBytes = 64 * 1024

/**
 * Reads a `headway.yaml`. Everything that is wrong with it comes back at once, each with line and column, what was expected and,
 * for an unknown key, the valid one that is nearest. `file` is how it is named in the problems.
 */
export const parseServiceFile = (text: string, file: string): ServiceParsing => {
  if (Buffer.byteLength(text) > largestFileBytes)
    return refused([problem('file-too-large', `a headway.yaml has at most ${largestFileBytes / 1024} KiB`, { file })])
  const lines = new LineCounter()
  const document = readYaml(text, lines)
  if (typeof document === 'string') return refused([problem('broken-yaml', document, { file })])

  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  const broken = [
    ...[...document.errors, ...document.warnings].map(({ message, pos }) =>
      problem('broken-yaml', plainly(message), at(pos[0])),
    ),
    ...aliasesOf(document).map((offset) =>
      problem('alias', 'aliases are not supported in headway.yaml; write the value out', at(offset)),
    ),
  ]
  if (broken.length > 0) return refused(broken)

  const root = document.contents
  if (!isMap(root))
    return refused([
      {
        ...problem('wrong-type', `expected keys and values, found ${kindOf(document.toJS())}`, at(0)),
        next: 'start with these three lines: name: my-service, language: node, port: 3000',
      },
    ])
  const parsed = ServiceFile.safeParse(document.toJS({ maxAliasCount: 0 }))
  if (parsed.success) return { kind: 'ok', service: define(parsed.data) }
  return refused(parsed.error.issues.flatMap((issue) => explain(issue, root, at)))
}

const refused = (problems: readonly ProblemDetails[]): ServiceParsing => {
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

const explain = (issue: Issue, root: Node, at: At): ProblemDetails[] => {
  const { node, missing } = find(root, issue.path)
  const here = at(node.range?.[0] ?? 0)
  const key = issue.path.join('.')
  const found = missing || !node ? undefined : valueIn(node)
  if (issue.code === 'unrecognized_keys')
    return (issue.keys ?? []).map((name) => unknownKey(name, issue.path, node, at))
  if (missing)
    return [
      {
        ...problem('missing-key', `${key} is missing`, here),
        next: `add a line such as ${exampleOf[key] ?? `${key}: ...`}`,
      },
    ]
  if (issue.code === 'invalid_union') {
    // The branch for what was written is the one that did not fail at its very type.
    const branch = issue.errors?.find((errors) =>
      errors.every(({ code, path }) => code !== 'invalid_type' || path.length > 0),
    )
    if (branch) return branch.flatMap((inner) => explain({ ...inner, path: [...issue.path, ...inner.path] }, root, at))
    return [wrong(key, key === 'health' ? expectedHealth : issue.message, found, here)]
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

const expectedHealth = 'expected a path such as /health, or { path: /health, timeout: 30s }'

const wrong = (key: string, expected: string, found: unknown, where: ReturnType<At>): ProblemDetails =>
  problem('invalid-value', `${key}: ${expected}, found ${kindOf(found)}`, where)

const unknownKey = (name: string, path: readonly PropertyKey[], map: Node, at: At): ProblemDetails => {
  const valid = keysAt(path)
  const near = nearest(name, valid)
  return {
    ...problem('unknown-key', `unknown key ${JSON.stringify([...path, name].join('.'))}`, at(keyOffset(map, name))),
    next: near ? `did you mean ${near}?` : `use one of ${valid.join(', ')}, or leave it out`,
  }
}

const releaseKeys: Readonly<Record<string, object>> = {
  steps: { weight: 1, min: 1, max: 1 },
  mirror: ReleaseKey.shape.mirror.unwrap().shape,
  watch: { time: 1, holdback: 1 },
  migrate: { run: 1, timeout: 1, repeatable: 1 },
  affinity: { cookie: 1, time: 1 },
  override: { header: 1, query: 1, value: 1 },
}
const keysAt = (path: readonly PropertyKey[]): readonly string[] => {
  const [top, inner] = path
  if (top === 'alerts') return path.length > 3 ? ['webhook', 'secret'] : ['name', 'when', 'for', 'do', 'notify']
  if (top === 'preview') return ['seed', 'copy']
  if (top === 'health') return ['path', 'timeout']
  if (top === 'quality' && inner === 'coverage') return ['minimum', 'drop']
  if (top === 'release' && inner === 'metrics') return metricKeys
  if (top === 'release') return Object.keys(inner === undefined ? ReleaseKey.shape : (releaseKeys[String(inner)] ?? {}))
  if (top === 'resources' || top === 'commands' || top === 'quality')
    return Object.keys(ServiceFile.shape[top].unwrap().shape)
  return Object.keys(ServiceFile.shape)
}

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

const exampleOf: Readonly<Record<string, string>> = { name: 'name: my-service', language: 'language: node' }

const plainly = (message: string): string =>
  message.startsWith('Source contains multiple documents')
    ? 'a headway.yaml holds one document; remove the --- and what follows, or give each service a folder of its own'
    : (message.split('\n')[0] ?? message).replace(/:$/, '')

const problem = (kind: string, detail: string, where: ProblemDetails['where'] & object): ProblemDetails => ({
  kind,
  status: 422,
  detail,
  where,
})
