import type { Json } from './expression.ts'
import type { At } from './template.ts'

export type Row = Readonly<Record<string, Json>>

const maximumRows = 256

/** What is wrong with a matrix, and where it stands in its file. */
export class MatrixFault extends Error {
  readonly at: At

  constructor(cause: unknown, at: At) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'MatrixFault'
    this.at = at
  }
}

/**
 * The rows of a matrix as evaluated: the product of its vectors in the order of their keys, without those that `exclude`
 * matches in part, extended by `include` where that overwrites nothing of the original, else with a row of its own. Throws
 * an Error that says what is wrong with it.
 */
export const rowsOf = (matrix: Json): readonly Row[] => {
  if (!isRow(matrix)) throw new Error('strategy.matrix must be a mapping')
  const { include, exclude, ...vectors } = matrix
  const keys = Object.keys(vectors)
  const product = keys.reduce<readonly Row[]>(
    (rows, key) => {
      const values = listAt(vectors[key], key)
      if (values.length === 0) throw new Error(`Matrix vector '${key}' does not contain any values`)
      return bounded(rows.flatMap((row) => values.map((value) => ({ ...row, [key]: value }))))
    },
    keys.length === 0 ? [] : [{}],
  )
  const included = rowsAt(include, 'include')
  if (keys.length === 0 && included.length === 0) throw new Error('Matrix must define at least one vector')
  const excluded = rowsAt(exclude, 'exclude')
  const kept = product.filter(
    (row) => !excluded.some((filter) => Object.entries(filter).every(([key, value]) => matches(row[key], value))),
  )
  return bounded(withIncluded(kept, included, new Set(keys)))
}

/**
 * ` (18, ubuntu)`, as GitHub puts it behind a job's name: the values of the matrix's own vectors, without what `include` added to them; all
 * of a row that `include` made. As actions/runner, MatrixBuilder.cs, `CreateConfiguration`.
 */
export const rowLabel = (row: Row, matrix: Json): string => {
  const vectors = isRow(matrix) ? Object.keys(matrix).filter((key) => key !== 'include' && key !== 'exclude') : []
  const isOfProduct = vectors.length > 0 && vectors.every((key) => key in row)
  const values = Object.entries(row).flatMap(([key, value]) =>
    isOfProduct && !vectors.includes(key) ? [] : leaves(value),
  )
  return values.length === 0 ? '' : ` (${values.join(', ')})`
}

const withIncluded = (rows: readonly Row[], included: readonly Row[], originalKeys: ReadonlySet<string>): Row[] => {
  const extended: Record<string, Json>[] = rows.map((row) => ({ ...row }))
  const added: Row[] = []
  for (const extra of included) {
    const originals = Object.entries(extra).filter(([key]) => originalKeys.has(key))
    const fitting = rows.flatMap((row, index) =>
      originals.every(([key, value]) => matches(row[key], value)) ? [index] : [],
    )
    if (fitting.length === 0) added.push(extra)
    for (const index of fitting) Object.assign(extended[index] ?? {}, extra)
  }
  return [...extended, ...added]
}

const matches = (value: Json | undefined, pattern: Json): boolean => {
  if (value === undefined) return false
  if (isRow(pattern)) return isRow(value) && Object.entries(pattern).every(([key, part]) => matches(value[key], part))
  if (typeof value === 'string' && typeof pattern === 'string') return value.toLowerCase() === pattern.toLowerCase()
  return JSON.stringify(value) === JSON.stringify(pattern)
}

const leaves = (value: Json): string[] => {
  if (Array.isArray(value)) return value.flatMap(leaves)
  if (isRow(value)) return Object.values(value).flatMap(leaves)
  return value === null ? [] : [String(value)]
}

const listAt = (value: Json | undefined, key: string): readonly Json[] => {
  if (!Array.isArray(value)) throw new Error(`strategy.matrix.${key} must be a list`)
  return value
}

const rowsAt = (value: Json | undefined, key: string): readonly Row[] =>
  value === undefined || value === null
    ? []
    : listAt(value, key).map((row) => {
        if (!isRow(row)) throw new Error(`each of strategy.matrix.${key} must be a mapping`)
        return row
      })

const bounded = <Rows extends readonly Row[]>(rows: Rows): Rows => {
  if (rows.length > maximumRows) throw new Error(`The matrix has more than ${maximumRows} rows`)
  return rows
}

export const isRow = (value: Json): value is Row => typeof value === 'object' && value !== null && !Array.isArray(value)
